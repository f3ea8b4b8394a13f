"""Counts that reweight the base expert: mirrors ``src/mixing/laws.h``. This file reaches the bit stream."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from hvpzip.core.reference.mixing.numbers import clip

__all__ = ["WINDOW", "Factors", "Reached", "Row", "Weighed", "reached_by", "reweighted"]

WINDOW, _REACH, _MOST = 64, 16, 4000
Reaches = Callable[[int], bool]
Reached = Callable[[int, int, int], bool]  # of a red, a green and a blue


class Row:
    """Counts by value."""

    def __init__(self) -> None:
        self.counts: dict[int, int] = defaultdict(int)

    def add(self, value: int) -> None:
        self.counts[value] += 1
        if self.counts[value] >= _MOST:
            for v in self.counts:
                self.counts[v] >>= 1

    def window(self, start: int) -> tuple[list[int], list[int]]:
        """The counts from start on, and each with those of its neighbours."""
        counts = [self.counts.get(v, 0) for v in range(start - _REACH, start + WINDOW + _REACH)]
        sums = [0, *accumulate(counts)]
        return counts[_REACH:-_REACH], [sums[k + 2 * _REACH + 1] - sums[k] for k in range(WINDOW)]


class Weighed:
    """A rising function of the value, from what the base expert gives each value of the window."""

    def __init__(self, first: int, base_at: list[int], shares: list[int]) -> None:
        self.first, self.shares = first, shares
        self.rising = [base_at[0]]
        for share in shares:
            self.rising.append(self.rising[-1] + share)
        self.shift = self.rising[-1] - base_at[WINDOW]
        self.all = 1048576 + self.shift

    def below(self, value: int, base: int) -> int:
        if value <= self.first:
            return base
        return base + self.shift if value >= self.first + WINDOW else self.rising[value - self.first]


def reweighted(row: Row, offset: int, first: int, base_at: list[int]) -> Weighed:
    """offset: from a value to its place in the row."""
    shares = []
    for k, (count, box) in enumerate(zip(*row.window(first + offset), strict=True)):
        share = np.float32(528 * count + box + 32) / np.float32(17 * box + 32)
        shares.append(int(np.float32(base_at[k + 1] - base_at[k]) * share))
    return Weighed(first, base_at, shares)


class Factors:
    """Kinds of values and their factors."""

    def __init__(self) -> None:
        self.factor = [1024] * 960
        self.count = [0] * 960
        self.expected = [0] * 960
        self._kinds: list[int] = []
        self._weighed = Weighed(0, [0] * (WINDOW + 1), [0] * WINDOW)

    def weigh(self, rows: list[Row], offsets: list[int], first: int, base_at: list[int], reaches: Reaches) -> Weighed:
        self._kinds, shares = [], []
        columns = *rows[0].window(first + offsets[0]), *rows[1].window(first + offsets[1])
        for k, (seen, box, difference, near) in enumerate(zip(*columns, strict=True)):
            value, t = first + k, 32 * difference
            kind = sum(seen > n for n in (0, 1, 2, 4, 8)) * 10 + min(box.bit_length(), 9)
            if near >= 64:
                kind = kind * 8 + 1 + sum((8 * t >= near, 4 * t >= near, 2 * t >= near, t >= near, t >= 2 * near, t >= 4 * near))
            else:
                kind *= 8
            self._kinds.append(kind + 480 * reaches(value))
            shares.append((base_at[k + 1] - base_at[k]) * self.factor[self._kinds[k]] >> 10)
        self._weighed = Weighed(first, base_at, shares)
        return self._weighed

    def learn(self, value: int) -> None:
        inverse = (1 << 40) // max(self._weighed.all, 1)
        for kind, share in zip(self._kinds, self._weighed.shares, strict=True):
            self.expected[kind] += share * inverse >> 20
        if 0 <= value - self._weighed.first < WINDOW:
            self.count[self._kinds[value - self._weighed.first]] += 1

    def end_row(self) -> None:
        for i in range(960):
            self.factor[i] = clip(self.factor[i] * ((self.count[i] + 8) << 20) // (self.expected[i] + (8 << 20)), 1, 32768)
        self.count, self.expected = [0] * 960, [0] * 960


def reached_by(matrix: NDArray[np.int64]) -> Reached:
    """Which colours a matrix gives: ``colours.matrices.Matrix.numbers``."""
    luma, red, green_blue, green_red, blue, *offset = matrix.tolist()
    found: dict[tuple[int, int, int], bool] = {}

    def reached(r: int, g: int, b: int) -> bool:
        if (r, g, b) not in found:
            found[r, g, b] = 0 <= b < 256 and any(_chromas(luma * y + offset[0], red, r) and _green(luma * y, r, g, b) for y in range(256))
        return found[r, g, b]

    def _green(luma_y: int, r: int, g: int, b: int) -> bool:
        return any(
            luma_y - green_blue * cb - green_red * cr + offset[1] >> 16 == g
            for cr in _chromas(luma_y + offset[0], red, r)
            for cb in _chromas(luma_y + offset[2], blue, b)
        )

    return reached


def _chromas(luma: int, gain: int, channel: int) -> list[int]:
    """The chromas of -256 to 256 that give this value."""
    near = ((channel << 16) - luma) // gain
    return [c for c in range(max(near - 1, -256), min(near + 2, 256) + 1) if (luma + gain * c) >> 16 == channel]
