"""Windows of neighbouring symbols, reweighted, in numpy. ``hvpzip.ans.reweighted`` has the formulas; precision is 24 bits, delta 1.

Integer arithmetic only: this file reaches the bit stream.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hvpzip.core.reference.coder import Int16Array, Int32Array, Int64Array, StateArray, cumulative, step_back

__all__ = ["MAX_FACTOR", "PRECISION", "UNIT", "fill_edges", "fill_starts", "pop_reweighted_stage", "reweight", "scaled"]

PRECISION = 24
UNIT = 1 << 10  # the factor 1
MAX_FACTOR = 1 << 15
_BLOCK = 1 << 12  # symbols worked on at once


def fill_starts(mean: Int64Array, scale: Int16Array, weight: Int32Array, half: int, low: int, high: int, start: Int64Array) -> None:
    """Write the first symbol of each window: half below the mixture's mean, within low..high."""
    centre = (mean * weight).sum(axis=0) >> 16
    np.clip(((centre + 32) >> 6) - half, low, high, out=start)


def fill_edges(mean: Int64Array, scale: Int16Array, weight: Int32Array, lo: int, size: int, first: Int64Array, edges: Int64Array) -> None:
    """Write C at first, first + 1, ... into edges, int64 (N, length + 1). lo, size: the alphabet."""
    length = edges.shape[1]
    for begin in range(0, first.size, _BLOCK):
        part = slice(begin, begin + _BLOCK)
        means, scales, weights = (np.repeat(np.asarray(field)[:, part], length, axis=1) for field in (mean, scale, weight))
        symbol = (first[part, None] + np.arange(length)).ravel()
        edges[part] = cumulative(means, scales, weights, lo, size, symbol, 64, PRECISION).reshape(-1, length)


def reweight(
    mixture: tuple[Int64Array, Int16Array, Int32Array],
    lo: int,
    size: int,
    factors: Callable[[int, int], NDArray[np.integer[Any]]],
    watch: Callable[[int, int, Int32Array], None],
    first: Int64Array,
    edges: Int32Array,
    total: Int64Array,
    excess: Int64Array,
) -> None:
    """Write the windows' edges C' (N, length + 1), totals and excesses (N,). first: (N,), each at least lo.

    factors(begin, end): the factors (end - begin, length) of rows begin..end-1. watch: called with (begin, end, frequencies) after each
    block.
    """
    length = edges.shape[1] - 1
    mean, scale, weight = mixture
    for begin in range(0, first.size, _BLOCK):
        end = min(begin + _BLOCK, first.size)
        base = np.empty((end - begin, length + 1), np.int64)
        fill_edges(mean[:, begin:end], scale[:, begin:end], weight[:, begin:end], lo, size, first[begin:end], base)
        mass = np.zeros((end - begin, length + 1), np.int64)
        np.multiply(np.diff(base, axis=1), factors(begin, end), out=mass[:, 1:])
        np.cumsum(mass, axis=1, out=mass)
        excess[begin:end] = mass[:, -1] - (base[:, -1] - base[:, 0]) * UNIT
        # All factors may be 0 where all the mass is: the frequencies of 1 remain, and nothing is divided by 0.
        total[begin:end] = np.maximum(excess[begin:end] + (UNIT << PRECISION), 1)
        mass += base[:, :1] * UNIT
        above = (first[begin:end] - lo)[:, None] + np.arange(length + 1)
        edges[begin:end] = scaled(mass, total[begin:end, None], above, size)
        watch(begin, end, np.diff(edges[begin:end], axis=1))


def pop_reweighted_stage(
    head: StateArray,
    words: NDArray[np.uint32],
    mean: Int64Array,
    scale: Int16Array,
    weight: Int32Array,
    lo: int,
    size: int,
    first: Int64Array,
    edges: Int32Array,
    total: Int64Array,
    excess: Int64Array,
    begin: int,
    end: int,
    lanes: int,
    symbol: Int64Array,
    freq: Int64Array,
) -> int:
    """As ``pop_stage`` for the symbols of windows that ``reweight_cg`` or ``reweight_co`` has written."""
    length, used = edges.shape[1] - 1, 0

    def at(rows: Int64Array, asked: Int64Array) -> Int64Array:
        """C'(asked) of the given rows, inside the window or not."""
        place = asked - first[rows]
        inside = (place >= 0) & (place <= length)
        mass = cumulative(mean[:, rows], scale[:, rows], weight[:, rows], lo, size, asked, 64, PRECISION) * UNIT
        mass += np.where(place >= length, excess[rows], 0)
        return np.where(inside, edges[rows, np.where(inside, place, 0)], scaled(mass, total[rows], asked - lo, size))

    for chunk in range(begin, end, lanes):
        many = min(lanes, end - chunk)
        part, rows = slice(chunk, chunk + many), np.arange(chunk, chunk + many)
        cf = head[:many] & np.uint64((1 << PRECISION) - 1)
        wanted = cf.astype(np.int64)
        place = (edges[part] <= wanted[:, None]).sum(axis=1) - 1
        inside = (place >= 0) & (place < length)
        place = np.where(inside, place, 0)
        symbol[part] = first[part] + place
        start = edges[rows, place].astype(np.int64)
        freq[part] = edges[rows, place + 1] - start
        outer = np.flatnonzero(~inside)
        if outer.size:
            symbol[chunk + outer], start[outer], freq[chunk + outer] = _bisect(at, rows[outer], wanted[outer], lo, size)
        used = step_back(head[:many], words, used, start, freq[part], cf, PRECISION)
        if used > words.size:
            return used
    return used


def _bisect(
    at: Callable[[Int64Array, Int64Array], Int64Array], rows: Int64Array, cf: Int64Array, lo: int, size: int
) -> tuple[Int64Array, Int64Array, Int64Array]:
    """C'(low) <= cf < C'(high) throughout, until high = low + 1."""
    low, high = np.full(rows.size, lo, np.int64), np.full(rows.size, lo + size, np.int64)
    start, stop = np.zeros_like(low), np.full_like(low, 1 << PRECISION)
    for _ in range((size - 1).bit_length()):
        middle = (low + high) >> 1
        c = at(rows, middle)
        right = c <= cf
        low, high = np.where(right, middle, low), np.where(right, high, middle)
        start, stop = np.where(right, c, start), np.where(right, stop, c)
    return low, start, stop - start


def scaled(mass: Int64Array, total: Int64Array, above: Int64Array, size: int) -> Int64Array:
    """C' of the mass below a symbol. above: symbol - lo."""
    result: Int64Array = mass * ((1 << PRECISION) - size) // total + above
    # Also where no mass is left at all, and beyond the end of an alphabet shorter than the window: the end is the end.
    result[above >= size] = 1 << PRECISION
    return result
