"""Discretised mixtures whose symbols are reweighted inside a window, as exact integer intervals.

Integer arithmetic only: this file reaches the bit stream.

For each of N symbols a window of W neighbouring symbols, and a factor for each of them; outside the window the factor is ``UNIT``. With C
the cumulative of ``mixture.py``, f(j) = C(j + 1) - C(j) and n the size of the alphabet:

    S(j)   sum over i < j of factor(i) * f(i)        T = S(hi + 1)
    C'(j)  S(j) * (2**24 - n) // T, plus j - lo      start = C'(j), freq = C'(j + 1) - C'(j) >= 1

Factors are at most ``MAX_FACTOR`` = 2**15, so T stays below 2**39 and the product below 2**63. A factor of 0 leaves a frequency of 1.
C' inside the window is worked out for all symbols at once; outside it (rarely) one symbol at a time is searched for by bisection.

Layer rank 1: imports numpy and the rest of ``hvpzip.ans``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hvpzip.ans import rans
from hvpzip.ans.backend import kernels
from hvpzip.ans.codecs import check_plan, push_planned
from hvpzip.ans.lanes import Plan, chunks, resize
from hvpzip.ans.mixture import PRECISION, Mixture, cumulative
from hvpzip.ans.rans import IntArray, Message

__all__ = ["MAX_FACTOR", "UNIT", "WINDOW", "Reweighted", "empty_windows", "reweight", "window_edges", "window_starts"]

Int32Array: TypeAlias = NDArray[np.int32]
Int64Array: TypeAlias = NDArray[np.int64]

_KERNELS = "hvpzip.ans.window_kernels"
UNIT = 1 << 10  # the factor 1
MAX_FACTOR = 1 << 15
WINDOW = 64
_BLOCK = 1 << 12  # symbols worked on at once


def window_starts(mixture: Mixture, lo: int, hi: int) -> Int64Array:
    """First symbol of each window, int64 (N,): windows are centred on the mixture's mean and lie within lo..hi where that is long enough.

    A window of an alphabet shorter than ``WINDOW`` starts at lo and goes on beyond hi, where all frequencies are 0.
    """
    starts = np.empty(mixture.mean.shape[1], np.int64)
    if compiled := kernels(starts.size, _KERNELS):
        parameters = _parameters(mixture, lo, hi)
        compiled.fill_starts(parameters.mean, parameters.weight, WINDOW // 2, lo, max(lo, hi + 1 - WINDOW), starts)
        return starts
    mean = (mixture.mean.astype(np.int64) * mixture.weight).sum(axis=0) >> 16
    np.clip(((mean + 32) >> 6) - WINDOW // 2, lo, max(lo, hi + 1 - WINDOW), out=starts)
    return starts


def _parameters(mixture: Mixture, lo: int, hi: int) -> Any:
    """``kernels.Parameters``."""
    compiled = kernels(mixture.mean.shape[1])
    assert compiled is not None
    return compiled.parameters(*mixture, lo, hi - lo + 1)


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
        n = self.first.size
        symbol, freq = np.empty(n, np.int64), np.empty(n, np.int64)
        compiled = kernels(n, _KERNELS)
        if compiled:
            parameters, windows = self.parameters(), self.windows()
        for stage in check_plan(plan, message, n, 0):
            message = resize(message, stage.lanes)
            if compiled:
                message = compiled.pop_reweighted_stage(message, parameters, windows, PRECISION, UNIT, stage, symbol, freq)
                continue
            for begin, end in chunks(stage):
                cf, pop_fun = rans.pop(message, PRECISION, end - begin)
                symbol[begin:end], start, freq[begin:end] = self._search(begin, end, cf.astype(np.int64))
                message = pop_fun(start, freq[begin:end])
        return message, symbol, freq

    def parameters(self) -> Any:
        """``kernels.Parameters`` of the mixtures; only where there are kernels."""
        return _parameters(self.mixture, self.lo, self.hi)

    def windows(self) -> Any:
        """``window_kernels.Windows``, which share these arrays; only where there are kernels."""
        compiled = kernels(self.first.size, _KERNELS)
        assert compiled is not None
        return compiled.Windows(self.first, self.edges, self.total, self.excess)

    def _search(self, begin: int, end: int, cf: Int64Array) -> tuple[Int64Array, Int64Array, Int64Array]:
        edges, first = self.edges[begin:end], self.first[begin:end]
        place = (edges <= cf[:, None]).sum(axis=1) - 1
        inside = (place >= 0) & (place < self.length)
        symbol = first + place
        place = np.where(inside, place, 0)
        rows = np.arange(end - begin)
        start = edges[rows, place].astype(np.int64)
        freq = edges[rows, place + 1] - start
        if not inside.all():
            outer = np.flatnonzero(~inside)
            symbol[outer], start[outer], freq[outer] = self._bisect(begin + outer, cf[outer])
        return symbol, start, freq

    def _bisect(self, rows: Int64Array, cf: Int64Array) -> tuple[Int64Array, Int64Array, Int64Array]:
        """C'(low) <= cf < C'(high) throughout, until high = low + 1."""
        low, high = np.full(rows.size, self.lo, np.int64), np.full(rows.size, self.hi + 1, np.int64)
        start, stop = np.zeros_like(low), np.full_like(low, 1 << PRECISION)
        for _ in range((self.hi - self.lo).bit_length()):
            middle = (low + high) >> 1
            c = self._cumulative(rows, middle)
            right = c <= cf
            low, high = np.where(right, middle, low), np.where(right, high, middle)
            start, stop = np.where(right, c, start), np.where(right, stop, c)
        return low, start, stop - start

    def _cumulative(self, rows: Int64Array, symbol: Int64Array) -> Int64Array:
        """C'(symbol) of the given rows, inside the window or not."""
        place = symbol - self.first[rows]
        after = place >= self.length
        inside = (place >= 0) & (place <= self.length)
        mixture = Mixture(*(np.asarray(field)[:, rows] for field in self.mixture))
        mass = cumulative(mixture, symbol, self.lo, self.hi) * UNIT + np.where(after, self.excess[rows], 0)
        outside = _scaled(mass, self.total[rows], symbol - self.lo, self.hi - self.lo + 1)
        return np.where(inside, self.edges[rows, np.where(inside, place, 0)], outside)


def _scaled(mass: Int64Array, total: Int64Array, above: Int64Array, size: int) -> Int64Array:
    """C' of the mass below a symbol. above: symbol - lo."""
    result: Int64Array = mass * ((1 << PRECISION) - size) // total + above
    # Also where no mass is left at all, and beyond the end of an alphabet shorter than the window: the end is the end.
    result[above >= size] = 1 << PRECISION
    return result


def reweight(
    mixture: Mixture,
    lo: int,
    hi: int,
    first: Int64Array,
    factors: Callable[[int, int], IntArray],
    watch: Callable[[int, int, Int32Array], None] | None = None,
    length: int = WINDOW,
) -> Reweighted:
    """The reweighted mixtures.

    Args:
        mixture: N mixtures, see ``mixture.Mixture``.
        lo: First symbol of the alphabet.
        hi: Last symbol.
        first: int64 (N,), the first symbol of each window, from ``window_starts`` or further inside.
        factors: ``factors(begin, end)`` gives the factors of rows begin..end-1, integers (end - begin, length) in 0..``MAX_FACTOR``.
        watch: Called with (begin, end, frequencies (end - begin, length) int32) after each block, in order.
        length: Symbols of a window.

    Raises:
        ValueError: as ``mixture.cumulative``.
    """
    n, size = first.size, hi - lo + 1
    result = empty_windows(mixture, lo, hi, first, length)
    edges, total, excess = result.edges, result.total, result.excess
    for begin in range(0, n, _BLOCK):
        end = min(begin + _BLOCK, n)
        base = window_edges(Mixture(*(np.asarray(field)[:, begin:end] for field in mixture)), lo, hi, first[begin:end], length)
        mass = np.zeros((end - begin, length + 1), np.int64)
        np.multiply(np.diff(base, axis=1), factors(begin, end), out=mass[:, 1:])
        np.cumsum(mass, axis=1, out=mass)
        excess[begin:end] = mass[:, -1] - (base[:, -1] - base[:, 0]) * UNIT
        # All factors may be 0 where all the mass is: the frequencies of 1 remain, and nothing is divided by 0.
        total[begin:end] = np.maximum(excess[begin:end] + (UNIT << PRECISION), 1)
        mass += base[:, :1] * UNIT
        above = (first[begin:end] - lo)[:, None] + np.arange(length + 1)
        edges[begin:end] = _scaled(mass, total[begin:end, None], above, size)
        if watch is not None:
            watch(begin, end, np.diff(edges[begin:end], axis=1))
    return result


def empty_windows(mixture: Mixture, lo: int, hi: int, first: Int64Array, length: int = WINDOW) -> Reweighted:
    """Reweighted mixtures whose edges, totals and excesses are still to be written."""
    n = first.size
    return Reweighted(mixture, lo, hi, first, np.empty((n, length + 1), np.int32), np.empty(n, np.int64), np.empty(n, np.int64))


def window_edges(mixture: Mixture, lo: int, hi: int, first: Int64Array, length: int = WINDOW) -> Int64Array:
    """C at first, first + 1, ..., first + length: int64 (n, length + 1)."""
    if compiled := kernels(first.size * (length + 1), _KERNELS):
        edges = np.empty((first.size, length + 1), np.int64)
        compiled.fill_edges(_parameters(mixture, lo, hi), first, PRECISION, edges)
        return edges
    repeated = Mixture(*(np.repeat(np.asarray(field), length + 1, axis=1) for field in mixture))
    symbol = (first[:, None] + np.arange(length + 1)).ravel()
    return cumulative(repeated, symbol, lo, hi).reshape(-1, length + 1)
