"""Learnt colours over a whole group: where it pays, and the intervals of its symbols (``colour_model.py`` has the arithmetic).

Integer arithmetic only: this file reaches the bit stream.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from hvpzip import ans
from hvpzip.ans import Mixture
from hvpzip.ans.reweighted import Reweighted
from hvpzip.codec.choice import Trial
from hvpzip.codec.colours.colour_model import ColourModel, Factors, cost
from hvpzip.codec.walk.geometry import Geometry, Int32Array, Int64Array, Range, exact_steps
from hvpzip.codec.walk.level_walk import ExactStates
from hvpzip.nn.model import Model
from hvpzip.nn.parameters import StepPrediction
from hvpzip.transform import colour
from hvpzip.transform.maps import map_of

__all__ = ["Intervals", "Reweighting", "can_reweight", "learn_unit", "mixtures_of", "plan_reweighting", "reweighted_co"]

# Co is reweighted too if that saves so much of its cost on the levels from the third on: it takes several times as long as
# Cg.
CO_WORTH = 40
# What reweighting must save at least, in 1/256 bit: its two bytes, and something for the units whose gain is not known in advance.
COLOURS_WORTH = 256 * 64


Intervals = dict[int, tuple[Int64Array, Int64Array]]


class Reweighting(NamedTuple):
    """Learnt colours along one path, as the encoder needs it: fine to coarse.

    Attributes:
        matrix: Index into ``matrices.MATRICES``.
        co: Whether Co is reweighted too.
        intervals: (start, freq) by channel, by (level, step): units that read no latent.
        factors: The factors in force for the other units.
    """

    matrix: int
    co: bool
    intervals: dict[tuple[int, int], Intervals]
    factors: dict[tuple[int, int], Factors]


def can_reweight(channels: int, model: Model) -> bool:
    """Whether the values of a unit are pixels: three colours, YCoCg-R, and a map that only sorts samples."""
    return channels == 3 and model.config.colour_lift == colour.YCOCG_R and map_of(model.config.transform).keeps_pixels


def plan_reweighting(
    geometry: Geometry,
    path: str,
    base: Int32Array,
    bands: list[dict[str, Int32Array]],
    exact_states: list[ExactStates],
    matrix: int,
    co: bool = True,
) -> tuple[Reweighting | None, Trial]:
    """Learn the colours in the decoder's order, of both colours if ``co``. ``bands`` and ``exact_states``: finest first, as the levels.

    Returns:
        What was learnt, None where it does not pay; and what was weighed.
    """
    known = ColourModel(matrix, co)
    known.add(base.reshape(3, -1))
    saved, co_cost, co_saved = 0, 0, 0
    intervals: dict[tuple[int, int], Intervals] = {}
    factors: dict[tuple[int, int], Factors] = {}
    for level, units, exact in zip(reversed(geometry.levels), reversed(bands), reversed(exact_states), strict=True):
        if level.number == 2 and co_saved * CO_WORTH < co_cost:
            known.co = False
        for index in exact_steps(level, path):
            step = level.schedule.steps[index]
            values = units[step.unit].reshape(3, -1).astype(np.int64)
            if step.given is None:
                parameters = exact.predictions[index]
                mixtures, ranges = mixtures_of(known, parameters, values), level.ranges[step.unit]
                plain = {c: _plain_cost(mixture, values[c], ranges[c]) for c, mixture in mixtures.items()}
                intervals[level.number, index] = learn_unit(known, parameters, mixtures, values, ranges)
                costs = {c: cost(freq, ans.PRECISION) for c, (_, freq) in intervals[level.number, index].items()}
                saved += plain[2] - costs[2]
                if known.co:
                    co_cost += plain[1]
                    co_saved += plain[1] - costs[1]
                    known.learn_co(values[1])
                known.learn_cg(values[2])
            else:
                factors[level.number, index] = Factors(known.cg_factors, known.co_factors)
            known.add(values)
    if co_saved * CO_WORTH < co_cost:
        known.co = False
    if not known.co:
        intervals = {key: {2: channels[2]} for key, channels in intervals.items()}
    found = Reweighting(matrix, known.co, intervals, factors)
    saved += co_saved if known.co else 0
    pays = saved > COLOURS_WORTH
    what = f"learnt colours, matrix {matrix}, {'Co and Cg' if known.co else 'Cg alone'}"
    return found if pays else None, Trial(what, None, f"{'saves' if pays else 'would save'} {saved / (8 * 256):,.0f} bytes", pays)


def _plain_cost(mixture: Mixture, values: Int64Array, span: Range) -> int:
    """Cost of a channel without reweighting, see ``cost``."""
    return cost(ans.intervals(mixture, values, *span)[1], ans.PRECISION)


def mixtures_of(known: ColourModel, parameters: StepPrediction, values: Int64Array) -> dict[int, Mixture]:
    """The mixtures of the channels that are reweighted."""
    return {channel: parameters.mixture(channel, values[:channel]) for channel in ((1, 2) if known.co else (2,))}


def learn_unit(
    known: ColourModel, parameters: StepPrediction, mixtures: Mapping[int, Mixture], values: Int64Array, ranges: list[Range]
) -> Intervals:
    """(start, freq) of the reweighted channels of one unit, whose mixtures are ``mixtures``."""
    found: Intervals = {}
    if known.co:
        found[1] = reweighted_co(known, parameters, mixtures[1], values[0], ranges[1]).intervals(values[1])
    found[2] = known.reweight_cg(mixtures[2], values[0], values[1], *ranges[2]).intervals(values[2])
    return found


def reweighted_co(known: ColourModel, parameters: StepPrediction, mixture: Mixture, luma: Int64Array, span: Range) -> Reweighted:
    """Co of a unit, reweighted, given Y and its mixture."""

    def cg_given(co: Int64Array) -> Mixture:
        return parameters.mixture(2, np.stack((luma, co)))

    return known.reweight_co(mixture, cg_given, parameters.slope(), luma, *span)
