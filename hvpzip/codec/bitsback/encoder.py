"""The encoder's moves, fine to coarse: each is the inverse of one of the decoder's (``decoder.py``)."""

from __future__ import annotations

import numpy as np

from hvpzip import ans
from hvpzip.ans import Plan
from hvpzip.codec.adaptation.head_changes import Adaptation, HeadChanges, Heads
from hvpzip.codec.colours.colour_model import ColourModel
from hvpzip.codec.colours.reweighting import Intervals, Reweighting, learn_unit, mixtures_of
from hvpzip.codec.report import TermBits
from hvpzip.codec.walk.geometry import Int32Array, Int64Array, Level, Range, base_precision, exact_steps, kernel_of, support
from hvpzip.codec.walk.level_walk import ExactStates, LevelWalk
from hvpzip.nn.parameters import Parameters
from hvpzip.nn.weights import Model

__all__ = ["Encoder"]


class Encoder(LevelWalk):
    def __init__(self, model: Model, channels: int, plan: list[Plan], lanes: int, reweighting: Reweighting | None, heads: Heads) -> None:
        super().__init__(model, channels, heads, measured=True)
        self.message = ans.base_message(lanes)
        self.plans = iter(plan)
        self.reweighting = reweighting
        self.stack.append(("start", self.message))

    def level(self, level: Level, path: str, exact: ExactStates, coarse: Int32Array, bands: dict[str, Int32Array]) -> None:
        steps = level.schedule.steps
        values: dict[str, Int64Array] = {}  # by unit: what the step at hand reveals, (C, n)
        states = dict(exact.before)
        indices = level.schedule.paths[path]
        for position in reversed(range(len(indices))):
            index = indices[position]
            step = steps[index]
            unit = step.unit
            if not step.is_latent:
                values[unit] = bands[unit].reshape(self.channels, -1).astype(np.int64)
            revealed = values[unit]
            if index in exact.parameters:
                parameters = exact.parameters[index]
            else:
                source = states[unit]
                if step.given is not None:
                    latent = self._pop_latent(level, step.given, revealed)
                    rows, columns = level.sizes[unit]
                    source = self.reveal(level, source, step.given, latent.reshape(self.channels, rows, columns))
                    values[unit] = latent
                parameters = self.predict(level, source, index)
            changed: Intervals = {}
            if self.reweighting is not None and not step.is_latent:
                before = [coarse, *(bands[name] for name in self._units_before(level, path, index))]
                changed = self._reweighted(level, index, parameters, revealed, before)
            self._push_unit(level, index, parameters, revealed, changed)

    @staticmethod
    def _units_before(level: Level, path: str, index: int) -> list[str]:
        exact = exact_steps(level, path)
        return [level.schedule.steps[i].unit for i in exact[: exact.index(index)]]

    def _reweighted(self, level: Level, index: int, parameters: Parameters, values: Int64Array, before: list[Int32Array]) -> Intervals:
        """Intervals of the reweighted channels. ``before``: the pixels known before this unit."""
        assert self.reweighting is not None
        key = (level.number, index)
        if key in self.reweighting.intervals:
            return self.reweighting.intervals[key]
        known = ColourModel(self.reweighting.matrix, self.reweighting.co, self.reweighting.factors[key])
        known.add(np.concatenate([pixels.reshape(3, -1) for pixels in before], axis=1))
        ranges = level.ranges[level.schedule.steps[index].unit]
        return learn_unit(known, parameters, mixtures_of(known, parameters, values), values, ranges)

    def _pop_latent(self, level: Level, index: int, parent: Int64Array) -> Int64Array:
        """Latent drawn by q from the stack: ``(C, n)`` in sample units."""
        step, bits, latent = level.schedule.steps[index], 0.0, np.empty_like(parent)
        for channel in range(self.channels):
            kernel = kernel_of(step, channel, parent[channel])
            self.message, symbols, freqs = ans.pop_mixture(
                self.message, kernel.mixture, kernel.lo, kernel.hi, kernel.delta, plan=next(self.plans)
            )
            latent[channel] = symbols * kernel.delta
            bits += ans.bits_of(freqs, ans.PRECISION)
        self.note(TermBits(level.number, step.unit, index, "refund", bits), self.message)
        return latent

    def _push_unit(self, level: Level, index: int, parameters: Parameters, values: Int64Array, changed: Intervals) -> None:
        """``changed``: intervals of the channels that are not coded by their mixtures."""
        step, bits = level.schedule.steps[index], 0.0
        for channel in reversed(range(self.channels)):
            if channel in changed:
                self.message = ans.push_planned(self.message, *changed[channel], ans.PRECISION, next(self.plans))
                bits += ans.bits_of(changed[channel][1], ans.PRECISION)
                continue
            (lo, hi), delta = support(level.schedule, index, channel, level.ranges[step.unit][channel])
            mixture = parameters.mixture(channel, values[:channel])
            self.message, freqs = ans.push_mixture(self.message, mixture, values[channel] // delta, lo, hi, delta, plan=next(self.plans))
            bits += ans.bits_of(freqs, ans.PRECISION)
        self.note(TermBits(level.number, step.unit, index, "rate", bits), self.message)

    def base(self, base: Int32Array, ranges: list[Range]) -> None:
        """The coarsest image, every value equally likely."""
        total = 0.0
        for channel in reversed(range(self.channels)):
            lo, precision = ranges[channel][0], base_precision(ranges[channel])
            symbols = base[channel].ravel().astype(np.int64) - lo
            ones = np.ones_like(symbols)
            self.message = ans.push_planned(self.message, symbols, ones, precision, next(self.plans))
            total += ans.bits_of(ones, precision)
        self.note(TermBits(0, "base", 0, "rate", total), self.message)

    def changes(self, adaptation: Adaptation, changes: HeadChanges, path: str) -> None:
        """What the decoder must know before all else: the changes of the heads."""
        self.message, bits = adaptation.push(self.message, changes, self.model.cascade, path, self.plans)
        self.note(TermBits(0, "heads", 0, "rate", bits), self.message)
