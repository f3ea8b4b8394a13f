"""The coder's loops compiled by numba: the same integers as ``mixture.py`` and ``rans.py``, about four times as fast.

Integer arithmetic only: this file reaches the bit stream.

Nothing here defines the format. Each function repeats a loop of the numpy modules symbol by symbol, and tests/ans/test_kernels.py holds the
two against each other. The package works without numba; ``backend.py`` chooses.

Layer rank 1: imports numpy, numba and the rest of ``hvpzip.ans``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple, TypeAlias, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

from hvpzip.ans.lanes import Stage
from hvpzip.ans.rans import LOWER_BOUND, IntArray, Message, StackUnderflow, Tail, WordArray
from hvpzip.ans.tables import CELL_BITS, CELL_MASK, EDGE_LIMIT, MIX_BITS, NUM_SCALES, WEIGHT_BITS, Z_OFFSET, Z_SHIFT, gaussian_tables

__all__ = [
    "Parameters",
    "cumulative",
    "fill_intervals",
    "inline_jit",
    "is_mixture",
    "jit",
    "parameters",
    "pop_stage",
    "push_stage",
    "top_words",
    "typed",
]

Int64Array: TypeAlias = NDArray[np.int64]
StateArray: TypeAlias = NDArray[np.uint64]
F = TypeVar("F", bound=Callable[..., Any])


class Parameters(NamedTuple):
    """Mixtures and alphabets in the one layout that is compiled for: contiguous, of fixed types."""

    mean: Int64Array  # (K, N)
    scale: NDArray[np.int16]  # (K, N)
    weight: NDArray[np.int32]  # (K, N)
    lo: Int64Array  # (N,)
    size: Int64Array  # (N,)
    phi: Int64Array
    slope: Int64Array
    reciprocal: Int64Array
    saturated: Int64Array  # by scale: from this distance to the mean on, in 1/64, the CDF is 0 or 1


def parameters(mean: IntArray, scale: IntArray, weight: IntArray, lo: int | Int64Array, size: int | Int64Array) -> Parameters:
    """The parameters of N symbols. mean, scale, weight: (K, N) as in ``mixture.Mixture``. lo, size: ints or (N,)."""
    n, tables = mean.shape[1], gaussian_tables()
    return Parameters(
        *typed(mean, scale, weight),
        np.ascontiguousarray(np.broadcast_to(lo, n), np.int64),
        np.ascontiguousarray(np.broadcast_to(size, n), np.int64),
        tables.phi,
        tables.slope,
        tables.reciprocal,
        _saturated(),
    )


def typed(mean: IntArray, scale: IntArray, weight: IntArray) -> tuple[Int64Array, NDArray[np.int16], NDArray[np.int32]]:
    """A mixture's fields in the types that are compiled for; no copies where they have them."""
    return np.ascontiguousarray(mean, np.int64), np.ascontiguousarray(scale, np.int16), np.ascontiguousarray(weight, np.int32)


@cache
def _saturated() -> Int64Array:
    return -((-Z_OFFSET << Z_SHIFT) // gaussian_tables().reciprocal)


def push_stage(message: Message, starts: StateArray, freqs: StateArray, precision: int, stage: Stage) -> Message:
    """The message with the symbols of one stage pushed. starts, freqs: uint64, intervals that ``rans.check_intervals`` has passed."""
    head = message.head.copy()
    words = np.empty(stage.end - stage.begin, np.uint32)  # a symbol gives off one word at most
    starts, freqs = np.ascontiguousarray(starts), np.ascontiguousarray(freqs)
    first = _push(head, words, starts, freqs, precision, stage.begin, stage.end, stage.lanes)
    return Message(head, (words[first:].copy(), message.tail) if first < words.size else message.tail)


def pop_stage(
    message: Message, params: Parameters, delta: int, precision: int, stage: Stage, symbol: Int64Array, freq: Int64Array
) -> Message:
    """Pop the symbols of one stage into ``symbol`` and ``freq``; returns the message without them. Raises StackUnderflow."""
    head = message.head.copy()
    words, tail = top_words(message.tail, stage.end - stage.begin)
    used = _pop(head, words, params, 64 * delta, precision, stage.begin, stage.end, stage.lanes, symbol, freq)
    if used > words.size:
        raise StackUnderflow(f"the stack ran dry: more than the {words.size} words left were wanted")
    return Message(head, (words[used:], tail) if used < words.size else tail)


def top_words(tail: Tail, most: int) -> tuple[WordArray, Tail]:
    """At least ``most`` words from the top of the tail in one contiguous array, or all of them, and the tail below."""
    parts: list[WordArray] = []
    count = 0
    while tail and count < most:
        words, tail = tail
        if words.size > most - count:  # leave the rest where it is: a large array would be copied again by every stage
            words, tail = words[: most - count], (words[most - count :], tail)
        parts.append(words)
        count += words.size
    return np.concatenate([np.empty(0, np.uint32), *parts]), tail


def jit(function: F, **options: Any) -> F:
    """The function compiled on its first call, and kept on disk where there is a folder for it. options: further ones of numba."""
    compile_options: dict[str, Any] = {"nogil": True, "error_model": "numpy", **options}
    try:
        return cast(F, numba.njit(cache=True, **compile_options)(function))
    except RuntimeError:  # no folder that a cache could be written to
        return cast(F, numba.njit(**compile_options)(function))


def inline_jit(function: F) -> F:
    """As ``jit``, for what loops call: a call that is not inlined counts references to its arrays, which costs six times the arithmetic."""
    return jit(function, forceinline=True)


@inline_jit
def cumulative(
    mean: Int64Array,
    scale: NDArray[np.int16],
    weight: NDArray[np.int32],
    phi: Int64Array,
    slope: Int64Array,
    reciprocal: Int64Array,
    i: int,
    edge: int,
    above: int,
    size: int,
    precision: int,
) -> Any:
    """C(symbol) of symbol i, an int64: mirrors ``mixture._cumulative``. edge: 64 * delta * symbol - 32 * delta; above: symbol - lo."""
    if above <= 0:
        return 0
    if above >= size:
        return 1 << precision
    mix = 0
    for k in range(mean.shape[0]):
        t = min(max(edge - mean[k, i], -EDGE_LIMIT), EDGE_LIMIT)
        z = min(max((t * reciprocal[scale[k, i]]) >> Z_SHIFT, -Z_OFFSET), Z_OFFSET) + Z_OFFSET
        cell = z >> CELL_BITS
        mix += weight[k, i] * (phi[cell] + ((slope[cell] * (z & CELL_MASK)) >> CELL_BITS))
    return (((mix >> (MIX_BITS - precision)) * ((1 << precision) - size)) >> precision) + above


@jit
def fill_intervals(params: Parameters, symbol: Int64Array, delta: int, precision: int, start: Int64Array, freq: Int64Array) -> None:
    """Write the intervals of all symbols into start and freq, int64 (N,): mirrors ``mixture.intervals``."""
    mean, scale, weight, lo, size, phi, slope, reciprocal, _ = params
    spacing = 64 * delta
    for i in range(symbol.size):
        edge, above = symbol[i] * spacing - (spacing >> 1), symbol[i] - lo[i]
        start[i] = cumulative(mean, scale, weight, phi, slope, reciprocal, i, edge, above, size[i], precision)
        stop = cumulative(mean, scale, weight, phi, slope, reciprocal, i, edge + spacing, above + 1, size[i], precision)
        freq[i] = stop - start[i]


@jit
def is_mixture(mean: Int64Array, scale: NDArray[np.int16], weight: NDArray[np.int32], limit: int) -> bool:
    """Whether the values are what ``mixture.check_mixture`` asks for. limit: means stay below it in size."""
    for i in range(mean.shape[1]):
        total = 0
        for k in range(mean.shape[0]):
            if not (-limit < mean[k, i] < limit and 0 <= scale[k, i] < NUM_SCALES and weight[k, i] >= 1):
                return False
            total += weight[k, i]
        if total != 1 << WEIGHT_BITS:
            return False
    return True


@jit
def _push(
    head: StateArray, words: WordArray, starts: StateArray, freqs: StateArray, precision: int, begin: int, end: int, lanes: int
) -> int:
    """Mirrors ``rans.push`` over the chunks of a stage, last chunk first. Fills ``words`` from its end; returns where they begin.

    Lanes run downwards, so that the words of one chunk come out in the order of its lanes.
    """
    shift, top, position = np.uint64(precision), np.uint64(63 - precision), words.size
    for chunk in range((end - begin - 1) // lanes, -1, -1):
        first = begin + chunk * lanes
        for lane in range(min(lanes, end - first) - 1, -1, -1):
            freq, state = freqs[first + lane], head[lane]
            if state >= freq << top:
                position -= 1
                words[position] = state & np.uint64(0xFFFFFFFF)
                state >>= np.uint64(32)
            quotient = state // freq
            head[lane] = (quotient << shift) + (state - quotient * freq) + starts[first + lane]
    return position


@jit
def _pop(
    head: StateArray,
    words: WordArray,
    params: Parameters,
    spacing: int,
    precision: int,
    begin: int,
    end: int,
    lanes: int,
    symbol: Int64Array,
    freq: Int64Array,
) -> int:
    """Mirrors ``rans.pop`` and ``mixture._search`` over the chunks of a stage. Returns the words used; words.size + 1 when they run out."""
    mean, scale, weight, lo, size, phi, slope, reciprocal, _ = params
    shift, mask = np.uint64(precision), np.uint64((1 << precision) - 1)
    used = 0
    for i in range(begin, end):
        lane = (i - begin) % lanes
        cf = np.int64(head[lane] & mask)
        low, high, start, stop = lo[i], lo[i] + size[i], 0, 1 << precision
        while high - low > 1:
            middle = (low + high) >> 1
            edge, above = middle * spacing - (spacing >> 1), middle - lo[i]
            c = cumulative(mean, scale, weight, phi, slope, reciprocal, i, edge, above, size[i], precision)
            if c <= cf:
                low, start = middle, c
            else:
                high, stop = middle, c
        symbol[i], freq[i] = low, stop - start
        state = np.uint64(stop - start) * (head[lane] >> shift) + np.uint64(cf - start)
        if state < np.uint64(LOWER_BOUND):
            if used == words.size:
                return used + 1
            state = (state << np.uint64(32)) | np.uint64(words[used])
            used += 1
        head[lane] = state
    return used
