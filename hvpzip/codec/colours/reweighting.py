"""Learnt colours over a whole group: where it pays, and the intervals of its symbols (``colour_model.py`` has the arithmetic).

Integer arithmetic only: this file reaches the bit stream.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from hvpzip import ans
from hvpzip.ans import Mixture
from hvpzip.ans.reweighted import Reweighted
from hvpzip.codec.choice import Trial
from hvpzip.codec.colours.colour_model import ColourModel, cost
from hvpzip.codec.colours.learning import Factors
from hvpzip.codec.payload import LearntColours
from hvpzip.codec.walk.geometry import Geometry, Int32Array, Int64Array, Range, exact_steps, stripes_of
from hvpzip.codec.walk.level_walk import ExactStates
from hvpzip.nn.model import Model
from hvpzip.nn.parameters import StepPrediction
from hvpzip.transform import colour
from hvpzip.transform.maps import map_of

__all__ = ["Intervals", "Reweighting", "can_reweight", "learn_unit", "learnt_stripes", "plan_reweighting"]

# Co is reweighted too if that saves so much of its cost on the levels from the third on: it takes several times as long as
# Cg.
CO_WORTH = 40
# What reweighting must save at least, in 1/256 bit: its two bytes, and something for the units whose gain is not known in advance.
COLOURS_WORTH = 256 * 64


Intervals = dict[int, tuple[Int64Array, Int64Array]]


class Reweighting(NamedTuple):
    """Learnt colours along one path, as the encoder needs it: fine to coarse.

    Attributes:
        settings: What the payload says of it.
        intervals: (start, freq) by channel, by (level, step): units that read no latent.
        factors: The factors in force before each of the other units.
    """

    settings: LearntColours
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
    settings: LearntColours,
) -> tuple[Reweighting | None, Trial]:
    """Learn the colours in the decoder's order. ``bands`` and ``exact_states``: finest first, as the levels.

    ``settings`` are what is tried: Co is left out where it does not pay.

    Returns:
        What was learnt, None where it does not pay; and what was weighed.
    """
    known = ColourModel(settings)
    known.add(base.reshape(3, -1))
    saved, co_cost, co_saved = 0, 0, 0
    intervals: dict[tuple[int, int], Intervals] = {}
    factors: dict[tuple[int, int], Factors] = {}
    for level, units, exact in zip(reversed(geometry.levels), reversed(bands), reversed(exact_states), strict=True):
        if level.number == 2 and co_saved * CO_WORTH < co_cost:
            known.settings = known.settings._replace(co=False)
        for index in exact_steps(level, path):
            step = level.schedule.steps[index]
            values = units[step.unit].reshape(3, -1).astype(np.int64)
            if step.given is None:
                ranges = level.ranges[step.unit]
                found: dict[int, list[tuple[Int64Array, Int64Array]]] = {}
                for channel, reweighted, pixels in learnt_stripes(known, exact.predictions[index], values, level.sizes[step.unit], ranges):
                    interval = reweighted.intervals(pixels[channel])
                    found.setdefault(channel, []).append(interval)
                    plain = cost(ans.intervals(reweighted.mixture, pixels[channel], *ranges[channel])[1], ans.PRECISION)
                    saving = plain - cost(interval[1], ans.PRECISION)
                    if channel == 2:
                        saved += saving
                    else:
                        co_cost += plain
                        co_saved += saving
                intervals[level.number, index] = _joined(found)
            else:
                factors[level.number, index] = known.factors
                known.add(values)
    if co_saved * CO_WORTH < co_cost:
        known.settings = known.settings._replace(co=False)
    settings = known.settings
    intervals = {key: {channel: channels[channel] for channel in settings.channels} for key, channels in intervals.items()}
    saved += co_saved if settings.co else 0
    pays = saved > COLOURS_WORTH
    what = f"learnt colours, matrix {settings.matrix}, {'Co and Cg' if settings.co else 'Cg alone'}"
    trial = Trial(what, None, f"{'saves' if pays else 'would save'} {saved / (8 * 256):,.0f} bytes", pays)
    return Reweighting(settings, intervals, factors) if pays else None, trial


def learnt_stripes(
    known: ColourModel, parameters: StepPrediction, values: Int64Array, size: tuple[int, int], ranges: list[Range]
) -> Iterator[tuple[int, Reweighted, Int64Array]]:
    """Every reweighted channel of every stripe of a unit of ``size`` (rows, columns), in the decoder's order; each teaches the next.

    Yields the channel, its mixtures, reweighted, and the stripe's part of ``values`` (3, n). The channel must be there before the next
    one is asked for: the encoder has it, the decoder writes it.
    """
    for stripe in stripes_of(size, known.settings.striped):
        part, pixels = parameters.of(stripe), values[:, stripe]
        for channel in known.settings.channels:
            yield channel, _reweighted(known, channel, part, pixels, ranges[channel]), pixels
            known.learn(channel, pixels[channel])
        known.add(pixels)


def learn_unit(known: ColourModel, parameters: StepPrediction, values: Int64Array, size: tuple[int, int], ranges: list[Range]) -> Intervals:
    """(start, freq) of the reweighted channels of one unit, whose rows and columns are ``size``."""
    found: dict[int, list[tuple[Int64Array, Int64Array]]] = {}
    for channel, reweighted, pixels in learnt_stripes(known, parameters, values, size, ranges):
        found.setdefault(channel, []).append(reweighted.intervals(pixels[channel]))
    return _joined(found)


def _joined(found: dict[int, list[tuple[Int64Array, Int64Array]]]) -> Intervals:
    """Starts and frequencies of stripes, one after the other, of each channel."""
    joined = {}
    for channel, parts in found.items():
        starts, freqs = zip(*parts, strict=True)
        joined[channel] = np.concatenate(starts), np.concatenate(freqs)
    return joined


def _reweighted(known: ColourModel, channel: int, parameters: StepPrediction, before: Int64Array, span: Range) -> Reweighted:
    """Co or Cg of some positions, reweighted, given the channels before it: ``before`` (3, n), of which those are read."""
    mixture = parameters.mixture(channel, before[:channel])
    if channel == 2:
        return known.reweight_cg(mixture, before[0], before[1], *span)

    def cg_given(co: Int64Array) -> Mixture:
        return parameters.mixture(2, np.stack((before[0], co)))

    return known.reweight_co(mixture, cg_given, parameters.slope(), before[0], *span)
