"""Which colours an image can have, learnt from the pixels already decoded: factors for the last colour's symbols.

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
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from hvpzip.ans import PRECISION, Mixture
from hvpzip.ans.backend import kernels
from hvpzip.ans.reweighted import MAX_FACTOR, UNIT, WINDOW, Reweighted, empty_windows, reweight, window_edges, window_starts
from hvpzip.codec.matrices import KERNELS, cell_of, reachable

__all__ = ["Factors", "Lattice", "cost"]

Int64Array = NDArray[np.int64]

_REACH = 8  # neighbours on either side on the line of Cg
_SEEN, _AROUND, _PAIRS = 6, 10, 8
_PRIOR = 3  # c, in symbols
_CO_SPAN, _CG_SPAN = 32, 16  # symbols of Co that are weighed, in the middle of their window, and of Cg that each is weighed with
_SCORES = 40
_ENOUGH_PAIRS = 32
_PAIR = (1 << 18) - 1  # of a cell
_PAIR_LIMIT = 1 << 20


def _seen_class() -> NDArray[np.int16]:
    """Class of a count 0..255: 0, 1, 2, 3-4, 5-8, more."""
    return np.searchsorted(np.array([0, 1, 2, 4, 8]), np.arange(256)).astype(np.int16)


def _around_class() -> NDArray[np.int16]:
    """Class of a sum of 16 counts: its bit length, at most 9."""
    return np.array([min(value.bit_length(), _AROUND - 1) for value in range(2 * _REACH * 255 + 1)], np.int16)


class Factors(NamedTuple):
    """What is learnt: int64 factors in 1..``MAX_FACTOR`` of the contexts of Cg and of the scores of Co."""

    last: Int64Array
    second: Int64Array


class Lattice:
    """What is known of a group's colours. Encoder and decoder feed it the same pixels in the same order.

    Attributes:
        factors, second_factors: The factors in force, all ``UNIT`` at first; replaced, never changed, by learning.
    """

    def __init__(self, matrix: int, second: bool, factors: Factors | None = None) -> None:
        """matrix: an index into ``MATRICES``. second: whether Co is reweighted too. factors: those to start from."""
        self.second = second
        contexts = _SEEN * _AROUND * _PAIRS * 2
        start = Factors(np.full(contexts, UNIT, np.int64), np.full(_SCORES, UNIT, np.int64)) if factors is None else factors
        self.factors, self.second_factors = start
        self._colours = np.zeros(1 << 26, np.uint8)  # times seen, at most 255, by ``cell_of``; most of it is never touched
        self._pairs = np.zeros(1 << 18, np.int32)  # times seen, by the lower bits of ``cell_of``
        self._reachable = reachable(matrix) if matrix else None
        self._seen, self._around = _seen_class() * (_AROUND * _PAIRS), _around_class() * _PAIRS
        self._expected = np.zeros(contexts, np.int64)
        self._second: tuple[Int64Array, NDArray[np.uint8], Int64Array] | None = None

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

    def reweight(self, mixture: Mixture, y: Int64Array, co: Int64Array, lo: int, hi: int) -> Reweighted:
        """The mixtures of Cg, reweighted. Remembers the expectations for ``learn``.

        mixture: N of them. y, co: int64 (N,), 0..255 and -255..255. lo, hi: the alphabet of Cg, within -255..255.
        """
        first = window_starts(mixture, lo, hi)
        self._y, self._co, self._first = y, co, first
        # Context -1 stands for a colour outside the cube.
        padded = np.append(self.factors, 0)
        expected = np.zeros(padded.size, np.int64)
        if compiled := kernels(first.size * WINDOW, KERNELS):
            result = empty_windows(mixture, lo, hi, first)
            columns = [np.ascontiguousarray(column, np.int64) for column in (y, co)]
            inputs, windows = (self._counts(compiled), result.parameters()), result.windows()

            def fill(rows: Int64Array, sums: Int64Array) -> None:
                compiled.reweight_last(*inputs, rows, *columns, padded, PRECISION, UNIT, windows, sums)

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

    def learn(self, cg: Int64Array) -> None:
        """Adapt the factors to the symbols (N,) that the mixtures of the last ``reweight`` had to code."""
        place = cg - self._first
        rows = np.flatnonzero((place >= 0) & (place < WINDOW))
        true = self._contexts(self._y[rows], self._co[rows], cg[rows], 1)[:, 0]
        came = np.bincount(true[true >= 0], minlength=self.factors.size)
        self.factors = _adapted(self.factors, came, self._expected)

    def reweight_second(
        self, mixture: Mixture, last: Callable[[Int64Array], Mixture], slope: Int64Array, y: Int64Array, lo: int, hi: int
    ) -> Reweighted:
        """The mixtures of Co, reweighted by what Cg could be.

        last: the mixtures of Cg given values of Co (N,). slope: how Cg's means move with Co, int64 (N,) in 1/64.
        """
        first = window_starts(mixture, lo, hi)
        given = last(first + WINDOW // 2)
        first_cg = window_starts(given, lo, hi) + (WINDOW - _CG_SPAN) // 2
        padded = np.append(self.second_factors, UNIT)
        expected = np.zeros(padded.size, np.int64)
        inner = (WINDOW - _CO_SPAN) // 2
        kinds = np.empty((y.size, _CO_SPAN), np.uint8)
        self._second = (first + inner, kinds, expected)
        if compiled := kernels(first.size * WINDOW, KERNELS):
            result, of_context = empty_windows(mixture, lo, hi, first), np.append(self.factors, 0).astype(np.uint16)
            columns = [np.ascontiguousarray(column, np.int64) for column in (y, first_cg, slope)]
            inputs = self._counts(compiled), result.parameters(), result._replace(mixture=given).parameters()
            settings, windows = (of_context, padded, inner, _CG_SPAN, PRECISION, UNIT), result.windows()

            def fill(rows: Int64Array, sums: Int64Array) -> None:
                compiled.reweight_second(*inputs, rows, *columns, *settings, windows, kinds, sums)

            _on_threads(fill, _by_luma(y), expected)
            return result
        factors = self._factors_by_colour(y, first, first_cg, slope)

        def weigh(begin: int, end: int) -> Int64Array:
            part = slice(begin, end)
            edges = window_edges(Mixture(*(np.asarray(f)[:, part] for f in given)), lo, hi, first_cg[part], _CG_SPAN)
            freqs = np.diff(edges, axis=1)
            score = self._scores(y[part], first[part] + inner, first_cg[part], slope[part], freqs, factors)
            ratio = (score << 4) // freqs.sum(axis=1)[:, None]  # the mean factor of Co, UNIT being 2**14
            kinds[part] = _bit_length(ratio * ratio)
            found = np.full((end - begin, WINDOW), UNIT, np.int64)
            found[:, inner : inner + _CO_SPAN] = padded[kinds[part]]
            return found

        def watch(begin: int, end: int, freqs: NDArray[np.int32]) -> None:
            np.add.at(expected, kinds[begin:end].ravel(), freqs[:, inner : inner + _CO_SPAN].ravel())

        return reweight(mixture, lo, hi, first, weigh, watch)

    def learn_second(self, co: Int64Array) -> None:
        """Adapt the factors of the second colour, as ``learn`` does those of the last."""
        assert self._second is not None
        first, kinds, expected = self._second
        place = co - first
        rows = np.flatnonzero((place >= 0) & (place < _CO_SPAN))
        came = np.bincount(kinds[rows, place[rows]], minlength=_SCORES + 1)
        self.second_factors = _adapted(self.second_factors, came[:_SCORES], expected[:_SCORES])

    def _factors_by_colour(self, y: Int64Array, first: Int64Array, first_cg: Int64Array, slope: Int64Array) -> NDArray[np.uint16]:
        """Factors of all colours that may be asked for, by cell; others are 0: uint16 (2**26,)."""
        reach = (np.abs(slope) * (_CO_SPAN // 2) >> 6) + 1
        begin = np.clip(first + (WINDOW - _CO_SPAN) // 2 + 256, 0, 511 - _CO_SPAN)
        # A row asks for the lines (Y, Co) of its own span of Co, and there for its own span of Cg; 16 lines of Co share their span.
        low, high = np.full((256, 32), 256, np.int64), np.full((256, 32), -256, np.int64)
        for bins in range(_CO_SPAN // 16 + 1):
            places = y, (begin >> 4) + bins
            np.minimum.at(low, places, first_cg - reach)
            np.maximum.at(high, places, first_cg + reach + _CG_SPAN)
        low, high = np.maximum(low, -255), np.minimum(high, 255)
        lines_y, lines_bin = np.nonzero(low <= high)
        lengths = (high - low)[lines_y, lines_bin] + 1
        order = np.argsort(lengths, kind="stable")  # lines of a block are as long as its longest
        found = np.zeros(1 << 26, np.uint16)
        padded = np.append(self.factors, 0).astype(np.uint16)
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
        """Sums over Cg of frequency times factor, for ``_CO_SPAN`` symbols Co from ``first`` on: int64 (n, ``_CO_SPAN``)."""
        reference = _CO_SPAN // 2
        steps = np.arange(_CO_SPAN)
        shifted = first_cg[:, None] + ((slope[:, None] * (steps - reference) + 32) >> 6)
        cg = (shifted[:, :, None] + np.arange(_CG_SPAN)).astype(np.int32)
        co = (first[:, None] + steps).astype(np.int32)[:, :, None]
        cell, inside = cell_of(y.astype(np.int32)[:, None, None], co, cg)
        weights = factors[cell] * inside
        result: Int64Array = (weights * freqs[:, None, :]).sum(axis=2)
        return result

    def _contexts(self, y: Int64Array, co: Int64Array, first: Int64Array, length: int = WINDOW) -> NDArray[np.int16]:
        """Contexts of the symbols first, ..., first + length - 1: int16 (n, length), -1 outside the cube."""
        if compiled := kernels(first.size * length, KERNELS):
            context = np.empty((first.size, length), np.int16)
            compiled.contexts(self._counts(compiled), *(np.ascontiguousarray(array, np.int64) for array in (y, co, first)), context)
            return context
        cg: NDArray[np.int32] = first.astype(np.int32)[:, None] + np.arange(-_REACH, length + _REACH).astype(np.int32)
        cell, inside = cell_of(y.astype(np.int32)[:, None], co.astype(np.int32)[:, None], cg)
        counts = self._colours[cell] * inside
        pairs = self._pairs[cell & _PAIR] * inside
        middle = slice(_REACH, _REACH + length)
        context = self._seen[counts[:, middle]]
        context += self._around[_around(counts)]
        beside = _around(pairs)
        mine = pairs[:, middle] << 4
        ratio = np.ones(context.shape, np.int16)
        for left, right in ((3, 0), (2, 0), (1, 0), (0, 0), (0, 1), (0, 2)):
            ratio += (mine << left) >= (beside << right)
        ratio *= beside >= _ENOUGH_PAIRS
        context += ratio
        if self._reachable is not None:
            asked = cell[:, middle]
            context += (self._reachable[asked >> 3] >> (asked & 7) & 1) * np.int16(_SEEN * _AROUND * _PAIRS)
        context[~inside[:, middle]] = -1
        return context

    def _counts(self, compiled: ModuleType) -> Any:
        """``lattice_kernels.Counts``."""
        reach = np.zeros(1, np.uint8) if self._reachable is None else self._reachable
        return compiled.Counts(self._colours, self._pairs, reach, self._seen, self._around, _REACH, _ENOUGH_PAIRS)


def _on_threads(fill: Callable[[Int64Array, Int64Array], None], rows: Int64Array, expected: Int64Array) -> None:
    """``fill`` all rows on as many threads as the network has, and add up what they expect: sums of integers do not depend on the order."""
    parts = np.array_split(rows, torch.get_num_threads())
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


def _bit_length(values: Int64Array) -> Int64Array:
    """Bit lengths of numbers 0..2**40 - 1."""
    thresholds = np.array([1 << bit for bit in range(_SCORES)], np.int64)
    return np.minimum(np.searchsorted(thresholds, values.ravel(), side="right").reshape(values.shape), _SCORES - 1)


def _around(counts: NDArray[np.integer]) -> NDArray[np.int32]:
    """Sums of the ``_REACH`` neighbours on both sides along the last axis, without the middle."""
    sums = np.zeros((counts.shape[0], counts.shape[1] + 1), np.int32)
    np.cumsum(counts, axis=1, dtype=np.int32, out=sums[:, 1:])
    span = 2 * _REACH + 1
    result: NDArray[np.int32] = sums[:, span:] - sums[:, :-span] - counts[:, _REACH:-_REACH]
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
