"""The grid of groups: tiles of an image that are coded each on its own.

Integer arithmetic only: this file reaches the bit stream.
"""

from typing import NamedTuple

__all__ = ["Tile", "group_grid", "num_groups"]


class Tile(NamedTuple):
    """Top left corner and size of a tile, in pixels."""

    y: int
    x: int
    height: int
    width: int


def group_side(height: int, width: int, size: int, longest: int) -> int:
    """The side of an image's groups: ``size``, doubled up to ``longest`` as long as no group gets more than ``size**2`` pixels by it, so
    that long and narrow images have no more groups than square ones need.

    ``size`` and ``longest`` are powers of two. Raises: ValueError as ``group_grid`` does.
    """
    _check(height, width, size)
    side = size
    while side < min(longest, max(height, width)) and min(height, 2 * side) * min(width, 2 * side) <= size * size:
        side *= 2
    return side


def group_grid(height: int, width: int, size: int) -> list[Tile]:
    """Tiles of side ``size`` that cover the image without overlap, row by row; those at the right and lower edge may be smaller.

    Raises:
        ValueError: a side or ``size`` below 1.
    """
    _check(height, width, size)
    return [Tile(y, x, min(size, height - y), min(size, width - x)) for y in range(0, height, size) for x in range(0, width, size)]


def num_groups(height: int, width: int, size: int) -> int:
    """``len(group_grid(...))`` without building it. Raises as ``group_grid`` does."""
    _check(height, width, size)
    return -(-height // size) * -(-width // size)


def _check(height: int, width: int, size: int) -> None:
    if min(height, width, size) < 1:
        raise ValueError(f"no grid of {size}-pixel tiles over {height}x{width}")
