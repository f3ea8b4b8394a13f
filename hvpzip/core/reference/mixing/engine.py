"""One sample as binary decisions, each with a probability that all experts make together: mirrors ``src/mixing/engine.h``.

Integer arithmetic only: this file reaches the bit stream.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from hvpzip.core.reference.mixing.laws import WINDOW, Factors, Reaches, Row, Weighed, kinds_by_counts, reweighted
from hvpzip.core.reference.mixing.numbers import (
    LIMIT,
    LN,
    RATE_FIRST,
    RATE_MEAN,
    RATE_SECOND,
    SCALES,
    clip,
    cut,
    log16,
    logistic,
    logistic_table,
    scale_class,
)

__all__ = ["Code", "Engine", "Site", "Starts"]

Code = Callable[[bool, int], bool]  # takes a bit, or finds it, with the chance of a one in 1/65536

_AGES = (64, 54, 46, 39, 33, 28, 24)
_MOST = 2047


class Site(NamedTuple):
    """What a geometry says of one sample, as ``Site`` in the core."""

    low: int
    high: int
    means: list[int]
    scales: list[tuple[int, ...]]
    signs: list[int]
    best: int
    select: list[tuple[int, ...]]
    by_depth: tuple[bool, ...]
    correct: tuple[int, int]
    second: int
    references: list[int]
    slots: list[tuple[int, int]]
    rows: list[Row]
    offsets: list[int]
    reaches: Reaches | None
    kinds: list[int] | None = None  # else by the counts


class _Weights:
    def __init__(self, start: list[int], rates: list[int]) -> None:
        self.start, self.rates = np.array(start, np.int64), rates
        self.sets: dict[tuple[int, ...], tuple[np.ndarray, int]] = {}

    def logit(self, context: tuple[int, ...], x: np.ndarray) -> int:
        weights, _ = self.sets.get(context, (self.start, 0))
        total = int(((weights >> 16) * x).sum()) + (1 << 31) & 0xFFFFFFFF
        return clip(total - (1 << 31) >> 8, -LIMIT, LIMIT)

    def learn(self, context: tuple[int, ...], x: np.ndarray, error: int) -> None:
        weights, count = self.sets.get(context, (self.start, 0))
        step = error * self.rates[count] + 2048 >> 12
        self.sets[context] = np.clip(weights + x * step, -0x70000000, 0x70000000), min(count + 1, 255)


class _Correction:
    def __init__(self) -> None:
        self.start = [logistic_table()[(i - 16) * 48 + 768] for i in range(33)]
        self.cells: dict[int, list[int]] = {}
        self.now: tuple[list[int], int, int] = self.start, 0, 0

    def read(self, context: int, logit: int) -> int:
        cells = self.cells.setdefault(context, list(self.start))
        i, f = divmod(logit + 49152, 3072)
        self.now = cells, i, f
        return (cells[i] * (3072 - f) + cells[i + 1] * f) // 3072

    def learn(self, bit: bool) -> None:
        cells, i, f = self.now
        target = 1048575 * bit
        cells[i] += cut((target - cells[i]) * (3072 - f), 153600)
        cells[i + 1] += cut((target - cells[i + 1]) * f, 153600)


# What an engine begins with: weights of its inputs and of its sets, in 2^-28, and the mean error of a scale context.
Starts = tuple[list[int], list[int], Callable[[tuple[int, ...]], int]]


def _usual_scale(context: tuple[int, ...]) -> int:
    return 8192


class Engine:
    """State of one plane."""

    def __init__(self, experts: int, contexts: int, laws: int, factors: bool, wide: bool, starts: Starts | None = None) -> None:
        self.experts, self.wide = experts, wide
        # Where inputs begin: of contexts, of contexts that are sure, of numbers, of experts' probabilities.
        self.past_at = -(-(experts + laws) // 8) * 8
        self.sure_at = self.past_at + -(-contexts // 8) * 8
        self.extra_at = 2 * self.sure_at - self.past_at
        self.linear_at = self.extra_at + 16
        size = -(-(self.linear_at + self.past_at) // 16) * 16
        self.x = np.zeros(size, np.int64)
        start = [0] * size
        start[0] = int(0.9 * 268435456.0)
        start[1:experts] = [int(0.3 * 268435456.0) // (experts - 1)] * (experts - 1)
        shares = [268435456 // 14] * 14
        self.scale_of: Callable[[tuple[int, ...]], int] = _usual_scale
        if starts is not None:
            start, shares, self.scale_of = starts
        self.first = [_Weights(start, RATE_FIRST) for _ in range(14)]
        self.second = [_Weights([*shares, 0, 0], RATE_SECOND) for _ in range(3)]
        self.y = np.zeros(16, np.int64)
        self.corrections = [_Correction() for _ in range(4)]
        self.scales: dict[tuple[int, ...], tuple[int, int]] = {}
        self.histories: dict[tuple[int, int], list[int]] = {}
        self.factors = Factors() if factors else None
        self.cost = 0

    def code(self, site: Site, code: Code, value: int) -> int:
        """The value, coded or found."""
        classes = [scale_class(min(log16(4 * self._scale(s)[0] + 1), SCALES - 1)) for s in site.scales]
        self.classes, self.site = classes, site
        laws, known = self._laws(site)
        count = self.experts + len(laws)
        at_low, at_high = [0] * count, [1048576] * self.experts + [law.all for law in laws]
        mask = 65535 if self.wide else 255
        self.past = [[v + r & mask for v in self.histories.get(slot, [])] for slot, r in zip(site.slots, site.references, strict=True)]
        low, high, node, depth, self.cost = site.low, site.high, 1, 0, 0
        while high - low > 1:
            mid = self._split(low, high, depth, at_low[0] + at_high[0])
            at_mid = [self._cdf(mid, i) for i in range(self.experts)]
            at_mid += [law.below(mid, at_mid[0]) for law in laws]
            logits = [
                clip(LN(min(h - m + 10, 16777215)) - LN(min(m - lo + 10, 16777215)) >> 8, -_MOST, _MOST)
                for lo, m, h in zip(at_low, at_mid, at_high, strict=True)
            ]
            chance = clip(self._predict(logits, low, mid, high, node, depth, known) + 8 >> 4, 1, 65535)
            bit = code(value >= mid, chance)
            self.cost += 726817 - LN(chance if bit else 65536 - chance)
            self._learn(bit)
            if bit:
                low, at_low = mid, at_mid
            else:
                high, at_high = mid, at_mid
            node, depth = min(2 * node + bit, 63), depth + 1
        self._learn_value(low, mask)
        return low

    def _scale(self, context: tuple[int, ...]) -> tuple[int, int]:
        return self.scales.get(context) or (self.scale_of(context), 0)

    def end_row(self) -> None:
        if self.factors is not None:
            self.factors.end_row()

    def _laws(self, site: Site) -> tuple[list[Weighed], int]:
        if not site.rows:
            return [], 0
        first = (site.means[0] >> 6) - WINDOW // 2
        base_at = [0 if v <= site.low else 1048576 if v >= site.high else self._cdf(v, 0) for v in range(first, first + WINDOW + 1)]
        laws, known = [], 0
        for row, offset in zip(site.rows, site.offsets, strict=True):
            laws.append(reweighted(row, offset, first, base_at))
            known = known * 16 + min((row.window(first + offset)[1][WINDOW // 2] + 1).bit_length() - 1, 15)
        if self.factors is not None:
            kinds = site.kinds or kinds_by_counts(site.rows, site.offsets, first, site.reaches or (lambda _: False))
            laws.append(self.factors.weigh(kinds, first, base_at))
        return laws, known

    def _cdf(self, value: int, i: int) -> int:
        _, inverse, limit = self.classes[i]
        distance = clip(64 * value - 32 - self.site.means[i], -limit, limit)
        return logistic(clip(distance * inverse >> 15, -LIMIT, LIMIT))

    def _split(self, low: int, high: int, depth: int, both: int) -> int:
        if depth >= 12:
            return low + high >> 1
        t = clip(both >> 1, 1, 1048575)
        median = self.site.means[0] + ((LN(t) - LN(1048576 - t)) * self.classes[0][0] >> 22)
        return clip(median + 64 >> 6, low + 1, high - 1)

    def _predict(self, logits: list[int], low: int, mid: int, high: int, node: int, depth: int, known: int) -> int:
        site, x, dd, base = self.site, self.x, min(depth, 5), logits[0]
        p = logistic(16 * base)
        x[0] = base
        for i, logit in enumerate(logits):
            if i:
                x[i] = clip(logit - base, -_MOST, _MOST)
            x[self.linear_at + i] = logistic(16 * logit) - p >> 10
        only_below = only_above = 0
        for c, values in enumerate(self.past):
            n0 = sum(w for w, v in zip(_AGES, values, strict=False) if low <= v < mid)
            n1 = sum(w for w, v in zip(_AGES, values, strict=False) if mid <= v < high)
            z = 0
            if n0 or n1:
                z = clip((LN(16 * n1 + (p >> 10) + 20) - LN(16 * n0 + 1044 - (p >> 10)) >> 8) - base, -_MOST, _MOST)
            x[self.past_at + c] = z
            x[self.sure_at + c] = z if (n0 > 0) != (n1 > 0) else 0
            only_below += n0 > 0 and n1 == 0
            only_above += n1 > 0 and n0 == 0
        x[self.extra_at], x[self.extra_at + 1] = 77, p - 524288 >> 10
        place = (mid - site.low << 6) // (site.high - site.low)
        self.chosen = [(*key, dd) if deep else key for key, deep in zip(site.select, site.by_depth, strict=True)]
        self.chosen += [
            (node, dd),
            (*(s >= mid for s in site.signs), dd),
            (clip(base + 1024 >> 7, 0, 15), site.best),
            (min((only_below + 1) // 2, 7), min((only_above + 1) // 2, 7)),
            (place, dd),
            (min((high - low).bit_length() - 1, 15), node),
            (known,),
        ]
        self.logits = [w.logit(key, x) for w, key in zip(self.first, self.chosen, strict=True)]
        self.y[:14] = [logit >> 4 for logit in self.logits]
        self.keys = (site.second,), (node,), (0,)
        self.second_logits = [w.logit(key, self.y) for w, key in zip(self.second, self.keys, strict=True)]
        outcome = cut(sum(self.second_logits), 3)
        lawful = 0
        if site.rows:
            coarse = [clip(logits[i] - base + 1024 >> 6, 0, 31) for i in (self.experts, -1)]
            lawful = coarse[0] * 32 + coarse[1]
        contexts = site.correct[0], site.correct[1] * 64 + node, place * 4 + min(depth, 3), lawful
        corrected = sum(c.read(context, outcome) for c, context in zip(self.corrections, contexts, strict=True))
        return (4 * logistic(outcome) + corrected) // 8

    def _learn(self, bit: bool) -> None:
        target = 65536 * bit
        for weights, key, logit in zip(self.first, self.chosen, self.logits, strict=True):
            weights.learn(key, self.x, target - (logistic(logit) >> 4))
        for weights, key, logit in zip(self.second, self.keys, self.second_logits, strict=True):
            weights.learn(key, self.y, target - (logistic(logit) >> 4))
        for correction in self.corrections:
            correction.learn(bit)

    def _learn_value(self, value: int, mask: int) -> None:
        for mean, scale in zip(self.site.means, self.site.scales, strict=True):
            error, count = self._scale(scale)
            error += ((abs(64 * value - mean) << 4) - error) * RATE_MEAN[count] >> 16
            self.scales[scale] = error, min(count + 1, 127)
        for slot, reference in zip(self.site.slots, self.site.references, strict=True):
            self.histories[slot] = [value - reference & mask, *self.histories.get(slot, [])[:6]]
        if self.factors is not None:
            self.factors.learn(value)
