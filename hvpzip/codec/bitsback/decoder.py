"""The decoder's moves, coarse to fine: each is the inverse of one of the encoder's (``encoder.py``)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hvpzip import ans
from hvpzip.ans import Mixture, Plan
from hvpzip.codec.adaptation.head_changes import Adaptation, adapted_heads
from hvpzip.codec.colours.colour_model import ColourModel
from hvpzip.codec.colours.reweighting import reweighted_co
from hvpzip.codec.report import TermBits
from hvpzip.codec.walk.geometry import Int32Array, Int64Array, Level, Range, base_precision, kernel_of, support
from hvpzip.codec.walk.level_walk import LevelWalk
from hvpzip.errors import CorruptError
from hvpzip.nn.parameters import Parameters
from hvpzip.nn.weights import Model

__all__ = ["Decoder"]


class Decoder(LevelWalk):
    def __init__(
        self, model: Model, channels: int, plan: list[Plan], message: ans.Message, known: ColourModel | None, *, measured: bool = False
    ) -> None:
        super().__init__(model, channels, measured=measured)
        self.message, self.lanes, self.known = message, message.head.size, known
        self.plans = reversed(plan)

    def changes(self, adaptation: Adaptation, path: str) -> None:
        """Pop the changes of the heads, and change them."""
        before = self.message
        self.message, changes, bits = adaptation.pop(self.message, self.model.cascade, path, self.plans)
        self.heads = adapted_heads(self.model.cascade, changes)
        self.note(TermBits(0, "heads", 0, "rate", bits), before)

    def base(self, shape: tuple[int, int], ranges: list[Range]) -> Int32Array:
        base = np.empty((self.channels, *shape), np.int32)
        before, bits, count = self.message, 0.0, shape[0] * shape[1]
        for channel in range(self.channels):
            lo, hi = ranges[channel]
            codec = ans.chunked(lambda s: (s, np.ones_like(s)), _identity_search, count, base_precision(ranges[channel]), next(self.plans))
            self.message, symbols = codec.pop(self.message)
            if (symbols > hi - lo).any():
                raise CorruptError(f"the base has a value outside {lo}..{hi}")
            base[channel] = (symbols + lo).reshape(shape)
            bits += self.charge(0, "base", np.ones(count, np.int64), base_precision(ranges[channel]))
        if self.known is not None:
            self.known.add(base.reshape(self.channels, -1))
        self.note(TermBits(0, "base", 0, "rate", bits), before)
        return base

    def level(self, level: Level, path: str, coarse: Int32Array) -> dict[str, Int32Array]:
        steps = level.schedule.steps
        indices = level.schedule.paths[path]
        state = self.begin(level, coarse)
        bands: dict[str, Int32Array] = {}
        latent: Int64Array | None = None
        for position, index in enumerate(indices):
            step = steps[index]
            rows, columns = level.sizes[step.unit]
            source = state
            if step.given is not None:
                assert latent is not None
                source = self.reveal(level, state, step.given, latent.reshape(self.channels, rows, columns))
            values = self._pop_unit(level, index, self.predict(level, source, index))
            if step.given is not None:
                assert latent is not None
                self._push_latent(level, step.given, values, latent)
            latent = values
            if not step.is_latent:
                bands[step.unit] = values.reshape(self.channels, rows, columns).astype(np.int32)
                if position + 1 < len(indices):
                    state = self.reveal(level, state, index, bands[step.unit])
        return bands

    def _pop_unit(self, level: Level, index: int, parameters: Parameters) -> Int64Array:
        step, before, bits = level.schedule.steps[index], self.message, 0.0
        values = np.empty((self.channels, parameters.mean.shape[1]), np.int64)
        for channel in range(self.channels):
            (lo, hi), delta = support(level.schedule, index, channel, level.ranges[step.unit][channel])
            mixture = parameters.mixture(channel, values[:channel])
            if self.known is not None and not step.is_latent and (channel == 2 or (channel == 1 and self.known.co)):
                freqs = self._pop_reweighted(self.known, channel, parameters, mixture, values, (lo, hi), step.given is None)
            else:
                self.message, symbols, freqs = ans.pop_mixture(self.message, mixture, lo, hi, delta, plan=next(self.plans))
                values[channel] = symbols * delta
            bits += self.charge(level.number, step.unit, freqs, ans.PRECISION)
        self.note(TermBits(level.number, step.unit, index, "rate", bits), before)
        return values

    def _pop_reweighted(
        self, known: ColourModel, channel: int, parameters: Parameters, mixture: Mixture, values: Int64Array, span: Range, teaches: bool
    ) -> Int64Array:
        """Pop one channel into ``values``, of which the channels before are there; returns the frequencies."""
        if channel == 1:
            reweighted = reweighted_co(known, parameters, mixture, values[0], span)
            self.message, values[1], freqs = reweighted.pop(self.message, next(self.plans))
            if teaches:
                known.learn_co(values[1])
            return freqs
        reweighted = known.reweight_cg(mixture, values[0], values[1], *span)
        self.message, values[2], freqs = reweighted.pop(self.message, next(self.plans))
        if teaches:
            known.learn_cg(values[2])
        known.add(values)
        return freqs

    def _push_latent(self, level: Level, index: int, parent: Int64Array, latent: Int64Array) -> None:
        step, before, bits = level.schedule.steps[index], self.message, 0.0
        for channel in reversed(range(self.channels)):
            kernel = kernel_of(step, channel, parent[channel])
            symbols = latent[channel] // kernel.delta
            if ((symbols < kernel.lo) | (symbols > kernel.hi)).any():
                raise CorruptError(f"level {level.number}: a latent is out of reach of its sample")
            self.message, freqs = ans.push_mixture(
                self.message, kernel.mixture, symbols, kernel.lo, kernel.hi, kernel.delta, plan=next(self.plans)
            )
            bits += self.charge(level.number, step.unit, freqs, ans.PRECISION, -1)
        self.note(TermBits(level.number, step.unit, index, "refund", bits), before)


def _identity_search(begin: int, end: int, cf: NDArray[Any]) -> tuple[Int64Array, Int64Array, Int64Array]:
    return cf, cf, np.ones_like(cf)
