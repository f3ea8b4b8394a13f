"""Discretised mixtures and the coder's stages, in numpy. ``hvpzip.ans.mixture`` has the formulas.

Integer arithmetic only: this file reaches the bit stream.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from hvpzip.core.reference.rans import pushed, refill, taken
from hvpzip.core.tables import (
    CELL_BITS,
    CELL_MASK,
    EDGE_LIMIT,
    MIX_BITS,
    NUM_SCALES,
    POSITION_LIMIT,
    WEIGHT_BITS,
    Z_OFFSET,
    Z_SHIFT,
    gaussian_tables,
)

__all__ = [
    "Int16Array",
    "Int32Array",
    "Int64Array",
    "StateArray",
    "cumulative",
    "fill_cumulative",
    "fill_intervals",
    "is_mixture",
    "pop_stage",
    "pop_table_stage",
    "push_stage",
    "step_back",
]

Int16Array: TypeAlias = NDArray[np.int16]
Int32Array: TypeAlias = NDArray[np.int32]
Int64Array: TypeAlias = NDArray[np.int64]
StateArray: TypeAlias = NDArray[np.uint64]

_BLOCK = 1 << 13  # symbols worked on at once: a handful of (K, block) int64 arrays stays in the cache


def is_mixture(mean: Int64Array, scale: Int16Array, weight: Int32Array) -> bool:
    """Whether the values keep the contract of ``hvpzip.ans.Mixture``."""
    if not mean.size:
        return not mean.shape[1]
    return bool(
        max(-int(mean.min()), int(mean.max())) < POSITION_LIMIT
        and scale.min() >= 0
        and scale.max() < NUM_SCALES
        and weight.min() >= 1
        and (weight.sum(axis=0, dtype=np.int64) == 1 << WEIGHT_BITS).all()
    )


def fill_cumulative(
    mean: Int64Array,
    scale: Int16Array,
    weight: Int32Array,
    lo: Int64Array,
    size: Int64Array,
    symbol: Int64Array,
    spacing: int,
    precision: int,
    result: Int64Array,
) -> None:
    """Write C(symbol), see ``hvpzip.ans.cumulative``: symbol, result (N,).

    lo, size: the alphabets, int64 (N,). spacing: 64 * delta. precision: 5..30.
    """
    for begin in range(0, symbol.size, _BLOCK):
        part = slice(begin, begin + _BLOCK)
        result[part] = cumulative(mean[:, part], scale[:, part], weight[:, part], lo[part], size[part], symbol[part], spacing, precision)


def fill_intervals(
    mean: Int64Array,
    scale: Int16Array,
    weight: Int32Array,
    lo: Int64Array,
    size: Int64Array,
    symbol: Int64Array,
    spacing: int,
    precision: int,
    threads: int,
    start: Int64Array,
    freq: Int64Array,
) -> None:
    """Write the intervals of N symbols within their alphabets. Arguments as for ``fill_cumulative``."""
    fill_cumulative(mean, scale, weight, lo, size, symbol, spacing, precision, start)
    fill_cumulative(mean, scale, weight, lo, size, symbol + 1, spacing, precision, freq)
    freq -= start


def push_stage(
    head: StateArray, words: NDArray[np.uint32], starts: StateArray, freqs: StateArray, precision: int, begin: int, end: int, lanes: int
) -> int:
    """Push the symbols begin..end-1 (``hvpzip.ans.lanes.Stage``), last chunk first, and change ``head``.

    starts, freqs: (N,), non-empty intervals within 2**precision. words: (end - begin,); the words given off are written to its end, in the
    order of popping. Returns where they begin.
    """
    position = words.size
    for first in reversed(range(begin, end, lanes)):
        many = min(lanes, end - first)
        part = slice(first, first + many)
        head[:many], given = pushed(head[:many], starts[part], freqs[part], np.uint64(precision))
        words[position - given.size : position] = given
        position -= given.size
    return position


def pop_stage(
    head: StateArray,
    words: NDArray[np.uint32],
    mean: Int64Array,
    scale: Int16Array,
    weight: Int32Array,
    lo: Int64Array,
    size: Int64Array,
    spacing: int,
    precision: int,
    begin: int,
    end: int,
    lanes: int,
    symbol: Int64Array,
    freq: Int64Array,
) -> int:
    """Pop the symbols begin..end-1 into ``symbol`` and ``freq`` (N,), and change ``head``.

    words: from the top of the stack. Returns how many of them were used, or one more than there are where they do not suffice. Other
    arguments as for ``fill_cumulative``.
    """
    used = 0
    for first in range(begin, end, lanes):
        many = min(lanes, end - first)
        part = slice(first, first + many)
        cf = head[:many] & np.uint64((1 << precision) - 1)
        symbol[part], start, freq[part] = _search(
            mean[:, part], scale[:, part], weight[:, part], lo[part], size[part], cf.astype(np.int64), spacing, precision
        )
        used = step_back(head[:many], words, used, start, freq[part], cf, precision)
        if used > words.size:
            return used
    return used


def pop_table_stage(
    head: StateArray,
    words: NDArray[np.uint32],
    starts: Int64Array,
    precision: int,
    begin: int,
    end: int,
    lanes: int,
    symbol: Int64Array,
    freq: Int64Array,
) -> int:
    """As ``pop_stage``, for symbols that all have the same frequencies.

    starts: (M + 1,), where the intervals of the symbols 0..M - 1 begin, strictly rising from 0 to 2**precision. precision: 0..31.
    """
    used = 0
    for first in range(begin, end, lanes):
        many = min(lanes, end - first)
        part = slice(first, first + many)
        cf = head[:many] & np.uint64((1 << precision) - 1)
        symbol[part] = np.searchsorted(starts, cf.astype(np.int64), side="right") - 1
        start = starts[symbol[part]]
        freq[part] = starts[symbol[part] + 1] - start
        used = step_back(head[:many], words, used, start, freq[part], cf, precision)
        if used > words.size:
            return used
    return used


def step_back(
    head: StateArray, words: NDArray[np.uint32], used: int, start: Int64Array, freq: Int64Array, cf: StateArray, precision: int
) -> int:
    """Take popped symbols off the states; returns the words used so far, or one more than there are."""
    head[:] = taken(head, start.astype(np.uint64), freq.astype(np.uint64), cf, np.uint64(precision))
    low = refill(head)
    count = int(np.count_nonzero(low))
    if used + count > words.size:
        return int(words.size) + 1
    head[low] = (head[low] << np.uint64(32)) | words[used : used + count]
    return used + count


def cumulative(
    mean: Int64Array,
    scale: Int16Array,
    weight: Int32Array,
    lo: Int64Array | int,
    size: Int64Array | int,
    symbol: Int64Array,
    spacing: int,
    precision: int,
) -> Int64Array:
    """C(symbol), int64 (N,)."""
    tables = gaussian_tables()
    z = symbol * spacing - (spacing >> 1) - mean  # (K, n)
    np.clip(z, -EDGE_LIMIT, EDGE_LIMIT, out=z)
    z *= tables.reciprocal[scale]
    z >>= Z_SHIFT
    np.clip(z, -Z_OFFSET, Z_OFFSET, out=z)
    z += Z_OFFSET
    cell = z >> CELL_BITS
    z &= CELL_MASK
    z *= tables.slope[cell]
    z >>= CELL_BITS
    z += tables.phi[cell]
    z *= weight
    c: Int64Array = z.sum(axis=0) >> (MIX_BITS - precision)
    above = symbol - lo
    c *= (1 << precision) - size
    c >>= precision
    c += above
    c[above <= 0] = 0
    c[above >= size] = 1 << precision
    return c


def _search(
    mean: Int64Array, scale: Int16Array, weight: Int32Array, lo: Int64Array, size: Int64Array, cf: Int64Array, spacing: int, precision: int
) -> tuple[Int64Array, Int64Array, Int64Array]:
    """(symbol, start, freq). Bisection: C(low) <= cf < C(high) throughout, until high = low + 1."""
    low, high = lo.copy(), lo + size
    start, end = np.zeros_like(cf), np.full_like(cf, 1 << precision)
    for _ in range(int(np.max(size, initial=1) - 1).bit_length()):
        middle = (low + high) >> 1  # low itself where the search is over: C(low) <= cf, so nothing changes there
        c = cumulative(mean, scale, weight, lo, size, middle, spacing, precision)
        right = c <= cf
        low, high = np.where(right, middle, low), np.where(right, high, middle)
        start, end = np.where(right, c, start), np.where(right, end, c)
    return low, start, end - start
