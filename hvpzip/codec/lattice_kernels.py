"""The loops of ``lattice.py`` compiled by numba: the same integers, many times as fast.

Integer arithmetic only: this file reaches the bit stream.

Nothing here defines the format; tests/codec/test_lattice.py holds the two against each other. ``ans.backend`` chooses.

A symbol's context depends on its colour alone, and a unit asks for the same colours again and again. So rows are taken luma by luma, and
the contexts of the lines (Y, Co) of one luma are kept in a table, which is filled as far as the rows ask for it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hvpzip.ans.kernels import Parameters, jit
from hvpzip.ans.window_kernels import Windows, fill_reweighted, fill_window

__all__ = ["Counts", "bits", "contexts", "count", "reweight_last", "reweight_second"]

Int64Array = NDArray[np.int64]
Int16Array = NDArray[np.int16]

_COS, _CGS = 512, 544  # of the table of a luma: Co + 256, Cg + _ORIGIN; a row may begin or end 16 symbols beyond -255..255, never filled
_ORIGIN = 272
_AHEAD = 16  # a line is filled so far beyond what is asked for, as the next row asks for more


class Counts(NamedTuple):
    """What a ``Lattice`` has counted, and how counts become contexts.

    colours, pairs, reachable: see ``Lattice``; reachable is (1,) where there is no matrix. seen, around: the tables of classes, in units of
    contexts. reach: neighbours on either side. enough: pairs beside a symbol for their ratio to count.
    """

    colours: NDArray[np.uint8]
    pairs: NDArray[np.int32]
    reachable: NDArray[np.uint8]
    seen: Int16Array
    around: Int16Array
    reach: int
    enough: int


@jit
def count(
    y: NDArray[np.int32], co: NDArray[np.int32], cg: NDArray[np.int32], colours: NDArray[np.uint8], pairs: NDArray[np.int32], most: int
) -> None:
    """Count pixels: mirrors ``Lattice.add``. most: of a pair."""
    for i in range(y.size):
        middle = y[i] - (cg[i] >> 1)
        green = cg[i] + middle
        blue = middle - (co[i] >> 1)
        red = blue + co[i]
        if (red | green | blue) & ~255 == 0:
            pair = ((co[i] + 256) << 9) + cg[i] + 256
            cell = (y[i] << 18) + pair
            if colours[cell] < 255:
                colours[cell] += 1
            if pairs[pair] < most:
                pairs[pair] += 1


@jit
def _line(counts: Counts, y: int, co: int, first: int, out: Int16Array) -> None:
    """Write the contexts of the symbols first, first + 1, ... of one line into ``out``: mirrors ``Lattice._contexts``."""
    colours, pairs, reachable, seen, around, reach, enough = counts
    out[:] = -1
    # The cube holds one stretch of the line: blue and red fall with Cg >> 1, green rises with Cg + 1 >> 1.
    rest = y - (co >> 1)
    low = max(2 * (rest - min(255, 255 - co)), -2 * y - 1)
    high = min(2 * (rest - max(0, -co)) + 1, 510 - 2 * y) + 1
    begin, end = max(first, low), min(first + out.size, high)
    if begin >= end:
        return
    pair_line = ((co + 256) << 9) + 256
    line = (y << 18) + pair_line
    counted, timed = 0, 0  # over begin - reach to begin + reach
    for cg in range(max(begin - reach, low), min(begin + reach, high)):
        counted += colours[line + cg]
        timed += pairs[pair_line + cg]
    matrix = reachable.size > 1
    last = np.int64(seen[255] + around[-1] + 8)  # one past all contexts of the unreachable colours
    for cg in range(begin, end):
        if cg + reach < high:
            counted += colours[line + cg + reach]
            timed += pairs[pair_line + cg + reach]
        times, mine = np.int64(colours[line + cg]), np.int64(pairs[pair_line + cg])
        beside, ratio = timed - mine, np.int64(0)
        mine <<= 4
        if beside >= enough:
            ratio = (
                1
                + np.int64((mine << 3) >= beside)
                + np.int64((mine << 2) >= beside)
                + np.int64((mine << 1) >= beside)
                + np.int64(mine >= beside)
                + np.int64(mine >= beside << 1)
                + np.int64(mine >= beside << 2)
            )
        found = np.int64(seen[times]) + np.int64(around[counted - times]) + ratio
        if matrix and (reachable[(line + cg) >> 3] >> ((line + cg) & 7)) & 1:
            found += last
        out[cg - first] = found
        if cg - reach >= low:
            counted -= colours[line + cg - reach]
            timed -= pairs[pair_line + cg - reach]


@jit
def contexts(counts: Counts, y: Int64Array, co: Int64Array, first: Int64Array, out: Int16Array) -> None:
    """Write the contexts of the symbols first, first + 1, ... of every row into ``out (n, length)``: mirrors ``Lattice._contexts``."""
    for i in range(y.size):
        _line(counts, y[i], co[i], first[i], out[i])


class Tables(NamedTuple):
    """The lines of one luma: values (512, 544) of the colours (Co, Cg), of which low[Co]..high[Co] - 1 are there; others are 0 or stale."""

    values: NDArray[np.uint16]
    low: Int64Array
    high: Int64Array


@jit
def _extend(counts: Counts, tables: Tables, of_context: NDArray[np.uint16], y: Any, co: Any, begin: Any, end: Any) -> None:
    """See that the line (y, co) holds begin..end - 1, within -255..255. of_context: values of contexts, the last one of context -1."""
    values, low, high = tables
    place = co + 256
    if low[place] == high[place]:
        low[place] = high[place] = begin
    if begin < low[place]:
        first = max(begin - _AHEAD, -255)
        _fill(counts, values[place], of_context, y, co, first, low[place])
        low[place] = first
    if end > high[place]:
        last = min(end + _AHEAD, 256)
        _fill(counts, values[place], of_context, y, co, high[place], last)
        high[place] = last


@jit
def _fill(counts: Counts, line: NDArray[np.uint16], of_context: NDArray[np.uint16], y: int, co: int, begin: int, end: int) -> None:
    found = np.empty(end - begin, np.int16)
    _line(counts, y, co, begin, found)
    for j in range(found.size):
        line[begin + j + _ORIGIN] = of_context[found[j]]


@jit
def reweight_last(
    counts: Counts,
    params: Parameters,
    order: Int64Array,
    y: Int64Array,
    co: Int64Array,
    factors: Int64Array,
    precision: int,
    unit: int,
    windows: Windows,
    expected: Int64Array,
) -> None:
    """Write the windows of Cg and add up the expectations of the contexts: mirrors ``Lattice.reweight``.

    order: the rows to do, by luma. factors, expected: by context, the last one for colours outside the cube.
    """
    tables = Tables(np.zeros((_COS, _CGS), np.uint16), np.zeros(_COS, np.int64), np.zeros(_COS, np.int64))
    of_context = np.arange(factors.size).astype(np.uint16)
    length = windows.edges.shape[1] - 1
    base, factor, context = np.empty(length + 1, np.int64), np.empty(length, np.int64), np.empty(length, np.uint16)
    luma = np.int64(-1)
    for i in order:
        if y[i] != luma:
            luma = y[i]
            tables.high[:] = tables.low
        first, place = windows.first[i], co[i] + 256
        if tables.low[place] == tables.high[place] or first < tables.low[place] or first + length > tables.high[place]:
            _extend(counts, tables, of_context, y[i], co[i], first, first + length)
        for j in range(length):
            context[j] = tables.values[place, first + j + _ORIGIN]
            factor[j] = factors[context[j]]
        fill_window(params, i, first, precision, base)
        fill_reweighted(base, factor, first - params.lo[i], params.size[i], precision, unit, i, windows)
        for j in range(length):
            expected[context[j]] += windows.edges[i, j + 1] - windows.edges[i, j]


@jit
def reweight_second(
    counts: Counts,
    params: Parameters,
    given: Parameters,
    order: Int64Array,
    y: Int64Array,
    first_cg: Int64Array,
    slope: Int64Array,
    of_context: NDArray[np.uint16],
    factors: Int64Array,
    inner: int,
    last_length: int,
    precision: int,
    unit: int,
    windows: Windows,
    kinds: NDArray[np.uint8],
    expected: Int64Array,
) -> None:
    """Write the windows of Co, the kinds of their inner symbols, and the expectations of kinds: mirrors ``Lattice.reweight_second``.

    given: Cg given Co in the middle of the window. of_context: factors of Cg. factors, expected: by kind, the last one for all symbols
    that are not weighed. inner: the first symbol of the window that is. last_length: symbols of Cg that each is weighed with.
    """
    tables = Tables(np.zeros((_COS, _CGS), np.uint16), np.zeros(_COS, np.int64), np.zeros(_COS, np.int64))
    length, weighed, most = windows.edges.shape[1] - 1, kinds.shape[1], factors.size - 2
    base, factor, last = np.empty(length + 1, np.int64), np.full(length, factors[-1]), np.empty(last_length + 1, np.int64)
    freqs = np.empty(last_length, np.uint32)  # with factors of 16 bits, products of 32 x 32 bits
    luma, kind = np.int64(-1), 0
    for i in order:
        if y[i] != luma:
            luma = y[i]
            tables.high[:] = tables.low
        fill_window(given, i, first_cg[i], precision, last)
        for j in range(last_length):
            freqs[j] = last[j + 1] - last[j]
        whole = last[last_length] - last[0]
        for a in range(weighed):
            co = windows.first[i] + inner + a
            cg = first_cg[i] + ((slope[i] * (a - weighed // 2) + 32) >> 6)
            begin, end, place = max(cg, -255), min(cg + last_length, 256), co + 256
            score = np.uint64(0)
            if begin < end:
                if tables.low[place] == tables.high[place] or begin < tables.low[place] or end > tables.high[place]:
                    _extend(counts, tables, of_context, y[i], co, begin, end)
                line = tables.values[place, cg + _ORIGIN : cg + _ORIGIN + last_length]
                for j in range(last_length):
                    score += np.uint64(freqs[j]) * np.uint64(line[j])
            ratio = (np.int64(score) << 4) // whole  # the mean factor of Co, unit being 2**14
            ratio *= ratio
            while kind < most and ratio >> kind:  # the bit length
                kind += 1
            while kind and not ratio >> (kind - 1):
                kind -= 1
            kinds[i, a] = kind
            factor[inner + a] = factors[kind]
        fill_window(params, i, windows.first[i], precision, base)
        fill_reweighted(base, factor, windows.first[i] - params.lo[i], params.size[i], precision, unit, i, windows)
        for a in range(weighed):
            expected[kinds[i, a]] += windows.edges[i, inner + a + 1] - windows.edges[i, inner + a]


@jit
def bits(freqs: Int64Array) -> Any:
    """Sum of log2(freq) in 1/256, rounded down each: mirrors ``lattice.cost``."""
    total = np.int64(0)
    for freq in freqs:
        whole = np.int64(0)
        while freq >> (whole + 1):
            whole += 1
        mantissa = (np.uint64(freq) << np.uint64(31)) >> np.uint64(whole)
        total += whole << 8
        for bit in range(7, -1, -1):
            mantissa = (mantissa * mantissa) >> np.uint64(31)
            over = mantissa >> np.uint64(32)
            total += np.int64(over) << bit
            mantissa >>= over
    return total


@jit
def fill_reachable(
    luma: int,
    red: int,
    green_blue: int,
    green_red: int,
    blue: int,
    red_offset: int,
    green_offset: int,
    blue_offset: int,
    out: NDArray[np.uint8],
) -> None:
    """Set the bits of the colours that a matrix reaches: mirrors ``matrices.reachable``."""
    for y in range(256):
        for cr in range(-256, 257):
            r = (luma * y + red * cr + red_offset) >> 16
            if r & ~255:
                continue
            for cb in range(-256, 257):
                b = (luma * y + blue * cb + blue_offset) >> 16
                g = (luma * y - green_blue * cb - green_red * cr + green_offset) >> 16
                if (b | g) & ~255:
                    continue
                middle = b + ((r - b) >> 1)
                cell = ((middle + ((g - middle) >> 1)) << 18) + ((r - b + 256) << 9) + g - middle + 256
                out[cell >> 3] |= np.uint8(1 << (cell & 7))


@jit
def find_reached(
    luma: int,
    red: int,
    green_blue: int,
    green_red: int,
    blue: int,
    red_offset: int,
    green_offset: int,
    blue_offset: int,
    rgb: Int64Array,
    out: NDArray[np.bool_],
) -> None:
    """Write whether a matrix reaches each colour (3, n): mirrors ``matrices._reached``."""
    for i in range(out.size):
        r, g, b = rgb[0, i], rgb[1, i], rgb[2, i]
        out[i] = False
        for y in range(256):
            light = luma * y
            cr = -((light + red_offset - (r << 16)) // red)
            if (light + red * cr + red_offset) >> 16 != r:
                continue
            cb = -((light + blue_offset - (b << 16)) // blue)
            if (light + blue * cb + blue_offset) >> 16 == b and (light - green_blue * cb - green_red * cr + green_offset) >> 16 == g:
                out[i] = True
                break
