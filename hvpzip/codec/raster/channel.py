"""One channel: a mixture for each sample of a front from what is known, and what is learnt once the values are.

Integer arithmetic only: this file reaches the bit stream. docs/format.md, section 10, says the same in formulas.

A mixture has six Gaussians. Three narrow ones stand on *guesses*, values that repeat a neighbour (in graphics, and in the colour
differences of what once was a JPEG); three share one centre, a blend of predictors each of which counts by how right it was nearby.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hvpzip.ans import Mixture
from hvpzip.codec.raster.contexts import Sums, log2_sixteenths
from hvpzip.codec.raster.regression import ONE, Regression
from hvpzip.codec.raster.wavefront import Front, Neighbours, Trace

__all__ = ["Channel"]

Int64Array = NDArray[np.int64]

_GUESSES: Final = 3
_FADES: Final = ((8, 10), (4, 7))  # (fade, ridge): one regression remembers much, one little
_SOLVE_EVERY: Final = 8
# Of 64 parts of what the guesses leave, the narrow and the middle one of the three; the wide one has the rest.
_NARROW, _MIDDLE = 20, 36
_SPREAD: Final = (-12, 0, 18)  # their scales, in 1/16 octave from the one expected
_SIGMA: Final = -43  # from 16 log2 of a mean error in 1/64 to the index of a scale: sigma is 1.25 mean errors
_LAST_SCALE: Final = 319
_BLEND_BITS: Final = 10
_WHOLE: Final = 256  # the weight of one guess in its sums
_MOST: Final = 65000  # a guess is never taken for quite certain


class _Prediction(NamedTuple):
    """What a front is predicted from, and the predictions, until its values are known."""

    near: Neighbours
    features: Int64Array
    predictions: Int64Array
    blend: Int64Array
    centre: Int64Array
    trust: Int64Array
    spread: Int64Array
    bias_context: Int64Array
    spread_context: Int64Array
    guesses: Int64Array
    guess_contexts: Int64Array
    guess_weights: Int64Array
    new: NDArray[np.bool_]


class Channel:
    """The state of one channel. ``mixture`` and ``learn`` take turns, front by front, each after those of the channels before."""

    def __init__(self, height: int, low: int, high: int, before: Sequence[Channel]) -> None:
        """low, high: all samples lie between them. before: the channels that are known where this one is predicted."""
        self.low, self.high, self._before = low, high, tuple(before)
        half = ONE // 2
        start = [half, 0, 0, 0, 0, 0] + [0] * 4 * len(self._before)
        if self._before:
            start[-4:-2] = [half, half]
        self._regressions = [Regression(start, *settings) for settings in _FADES]
        predictions = len(_FADES) + (6 if self._before else 4)
        self._values = Trace(height)
        self._errors = Trace(height, predictions)
        self._residuals = Trace(height)
        self._hits = Trace(height, _GUESSES)
        self._bias = Sums(1024, 255)
        self._spread = Sums(480, 1023)
        self._guesses = [Sums(1024, 255 * _WHOLE) for _ in range(_GUESSES)]
        self._sight: _Prediction | None = None

    def mixture(self, front: Front) -> Mixture:
        """What the samples of the front are expected to be."""
        near = self._values.neighbours(front)
        w, n, nw, ne, ww, nn, nne = near
        known = [(channel._values.here(front), channel._known(front)) for channel in self._before]
        features = [n - w, nw - w, ne - n, ww - w, nn - n, nne - ne]
        for here, other in known:
            features += [here - other.w, here - other.n, other.ne - other.n, other.nw - other.w]
        stacked = np.stack(features)
        predictions = [64 * w + regression.predict(stacked) for regression in self._regressions]
        predictions += [64 * (w + n - nw), 64 * (w + ne - n), 32 * (w + n) + 16 * (ne - nw), 64 * (2 * n - nn)]
        guesses = [w, n, ne]
        if known:
            here, other = known[-1]
            predictions.append(64 * (w + n - nw + here - other.w - other.n + other.nw))
            predictions.append(32 * (w + n - other.w - other.n) + 64 * here)
            guesses = [w + here - other.w, n + here - other.n, ne + here - other.ne]
        clipped = np.clip(np.stack(predictions), 64 * self.low, 64 * self.high)
        blend = self._blend(front, clipped)
        energy, spread_context = self._energy(front, near)
        shape = sum((64 * v > blend).astype(np.int64) << bit for bit, v in enumerate((w, n, nw, ne, 2 * w - ww, 2 * n - nn)))
        bias_context = shape + (np.minimum(spread_context // 40, 15) << 6)
        centre = np.clip(blend + self._bias.mean(bias_context, 0, 2), 64 * self.low, 64 * self.high)
        spread = self._spread.mean(spread_context, 3 * (energy + 8), 3)
        found = np.clip(np.stack(guesses), self.low, self.high)
        contexts, weights, new = self._weigh(front, found, centre, spread)
        trust = ONE // ((energy >> 3) + 8)
        self._sight = _Prediction(
            near, stacked, clipped, blend, centre, trust, spread, bias_context, spread_context, found, contexts, weights, new
        )
        return _mixture(found, weights, centre, spread)

    def learn(self, front: Front, values: Int64Array, freqs: Int64Array) -> None:
        """values: the samples of the front. freqs: of their intervals, in 2**-24."""
        assert self._sight is not None, "learn follows mixture"
        sight, self._sight = self._sight, None
        residual = 64 * values - sight.centre
        self._values.put(front, values)
        self._errors.put(front, np.abs(64 * values - sight.predictions))
        self._residuals.put(front, np.abs(residual))
        limit = 8 * sight.spread + 64
        self._bias.add(sight.bias_context, np.clip(64 * values - sight.blend, -limit, limit), 1)
        self._spread.add(sight.spread_context, np.minimum(np.abs(residual), 2 * limit - 64), 1)
        hits = sight.guesses == values
        self._hits.put(front, hits)
        open_ = np.ones(values.size, bool)
        for guess in range(_GUESSES):
            # A guess gets the part of a hit that the centre would not have had anyway.
            part = np.where(hits[guess], np.minimum((sight.guess_weights[guess] << 16) // freqs, _WHOLE), 0)
            counts = open_ & sight.new[guess]
            self._guesses[guess].add(sight.guess_contexts[guess][counts], part[counts], _WHOLE)
            open_ &= ~hits[guess]
        for number, regression in enumerate(self._regressions):
            regression.learn(sight.features, values - sight.near.w, sight.trust)
            if front.number % _SOLVE_EVERY == (3 * number + len(self._before)) % _SOLVE_EVERY:
                regression.solve()

    def _known(self, front: Front) -> Neighbours:
        return self._values.neighbours(front)

    def _blend(self, front: Front, predictions: Int64Array) -> Int64Array:
        """One prediction: each counts by the inverse cube of its errors nearby."""
        near = self._errors.neighbours(front)
        errors = (2 * (near.w + near.n) + near.nw + near.ne + near.ww + near.nn >> 3) + 8
        share = (errors.min(axis=0) << _BLEND_BITS) // errors
        share = share * share * share
        found: Int64Array = (share * predictions).sum(axis=0) // share.sum(axis=0)
        return found

    def _energy(self, front: Front, near: Neighbours) -> tuple[Int64Array, Int64Array]:
        """How large an error to expect, in 1/64, from errors and differences nearby; and the context of the errors that came of it."""
        last = self._residuals.neighbours(front)
        error = 2 * (last.w + last.n) + last.nw + last.ne
        w, n, nw, ne, ww, nn, _ = near
        slope = 64 * (np.abs(w - nw) + np.abs(n - nw) + np.abs(n - ne) + np.abs(w - ww) + np.abs(n - nn))
        energy = (2 * error + (slope >> 3) + last.ww + last.nn) >> 4
        if self._before:  # what the channel before was surprised by, this one will be too
            surprise = (log2_sixteenths(self._before[-1]._residuals.here(front) + 8) - log2_sixteenths(energy + 8) >> 3) + 6
            column = np.clip(surprise, 0, 9)
        else:
            column = np.clip((log2_sixteenths(slope + 8) - log2_sixteenths(error + 8) >> 4) + 3, 0, 5)
        return energy, np.minimum(log2_sixteenths(energy + 4) >> 3, 47) * 10 + column

    def _weigh(
        self, front: Front, guesses: Int64Array, centre: Int64Array, spread: Int64Array
    ) -> tuple[Int64Array, Int64Array, NDArray[np.bool_]]:
        """Of each guess the context, the weight in 2**-16, and whether no guess before it is the same."""
        hits = self._hits.neighbours(front)
        context = hits.w + 2 * hits.n + 4 * hits.nw + 8 * hits.ne
        for back, channel in enumerate(self._before[:-3:-1]):
            context += channel._hits.here(front) << 4 + back
        apart = log2_sixteenths(1 + (np.abs(64 * guesses - centre) << 3) // (spread + 8)) >> 3
        context = 16 * context + np.minimum(apart, 15)
        left = np.full(centre.size, ONE, np.int64)
        weights, new = np.zeros_like(guesses), np.ones(guesses.shape, bool)
        for guess in range(_GUESSES):
            new[guess] = (guesses[:guess] != guesses[guess]).all(axis=0)
            chance = np.minimum(self._guesses[guess].share(context[guess], _WHOLE, 24 * _WHOLE), _MOST)
            weights[guess] = np.where(new[guess], left * chance >> 16, 0)
            left -= weights[guess]
        return context, weights, new


def _mixture(guesses: Int64Array, weights: Int64Array, centre: Int64Array, spread: Int64Array) -> Mixture:
    left = ONE - weights.sum(axis=0)
    narrow, middle = left * _NARROW >> 6, left * _MIDDLE >> 6
    all_weights = np.maximum(np.concatenate([weights, narrow[None], middle[None], (left - narrow - middle)[None]]), 1)
    largest = all_weights.argmax(axis=0)
    all_weights[largest, np.arange(centre.size)] -= all_weights.sum(axis=0) - ONE
    scale = log2_sixteenths(np.maximum(spread, 1)) + _SIGMA
    scales = np.concatenate([np.zeros_like(guesses), np.clip(np.stack([scale + step for step in _SPREAD]), 0, _LAST_SCALE)])
    return Mixture(np.concatenate([64 * guesses, np.stack([centre] * 3)]), scales, all_weights)
