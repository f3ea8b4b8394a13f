"""One level of a separable integer wavelet, by lifting.

Integer arithmetic only: this file reaches the bit stream.

A one-dimensional split parts a line into its even samples (the low band, the longer one on odd lengths) and its odd samples (the high
band), then runs the stages of the map. A stage changes one of the two by a function of the other,

    target[i] += sign * ((left * other[l] + right * other[r] + bias) >> shift)

where l and r are the neighbours of target[i] on the line. So its matrix is triangular with ones on the diagonal: it preserves volume, it is
undone by flipping the sign, and no log-determinant appears in the bound. ``>>`` rounds to minus infinity.

In two dimensions lines run along x first, then along y; ``merge2d`` goes back along y, then along x. The order matters, as stages round.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from hvpzip.transform.maps import Range, Stage, haar, legall53, map_of, subsampling

__all__ = [
    "HAAR",
    "LEGALL53",
    "SUBSAMPLE",
    "Range",
    "band_range",
    "band_shapes",
    "join",
    "merge2d",
    "part",
    "split2d",
]

SUBSAMPLE: Final = subsampling.MAP.id
HAAR: Final = haar.MAP.id
LEGALL53: Final = legall53.MAP.id

Int32Array = NDArray[np.int32]


def split2d(x: NDArray[np.integer], map_id: int) -> tuple[Int32Array, dict[str, Int32Array]]:
    """Low band and detail bands of one level, as new C-contiguous int32 arrays.

    Args:
        x: (..., H, W), any size, of an integer type that int32 holds.
        map_id: ``SUBSAMPLE``, ``HAAR`` or ``LEGALL53``.

    Returns:
        ``ll`` (..., ceil(H/2), ceil(W/2)) and ``{"lh", "hl", "hh"}``: ``hl`` is high along x (even rows, odd columns), ``lh`` is high along
        y (odd rows, even columns), ``hh`` is high along both. On a side of 1 the bands that are high along it are empty.
        ``band_range`` bounds the values: 16-bit samples and their colour differences stay far inside int32 through 24 levels.

    Raises:
        TypeError: not integers, or wider than int32.
        ValueError: fewer than two axes, or an unknown map.
    """
    if x.ndim < 2:
        raise ValueError(f"expected (..., H, W), got shape {x.shape}")
    if not np.can_cast(x.dtype, np.int32):
        raise TypeError(f"expected integers that int32 holds, got {x.dtype}")
    stages = map_of(map_id).stages
    low, high = _analyse(x.astype(np.int32, copy=False), stages)
    ll, lh = (_transposed(half) for half in _analyse(_transposed(low), stages))
    hl, hh = (_transposed(half) for half in _analyse(_transposed(high), stages))
    return ll, {"lh": lh, "hl": hl, "hh": hh}


def merge2d(ll: Int32Array, bands: dict[str, Int32Array], map_id: int) -> Int32Array:
    """Exact inverse of ``split2d``, as a new int32 array.

    Raises:
        TypeError: an array is not int32.
        ValueError: the shapes do not belong together, or the map is unknown.
    """
    stages = map_of(map_id).stages
    lh, hl, hh = bands["lh"], bands["hl"], bands["hh"]
    if any(band.dtype != np.int32 for band in (ll, lh, hl, hh)):
        raise TypeError("merge2d takes int32 bands")
    height, width = ll.shape[-2] + lh.shape[-2], ll.shape[-1] + hl.shape[-1]
    shapes = {name: band.shape for name, band in (("ll", ll), ("lh", lh), ("hl", hl), ("hh", hh))}
    if shapes != {name: ll.shape[:-2] + shape for name, shape in band_shapes(height, width).items()}:
        raise ValueError(f"bands do not belong together: {shapes}")
    low = _transposed(_synthesise(_transposed(ll), _transposed(lh), stages))
    high = _transposed(_synthesise(_transposed(hl), _transposed(hh), stages))
    return _synthesise(low, high, stages)


def band_shapes(height: int, width: int) -> dict[str, tuple[int, int]]:
    """(rows, columns) of ``ll, lh, hl, hh`` of a level that splits a ``height`` x ``width`` grid."""
    rows, columns = (height + 1) // 2, (width + 1) // 2
    return {"ll": (rows, columns), "lh": (height // 2, columns), "hl": (rows, width // 2), "hh": (height // 2, width // 2)}


def band_range(range_in: Range, map_id: int) -> dict[str, Range]:
    """Smallest and largest value in ``ll, lh, hl, hh`` over all inputs with values in ``range_in`` (both ends included).

    The bounds are reached by some input of some size. With 16-bit colour differences (-65535 to 65535) the widest is ``hh``, within
    +-2**18 for one level of any map.
    """
    if range_in[0] > range_in[1]:
        raise ValueError(f"empty range {range_in}")
    line_range = map_of(map_id).line_range
    low, high = line_range(range_in)
    (ll, lh), (hl, hh) = line_range(low), line_range(high)
    return {"ll": ll, "lh": lh, "hl": hl, "hh": hh}


def part(x: Int32Array) -> tuple[Int32Array, Int32Array]:
    """Even and odd samples of the last axis, as new contiguous arrays."""
    return x[..., 0::2].copy(), x[..., 1::2].copy()


def join(even: Int32Array, odd: Int32Array) -> Int32Array:
    """Inverse of ``part``: a new array."""
    x = np.empty((*even.shape[:-1], even.shape[-1] + odd.shape[-1]), np.int32)
    x[..., 0::2] = even
    x[..., 1::2] = odd
    return x


def _analyse(x: Int32Array, stages: tuple[Stage, ...]) -> tuple[Int32Array, Int32Array]:
    even, odd = part(x)
    for stage in stages:
        _lift(even, odd, stage, stage.sign)
    return even, odd


def _synthesise(low: Int32Array, high: Int32Array, stages: tuple[Stage, ...]) -> Int32Array:
    even, odd = low.copy(), high.copy()
    for stage in reversed(stages):
        _lift(even, odd, stage, -stage.sign)
    return join(even, odd)


def _lift(even: Int32Array, odd: Int32Array, stage: Stage, sign: int) -> None:
    """Run one stage on ``even`` or ``odd`` in place, with ``sign`` +1 or -1."""
    target, other = (odd, even) if stage.on_odd else (even, odd)
    # The left neighbour of odd[i] is even[i], of even[i] it is odd[i - 1]; the right one follows it.
    first = 0 if stage.on_odd else -1
    change = np.full(target.shape, stage.bias, np.int32)
    for weight, offset, mirrored in ((stage.left, first, first + 1), (stage.right, first + 1, first)):
        if weight:
            change += weight * _neighbours(other, offset, mirrored, target.shape[-1], stage.mirror)
    change >>= stage.shift
    if sign > 0:
        target += change
    else:
        target -= change


def _neighbours(other: Int32Array, offset: int, mirrored: int, length: int, mirror: bool) -> Int32Array:
    """``other[i + offset]`` for i in 0..length-1, with the rule of ``Stage`` beyond its ends."""
    size = other.shape[-1]
    if size == 0:
        return np.zeros((*other.shape[:-1], length), np.int32)
    index = np.arange(length) + offset
    outside = (index < 0) | (index >= size)
    if not outside.any():
        return other[..., offset : offset + length]
    if mirror:
        index = np.where(outside, np.arange(length) + mirrored, index)
        outside = (index < 0) | (index >= size)
    found: Int32Array = np.take(other, np.clip(index, 0, size - 1), axis=-1)
    found[..., outside] = 0
    return found


def _transposed(x: Int32Array) -> Int32Array:
    return np.ascontiguousarray(np.swapaxes(x, -1, -2))
