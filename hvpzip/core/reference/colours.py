"""Colours learnt, in numpy. ``hvpzip.codec.colours.colour_model`` says what it is for.

Integer arithmetic only: this file reaches the bit stream.

Counts come as three arrays: colours, uint8 (2**26,), times seen by ``cells.cell_of``; pairs, int32 (2**18,), times seen by the lower bits
of the cell; reachable, uint8 (2**23,), a bit a cell, or empty where there is no matrix.
"""

from __future__ import annotations

from functools import cache
from math import isqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hvpzip.core.cells import COLOUR_CELLS, PAIR_CELLS, cell_of
from hvpzip.core.reference.coder import Int16Array, Int32Array, Int64Array
from hvpzip.core.reference.windows import fill_edges, reweight

__all__ = [
    "CG_CONTEXTS",
    "CG_SPAN",
    "CG_WINDOW",
    "CO_KINDS",
    "CO_WINDOW",
    "count_colours",
    "fill_reachable",
    "find_contexts",
    "find_reached",
    "reweight_cg",
    "reweight_co",
    "sum_log2",
]

Uint8Array = NDArray[np.uint8]
Uint16Array = NDArray[np.uint16]

REACH = 8  # neighbours on either side on the line of Cg
SEEN, AROUND, PAIRS = 6, 10, 8
CG_CONTEXTS = SEEN * AROUND * PAIRS * 2
CG_WINDOW, CO_WINDOW = 64, 32  # symbols that are weighed
CG_SPAN = 16  # symbols of Cg that each Co is weighed with
CO_KINDS = 40
_ENOUGH_PAIRS = 32


class _Counts(NamedTuple):
    colours: Uint8Array
    pairs: Int32Array
    reachable: Uint8Array


def count_colours(y: Int32Array, co: Int32Array, cg: Int32Array, most: int, colours: Uint8Array, pairs: Int32Array) -> None:
    """Count n pixels, each (n,), where they are inside the RGB cube: at most 255 times each colour, ``most`` times each pair."""
    cell, inside = cell_of(y, co, cg)
    inside &= (y & ~255) == 0
    found, times = np.unique(cell[inside], return_counts=True)
    colours[found] = np.minimum(colours[found] + times, 255)
    found, times = np.unique(cell[inside] & (PAIR_CELLS - 1), return_counts=True)
    pairs[found] = np.minimum(pairs[found] + times, most)


def find_contexts(
    colours: Uint8Array,
    pairs: Int32Array,
    reachable: Uint8Array,
    y: Int64Array,
    co: Int64Array,
    cg: Int64Array,
    threads: int,
    context: Int16Array,
) -> None:
    """Write the contexts of n symbols Cg, int16 (n,), -1 outside the cube. y: 0..255, co: -255..255, cg: any."""
    context[:] = _contexts(_Counts(colours, pairs, reachable), y, co, cg, 1)[:, 0]


def reweight_cg(
    colours: Uint8Array,
    pairs: Int32Array,
    reachable: Uint8Array,
    mean: Int64Array,
    scale: Int16Array,
    weight: Int32Array,
    lo: int,
    size: int,
    y: Int64Array,
    co: Int64Array,
    factors: Uint16Array,
    threads: int,
    first: Int64Array,
    edges: Int32Array,
    total: Int64Array,
    excess: Int64Array,
    expected: Int64Array,
) -> None:
    """Write the windows of Cg, see ``hvpzip.ans.Reweighted``, and the sums of the contexts' frequencies.

    mean, scale, weight: N mixtures on the alphabet lo..lo + size - 1. y, co: (N,), 0..255 and -255..255. factors: by context
    (CG_CONTEXTS,), at most 2**15. threads: how many may share the work; the result does not depend on it. first: (N,), within the alphabet
    and -256..255. edges: (N, CG_WINDOW + 1). expected: (CG_CONTEXTS,).
    """
    counts, padded = _Counts(colours, pairs, reachable), np.append(factors, np.uint16(0))  # context -1 is outside the cube
    sums = np.zeros(padded.size, np.int64)
    block: list[Int16Array] = []

    def weigh(begin: int, end: int) -> Uint16Array:
        block[:] = [_contexts(counts, y[begin:end], co[begin:end], first[begin:end], CG_WINDOW)]
        found: Uint16Array = padded[block[0]]
        return found

    def watch(begin: int, end: int, freqs: Int32Array) -> None:
        np.add.at(sums, block[0].ravel(), freqs.ravel())

    reweight((mean, scale, weight), lo, size, weigh, watch, first, edges, total, excess)
    expected[:] = sums[:-1]


def reweight_co(
    colours: Uint8Array,
    pairs: Int32Array,
    reachable: Uint8Array,
    mean: Int64Array,
    scale: Int16Array,
    weight: Int32Array,
    lo: int,
    size: int,
    cg_mean: Int64Array,
    cg_scale: Int16Array,
    cg_weight: Int32Array,
    cg_lo: int,
    cg_size: int,
    y: Int64Array,
    first_cg: Int64Array,
    slope: Int64Array,
    cg_factors: Uint16Array,
    factors: Uint16Array,
    threads: int,
    first: Int64Array,
    edges: Int32Array,
    total: Int64Array,
    excess: Int64Array,
    kinds: Uint8Array,
    expected: Int64Array,
) -> None:
    """Write the windows of Co, the kinds of their symbols (N, CO_WINDOW), and the sums of the kinds' frequencies (CO_KINDS,).

    cg_mean, cg_scale, cg_weight, cg_lo, cg_size: mixtures of Cg, given the Co in the middle of the window. first_cg: (N,), the first of
    ``CG_SPAN`` symbols Cg there, within that alphabet. slope: (N,), by how much Cg moves with Co, in 1/64. cg_factors: by context. factors:
    by kind. Others as for ``reweight_cg``; first within -256..224, edges (N, CO_WINDOW + 1).
    """
    by_colour = _factors_by_colour(_Counts(colours, pairs, reachable), y, first, first_cg, slope, cg_factors)

    def weigh(begin: int, end: int) -> Uint16Array:
        part = slice(begin, end)
        base = np.empty((end - begin, CG_SPAN + 1), np.int64)
        fill_edges(cg_mean[:, part], cg_scale[:, part], cg_weight[:, part], cg_lo, cg_size, first_cg[part], base)
        freqs = np.diff(base, axis=1)
        score = _scores(y[part], first[part], first_cg[part], slope[part], freqs, by_colour)
        # The mean factor of Co, 1 being 2**14. Beyond the end of a short alphabet there is no frequency.
        ratio = (score << 4) // np.maximum(freqs.sum(axis=1), 1)[:, None]
        kinds[part] = np.searchsorted(_least(), ratio, side="right") - 1
        found: Uint16Array = factors[kinds[part]]
        return found

    def watch(begin: int, end: int, freqs: Int32Array) -> None:
        np.add.at(expected, kinds[begin:end].ravel(), freqs.ravel())

    expected[:] = 0
    reweight((mean, scale, weight), lo, size, weigh, watch, first, edges, total, excess)


def sum_log2(freqs: Int64Array, threads: int) -> int:
    """The sum of log2(freq) in 1/256, each rounded down. freqs: (N,), 1..2**32 - 1."""
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
    return int(logs.sum())


def fill_reachable(matrix: Int64Array, reachable: Uint8Array) -> None:
    """Set the bits of the colours that a matrix reaches: bit cell % 8 of byte cell // 8, uint8 (2**23,).

    matrix: (8,), ``hvpzip.codec.colours.matrices.Matrix``: luma, red, green_blue, green_red, blue, and three offsets.
    """
    luma_gain, red_gain, green_blue, green_red, blue_gain, *offset = matrix.tolist()
    chroma = np.arange(-256, 257, dtype=np.int64)
    for y in range(256):
        luma = luma_gain * y
        red, blue = ((luma + gain * chroma + offset[i]) >> 16 for gain, i in ((red_gain, 0), (blue_gain, 2)))
        cr, cb = (np.flatnonzero((channel >= 0) & (channel < 256)) for channel in (red, blue))
        green = (luma - green_blue * chroma[cb] - green_red * chroma[cr][:, None] + offset[1]) >> 16
        co = red[cr][:, None] - blue[cb]
        middle = blue[cb] + (co >> 1)
        cg = green - middle
        cell = ((middle + (cg >> 1) << 18) + (co + 256 << 9) + cg + 256)[(green >= 0) & (green < 256)]
        np.bitwise_or.at(reachable, cell >> 3, (1 << (cell & 7)).astype(np.uint8))


def find_reached(matrix: Int64Array, rgb: Int64Array, threads: int, reached: NDArray[np.bool_]) -> None:
    """Write whether a matrix reaches each of n colours (3, n), 0..255: every luma leaves at most one chroma for red, and one for blue."""
    luma_gain, red_gain, green_blue, green_red, blue_gain, *offset = matrix.tolist()
    luma = luma_gain * np.arange(256, dtype=np.int64)
    red, green, blue = rgb[:, :, None]
    cr = -((luma + offset[0] - (red << 16)) // red_gain)  # the least with red reached
    cb = -((luma + offset[2] - (blue << 16)) // blue_gain)
    right = ((luma + red_gain * cr + offset[0]) >> 16 == red) & ((luma + blue_gain * cb + offset[2]) >> 16 == blue)
    right &= (luma - green_blue * cb - green_red * cr + offset[1]) >> 16 == green
    reached[:] = right.any(axis=1)


@cache
def _least() -> Int64Array:
    """The least ratio of each kind: a kind is the bit length of the ratio's square."""
    return np.array([0, *(isqrt((1 << kind - 1) - 1) + 1 for kind in range(1, CO_KINDS))], np.int64)


@cache
def _classes() -> tuple[Int16Array, Int16Array]:
    """Class of a count 0..255: 0, 1, 2, 3-4, 5-8, more; and of a sum of 16 counts: its bit length, at most 9."""
    seen = np.searchsorted(np.array([0, 1, 2, 4, 8]), np.arange(256)).astype(np.int16)
    around = np.array([min(value.bit_length(), AROUND - 1) for value in range(2 * REACH * 255 + 1)], np.int16)
    return seen, around


def _contexts(counts: _Counts, y: Int64Array, co: Int64Array, first: Int64Array, length: int) -> Int16Array:
    """Contexts of the symbols first, ..., first + length - 1: int16 (n, length), -1 outside the cube."""
    cg: Int32Array = first.astype(np.int32)[:, None] + np.arange(-REACH, length + REACH).astype(np.int32)
    cell, inside = cell_of(y.astype(np.int32)[:, None], co.astype(np.int32)[:, None], cg)
    seen, around = _classes()
    times = counts.colours[cell] * inside
    pairs = counts.pairs[cell & (PAIR_CELLS - 1)] * inside
    middle = slice(REACH, REACH + length)
    context: Int16Array = seen[times[:, middle]] * np.int16(AROUND * PAIRS)
    context += around[_around(times)] * np.int16(PAIRS)
    beside = _around(pairs)
    mine = pairs[:, middle] << 4
    ratio = np.ones(context.shape, np.int16)
    for left, right in ((3, 0), (2, 0), (1, 0), (0, 0), (0, 1), (0, 2)):
        ratio += (mine << left) >= (beside << right)
    ratio *= beside >= _ENOUGH_PAIRS
    context += ratio
    if counts.reachable.size:
        asked = cell[:, middle]
        context += (counts.reachable[asked >> 3] >> (asked & 7) & 1) * np.int16(SEEN * AROUND * PAIRS)
    context[~inside[:, middle]] = -1
    return context


def _around(counts: NDArray[np.integer]) -> Int32Array:
    """Sums of the ``REACH`` neighbours on both sides along the last axis, without the middle."""
    sums = np.zeros((counts.shape[0], counts.shape[1] + 1), np.int32)
    np.cumsum(counts, axis=1, dtype=np.int32, out=sums[:, 1:])
    span = 2 * REACH + 1
    result: Int32Array = sums[:, span:] - sums[:, :-span] - counts[:, REACH:-REACH]
    return result


def _factors_by_colour(
    counts: _Counts, y: Int64Array, first: Int64Array, first_cg: Int64Array, slope: Int64Array, cg_factors: Uint16Array
) -> Uint16Array:
    """Factors of all colours that may be asked for, by cell; others are 0: uint16 (2**26,)."""
    reach = (np.abs(slope) * (CO_WINDOW // 2) >> 6) + 1
    begin = np.clip(first + 256, 0, 511 - CO_WINDOW)
    # A row asks for the lines (Y, Co) of its own span of Co, and there for its own span of Cg; 16 lines of Co share their span.
    low, high = np.full((256, 32), 256, np.int64), np.full((256, 32), -256, np.int64)
    for bins in range(CO_WINDOW // 16 + 1):
        places = y, (begin >> 4) + bins
        np.minimum.at(low, places, first_cg - reach)
        np.maximum.at(high, places, first_cg + reach + CG_SPAN)
    low, high = np.maximum(low, -255), np.minimum(high, 255)
    lines_y, lines_bin = np.nonzero(low <= high)
    lengths = (high - low)[lines_y, lines_bin] + 1
    order = np.argsort(lengths, kind="stable")  # lines of a block are as long as its longest
    found = np.zeros(COLOUR_CELLS, np.uint16)
    padded = np.append(cg_factors, np.uint16(0))
    for start in range(0, order.size, 1 << 8):
        part = order[start : start + (1 << 8)]
        line_y, line_bin, length = np.repeat(lines_y[part], 16), np.repeat(lines_bin[part], 16), int(lengths[part[-1]])
        line_co = 16 * line_bin + np.tile(np.arange(16), part.size) - 256
        line_low = low[line_y, line_bin]
        context = _contexts(counts, line_y, line_co, line_low, length)
        cg = (line_low[:, None] + np.arange(length)).astype(np.int32)
        cell, inside = cell_of(line_y.astype(np.int32)[:, None], line_co.astype(np.int32)[:, None], cg)
        found[cell[inside]] = padded[context[inside]]
    return found


def _scores(
    y: Int64Array, first: Int64Array, first_cg: Int64Array, slope: Int64Array, freqs: Int64Array, by_colour: Uint16Array
) -> Int64Array:
    """Sums over Cg of frequency times factor, for ``CO_WINDOW`` symbols Co from ``first`` on: int64 (n, ``CO_WINDOW``)."""
    steps = np.arange(CO_WINDOW)
    shifted = first_cg[:, None] + ((slope[:, None] * (steps - CO_WINDOW // 2) + 32) >> 6)
    # Beyond the cube, wherever it is, all factors are 0.
    cg = (np.clip(shifted, -256 - CG_SPAN, 256)[:, :, None] + np.arange(CG_SPAN)).astype(np.int32)
    co = (first[:, None] + steps).astype(np.int32)[:, :, None]
    cell, inside = cell_of(y.astype(np.int32)[:, None, None], co, cg)
    weights = by_colour[cell] * inside
    result: Int64Array = (weights * freqs[:, None, :]).sum(axis=2)
    return result
