"""What follows from a group's shape and its model alone: levels, alphabets, and the arrays in the order in which they move.

Integer arithmetic only: this file reaches the bit stream.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hvpzip.codec.lanes import Transfer
from hvpzip.codec.payload import LearntColours
from hvpzip.diffusion.schedule import LevelSchedule
from hvpzip.diffusion.walk import moves
from hvpzip.nn.model import Model
from hvpzip.transform import colour, lifting, pyramid

__all__ = [
    "STRIPES",
    "STRIPE_SYMBOLS",
    "Geometry",
    "Int32Array",
    "Int64Array",
    "Level",
    "Range",
    "base_precision",
    "coarse_images",
    "colours_of",
    "exact_steps",
    "geometry_of",
    "lift_of",
    "stripes_of",
    "transfers",
]

Int32Array = NDArray[np.int32]
Int64Array = NDArray[np.int64]
Range = tuple[int, int]


class Level(NamedTuple):
    """A level of one group: its number (1 = finest), the grid of its coarse image, its units' sizes and the range of each channel."""

    number: int
    grid: tuple[int, int]
    sizes: dict[str, tuple[int, int]]
    ranges: dict[str, list[Range]]
    schedule: LevelSchedule


class Geometry(NamedTuple):
    """All that follows from shape and model: levels, finest first, and the base."""

    levels: list[Level]
    base_shape: tuple[int, int]
    base_ranges: list[Range]


def geometry_of(shape: tuple[int, int, int], bit_depth: int, model: Model) -> Geometry:
    """The geometry of a group ``(C, h, w)``."""
    channels, height, width = shape
    lift = lift_of(channels, model)
    count = pyramid.num_levels(height, width)
    ranges = pyramid.ranges(colour.channel_range(channels, bit_depth, lift), model.config.transform, count)
    grids = [*pyramid.shapes(height, width, count), (height, width)]
    levels = []
    for number in range(1, count + 1):
        index = count - number  # pyramids list levels coarsest first
        sizes = lifting.band_shapes(*grids[index + 1])
        levels.append(Level(number, grids[index], sizes, ranges.levels[index], model.schedule.level(number)))
    return Geometry(levels, grids[0], ranges.base)


def lift_of(channels: int, model: Model) -> int:
    """Id of the colour lift: gray has none."""
    return model.config.colour_lift if channels == 3 else colour.NONE


# A unit's stripes at most, and the least symbols of one: what it teaches must be more than noise, and every further one looks as many
# colours up again (docs/experiments.md, 342).
STRIPES, STRIPE_SYMBOLS = 4, 2048


def stripes_of(size: tuple[int, int], striped: bool = True) -> list[slice]:
    """The positions of a unit (rows, columns), in row-major order, in stripes of whole rows, the last of which may be shorter.

    All of them in one where they are not ``striped``, and where there are none.
    """
    rows, columns = size
    count = rows * columns
    if not striped or not count:
        return [slice(0, count)]
    length = -(-max(STRIPE_SYMBOLS, -(-count // STRIPES)) // columns) * columns
    return [slice(begin, min(begin + length, count)) for begin in range(0, count, length)]


def transfers(geometry: Geometry, channels: int, path: str, colours: LearntColours | None = None) -> list[Transfer]:
    """The arrays that move, in the encoder's order; ``Encoder`` and ``Decoder`` walk it from either end."""
    found = []
    for level in geometry.levels:
        for move in reversed(moves(level.schedule, level.schedule.paths[path])):
            size = level.sizes[level.schedule.steps[move.step].unit]
            moved = len(colours_of(level, path, move.step, channels))
            if colours is not None and not move.refund and level.schedule.completes(move.step):
                for stripe in reversed(stripes_of(size, colours.striped)):
                    found += [Transfer(True, stripe.stop - stripe.start)] * len(colours.channels)
                moved -= len(colours.channels)
            found += [Transfer(not move.refund, size[0] * size[1])] * moved
    rows, columns = geometry.base_shape
    return found + [Transfer(True, rows * columns)] * channels


def exact_steps(level: Level, path: str) -> list[int]:
    """Indices of the path's steps after which a whole unit is known, in the decoder's order."""
    return [index for index in level.schedule.paths[path] if level.schedule.completes(index)]


def colours_of(level: Level, path: str, index: int, channels: int) -> range:
    """The channels that a step moves on a path, of a group of so many: none where luma alone is left out, and there is nothing else."""
    schedule = level.schedule
    return range(schedule.begun(schedule.paths[path], index), min(channels, schedule.colours(index)))


def base_precision(span: Range) -> int:
    """Bits of a sample of the base, whose channel has this range."""
    return (span[1] - span[0]).bit_length()


def coarse_images(split: pyramid.Pyramid, model: Model) -> list[Int32Array]:
    """The coarse image of every level, finest level first."""
    images = [split.base]
    for bands in split.levels[:-1]:
        images.append(lifting.merge2d(images[-1], bands, model.config.transform))
    return images[::-1] if split.levels else []
