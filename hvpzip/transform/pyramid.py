"""The image as scales: a small base and, per level, three detail bands; levels are always listed coarsest first.

Integer arithmetic only: this file reaches the bit stream.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hvpzip.transform.lifting import Range, band_range, band_shapes, merge2d, split2d
from hvpzip.transform.maps import map_of

__all__ = [
    "BANDS",
    "MAX_LEVELS",
    "Pyramid",
    "Ranges",
    "base_shape",
    "merge",
    "num_levels",
    "ranges",
    "shapes",
    "split",
]

BANDS: Final = ("hh", "hl", "lh")  # the order in which a level's bands are coded
MAX_LEVELS: Final = 24

Int32Array = NDArray[np.int32]


class Pyramid(NamedTuple):
    """``base`` (C, h, w) and per level, coarsest first, ``{"hh", "hl", "lh"}``; all int32. For shapes: ``base_shape``, ``band_shapes``."""

    base: Int32Array
    levels: tuple[dict[str, Int32Array], ...]


class Ranges(NamedTuple):
    """(lo, hi) per channel: of the base; per level, coarsest first, of each band and of the low band (``"ll"``) that goes with them."""

    base: list[Range]
    levels: tuple[dict[str, list[Range]], ...]


def num_levels(height: int, width: int, cap: int = MAX_LEVELS) -> int:
    """Levels until the long side of the base is at most 2, or ``cap`` if that is fewer. Sides of at most 2 have none.

    Raises:
        ValueError: a side below 1, or ``cap`` outside 0 to ``MAX_LEVELS``.
    """
    if min(height, width) < 1 or not 0 <= cap <= MAX_LEVELS:
        raise ValueError(f"no levels for {height}x{width} with a cap of {cap}")
    # ceil(side / 2**n) <= 2 exactly when side <= 2**(n + 1)
    return min(cap, max(0, (max(height, width) - 1).bit_length() - 1))


def shapes(height: int, width: int, levels: int) -> tuple[tuple[int, int], ...]:
    """(rows, columns) of the low band of each level, coarsest first: ``levels`` entries, the first is the base.

    The grid that level i splits is entry i + 1, or (height, width) for the last.
    """
    grids = []
    for _ in range(levels):
        height, width = band_shapes(height, width)["ll"]
        grids.append((height, width))
    return tuple(reversed(grids))


def base_shape(height: int, width: int, levels: int) -> tuple[int, int]:
    """(rows, columns) of the base, for any number of levels including none."""
    return (height, width) if levels == 0 else shapes(height, width, levels)[0]


def split(x: NDArray[np.integer], map_id: int, levels: int) -> Pyramid:
    """``x`` (..., H, W) as a pyramid of new int32 arrays; ``merge`` is the exact inverse.

    More levels than ``num_levels`` are allowed: they split a base of side 1 into itself and empty bands.

    Raises:
        TypeError: not integers, or wider than int32.
        ValueError: an unknown map, or ``levels`` outside 0 to ``MAX_LEVELS``.
    """
    if not 0 <= levels <= MAX_LEVELS:
        raise ValueError(f"levels must be 0 to {MAX_LEVELS}, not {levels}")
    if not np.can_cast(x.dtype, np.int32):
        raise TypeError(f"expected integers that int32 holds, got {x.dtype}")
    base = x.astype(np.int32)
    details = []
    for _ in range(levels):
        base, bands = split2d(base, map_id)
        details.append({name: bands[name] for name in BANDS})
    return Pyramid(base, tuple(reversed(details)))


def merge(pyramid: Pyramid, map_id: int, shape: tuple[int, ...]) -> Int32Array:
    """The array of the given ``shape`` (..., H, W) whose pyramid this is, new, int32.

    Raises:
        TypeError: an array is not int32.
        ValueError: the arrays' shapes do not lead to ``shape``, or the map is unknown.
    """
    x = pyramid.base
    for bands in pyramid.levels:
        x = merge2d(x, bands, map_id)
    if x.shape != tuple(shape):
        raise ValueError(f"pyramid merges to {x.shape}, not to {tuple(shape)}")
    return x.copy() if x is pyramid.base else x


def ranges(channel_ranges: Sequence[Range], map_id: int, levels: int) -> Ranges:
    """Bounds (lo, hi) on every value of ``split``'s pyramid for samples of channel c within ``channel_ranges[c]``.

    Every input of every size stays inside. They are reached on the finest level; on coarser levels of 5/3 they are a little wide.
    16-bit colour differences (-65535 to 65535) stay within +-2**22 through ``MAX_LEVELS`` levels.
    """
    base, low_bound = [(int(lo), int(hi)) for lo, hi in channel_ranges], map_of(map_id).low_bound
    found = []
    for level in range(levels):
        per_channel = [band_range(span, map_id) for span in base]
        base = [bands["ll"] for bands in per_channel]
        if low_bound is not None:
            bounds = [low_bound((int(lo), int(hi)), level + 1) for lo, hi in channel_ranges]
            base = [_inside(span, bound) for span, bound in zip(base, bounds, strict=True)]
        found.append({"ll": base, **{name: [bands[name] for bands in per_channel] for name in BANDS}})
    return Ranges(base, tuple(reversed(found)))


def _inside(a: Range, b: Range) -> Range:
    return max(a[0], b[0]), min(a[1], b[1])
