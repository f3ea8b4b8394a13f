"""Which samples of a picture are wanted: a rectangle, at a scale.

The invariant: what is decoded of a view is ``picture[::n, ::n]`` for the scale 1/n, cut to the pixels that lie in the rectangle.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import inf
from numbers import Real
from typing import TYPE_CHECKING

from hvpzip.arguments import integer
from hvpzip.errors import ImageError

if TYPE_CHECKING:
    from hvpzip.transform.tiling import Tile

__all__ = ["Crop", "View", "checked_fill", "checked_scale", "view_of"]

Crop = tuple[int, int, int, int]  # x and y of the upper left corner, width, height, in pixels of the whole picture


@dataclass(frozen=True, slots=True)
class View:
    """Rows ``top`` to ``bottom - 1`` and columns ``left`` to ``right - 1`` of ``picture[::step, ::step]``."""

    step: int
    top: int
    left: int
    bottom: int
    right: int

    @property
    def height(self) -> int:
        """Its rows."""
        return self.bottom - self.top

    @property
    def width(self) -> int:
        """Its columns."""
        return self.right - self.left

    def rows_of(self, tile: "Tile") -> tuple[slice, slice]:
        """(rows of the view, rows of ``tile[::step, ::step]``) that they have in common; both are empty where there are none."""
        return _common(tile.y // self.step, _up(tile.y + tile.height, self.step), self.top, self.bottom)

    def columns_of(self, tile: "Tile") -> tuple[slice, slice]:
        """As ``rows_of``, for columns."""
        return _common(tile.x // self.step, _up(tile.x + tile.width, self.step), self.left, self.right)

    def meets(self, tile: "Tile") -> bool:
        """Whether the view has a sample of the tile."""
        return all(ours.start < ours.stop for ours, _ in (self.rows_of(tile), self.columns_of(tile)))


def checked_scale(scale: object) -> int:
    """The n of a scale of 1/n. Raises: TypeError if it is no number; ValueError unless n is a power of two from 1 to 32768."""
    if not isinstance(scale, Real):
        raise TypeError(f"the scale must be a number, not {scale!r}")
    step = 1 / Fraction(float(scale)) if 0 < float(scale) < inf else Fraction(0)
    if step.denominator != 1 or step.numerator not in {1 << log2 for log2 in range(16)}:
        raise ValueError(f"the scale must be 1, 1/2, 1/4, 1/8 and so on, not {scale}")
    return step.numerator


def checked_fill(fill: str | None, scale: float) -> None:
    """Raises: ValueError if the fill is unknown, or one is wanted of a picture of which all scales are."""
    if fill is None:
        return
    from hvpzip.codec.fill import FILLS

    if fill not in FILLS:
        raise ValueError(f"the fill must be one of {', '.join(FILLS)}, not {fill!r}")
    if scale == 1:
        raise ValueError("fill needs a scale of 1/2, 1/4, 1/8 and so on: it stands in for what is not decoded")


def view_of(width: int, height: int, group_side: int, crop: Crop | None, scale: float) -> View:
    """The view of a picture of ``width`` x ``height`` pixels in groups of ``group_side``.

    Raises: ImageError if groups of that size have no such scale, if the rectangle has no pixels or goes beyond the picture, or if none of
    the pixels that the picture has at that scale lies in it; ValueError if the scale is not 1/n with a power of two, or the crop
    is not four numbers; TypeError if these are no integers.
    """
    step = checked_scale(scale)
    if step > group_side:
        raise ImageError(f"a scale of 1/{step} is not to be had: the picture is in groups of {group_side} pixels a side")
    x, y, across, down = (0, 0, width, height) if crop is None else _checked_crop(crop)
    if min(x, y) < 0 or min(across, down) < 1 or x + across > width or y + down > height:
        raise ImageError(f"the crop {x},{y},{across},{down} is not inside the picture of {width} x {height} pixels")
    view = View(step, _up(y, step), _up(x, step), _up(y + down, step), _up(x + across, step))
    if not view.height or not view.width:
        raise ImageError(f"the crop {x},{y},{across},{down} holds no pixel of the picture at 1/{step}: its sides must be larger")
    return view


def _checked_crop(crop: Crop) -> Crop:
    if len(crop) != 4:
        raise ValueError(f"a crop is x, y, width and height, not {crop!r}")
    x, y, across, down = (integer(value, "each of a crop's x, y, width and height") for value in crop)
    return x, y, across, down


def _up(value: int, step: int) -> int:
    return -(-value // step)


def _common(begin: int, end: int, first: int, last: int) -> tuple[slice, slice]:
    """Of ``begin`` to ``end - 1`` and ``first`` to ``last - 1``: what they share, counted from ``first`` and from ``begin``."""
    low, high = max(begin, first), min(end, last)
    high = max(low, high)
    return slice(low - first, high - first), slice(low - begin, high - begin)
