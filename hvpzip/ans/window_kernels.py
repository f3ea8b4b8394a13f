"""The loops of ``reweighted.py`` compiled by numba: the same integers, many times as fast.

Integer arithmetic only: this file reaches the bit stream.

Nothing here defines the format; tests/ans and tests/codec/test_lattice.py hold it against numpy. ``backend.py`` chooses.

Layer rank 1: imports numpy, numba and the rest of ``hvpzip.ans``.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hvpzip.ans.kernels import Parameters, cumulative, inline_jit, jit, top_words
from hvpzip.ans.lanes import Stage
from hvpzip.ans.rans import LOWER_BOUND, Message, StackUnderflow, WordArray
from hvpzip.ans.tables import CDF_BITS, CELL_BITS, CELL_MASK, MIX_BITS, WEIGHT_BITS, Z_OFFSET, Z_SHIFT

__all__ = ["Windows", "fill_edges", "fill_reweighted", "fill_starts", "fill_window", "pop_reweighted_stage"]

Int64Array: TypeAlias = NDArray[np.int64]
StateArray: TypeAlias = NDArray[np.uint64]


class Windows(NamedTuple):
    """The windows of ``reweighted.Reweighted``."""

    first: Int64Array
    edges: NDArray[np.int32]
    total: Int64Array
    excess: Int64Array


def pop_reweighted_stage(
    message: Message, params: Parameters, windows: Windows, precision: int, unit: int, stage: Stage, symbol: Int64Array, freq: Int64Array
) -> Message:
    """As ``pop_stage`` for reweighted mixtures (delta 1). unit: the factor 1."""
    head = message.head.copy()
    words, tail = top_words(message.tail, stage.end - stage.begin)
    used = _pop_reweighted(head, words, params, windows, precision, unit, stage.begin, stage.end, stage.lanes, symbol, freq)
    if used > words.size:
        raise StackUnderflow(f"the stack ran dry: more than the {words.size} words left were wanted")
    return Message(head, (words[used:], tail) if used < words.size else tail)


@jit
def fill_starts(mean: Int64Array, weight: NDArray[np.int32], half: int, low: int, high: int, start: Int64Array) -> None:
    """Write the first symbol of every window, half below the mean and in low..high: mirrors ``reweighted.window_starts``."""
    for i in range(start.size):
        centre = 0
        for k in range(mean.shape[0]):
            centre += mean[k, i] * weight[k, i]
        start[i] = min(max((((centre >> WEIGHT_BITS) + 32) >> 6) - half, low), high)


@inline_jit
def fill_window(params: Parameters, i: int, first: int, precision: int, edges: Int64Array) -> None:
    """Write C(first), C(first + 1), ... of symbol i into edges, for delta 1: ``_cumulative`` of all of them at once.

    z moves by the same step from one to the next, and only where the CDF is neither 0 nor 1 is it looked up.
    """
    mean, scale, weight, lo, size, phi, slope, reciprocal, saturated = params
    length = edges.size
    for j in range(length):
        edges[j] = 0
    for k in range(mean.shape[0]):
        rate, limit, share = reciprocal[scale[k, i]], saturated[scale[k, i]], np.int64(weight[k, i])
        distance = 64 * first - 32 - mean[k, i]
        begin = min(max(((-limit - distance) >> 6) + 1, 0), length)
        end = min(max((limit - distance + 63) >> 6, begin), length)
        z = (distance + 64 * begin) * rate
        for j in range(begin, end):
            u = (z >> Z_SHIFT) + Z_OFFSET
            cell = np.uint64(u >> CELL_BITS)  # unsigned: no check for an index from the end
            edges[j] += share * (phi[cell] + ((slope[cell] * (u & CELL_MASK)) >> CELL_BITS))
            z += 64 * rate
        for j in range(end, length):
            edges[j] += share << CDF_BITS
    for j in range(length):
        above = first + j - lo[i]
        inside = (((edges[j] >> (MIX_BITS - precision)) * ((1 << precision) - size[i])) >> precision) + above
        edges[j] = 0 if above <= 0 else 1 << precision if above >= size[i] else inside


@jit
def fill_edges(params: Parameters, first: Int64Array, precision: int, edges: Int64Array) -> None:
    """Write C(first + j) of every symbol into edges, int64 (N, j), for delta 1: mirrors ``reweighted.window_edges``."""
    for i in range(first.size):
        fill_window(params, i, first[i], precision, edges[i])


@inline_jit
def fill_reweighted(
    base: Int64Array, factor: Int64Array, above: int, size: int, precision: int, unit: int, i: int, windows: Windows
) -> None:
    """Write row i of the windows: mirrors ``reweighted.reweight``.

    base: C at the edges of the window. factor: of its symbols. above: the window's first symbol - lo. unit: the factor 1.
    """
    _, edges, total, excess = windows
    length = factor.size
    mass = 0
    for j in range(length):
        mass += (base[j + 1] - base[j]) * factor[j]
    excess[i] = mass - (base[length] - base[0]) * unit
    whole = max(excess[i] + (unit << precision), 1)
    total[i] = whole
    # mass * share // whole by a reciprocal, which is one too small at most 1 time in 20, and then mended; whole < 2**39.
    share, shift = (1 << precision) - size, 0
    while whole >> shift >= 1 << 32:
        shift += 1
    large = whole >= 1 << 31
    rate = (share << 37) // (whole >> shift) if large else 0
    mass = base[0] * unit
    for j in range(length + 1):
        if above + j >= size:
            edges[i, j] = 1 << precision
            continue
        if large:
            quotient = ((mass >> shift) * rate) >> 37
            rest = mass * share - quotient * whole
            while rest < 0:
                quotient -= 1
                rest += whole
            while rest >= whole:
                quotient += 1
                rest -= whole
        else:
            quotient = mass * share // whole
        edges[i, j] = quotient + above + j
        if j < length:
            mass += (base[j + 1] - base[j]) * factor[j]


@jit
def _pop_reweighted(
    head: StateArray,
    words: WordArray,
    params: Parameters,
    windows: Windows,
    precision: int,
    unit: int,
    begin: int,
    end: int,
    lanes: int,
    symbol: Int64Array,
    freq: Int64Array,
) -> int:
    """As ``_pop``, mirroring ``Reweighted._search``."""
    mean, scale, weight, lo, size, phi, slope, reciprocal, _ = params
    first, edges, total, excess = windows
    shift, mask = np.uint64(precision), np.uint64((1 << precision) - 1)
    window = edges.shape[1] - 1
    used = 0
    for i in range(begin, end):
        lane = (i - begin) % lanes
        cf = np.int64(head[lane] & mask)
        start, stop = np.int64(0), np.int64(1 << precision)
        if edges[i, 0] <= cf < edges[i, window]:
            low, high = 0, window
            start, stop = np.int64(edges[i, 0]), np.int64(edges[i, window])
            while high - low > 1:
                middle = (low + high) >> 1
                c = np.int64(edges[i, middle])
                if c <= cf:
                    low, start = middle, c
                else:
                    high, stop = middle, c
            symbol[i] = first[i] + low
        else:
            low, high = lo[i], lo[i] + size[i]
            while high - low > 1:
                middle = (low + high) >> 1
                place = middle - first[i]
                if 0 <= place <= window:
                    c = np.int64(edges[i, place])
                else:
                    above = middle - lo[i]
                    mass = cumulative(mean, scale, weight, phi, slope, reciprocal, i, 64 * middle - 32, above, size[i], precision) * unit
                    if place > window:
                        mass += excess[i]
                    c = np.int64(mass * ((1 << precision) - size[i]) // total[i] + above)
                if c <= cf:
                    low, start = middle, c
                else:
                    high, stop = middle, c
            symbol[i] = low
        freq[i] = stop - start
        state = np.uint64(stop - start) * (head[lane] >> shift) + np.uint64(cf - start)
        if state < np.uint64(LOWER_BOUND):
            if used == words.size:
                return used + 1
            state = (state << np.uint64(32)) | np.uint64(words[used])
            used += 1
        head[lane] = state
    return used
