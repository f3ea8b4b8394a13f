"""What a model expects of the scales that are not known: their mean, or one draw (progressive decoding, Ho et al. 2020, section 4.3).

Nothing here reaches the bit stream: means and draws are floating point. The coarser picture stays as it is, so a filled picture is one that
the file may still turn out to hold. Pictures of any origin may be filled, which enlarges them (super-resolution).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from hvpzip.ans import Mixture
from hvpzip.codec.walk.geometry import Int64Array, Level, exact_steps, geometry_of, lift_of
from hvpzip.codec.walk.level_walk import LevelWalk, States
from hvpzip.core.tables import SCALE_STEPS
from hvpzip.nn.model import Model
from hvpzip.transform import colour, lifting
from hvpzip.transform.maps import map_of

__all__ = ["FILLS", "fill_in"]

FILLS: Final = ("mean", "sample")
MEAN_UNIT = 64  # means of a mixture are in 1/64 of a sample
SCALE_ZERO = -3  # log2 of the coder's scale 0, in samples


def fill_in(
    small: NDArray[np.uint8], shape: tuple[int, int, int], model: Model, fill: str, generator: np.random.Generator
) -> NDArray[np.uint8]:
    """Samples (H, W, C) of a picture of which ``small`` is every n-th row and column, by a model whose map is subsampling.

    Args:
        small: (ceil(H / n), ceil(W / n), C), n a power of two, C 1 or 3, 8 bits.
        shape: (C, H, W).
        fill: One of ``FILLS``.
        generator: Of the draws.

    Raises:
        ValueError: another fill, a model of another map, or sides that do not belong together.
    """
    channels, height, width = shape
    if fill not in FILLS:
        raise ValueError(f"unknown fill {fill!r}; known are {', '.join(FILLS)}")
    if not map_of(model.config.transform).keeps_pixels:
        raise ValueError(f"model {model.name} keeps averages, not samples: it cannot fill in between samples")
    geometry, lift = geometry_of(shape, 8, model), lift_of(channels, model)
    known = colour.forward(small.transpose(2, 0, 1), lift)
    missing = [level for level in geometry.levels if level.grid[0] >= known.shape[1] and level.grid[1] >= known.shape[2]]
    start = missing[-1].grid if missing else (height, width)
    if start != known.shape[1:]:
        raise ValueError(f"a picture of {small.shape[1]}x{small.shape[0]} is no smaller scale of one of {width}x{height}")
    walk, path = LevelWalk(model, channels), model.schedule.path_names[model.schedule.plain_path]
    for level in reversed(missing):
        states = walk.along(level, path, known)
        for index in exact_steps(level, path):
            states.known[index] = _unit(level, walk, index, states, fill, generator)
        bands = {level.schedule.steps[index].unit: values for index, values in states.known.items()}
        whole = {unit: values.reshape(channels, *level.sizes[unit]).astype(np.int32) for unit, values in bands.items()}
        known = lifting.merge2d(known, whole, model.config.transform)
    return np.clip(colour.inverse(known, lift), 0, 255).astype(np.uint8).transpose(1, 2, 0)


def _unit(level: Level, walk: LevelWalk, index: int, states: States, fill: str, generator: np.random.Generator) -> Int64Array:
    """(C, n) values of a unit, colour by colour, each given those before it."""
    prediction = walk.predict(level, states, index)
    unit = level.schedule.steps[index].unit
    values = np.empty((walk.channels, prediction.mean.shape[1]), np.int64)
    for channel in range(walk.channels):
        mixture = prediction.mixture(channel, values[:channel])
        found = _mean(mixture) if fill == "mean" else _draw(mixture, generator)
        values[channel] = np.clip(np.rint(found), *level.ranges[unit][channel])
    return values


def _mean(mixture: Mixture) -> NDArray[np.float64]:
    found: NDArray[np.float64] = (mixture.mean * mixture.weight).sum(0) / (mixture.weight.sum(0) * MEAN_UNIT)
    return found


def _draw(mixture: Mixture, generator: np.random.Generator) -> NDArray[np.float64]:
    shares = np.cumsum(mixture.weight, 0) / mixture.weight.sum(0)
    count = mixture.mean.shape[1]
    chosen = (generator.random(count) >= shares[:-1]).sum(0)
    place = np.arange(count)
    scale = 2.0 ** (mixture.scale[chosen, place] / SCALE_STEPS + SCALE_ZERO)
    found: NDArray[np.float64] = mixture.mean[chosen, place] / MEAN_UNIT + scale * generator.standard_normal(count)
    return found
