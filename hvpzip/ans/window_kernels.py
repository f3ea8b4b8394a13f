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
def fill_window(
    mean: Int64Array,
    scale: NDArray[np.int16],
    weight: NDArray[np.int32],
    phi: Int64Array,
    slope: Int64Array,
    reciprocal: Int64Array,
    saturated: Int64Array,
    components: tuple[int, int],
    i: int,
    first: int,
    lo: int,
    size: int,
    precision: int,
    edges: Int64Array,
) -> None:
    """Write C(first), C(first + 1), ... of symbol i into edges, for delta 1: ``_cumulative`` of all of them at once.

    components: rows of mean, scale and weight, one end and the other. z moves by the same step from one edge to the next, and only where
    the CDF is neither 0 nor 1 is it looked up.
    """
    column, length = np.uint64(i), edges.size  # unsigned: no check for an index from the end
    for j in range(length):
        edges[j] = 0
    for k in range(components[0], components[1]):
        level = np.uint64(scale[k, column])
        rate, limit, share = reciprocal[level], saturated[level], np.int64(weight[k, column])
        distance = 64 * first - 32 - mean[k, column]
        begin = min(max(((-limit - distance) >> 6) + 1, 0), length)
        end = min(max((limit - distance + 63) >> 6, begin), length)
        z = (distance + 64 * begin) * rate
        for j in range(begin, end):
            u = (z >> Z_SHIFT) + Z_OFFSET
            cell = np.uint64(u >> CELL_BITS)
            edges[np.uint64(j)] += share * (phi[cell] + ((slope[cell] * (u & CELL_MASK)) >> CELL_BITS))
            z += 64 * rate
        for j in range(end, length):
            edges[np.uint64(j)] += share << CDF_BITS
    spread, above = (1 << precision) - size, first - lo
    for j in range(length):
        inside = (((edges[j] >> (MIX_BITS - precision)) * spread) >> precision) + above + j
        edges[j] = 0 if above + j <= 0 else 1 << precision if above + j >= size else inside


@jit
def fill_edges(params: Parameters, first: Int64Array, precision: int, edges: Int64Array) -> None:
    """Write C(first + j) of every symbol into edges, int64 (N, j), for delta 1: mirrors ``reweighted.window_edges``."""
    mean, scale, weight, lo, size, phi, slope, reciprocal, saturated = params
    components = (0, mean.shape[0])
    for i in range(first.size):
        fill_window(mean, scale, weight, phi, slope, reciprocal, saturated, components, i, first[i], lo[i], size[i], precision, edges[i])


@inline_jit
def fill_reweighted(
    base: Int64Array,
    factor: NDArray[np.uint32],
    mass: Int64Array,
    above: int,
    size: int,
    precision: int,
    unit: int,
    i: int,
    edges: NDArray[np.int32],
    total: Int64Array,
    excess: Int64Array,
) -> None:
    """Write row i of the windows' edges, totals and excesses: mirrors ``reweighted.reweight``.

    base: C at the edges of the window, length + 1 of them. factor: of its symbols. mass: room for length + 1 numbers. above: the window's
    first symbol - lo. unit: the factor 1.
    """
    row, length = np.uint64(i), factor.size
    for j in range(length):
        mass[j + 1] = np.int64(np.uint64(np.uint32(base[j + 1] - base[j])) * np.uint64(factor[j]))  # 24 bits times 16
    mass[0] = base[0] * unit
    for j in range(length):
        mass[j + 1] += mass[j]
    extra = mass[length] - base[length] * unit
    excess[row] = extra
    whole = max(extra + (unit << precision), 1)
    total[row] = whole
    share = (1 << precision) - size
    if whole >> 31:
        # mass * share // whole by a reciprocal. All masses are at most whole < 2**39, so they shift into 32 bits with it; the reciprocal
        # has 30. Cutting off changes the quotient by less than 1/16 either way, so it is wrong by one at most, and the rest tells.
        shift = 0
        while whole >> (32 + shift):
            shift += 1
        rate = np.uint64((share << 37) // (whole >> shift))
        for j in range(length + 1):
            high = np.uint64(np.uint32(mass[j] >> shift))
            quotient = np.int64((high * rate) >> np.uint64(37))
            rest = mass[j] * share - quotient * whole
            mass[j] = quotient + np.int64(rest >= whole) - np.int64(rest < 0)
    else:
        for j in range(length + 1):
            mass[j] = mass[j] * share // whole
    for j in range(length + 1):
        edges[row, j] = mass[j] + above + j if above + j < size else 1 << precision


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
