"""The decoder's moves, coarse to fine: each is the inverse of one of the encoder's (``encoder.py``), which has the list backwards."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hvpzip import ans
from hvpzip.ans import Plan
from hvpzip.codec.adaptation.head_changes import Adaptation, adapted_heads
from hvpzip.codec.bitsback.account import Account
from hvpzip.codec.colours.colour_model import ColourModel
from hvpzip.codec.colours.reweighting import learnt_stripes
from hvpzip.codec.walk.geometry import Int32Array, Int64Array, Level, Range, base_precision, colours_of, exact_steps
from hvpzip.codec.walk.level_walk import LevelWalk, States
from hvpzip.diffusion.bound import RATE, REFUND, Term
from hvpzip.diffusion.posterior import kernel_of, support
from hvpzip.diffusion.walk import moves
from hvpzip.errors import CorruptError
from hvpzip.nn.model import Model
from hvpzip.nn.parameters import StepPrediction

__all__ = ["Decoder"]


class Decoder:
    """The message of a group, popped move by move; what is popped is what the ``Encoder`` pushed, in the opposite order."""

    def __init__(
        self, model: Model, channels: int, plan: list[Plan], message: ans.Message, known: ColourModel | None, *, measured: bool = False
    ) -> None:
        self.walk, self.channels, self.account = LevelWalk(model, channels), channels, Account(kept=measured)
        self.message, self.lanes, self.known = message, message.head.size, known
        self.plans = reversed(plan)

    def changes(self, adaptation: Adaptation, path: str) -> None:
        """Pop the changes of the heads, and change them."""
        before = self.message
        self.message, changes, bits = adaptation.pop(self.message, self.walk.model, path, self.plans)
        self.walk.heads = adapted_heads(self.walk.model, changes)
        self.account.enter(Term(0, "heads", 0, RATE, bits), before)

    def base(self, shape: tuple[int, int], ranges: list[Range]) -> Int32Array:
        """Pop the base: int32 (C, *shape), each channel within its range, ends included. Raises CorruptError if it is not."""
        base = np.empty((self.channels, *shape), np.int32)
        before, bits, count = self.message, 0.0, shape[0] * shape[1]
        for channel in range(self.channels):
            lo, hi = ranges[channel]
            codec = ans.chunked(lambda s: (s, np.ones_like(s)), _identity_search, count, base_precision(ranges[channel]), next(self.plans))
            self.message, symbols = codec.pop(self.message)
            if (symbols > hi - lo).any():
                raise CorruptError(f"the base has a value outside {lo}..{hi}")
            base[channel] = (symbols + lo).reshape(shape)
            bits += self.account.charge(0, "base", np.ones(count, np.int64), base_precision(ranges[channel]))
        if self.known is not None:
            self.known.add(base.reshape(self.channels, -1))
        self.account.enter(Term(0, "base", 0, RATE, bits), before)
        return base

    def level(self, level: Level, path: str, coarse: Int32Array) -> dict[str, Int32Array]:
        """Go along a path through a level, given its coarser image, int32 (C, h, w): the units by name, each int32 (C, h, w)."""
        schedule = level.schedule
        states = self.walk.along(level, path, coarse)
        for move in moves(schedule, states.steps):
            if move.refund:
                self._push_latent(level, move.step, states.known[states.parent(move.step)], states.known[move.step])
            else:
                states.known[move.step] = self._pop_unit(level, path, states, move.step)
                states.forget_before(schedule.steps[move.step].unit)
        exact = {schedule.steps[index].unit: states.known[index] for index in exact_steps(level, path)}
        return {unit: values.reshape(self.channels, *level.sizes[unit]).astype(np.int32) for unit, values in exact.items()}

    def _pop_unit(self, level: Level, path: str, states: States, index: int) -> Int64Array:
        """What is known of a unit after a step: the colours that the step reveals, below those that were known."""
        step, before, bits = level.schedule.steps[index], self.message, 0.0
        channels = colours_of(level, path, index, self.channels)
        begun = states.known[states.steps[states.steps.index(index) - 1]] if channels.start else None
        if begun is not None and not channels:  # gray, whose luma has a step of its own
            return begun
        parameters = self.walk.predict(level, states, index)
        values = np.empty((channels.stop, parameters.mean.shape[1]), np.int64)
        if begun is not None:
            values[: channels.start] = begun
        known = self.known if level.schedule.completes(index) else None
        changed = () if known is None else known.settings.channels
        for channel in (channel for channel in channels if channel not in changed):
            (lo, hi), delta = support(level.schedule, index, channel, level.ranges[step.unit][channel])
            mixture = parameters.mixture(channel, values[:channel])
            self.message, symbols, freqs = ans.pop_mixture(self.message, mixture, lo, hi, delta, plan=next(self.plans))
            values[channel] = symbols * delta
            bits += self.account.charge(level.number, step.unit, freqs, ans.PRECISION)
        if known is not None:
            for freqs in self._pop_reweighted(known, level, index, parameters, values).values():
                bits += self.account.charge(level.number, step.unit, freqs, ans.PRECISION)
        self.account.enter(Term(level.number, step.unit, index, RATE, bits), before)
        return values

    def _pop_reweighted(
        self, known: ColourModel, level: Level, index: int, parameters: StepPrediction, values: Int64Array
    ) -> dict[int, Int64Array]:
        """Pop the reweighted channels of a unit into ``values``, which has the channels before; returns the frequencies of each."""
        step, before = level.schedule.steps[index], known.factors
        found: dict[int, list[Int64Array]] = {}
        size, ranges = level.sizes[step.unit], level.ranges[step.unit]
        for channel, reweighted, pixels in learnt_stripes(known, parameters, values, size, ranges):
            self.message, pixels[channel], freqs = reweighted.pop(self.message, next(self.plans))
            found.setdefault(channel, []).append(freqs)
        if step.given is not None:  # what a unit with a latent teaches, the encoder does not know where it codes the next one
            known.factors = before
        return {channel: np.concatenate(parts) for channel, parts in found.items()}

    def _push_latent(self, level: Level, index: int, parent: Int64Array, latent: Int64Array) -> None:
        step, before, bits = level.schedule.steps[index], self.message, 0.0
        for channel in reversed(range(len(latent))):
            kernel = kernel_of(step, channel, parent[channel])
            symbols = latent[channel] // kernel.delta
            if ((symbols < kernel.lo) | (symbols > kernel.hi)).any():
                raise CorruptError(f"level {level.number}: a latent is out of reach of its sample")
            self.message, freqs = ans.push_mixture(
                self.message, kernel.mixture, symbols, kernel.lo, kernel.hi, kernel.delta, plan=next(self.plans)
            )
            bits += self.account.charge(level.number, step.unit, freqs, ans.PRECISION, -1)
        self.account.enter(Term(level.number, step.unit, index, REFUND, bits), before)


def _identity_search(begin: int, end: int, cf: NDArray[Any]) -> tuple[Int64Array, Int64Array, Int64Array]:
    return cf, cf, np.ones_like(cf)
