"""Counts that reweight the base expert: mirrors ``src/mixing/laws.h``. This file reaches the bit stream."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import cache
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from hvpzip.core.reference.mixing.numbers import clip

__all__ = ["WINDOW", "ColourSet", "Factors", "Row", "Weighed", "kinds_by_counts", "reached_by", "reweighted"]

WINDOW, _REACH, _MOST = 64, 16, 4000
Reaches = Callable[[int], bool]


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


def kinds_by_counts(rows: list[Row], offsets: list[int], first: int, reaches: Reaches) -> list[int]:
    """What each value of the window is like, by the counts of its triple and of its difference and by what a matrix reaches."""
    kinds = []
    columns = *rows[0].window(first + offsets[0]), *rows[1].window(first + offsets[1])
    for k, (seen, box, difference, near) in enumerate(zip(*columns, strict=True)):
        t = 32 * difference
        kind = sum(seen > n for n in (0, 1, 2, 4, 8)) * 10 + min(box.bit_length(), 9)
        if near >= 64:
            kind = kind * 8 + 1 + sum((8 * t >= near, 4 * t >= near, 2 * t >= near, t >= near, t >= 2 * near, t >= 4 * near))
        else:
            kind *= 8
        kinds.append(kind + 480 * reaches(first + k))
    return kinds


class Factors:
    """Factors of kinds of values."""

    def __init__(self) -> None:
        self.factor = [1024] * 960
        self.count = [0] * 960
        self.expected = [0] * 960
        self._kinds: list[int] = []
        self._weighed = Weighed(0, [0] * (WINDOW + 1), [0] * WINDOW)

    def weigh(self, kinds: list[int], first: int, base_at: list[int]) -> Weighed:
        self._kinds = kinds
        shares = [(base_at[k + 1] - base_at[k]) * self.factor[kind] >> 10 for k, kind in enumerate(kinds)]
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


class ColourSet:
    """Colours below 256."""

    def __init__(self) -> None:
        self.table: NDArray[np.bool_] = np.zeros((256, 256, 256), np.bool_)  # green, red, blue

    def has(self, red: int, green: int, blue: int) -> bool:
        return 0 <= blue < 256 and bool(self.table[green, red, blue])

    def count(self, red: int, green: int, centre: int, half: int) -> int:
        """How many blues within ``half`` of the centre."""
        return int(np.count_nonzero(self.table[green, red, max(centre - half, 0) : centre + half + 1]))


@cache
def reached_by(matrix: tuple[int, ...]) -> ColourSet:
    """The colours that a matrix gives: ``colours.matrices.Matrix.numbers``."""
    found = ColourSet()
    luma, red, green_blue, green_red, blue, *offset = matrix
    chroma = np.arange(-256, 257)
    for y in range(256):
        reds, blues = luma * y + red * chroma + offset[0] >> 16, luma * y + blue * chroma + offset[2] >> 16
        chroma_r, chroma_b = chroma[(reds >= 0) & (reds < 256)], chroma[(blues >= 0) & (blues < 256)]
        greens = luma * y - green_blue * chroma_b[None, :] - green_red * chroma_r[:, None] + offset[1] >> 16
        i, j = np.nonzero((greens >= 0) & (greens < 256))
        found.table[greens[i, j], reds[(reds >= 0) & (reds < 256)][i], blues[(blues >= 0) & (blues < 256)][j]] = True
    return found
