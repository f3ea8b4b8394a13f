"""The encoder's moves, fine to coarse: the decoder's list (``decoder.py``) backwards, and the inverse of each."""

from __future__ import annotations

import numpy as np

from hvpzip import ans
from hvpzip.ans import Plan
from hvpzip.codec.adaptation.head_changes import Adaptation, HeadChanges, Heads
from hvpzip.codec.bitsback.account import Account
from hvpzip.codec.colours.colour_model import ColourModel
from hvpzip.codec.colours.reweighting import Intervals, Reweighting, learn_unit
from hvpzip.codec.walk.geometry import Int32Array, Int64Array, Level, Range, base_precision, colours_of, exact_steps, stripes_of
from hvpzip.codec.walk.level_walk import ExactStates, LevelWalk
from hvpzip.diffusion.bound import RATE, REFUND, Term
from hvpzip.diffusion.posterior import kernel_of, support
from hvpzip.diffusion.walk import moves
from hvpzip.nn.model import Model
from hvpzip.nn.parameters import StepPrediction

__all__ = ["Encoder"]


class Encoder:
    """The message of a group, from the empty one: the decoder's moves backwards, each the inverse of what the ``Decoder`` does there."""

    def __init__(self, model: Model, channels: int, plan: list[Plan], lanes: int, reweighting: Reweighting | None, heads: Heads) -> None:
        self.walk, self.channels, self.account = LevelWalk(model, channels, heads), channels, Account(kept=True)
        self.message = ans.base_message(lanes)
        self.plans = iter(plan)
        self.reweighting = reweighting
        self.account.stack.append(("start", self.message))

    def level(self, level: Level, path: str, exact: ExactStates, coarse: Int32Array, bands: dict[str, Int32Array]) -> None:
        """Go backwards along a path through a level: its coarser image and its units by name, int32 (C, h, w), and their states."""
        steps, states = level.schedule.steps, exact.states.again()
        for move in reversed(moves(level.schedule, states.steps)):
            if move.refund:
                states.known[move.step] = self._pop_latent(level, move.step, states.known[states.parent(move.step)])
                continue
            channels = colours_of(level, path, move.step, self.channels)
            if not channels:  # gray, whose luma has a step of its own
                continue
            prediction = exact.predictions.get(move.step) or self.walk.predict(level, states, move.step)
            changed: Intervals = {}
            if self.reweighting is not None and level.schedule.completes(move.step):
                units = [steps[index].unit for index in exact_steps(level, path)]
                before = [coarse, *(bands[unit] for unit in units[: units.index(steps[move.step].unit)])]
                changed = self._reweighted(level, move.step, prediction, states.known[move.step], before)
            self._push_unit(level, move.step, prediction, states.known[move.step], channels, changed)

    def _reweighted(self, level: Level, index: int, parameters: StepPrediction, values: Int64Array, before: list[Int32Array]) -> Intervals:
        """Intervals of the reweighted channels. ``before``: the pixels known before this unit."""
        assert self.reweighting is not None
        key = (level.number, index)
        if key in self.reweighting.intervals:
            return self.reweighting.intervals[key]
        known = ColourModel(self.reweighting.settings, self.reweighting.factors[key])
        known.add(np.concatenate([pixels.reshape(3, -1) for pixels in before], axis=1))
        unit = level.schedule.steps[index].unit
        return learn_unit(known, parameters, values, level.sizes[unit], level.ranges[unit])

    def _pop_latent(self, level: Level, index: int, parent: Int64Array) -> Int64Array:
        """Latent drawn by q from the stack: ``(C, n)`` in sample units, of its own colours."""
        step, bits = level.schedule.steps[index], 0.0
        latent = np.empty_like(parent[: level.schedule.colours(index)])
        for channel in range(len(latent)):
            kernel = kernel_of(step, channel, parent[channel])
            self.message, symbols, freqs = ans.pop_mixture(
                self.message, kernel.mixture, kernel.lo, kernel.hi, kernel.delta, plan=next(self.plans)
            )
            latent[channel] = symbols * kernel.delta
            bits += ans.bits_of(freqs, ans.PRECISION)
        self.account.enter(Term(level.number, step.unit, index, REFUND, bits), self.message)
        return latent

    def _push_unit(
        self, level: Level, index: int, parameters: StepPrediction, values: Int64Array, channels: range, changed: Intervals
    ) -> None:
        """``channels``: those that the step reveals; ``changed``: intervals of those that are not coded by their mixtures."""
        step, bits = level.schedule.steps[index], 0.0
        if changed and self.reweighting is not None:
            for stripe in reversed(stripes_of(level.sizes[step.unit], self.reweighting.settings.striped)):
                for channel in sorted(changed, reverse=True):
                    start, freq = (numbers[stripe] for numbers in changed[channel])
                    self.message = ans.push_planned(self.message, start, freq, ans.PRECISION, next(self.plans))
                    bits += ans.bits_of(freq, ans.PRECISION)
        for channel in reversed([channel for channel in channels if channel not in changed]):
            (lo, hi), delta = support(level.schedule, index, channel, level.ranges[step.unit][channel])
            mixture = parameters.mixture(channel, values[:channel])
            self.message, freqs = ans.push_mixture(self.message, mixture, values[channel] // delta, lo, hi, delta, plan=next(self.plans))
            bits += ans.bits_of(freqs, ans.PRECISION)
        self.account.enter(Term(level.number, step.unit, index, RATE, bits), self.message)

    def base(self, base: Int32Array, ranges: list[Range]) -> None:
        """The coarsest image, every value equally likely."""
        total = 0.0
        for channel in reversed(range(self.channels)):
            lo, precision = ranges[channel][0], base_precision(ranges[channel])
            symbols = base[channel].ravel().astype(np.int64) - lo
            ones = np.ones_like(symbols)
            self.message = ans.push_planned(self.message, symbols, ones, precision, next(self.plans))
            total += ans.bits_of(ones, precision)
        self.account.enter(Term(0, "base", 0, RATE, total), self.message)

    def changes(self, adaptation: Adaptation, changes: HeadChanges, path: str) -> None:
        """What the decoder must know before all else: the changes of the heads."""
        self.message, bits = adaptation.push(self.message, changes, self.walk.model, path, self.plans)
        self.account.enter(Term(0, "heads", 0, RATE, bits), self.message)
