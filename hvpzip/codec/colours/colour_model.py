"""Which colours an image can have, learnt from the pixels already decoded: factors for the symbols of Cg.

Integer arithmetic only: this file reaches the bit stream.

A photo that once was 8-bit luma and chroma reaches only a part of the RGB cube (JPEG's matrix a quarter, Photo CD's a ninth). With plain
subsampling every decoded sample is a pixel's, so before a unit is coded a quarter of all pixels or more is known. Given Y and Co, every
symbol Cg is one colour; its *context* is

    how often the colour was seen (6 classes), and its 16 neighbours on the line of Cg together (10),
    how often its differences (Co, Cg) were seen, compared with their 16 neighbours (8): a lattice of unit luma gain repeats along gray,
    whether a named standard matrix reaches the colour (2).

Each context has a factor, by which the frequencies of its symbols are multiplied (``ans.reweighted``). After a unit the factor becomes

    factor * (times a symbol of the context came true + c) / (sum of their probabilities + c)

so what the counts are worth is learnt as well, and without a lattice the factors stay near one. Colours outside the cube get factor 0.
Where it pays, Co is reweighted likewise: the kind of a symbol Co is the sum, over Cg, of probability times factor, in half octaves.
Only units that read no latent teach: the encoder meets latents fine to coarse, after it must know all factors.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from math import isqrt
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hvpzip.ans import PRECISION, Mixture
from hvpzip.ans.backend import kernels
from hvpzip.ans.reweighted import MAX_FACTOR, UNIT, WINDOW, Reweighted, empty_windows, reweight, window_edges, window_starts
from hvpzip.codec.colours.matrices import KERNELS, cell_of, reachable
from hvpzip.threads import current_threads

__all__ = ["ColourModel", "Factors", "cost"]

Int64Array = NDArray[np.int64]

REACH = 8  # neighbours on either side on the line of Cg
SEEN, AROUND, PAIRS = 6, 10, 8
_PRIOR = 3  # c, in symbols
CO_SPAN, CG_SPAN = 32, 16  # symbols of Co that are weighed, around the mean, and of Cg that each is weighed with
_SCORES = 40
# The mean factor of Co has UNIT at 2**14, so its largest is MAX_FACTOR / UNIT times that.
_LARGEST_RATIO = 1 << 19
FINE_BITS = 9
FINE = 1 << FINE_BITS
ENOUGH_PAIRS = 32
_PAIR = (1 << 18) - 1  # of a cell
_PAIR_LIMIT = 1 << 20


def _seen_class() -> NDArray[np.int16]:
    """Class of a count 0..255: 0, 1, 2, 3-4, 5-8, more."""
    return np.searchsorted(np.array([0, 1, 2, 4, 8]), np.arange(256)).astype(np.int16)


def _around_class() -> NDArray[np.int16]:
    """Class of a sum of 16 counts: its bit length, at most 9."""
    return np.array([min(value.bit_length(), AROUND - 1) for value in range(2 * REACH * 255 + 1)], np.int16)


class Factors(NamedTuple):
    """What is learnt: int64 factors in 1..``MAX_FACTOR`` of the contexts of Cg and of the scores of Co."""

    cg: Int64Array
    co: Int64Array


class ColourModel:
    """What is known of a group's colours. Encoder and decoder feed it the same pixels in the same order.

    Attributes:
        cg_factors, co_factors: The factors in force, all ``UNIT`` at first; replaced, never changed, by learning.
    """

    def __init__(self, matrix: int, co: bool, factors: Factors | None = None) -> None:
        """matrix: an index into ``MATRICES``. co: whether Co is reweighted too. factors: those to start from."""
        self.co = co
        contexts = SEEN * AROUND * PAIRS * 2
        start = Factors(np.full(contexts, UNIT, np.int64), np.full(_SCORES, UNIT, np.int64)) if factors is None else factors
        self.cg_factors, self.co_factors = start
        self._colours = np.zeros(1 << 26, np.uint8)  # times seen, at most 255, by ``cell_of``; most of it is never touched
        self._pairs = np.zeros(1 << 18, np.int32)  # times seen, by the lower bits of ``cell_of``
        self._reachable = reachable(matrix) if matrix else None
        self._seen, self._around = _seen_class() * (AROUND * PAIRS), _around_class() * PAIRS
        self._expected = np.zeros(contexts, np.int64)
        self._co_asked: tuple[Int64Array, NDArray[np.uint8], Int64Array] | None = None

    def add(self, pixels: NDArray[np.integer]) -> None:
        """Count pixels (Y, Co, Cg), integers ``(3, n)``. Damaged files may hold colours outside the cube: they are not counted."""
        y, co, cg = (np.ascontiguousarray(channel, np.int32) for channel in pixels)
        if compiled := kernels(y.size, KERNELS):
            compiled.count(y, co, cg, self._colours, self._pairs, _PAIR_LIMIT)
            return
        cell, inside = cell_of(y, co, cg)
        found, times = np.unique(cell[inside], return_counts=True)
        self._colours[found] = np.minimum(self._colours[found] + times, 255)
        found, times = np.unique(cell[inside] & _PAIR, return_counts=True)
        self._pairs[found] = np.minimum(self._pairs[found] + times, _PAIR_LIMIT)

    def reweight_cg(self, mixture: Mixture, y: Int64Array, co: Int64Array, lo: int, hi: int) -> Reweighted:
        """The mixtures of Cg, reweighted. Remembers the expectations for ``learn_cg``.

        mixture: N of them. y, co: int64 (N,), 0..255 and -255..255. lo, hi: the alphabet of Cg, within -255..255.
        """
        first = window_starts(mixture, lo, hi)
        self._y, self._co, self._first = y, co, first
        # Context -1 stands for a colour outside the cube.
        padded = np.append(self.cg_factors, 0)
        expected = np.zeros(padded.size, np.int64)
        if compiled := kernels(first.size * WINDOW, KERNELS):
            result = empty_windows(mixture, lo, hi, first)
            columns = [np.ascontiguousarray(column, np.int64) for column in (y, co)]
            inputs, windows = (self._counts(compiled), result.parameters()), result.windows()

            def fill(rows: Int64Array, sums: Int64Array) -> None:
                compiled.reweight_last(*inputs, rows, *columns, padded.astype(np.uint32), PRECISION, UNIT, windows, sums)

            _on_threads(fill, _by_luma(y), expected)
            self._expected = expected[:-1]
            return result
        block: list[NDArray[np.int16]] = []

        def factors(begin: int, end: int) -> Int64Array:
            block[:] = [self._contexts(y[begin:end], co[begin:end], first[begin:end])]
            return padded[block[0]]

        def watch(begin: int, end: int, freqs: NDArray[np.int32]) -> None:
            np.add.at(expected, block[0].ravel(), freqs.ravel())

        result = reweight(mixture, lo, hi, first, factors, watch)
        self._expected = expected[:-1]
        return result

    def learn_cg(self, cg: Int64Array) -> None:
        """Adapt the factors to the symbols (N,) that the mixtures of the last ``reweight_cg`` had to code."""
        place = cg - self._first
        rows = np.flatnonzero((place >= 0) & (place < WINDOW))
        true = self._contexts(self._y[rows], self._co[rows], cg[rows], 1)[:, 0]
        came = np.bincount(true[true >= 0], minlength=self.cg_factors.size)
        self.cg_factors = _adapted(self.cg_factors, came, self._expected)

    def reweight_co(
        self, mixture: Mixture, cg_given: Callable[[Int64Array], Mixture], slope: Int64Array, y: Int64Array, lo: int, hi: int
    ) -> Reweighted:
        """The mixtures of Co, reweighted by what Cg could be.

        cg_given: the mixtures of Cg given values of Co (N,). slope: how Cg's means move with Co, int64 (N,) in 1/64.
        """
        first = window_starts(mixture, lo, hi) + (WINDOW - CO_SPAN) // 2
        given = cg_given(first + CO_SPAN // 2)
        first_cg = window_starts(given, lo, hi) + (WINDOW - CG_SPAN) // 2
        weights, expected = self.co_factors, np.zeros(_SCORES, np.int64)
        kinds = np.empty((y.size, CO_SPAN), np.uint8)
        self._co_asked = (first, kinds, expected)
        if compiled := kernels(first.size * WINDOW, KERNELS):
            result, of_context = empty_windows(mixture, lo, hi, first, CO_SPAN), np.append(self.cg_factors, 0).astype(np.uint16)
            columns = [np.ascontiguousarray(column, np.int64) for column in (y, first_cg, slope)]
            inputs = self._counts(compiled), result.parameters(), result._replace(mixture=given).parameters()
            settings, windows = (of_context, weights.astype(np.uint32), CG_SPAN, *_kind_tables(), PRECISION, UNIT), result.windows()

            def fill(rows: Int64Array, sums: Int64Array) -> None:
                compiled.reweight_second(*inputs, rows, *columns, *settings, windows, kinds, sums)

            _on_threads(fill, _by_luma(y), expected)
            return result
        factors = self._factors_by_colour(y, first, first_cg, slope)

        def weigh(begin: int, end: int) -> Int64Array:
            part = slice(begin, end)
            edges = window_edges(Mixture(*(np.asarray(f)[:, part] for f in given)), lo, hi, first_cg[part], CG_SPAN)
            freqs = np.diff(edges, axis=1)
            score = self._scores(y[part], first[part], first_cg[part], slope[part], freqs, factors)
            ratio = (score << 4) // freqs.sum(axis=1)[:, None]  # the mean factor of Co, UNIT being 2**14
            kinds[part] = _kind(ratio)
            return weights[kinds[part]]

        def watch(begin: int, end: int, freqs: NDArray[np.int32]) -> None:
            np.add.at(expected, kinds[begin:end].ravel(), freqs.ravel())

        return reweight(mixture, lo, hi, first, weigh, watch, CO_SPAN)

    def learn_co(self, co: Int64Array) -> None:
        """Adapt the factors of Co, as ``learn_cg`` does those of Cg."""
        assert self._co_asked is not None
        first, kinds, expected = self._co_asked
        place = co - first
        rows = np.flatnonzero((place >= 0) & (place < CO_SPAN))
        came = np.bincount(kinds[rows, place[rows]], minlength=_SCORES)
        self.co_factors = _adapted(self.co_factors, came, expected)

    def _factors_by_colour(self, y: Int64Array, first: Int64Array, first_cg: Int64Array, slope: Int64Array) -> NDArray[np.uint16]:
        """Factors of all colours that may be asked for, by cell; others are 0: uint16 (2**26,)."""
        reach = (np.abs(slope) * (CO_SPAN // 2) >> 6) + 1
        begin = np.clip(first + 256, 0, 511 - CO_SPAN)
        # A row asks for the lines (Y, Co) of its own span of Co, and there for its own span of Cg; 16 lines of Co share their span.
        low, high = np.full((256, 32), 256, np.int64), np.full((256, 32), -256, np.int64)
        for bins in range(CO_SPAN // 16 + 1):
            places = y, (begin >> 4) + bins
            np.minimum.at(low, places, first_cg - reach)
            np.maximum.at(high, places, first_cg + reach + CG_SPAN)
        low, high = np.maximum(low, -255), np.minimum(high, 255)
        lines_y, lines_bin = np.nonzero(low <= high)
        lengths = (high - low)[lines_y, lines_bin] + 1
        order = np.argsort(lengths, kind="stable")  # lines of a block are as long as its longest
        found = np.zeros(1 << 26, np.uint16)
        padded = np.append(self.cg_factors, 0).astype(np.uint16)
        for start in range(0, order.size, 1 << 8):
            part = order[start : start + (1 << 8)]
            line_y, line_bin, length = np.repeat(lines_y[part], 16), np.repeat(lines_bin[part], 16), int(lengths[part[-1]])
            line_co = 16 * line_bin + np.tile(np.arange(16), part.size) - 256
            line_low = low[line_y, line_bin]
            context = self._contexts(line_y, line_co, line_low, length)
            cg = (line_low[:, None] + np.arange(length)).astype(np.int32)
            cell, inside = cell_of(line_y.astype(np.int32)[:, None], line_co.astype(np.int32)[:, None], cg)
            found[cell[inside]] = padded[context[inside]]
        return found

    def _scores(
        self, y: Int64Array, first: Int64Array, first_cg: Int64Array, slope: Int64Array, freqs: Int64Array, factors: NDArray[np.uint16]
    ) -> Int64Array:
        """Sums over Cg of frequency times factor, for ``CO_SPAN`` symbols Co from ``first`` on: int64 (n, ``CO_SPAN``)."""
        reference = CO_SPAN // 2
        steps = np.arange(CO_SPAN)
        shifted = first_cg[:, None] + ((slope[:, None] * (steps - reference) + 32) >> 6)
        cg = (shifted[:, :, None] + np.arange(CG_SPAN)).astype(np.int32)
        co = (first[:, None] + steps).astype(np.int32)[:, :, None]
        cell, inside = cell_of(y.astype(np.int32)[:, None, None], co, cg)
        weights = factors[cell] * inside
        result: Int64Array = (weights * freqs[:, None, :]).sum(axis=2)
        return result

    def _contexts(self, y: Int64Array, co: Int64Array, first: Int64Array, length: int = WINDOW) -> NDArray[np.int16]:
        """Contexts of the symbols first, ..., first + length - 1: int16 (n, length), -1 outside the cube."""
        if compiled := kernels(first.size * length, KERNELS):
            context = np.empty((first.size, length), np.int16)
            columns = [np.ascontiguousarray(array, np.int64) for array in (y, co, first)]
            compiled.contexts(
                self._counts(compiled), *columns, length, np.append(np.arange(self.cg_factors.size), -1).astype(np.int16), context.ravel()
            )
            return context
        cg: NDArray[np.int32] = first.astype(np.int32)[:, None] + np.arange(-REACH, length + REACH).astype(np.int32)
        cell, inside = cell_of(y.astype(np.int32)[:, None], co.astype(np.int32)[:, None], cg)
        counts = self._colours[cell] * inside
        pairs = self._pairs[cell & _PAIR] * inside
        middle = slice(REACH, REACH + length)
        context = self._seen[counts[:, middle]]
        context += self._around[_around(counts)]
        beside = _around(pairs)
        mine = pairs[:, middle] << 4
        ratio = np.ones(context.shape, np.int16)
        for left, right in ((3, 0), (2, 0), (1, 0), (0, 0), (0, 1), (0, 2)):
            ratio += (mine << left) >= (beside << right)
        ratio *= beside >= ENOUGH_PAIRS
        context += ratio
        if self._reachable is not None:
            asked = cell[:, middle]
            context += (self._reachable[asked >> 3] >> (asked & 7) & 1) * np.int16(SEEN * AROUND * PAIRS)
        context[~inside[:, middle]] = -1
        return context

    def _counts(self, compiled: ModuleType) -> Any:
        """``lattice_kernels.Counts``."""
        reach = np.zeros(1, np.uint8) if self._reachable is None else self._reachable
        return compiled.Counts(self._colours, self._pairs, reach)


def _on_threads(fill: Callable[[Int64Array, Int64Array], None], rows: Int64Array, expected: Int64Array) -> None:
    """``fill`` all rows on as many threads as the network has, and add up what they expect: sums of integers do not depend on the order."""
    parts = np.array_split(rows, current_threads())
    own = [np.zeros_like(expected) for _ in parts]
    with ThreadPoolExecutor(len(parts)) as executor:
        list(executor.map(fill, parts, own))
    expected += np.sum(own, axis=0)


def _by_luma(y: Int64Array) -> Int64Array:
    """Rows by their luma, 0..255."""
    return np.argsort(y.astype(np.uint8), kind="stable")


def _adapted(factors: Int64Array, came: NDArray[np.integer], expected: Int64Array) -> Int64Array:
    """Factors after a unit: symbols of each context ``came`` true, and ``expected`` is the sum of their frequencies."""
    # Python's integers: no product can overflow.
    return np.array(
        [
            min(max(factor * ((count + _PRIOR) << 24) // (total + (_PRIOR << 24)), 1), MAX_FACTOR)
            for factor, count, total in zip(factors.tolist(), came.tolist(), expected.tolist(), strict=True)
        ],
        np.int64,
    )


@cache
def _least() -> NDArray[np.uint64]:
    """The least ratio of each kind, and at the end one that is never reached: a kind is the bit length of the ratio's square."""
    return np.array([0, *(isqrt((1 << kind - 1) - 1) + 1 for kind in range(1, _SCORES)), 1 << 63], np.uint64)


def _kind(ratio: NDArray[np.integer]) -> NDArray[np.uint8]:
    """Kinds of ratios 0..2**19: uint8, of the same shape."""
    return (np.searchsorted(_least(), ratio.astype(np.uint64), side="right") - 1).astype(np.uint8)


@cache
def _kind_tables() -> tuple[NDArray[np.uint8], NDArray[np.uint64]]:
    """Kinds of the ratios below ``FINE``, then of every ``FINE``-th ratio, which is the next one's or one less; and ``_least``."""
    coarse = np.arange((_LARGEST_RATIO >> FINE_BITS) + 1) << FINE_BITS
    return _kind(np.concatenate([np.arange(FINE), coarse])), _least()


def _around(counts: NDArray[np.integer]) -> NDArray[np.int32]:
    """Sums of the ``REACH`` neighbours on both sides along the last axis, without the middle."""
    sums = np.zeros((counts.shape[0], counts.shape[1] + 1), np.int32)
    np.cumsum(counts, axis=1, dtype=np.int32, out=sums[:, 1:])
    span = 2 * REACH + 1
    result: NDArray[np.int32] = sums[:, span:] - sums[:, :-span] - counts[:, REACH:-REACH]
    return result


def cost(freqs: NDArray[np.integer], precision: int) -> int:
    """Bits that symbols of these frequencies cost, in 1/256, rounded up a little: exact integers, so that every encoder decides alike."""
    if compiled := kernels(freqs.size, KERNELS):
        return (precision << 8) * freqs.size - int(compiled.bits(np.ascontiguousarray(freqs, np.int64)))
    values = freqs.astype(np.uint64)
    whole = np.zeros(values.shape, np.int64)
    for step in (16, 8, 4, 2, 1):  # bit length less one, of numbers up to 2**32
        large = values >> np.uint64(step) > 0
        whole += step * large
        values = np.where(large, values >> np.uint64(step), values)
    mantissa = (freqs.astype(np.uint64) << np.uint64(31)) >> whole.astype(np.uint64)  # 2**31..2**32
    logs = whole << 8
    for bit in range(7, -1, -1):
        mantissa = (mantissa * mantissa) >> np.uint64(31)
        over = mantissa >> np.uint64(32) > 0
        logs += over.astype(np.int64) << bit
        mantissa >>= over.astype(np.uint64)
    return int((precision << 8) * freqs.size - logs.sum())
