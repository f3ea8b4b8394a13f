"""The colours' lattice over a whole group: where it pays, and the intervals of its symbols (``colour_model.py`` has the arithmetic).

Integer arithmetic only: this file reaches the bit stream.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from hvpzip import ans
from hvpzip.ans import Mixture
from hvpzip.ans.reweighted import Reweighted
from hvpzip.codec.colours.colour_model import Factors, Lattice, cost
from hvpzip.codec.walk.geometry import Geometry, Int32Array, Int64Array, Range, exact_steps
from hvpzip.codec.walk.level_walk import Sight
from hvpzip.nn.parameters import Parameters
from hvpzip.nn.weights import Model
from hvpzip.transform import colour, lifting

__all__ = ["Intervals", "Reweighting", "can_reweight", "learn_unit", "mixtures_of", "plan_reweighting", "second_of"]

# The second colour is reweighted too if that saves so much of its cost on the levels from the third on: it takes several times as long as
# the last colour.
SECOND_WORTH = 40
# What reweighting must save at least, in 1/256 bit: its two bytes, and something for the units whose gain is not known in advance.
LATTICE_WORTH = 256 * 64


Intervals = dict[int, tuple[Int64Array, Int64Array]]


class Reweighting(NamedTuple):
    """The lattice along one path, as the encoder needs it: fine to coarse.

    Attributes:
        matrix: Index into ``matrices.MATRICES``.
        second: Whether Co is reweighted too.
        intervals: (start, freq) by channel, by (level, step): units that read no latent.
        factors: The factors in force for the other units.
    """

    matrix: int
    second: bool
    intervals: dict[tuple[int, int], Intervals]
    factors: dict[tuple[int, int], Factors]


def can_reweight(channels: int, model: Model) -> bool:
    """Whether the values of a unit are pixels: three colours, YCoCg-R, and a map that only sorts samples."""
    return channels == 3 and model.config.colour_lift == colour.YCOCG_R and model.config.transform == lifting.SUBSAMPLE


def plan_reweighting(
    geometry: Geometry,
    path: str,
    base: Int32Array,
    bands: list[dict[str, Int32Array]],
    sights: list[Sight],
    matrix: int,
    second: bool = True,
) -> Reweighting | None:
    """Learn the lattice in the decoder's order, of both colours if ``second``; None where it does not pay. ``bands`` and ``sights``: finest
    first, as the levels.
    """
    known = Lattice(matrix, second)
    known.add(base.reshape(3, -1))
    saved, second_cost, second_saved = 0, 0, 0
    intervals: dict[tuple[int, int], Intervals] = {}
    factors: dict[tuple[int, int], Factors] = {}
    for level, units, sight in zip(reversed(geometry.levels), reversed(bands), reversed(sights), strict=True):
        if level.number == 2 and second_saved * SECOND_WORTH < second_cost:
            known.second = False
        for index in exact_steps(level, path):
            step = level.schedule.steps[index]
            values = units[step.unit].reshape(3, -1).astype(np.int64)
            if step.given is None:
                parameters = sight.parameters[index]
                mixtures, ranges = mixtures_of(known, parameters, values), level.ranges[step.unit]
                plain = {c: _plain_cost(mixture, values[c], ranges[c]) for c, mixture in mixtures.items()}
                intervals[level.number, index] = learn_unit(known, parameters, mixtures, values, ranges)
                costs = {c: cost(freq, ans.PRECISION) for c, (_, freq) in intervals[level.number, index].items()}
                saved += plain[2] - costs[2]
                if known.second:
                    second_cost += plain[1]
                    second_saved += plain[1] - costs[1]
                    known.learn_second(values[1])
                known.learn(values[2])
            else:
                factors[level.number, index] = Factors(known.factors, known.second_factors)
            known.add(values)
    if second_saved * SECOND_WORTH < second_cost:
        known.second = False
    if not known.second:
        intervals = {key: {2: channels[2]} for key, channels in intervals.items()}
    found = Reweighting(matrix, known.second, intervals, factors)
    return found if saved + (second_saved if known.second else 0) > LATTICE_WORTH else None


def _plain_cost(mixture: Mixture, values: Int64Array, span: Range) -> int:
    """Cost of a channel without reweighting, see ``cost``."""
    return cost(ans.intervals(mixture, values, *span)[1], ans.PRECISION)


def mixtures_of(known: Lattice, parameters: Parameters, values: Int64Array) -> dict[int, Mixture]:
    """The mixtures of the channels that are reweighted."""
    return {channel: parameters.mixture(channel, values[:channel]) for channel in ((1, 2) if known.second else (2,))}


def learn_unit(
    known: Lattice, parameters: Parameters, mixtures: Mapping[int, Mixture], values: Int64Array, ranges: list[Range]
) -> Intervals:
    """(start, freq) of the reweighted channels of one unit, whose mixtures are ``mixtures``."""
    found: Intervals = {}
    if known.second:
        found[1] = second_of(known, parameters, mixtures[1], values[0], ranges[1]).intervals(values[1])
    found[2] = known.reweight(mixtures[2], values[0], values[1], *ranges[2]).intervals(values[2])
    return found


def second_of(known: Lattice, parameters: Parameters, mixture: Mixture, luma: Int64Array, span: Range) -> Reweighted:
    """Co of a unit, reweighted, given Y and its mixture."""

    def last(co: Int64Array) -> Mixture:
        return parameters.mixture(2, np.stack((luma, co)))

    return known.reweight_second(mixture, last, parameters.slope(), luma, *span)
