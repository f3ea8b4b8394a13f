"""One level of a separable integer wavelet, by lifting.

Integer arithmetic only: this file reaches the bit stream.

A one-dimensional split parts a line into its even samples (the low band, the longer one on odd lengths) and its odd samples (the high
band), then runs the stages of the map. A stage changes one of the two by a function of the other,

    target[i] += sign * ((left * other[l] + right * other[r] + bias) >> shift)

where l and r are the neighbours of target[i] on the line. So its matrix is triangular with ones on the diagonal: it preserves volume, it is
undone by flipping the sign, and no log-determinant appears in the bound. ``>>`` rounds to minus infinity.

In two dimensions lines run along x first, then along y; ``merge2d`` goes back along y, then along x. The order matters, as stages round.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "HAAR",
    "LEGALL53",
    "MAPS",
    "STAGES",
    "SUBSAMPLE",
    "Range",
    "Stage",
    "band_range",
    "band_shapes",
    "join",
    "merge2d",
    "part",
    "split2d",
]

SUBSAMPLE: Final = 0
HAAR: Final = 1
LEGALL53: Final = 2
MAPS: Final = (SUBSAMPLE, HAAR, LEGALL53)

Int32Array = NDArray[np.int32]
Range = tuple[int, int]


class Stage(NamedTuple):
    """One lifting stage: see the head of this file.

    ``on_odd`` says which samples change. A neighbour beyond the end of the line is, where ``mirror`` is set, the one on the other side (the
    line is reflected about its end sample); it counts as zero otherwise, and where there is none on either side.
    """

    on_odd: bool
    sign: int
    left: int
    right: int
    bias: int
    shift: int
    mirror: bool


STAGES: Final[dict[int, tuple[Stage, ...]]] = {
    SUBSAMPLE: (),
    HAAR: (  # S-transform: high = odd - even, low = floor((even + odd) / 2)
        Stage(on_odd=True, sign=-1, left=1, right=0, bias=0, shift=0, mirror=False),
        Stage(on_odd=False, sign=1, left=0, right=1, bias=0, shift=1, mirror=False),
    ),
    LEGALL53: (  # the reversible 5/3 of JPEG 2000
        Stage(on_odd=True, sign=-1, left=1, right=1, bias=0, shift=1, mirror=True),
        Stage(on_odd=False, sign=1, left=1, right=1, bias=2, shift=2, mirror=True),
    ),
}


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
    stages = _stages(map_id)
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
    stages = _stages(map_id)
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
    low, high = _ranges(range_in, map_id)
    (ll, lh), (hl, hh) = _ranges(low, map_id), _ranges(high, map_id)
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


def _ranges(range_in: Range, map_id: int) -> tuple[Range, Range]:
    """Ranges of the low and the high band of a line whose samples lie in ``range_in``."""
    lo, hi = range_in
    if lo > hi:
        raise ValueError(f"empty range {range_in}")
    _stages(map_id)
    if map_id == SUBSAMPLE:
        return (lo, hi), (lo, hi)
    high = (lo - hi, hi - lo)
    if map_id == HAAR:
        return (lo, hi), high
    # The low output of 5/3 grows with its own sample and the odd neighbours and falls with the outer even ones, so its extremes are there.
    middle = (lo + hi) >> 1
    return (lo + ((2 * (lo - middle) + 2) >> 2), hi + ((2 * (hi - middle) + 2) >> 2)), high


def _stages(map_id: int) -> tuple[Stage, ...]:
    if map_id not in STAGES:
        raise ValueError(f"unknown map {map_id}; known are {MAPS}")
    return STAGES[map_id]


def _transposed(x: Int32Array) -> Int32Array:
    return np.ascontiguousarray(np.swapaxes(x, -1, -2))
