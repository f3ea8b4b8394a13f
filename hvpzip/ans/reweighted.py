"""Discretised mixtures whose symbols are reweighted inside a window, as exact integer intervals.

Integer arithmetic only: this file reaches the bit stream.

For each of N symbols a window of W neighbouring symbols, and a factor for each of them; outside the window the factor is ``UNIT``. With C
the cumulative of ``mixture.py``, f(j) = C(j + 1) - C(j) and n the size of the alphabet:

    S(j)   sum over i < j of factor(i) * f(i)        T = S(hi + 1)
    C'(j)  S(j) * (2**24 - n) // T, plus j - lo      start = C'(j), freq = C'(j + 1) - C'(j) >= 1

Factors are at most ``MAX_FACTOR`` = 2**15, so T stays below 2**39 and the product below 2**63. A factor of 0 leaves a frequency of 1.
C' inside the window is worked out for all symbols at once; outside it (rarely) one symbol at a time is searched for by bisection.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hvpzip.ans.codecs import pop_planned, push_planned
from hvpzip.ans.lanes import Plan
from hvpzip.ans.mixture import Mixture, contiguous, cumulative
from hvpzip.ans.rans import IntArray, Message
from hvpzip.core import kernels
from hvpzip.core.reference.windows import MAX_FACTOR, PRECISION, UNIT, scaled

__all__ = ["MAX_FACTOR", "UNIT", "WINDOW", "Reweighted", "Windows", "window_starts"]

Int32Array: TypeAlias = NDArray[np.int32]
Int64Array: TypeAlias = NDArray[np.int64]

WINDOW = 64


def window_starts(mixture: Mixture, lo: int, hi: int) -> Int64Array:
    """First symbol of each window, int64 (N,): windows are centred on the mixture's mean and lie within lo..hi where that is long enough.

    A window of an alphabet shorter than ``WINDOW`` starts at lo and goes on beyond hi, where all frequencies are 0.
    """
    starts = np.empty(mixture.mean.shape[1], np.int64)
    kernels().fill_starts(*contiguous(mixture), WINDOW // 2, lo, max(lo, hi + 1 - WINDOW), starts)
    return starts


class Reweighted(NamedTuple):
    """N reweighted mixtures on one alphabet.

    Attributes:
        mixture, lo, hi: Before reweighting.
        first: int64 (N,), the first symbol of each window.
        edges: int32 (N, W + 1), C' at first, first + 1, ..., first + W.
        total: int64 (N,), T.
        excess: int64 (N,), what the factors added to S over the window, compared with ``UNIT`` throughout.
    """

    mixture: Mixture
    lo: int
    hi: int
    first: Int64Array
    edges: Int32Array
    total: Int64Array
    excess: Int64Array

    @property
    def length(self) -> int:
        """W, the symbols of a window."""
        return int(self.edges.shape[1]) - 1

    def intervals(self, symbol: IntArray) -> tuple[Int64Array, Int64Array]:
        """(start, freq) of N symbols, int64 (N,) each, freq >= 1. Raises ValueError for symbols outside lo..hi."""
        symbol = symbol.astype(np.int64)
        if symbol.shape != self.first.shape or ((symbol < self.lo) | (symbol > self.hi)).any():
            raise ValueError(f"expected {self.first.size} symbols in {self.lo}..{self.hi}")
        rows, place = np.arange(symbol.size), symbol - self.first
        inside = (place >= 0) & (place < self.length)
        place = np.where(inside, place, 0)
        start = self.edges[rows, place].astype(np.int64)
        freq = self.edges[rows, place + 1] - start
        if not inside.all():
            outer = np.flatnonzero(~inside)
            missed: Int64Array = symbol[outer].astype(np.int64)
            start[outer] = self._cumulative(outer, missed)
            freq[outer] = self._cumulative(outer, missed + 1) - start[outer]
        return start, freq

    def push(self, message: Message, symbol: IntArray, plan: Plan | None = None) -> tuple[Message, Int64Array]:
        """Push N symbols; returns the message and their frequencies. Errors as ``mixture.push_mixture``."""
        start, freq = self.intervals(symbol)
        return push_planned(message, start, freq, PRECISION, plan), freq

    def pop(self, message: Message, plan: Plan | None = None) -> tuple[Message, Int64Array, Int64Array]:
        """Pop N symbols; returns the message, the symbols and their frequencies, int64 (N,) each. Inverse of ``push``."""
        return pop_planned(message, self.first.size, kernels().pop_reweighted_stage, (*self.alphabet(), *self.windows()), plan)

    def alphabet(self) -> tuple[Any, ...]:
        """The mixtures and their alphabet, as kernels take them."""
        return *contiguous(self.mixture), self.lo, self.hi - self.lo + 1

    def windows(self) -> tuple[Int64Array, Int32Array, Int64Array, Int64Array]:
        """The windows' own arrays, as kernels take them."""
        return self.first, self.edges, self.total, self.excess

    def _cumulative(self, rows: Int64Array, symbol: Int64Array) -> Int64Array:
        """C'(symbol) of the given rows, inside the window or not."""
        place = symbol - self.first[rows]
        after = place >= self.length
        inside = (place >= 0) & (place <= self.length)
        mixture = Mixture(*(np.asarray(field)[:, rows] for field in self.mixture))
        mass = cumulative(mixture, symbol, self.lo, self.hi) * UNIT + np.where(after, self.excess[rows], 0)
        outside = scaled(mass, self.total[rows], symbol - self.lo, self.hi - self.lo + 1)
        return np.where(inside, self.edges[rows, np.where(inside, place, 0)], outside)


class Windows:
    """Memory for the windows of one array of symbols at a time, which serves the next ones too: that the system has to clear it costs more
    than what is written into it.
    """

    def __init__(self) -> None:
        self._edges, self._sums = np.empty(0, np.int32), np.empty(0, np.int64)

    def of(self, mixture: Mixture, lo: int, hi: int, first: Int64Array, length: int = WINDOW) -> Reweighted:
        """Reweighted mixtures whose edges, totals and excesses are still to be written. They are gone when the next ones are asked for."""
        n, edges = first.size, first.size * (length + 1)
        if self._edges.size < edges:
            self._edges = np.empty(edges, np.int32)
        if self._sums.size < 2 * n:
            self._sums = np.empty(2 * n, np.int64)
        return Reweighted(mixture, lo, hi, first, self._edges[:edges].reshape(n, length + 1), self._sums[:n], self._sums[n : 2 * n])
