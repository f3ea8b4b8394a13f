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

from hvpzip.ans.kernels import Parameters, inline_jit, jit
from hvpzip.ans.window_kernels import Windows, fill_reweighted, fill_window
from hvpzip.codec.colours.colour_model import AROUND, ENOUGH_PAIRS, FINE, FINE_BITS, PAIRS, REACH, SEEN

__all__ = ["Counts", "bits", "contexts", "count", "reweight_last", "reweight_second"]

Int64Array = NDArray[np.int64]
Int16Array = NDArray[np.int16]

_COS, _CGS = 512, 544  # of the table of a luma: Co + 256, Cg + _ORIGIN; a row may begin or end 16 symbols beyond -255..255, never filled
_ORIGIN = 272
_BATCH = 64  # rows whose mixtures are brought together: rows of one luma lie far apart, and their loads wait less side by side


class Counts(NamedTuple):
    """What a ``Lattice`` has counted: colours, pairs, reachable, see there; reachable is (1,) where there is no matrix."""

    colours: NDArray[np.uint8]
    pairs: NDArray[np.int32]
    reachable: NDArray[np.uint8]


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


class _Room(NamedTuple):
    """Room for a line and ``REACH`` symbols on either side."""

    times: NDArray[np.int32]
    pairs: NDArray[np.int32]
    found: NDArray[np.int32]


@jit
def _room(length: int) -> _Room:
    size = length + 2 * REACH + 1
    return _Room(np.empty(size, np.int32), np.empty(size, np.int32), np.empty(size, np.int32))


@inline_jit
def _line(
    colours: NDArray[np.uint8],
    pairs: NDArray[np.int32],
    reachable: NDArray[np.uint8],
    y: int,
    co: int,
    first: int,
    length: int,
    times_before: NDArray[np.int32],
    pairs_before: NDArray[np.int32],
    found: NDArray[np.int32],
    of_context: NDArray[Any],
    out: NDArray[Any],
    at: int,
) -> None:
    """Write the contexts of the symbols first, first + 1, ... of one line to ``out[at:]``: mirrors ``Lattice._contexts``.

    times_before, pairs_before, found: ``_Room``. of_context: what is written for contexts 0, 1, ..., and at last for colours outside the
    cube.
    """
    # The cube holds one stretch of the line: blue and red fall with Cg >> 1, green rises with Cg + 1 >> 1.
    rest = y - (co >> 1)
    low = max(2 * (rest - min(255, 255 - co)), -2 * y - 1)
    high = min(2 * (rest - max(0, -co)) + 1, 510 - 2 * y) + 1
    begin, end = max(first, low), min(first + length, high)
    if begin >= end:
        begin = end = first
    outside = of_context[of_context.size - 1]
    for j in range(begin - first):
        out[at + j] = outside
    for j in range(end - first, length):
        out[at + j] = outside
    if begin == end:
        return
    pair_line = ((co + 256) << 9) + 256
    line = (y << 18) + pair_line
    # Sums over all symbols before one, of the line from begin - REACH to end + REACH.
    counted, timed = np.int32(0), np.int32(0)
    for j in range(end - begin + 2 * REACH):
        times_before[j], pairs_before[j] = counted, timed
        cg = begin - REACH + j
        if low <= cg < high:
            counted += np.int32(colours[np.uint64(line + cg)])
            timed += pairs[np.uint64(pair_line + cg)]
    times_before[end - begin + 2 * REACH], pairs_before[end - begin + 2 * REACH] = counted, timed
    # The passes are apart, and without tables, because compilers then work on many symbols at once.
    for j in range(end - begin):
        times = times_before[j + REACH + 1] - times_before[j + REACH]
        beside = times_before[j + 2 * REACH + 1] - times_before[j] - times
        seen = np.int32(times > 0) + np.int32(times > 1) + np.int32(times > 2) + np.int32(times > 4) + np.int32(times > 8)
        around = np.int32(beside > 0)
        for bit in range(1, AROUND - 1):
            around += np.int32(beside >> np.int32(bit) != 0)
        mine = pairs_before[j + REACH + 1] - pairs_before[j + REACH]
        others = pairs_before[j + 2 * REACH + 1] - pairs_before[j] - mine
        mine <<= np.int32(4)
        ratio = np.int32(1) + np.int32(mine >= others)
        for shift in range(1, 4):
            ratio += np.int32(mine << np.int32(shift) >= others)
        for shift in range(1, 3):
            ratio += np.int32(mine >= others << np.int32(shift))
        ratio = ratio if others >= ENOUGH_PAIRS else np.int32(0)
        found[j] = (seen * np.int32(AROUND) + around) * np.int32(PAIRS) + ratio
    if reachable.size > 1:
        for j in range(end - begin):
            cell = np.uint64(line + begin + j)
            found[j] += np.int32((reachable[cell >> np.uint64(3)] >> (cell & np.uint64(7))) & np.uint8(1)) * np.int32(SEEN * AROUND * PAIRS)
    for j in range(end - begin):
        out[at + begin - first + j] = of_context[np.uint64(found[j])]


@jit
def contexts(
    counts: Counts, y: Int64Array, co: Int64Array, first: Int64Array, length: int, of_context: Int16Array, out: Int16Array
) -> None:
    """Write the contexts of the symbols first, first + 1, ... of every row into ``out (n * length,)``: mirrors ``Lattice._contexts``.

    of_context: the contexts themselves, and -1.
    """
    colours, pairs, reachable = counts
    times_before, pairs_before, found = _room(length)
    for i in range(y.size):
        _line(colours, pairs, reachable, y[i], co[i], first[i], length, times_before, pairs_before, found, of_context, out, i * length)


@jit
def _fill_table(
    counts: Counts, y: int, low: Int64Array, high: Int64Array, of_context: NDArray[np.uint16], table: NDArray[np.uint16]
) -> None:
    """Write the lines Co = 0, 1, ... - 256 of one luma from low[Co] to high[Co] - 1, as far as they are within -255..255."""
    colours, pairs, reachable = counts
    times_before, pairs_before, found = _room(_CGS)
    for place in range(_COS):
        begin, end = max(low[place], -255), min(high[place], 256)
        if begin < end:
            at = place * _CGS + begin + _ORIGIN
            _line(
                colours,
                pairs,
                reachable,
                y,
                place - 256,
                begin,
                end - begin,
                times_before,
                pairs_before,
                found,
                of_context,
                table,
                at,
            )


@jit
def _bring(
    rows: Int64Array,
    means: Int64Array,
    scales: Int16Array,
    weights: NDArray[np.int32],
    at: int,
    mean: Int64Array,
    scale: Int16Array,
    weight: NDArray[np.int32],
) -> None:
    """Bring the mixtures of these rows together: component k of row b to ``[at + k, b]``."""
    for k in range(means.shape[0]):
        for b in range(rows.size):
            mean[at + k, b], scale[at + k, b], weight[at + k, b] = means[k, rows[b]], scales[k, rows[b]], weights[k, rows[b]]


@jit
def reweight_last(
    counts: Counts,
    params: Parameters,
    order: Int64Array,
    y: Int64Array,
    co: Int64Array,
    factors: NDArray[np.uint32],
    precision: int,
    unit: int,
    windows: Windows,
    expected: Int64Array,
) -> None:
    """Write the windows of Cg and add up the expectations of the contexts: mirrors ``Lattice.reweight``.

    order: the rows to do, by luma. factors, expected: by context, the last one for colours outside the cube.
    """
    means, scales, weights, lo, size, phi, slope, reciprocal, saturated = params
    first, edges, total, excess = windows
    length, components = edges.shape[1] - 1, means.shape[0]
    own = (0, components)
    table, low, high = np.zeros(_COS * _CGS, np.uint16), np.empty(_COS, np.int64), np.empty(_COS, np.int64)
    of_context = np.arange(factors.size).astype(np.uint16)
    mean, scale, weight = (
        np.empty((components, _BATCH), np.int64),
        np.empty((components, _BATCH), np.int16),
        np.empty((components, _BATCH), np.int32),
    )
    base, mass = np.empty(length + 1, np.int64), np.empty(length + 1, np.int64)
    factor, context = np.empty(length, np.uint32), np.empty(length, np.uint16)
    begin, end = 0, 0  # of a luma
    while begin < order.size:
        luma = y[order[begin]]
        low[:], high[:] = _CGS, -_CGS
        while end < order.size and y[order[end]] == luma:
            start, place = first[order[end]], co[order[end]] + 256
            low[place], high[place] = min(low[place], start), max(high[place], start + length)
            end += 1
        _fill_table(counts, luma, low, high, of_context, table)
        for batch in range(begin, end, _BATCH):
            many = min(_BATCH, end - batch)
            _bring(order[batch : batch + many], means, scales, weights, 0, mean, scale, weight)
            for b in range(many):
                i = order[batch + b]
                start = first[i]
                line = np.uint64((co[i] + 256) * _CGS + start + _ORIGIN)
                for j in range(length):
                    context[j] = table[line + np.uint64(j)]
                    factor[j] = factors[np.uint64(context[j])]
                fill_window(mean, scale, weight, phi, slope, reciprocal, saturated, own, b, start, lo[i], size[i], precision, base)
                fill_reweighted(base, factor, mass, start - lo[i], size[i], precision, unit, i, edges, total, excess)
                row = np.uint64(i)
                for j in range(length):
                    expected[np.uint64(context[j])] += np.int64(edges[row, j + 1] - edges[row, j])
        begin = end


@jit
def reweight_second(
    counts: Counts,
    params: Parameters,
    given: Parameters,
    order: Int64Array,
    y: Int64Array,
    first_cg: Int64Array,
    moves: Int64Array,
    of_context: NDArray[np.uint16],
    factors: NDArray[np.uint32],
    span: int,
    kind_of: NDArray[np.uint8],
    least: NDArray[np.uint64],
    precision: int,
    unit: int,
    windows: Windows,
    kinds: NDArray[np.uint8],
    expected: Int64Array,
) -> None:
    """Write the windows of Co, the kinds of their symbols, and the expectations of kinds: mirrors ``Lattice.reweight_second``.

    given: Cg given Co in the middle of the window. moves: how its means move with Co, in 1/64. of_context: factors of Cg. factors,
    expected: by kind. span: symbols of Cg that each Co is weighed with. kind_of, least: ``lattice._kind_tables``.
    """
    means, scales, weights, lo, size, phi, slope, reciprocal, saturated = params
    given_means, given_scales, given_weights, given_lo, given_size, _, _, _, _ = given
    first, edges, total, excess = windows
    length, components = edges.shape[1] - 1, means.shape[0]
    own, others = (0, components), (components, 2 * components)
    table, low, high = np.zeros(_COS * _CGS, np.uint16), np.empty(_COS, np.int64), np.empty(_COS, np.int64)
    mean, scale, weight = (
        np.empty((2 * components, _BATCH), np.int64),
        np.empty((2 * components, _BATCH), np.int16),
        np.empty((2 * components, _BATCH), np.int32),
    )
    base, mass, last = np.empty(length + 1, np.int64), np.empty(length + 1, np.int64), np.empty(span + 1, np.int64)
    factor, scores = np.empty(length, np.uint32), np.empty(length, np.uint64)
    freqs = np.empty(span, np.uint32)  # with factors of 16 bits, products of 32 x 32 bits
    begin, end = 0, 0  # of a luma
    while begin < order.size:
        luma = y[order[begin]]
        low[:], high[:] = _CGS, -_CGS
        while end < order.size and y[order[end]] == luma:
            i = order[end]
            place, centre, move = first[i] + 256, first_cg[i], moves[i]
            for a in range(length):
                cg = centre + ((move * (a - length // 2) + 32) >> 6)
                low[place + a], high[place + a] = min(low[place + a], cg), max(high[place + a], cg + span)
            end += 1
        _fill_table(counts, luma, low, high, of_context, table)
        for batch in range(begin, end, _BATCH):
            many = min(_BATCH, end - batch)
            _bring(order[batch : batch + many], means, scales, weights, 0, mean, scale, weight)
            _bring(order[batch : batch + many], given_means, given_scales, given_weights, components, mean, scale, weight)
            for b in range(many):
                i = order[batch + b]
                row, centre, start, move = np.uint64(i), first_cg[i], first[i], moves[i]
                fill_window(
                    mean, scale, weight, phi, slope, reciprocal, saturated, others, b, centre, given_lo[i], given_size[i], precision, last
                )
                for j in range(span):
                    freqs[j] = np.uint32(last[j + 1] - last[j])
                whole = np.uint64(last[span] - last[0])
                for a in range(length):
                    cg = centre + ((move * (a - length // 2) + 32) >> 6)
                    score = np.uint64(0)
                    if cg + span > -255 and cg < 256:
                        line = np.uint64((start + a + 256) * _CGS + cg + _ORIGIN)
                        for j in range(span):
                            score += np.uint64(freqs[j]) * np.uint64(table[line + np.uint64(j)])
                    scores[a] = score
                for a in range(length):
                    ratio = (scores[a] << np.uint64(4)) // whole  # the mean factor of Co, unit being 2**14
                    kind = np.uint64(kind_of[ratio if ratio < np.uint64(FINE) else np.uint64(FINE) + (ratio >> np.uint64(FINE_BITS))])
                    kind += np.uint64(ratio >= least[kind + np.uint64(1)])
                    kinds[row, a] = kind
                    factor[a] = factors[kind]
                fill_window(mean, scale, weight, phi, slope, reciprocal, saturated, own, b, start, lo[i], size[i], precision, base)
                fill_reweighted(base, factor, mass, start - lo[i], size[i], precision, unit, i, edges, total, excess)
                for a in range(length):
                    expected[np.uint64(kinds[row, a])] += np.int64(edges[row, a + 1] - edges[row, a])
        begin = end


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
        # Blue rises with Cb: where it is in 0..255 is one stretch.
        begin = -256
        while begin <= 256 and (luma * y + blue * begin + blue_offset) >> 16 < 0:
            begin += 1
        end = begin
        while end <= 256 and (luma * y + blue * end + blue_offset) >> 16 < 256:
            end += 1
        for cr in range(-256, 257):
            r = (luma * y + red * cr + red_offset) >> 16
            if r & ~255:
                continue
            for cb in range(begin, end):
                b = (luma * y + blue * cb + blue_offset) >> 16
                g = (luma * y - green_blue * cb - green_red * cr + green_offset) >> 16
                if g & ~255:
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
