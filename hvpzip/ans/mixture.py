"""Discretised mixtures of Gaussians on an integer lattice, as exact integer intervals.

Integer arithmetic only: this file reaches the bit stream.

Symbols are lattice indices lo..hi; symbol j stands for the value j * delta and owns the real interval of width delta around it. One
function, the cumulative C, serves both directions, so encoder and decoder cannot drift apart:

    C(lo) = 0  <  C(lo + 1)  <  ...  <  C(hi)  <  C(hi + 1) = 2**precision          start = C(j), freq = C(j + 1) - C(j) >= 1

    edge of j   64 * delta * j - 32 * delta                       in 1/64 of a unit
    z           (edge - mean) / scale, clipped to +-8             in 2**-20, by a reciprocal
    mix         sum of weight * CDF(z)                            in 2**-46
    C(j)        (mix >> 46 - precision) * (2**precision - n) >> precision, plus j - lo        with n = hi - lo + 1 symbols

The last term is what gives every symbol its frequency of one; its price is n / 2**precision of the mass. Outside mass falls to lo and hi.

Layer rank 1: imports numpy and the rest of ``hvpzip.ans``.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hvpzip.ans import rans
from hvpzip.ans.backend import kernels
from hvpzip.ans.codecs import Codec, check_plan, push_planned
from hvpzip.ans.lanes import Plan, chunks, resize
from hvpzip.ans.rans import IntArray, Message
from hvpzip.ans.tables import (
    CELL_BITS,
    CELL_MASK,
    EDGE_LIMIT,
    MIX_BITS,
    NUM_SCALES,
    WEIGHT_BITS,
    Z_LIMIT,
    Z_OFFSET,
    Z_SHIFT,
    exp2_table,
    gaussian_tables,
)

__all__ = [
    "MAX_MIXTURE_PRECISION",
    "PRECISION",
    "Mixture",
    "check_mixture",
    "cumulative",
    "gaussian",
    "gaussian_codec",
    "intervals",
    "lattice_range",
    "mixture_codec",
    "pop_mixture",
    "push_mixture",
    "search",
    "softmax_weights",
]

Int64Array: TypeAlias = NDArray[np.int64]
Bound: TypeAlias = "int | IntArray"

PRECISION = 24
MAX_MIXTURE_PRECISION = 30

# |64 * delta * j| and |mean| stay below this, so differences are far from overflowing.
_POSITION_LIMIT = 1 << 40

_BLOCK = 1 << 13  # symbols worked on at once: a handful of (K, block) int64 arrays stays in the cache


class Mixture(NamedTuple):
    """N mixtures of K Gaussians; integer arrays (K, N).

    mean: in 1/64 of a unit, below 2**40 in size. scale: index into the table of scales, 0..319; scale i is 2**(i/16) / 8 units. weight:
    1..2**16, with a sum over K of exactly 2**16 (``softmax_weights`` makes them).
    """

    mean: IntArray
    scale: IntArray
    weight: IntArray


class _Prepared(NamedTuple):
    """A slice of a mixture, ready for evaluation: int64 (K, n) each, mean moved to the lower edge of symbol 0."""

    mean: Int64Array
    reciprocal: Int64Array
    weight: Int64Array


class _Support(NamedTuple):
    """The alphabet of a slice: lo and its size n, ints or int64 (n,)."""

    lo: int | Int64Array
    size: int | Int64Array

    def part(self, begin: int, end: int) -> _Support:
        return _Support(*(field if isinstance(field, int) else field[begin:end] for field in self))


def softmax_weights(logits: IntArray) -> NDArray[np.int32]:
    """Weights proportional to 2**(logits / 64): int32 (K, N), each >= 1, summing to exactly 2**16 over K.

    logits: integer (K, N), 1 <= K <= 2**10, any values. What rounding down leaves over goes to the largest logit, the first one on a tie.
    """
    logits = np.asarray(logits)
    if logits.ndim != 2 or logits.dtype.kind not in "iu" or not 1 <= logits.shape[0] <= 1 << 10:
        raise ValueError(f"logits must be an integer array (K, N) with K in 1..1024, got {logits.dtype}{logits.shape}")
    table = exp2_table()
    weight = np.empty(logits.shape, np.int32)
    spread = (1 << WEIGHT_BITS) - logits.shape[0]
    for begin in range(0, logits.shape[1], _BLOCK):
        part = logits[:, begin : begin + _BLOCK].astype(np.int64)
        power = table[np.minimum(part.max(axis=0) - part, table.size - 1)]
        share = power * spread // power.sum(axis=0) + 1
        largest = part.argmax(axis=0)
        share[largest, np.arange(part.shape[1])] += (1 << WEIGHT_BITS) - share.sum(axis=0)
        weight[:, begin : begin + _BLOCK] = share
    return weight


def check_mixture(mixture: Mixture) -> None:
    """Raise ValueError unless the mixture keeps its contract."""
    mean, scale, weight = (np.asarray(field) for field in mixture)
    if mean.ndim != 2 or not mean.shape[0] or mean.shape != scale.shape or mean.shape != weight.shape:
        raise ValueError(f"mean, scale and weight must be (K, N) with K >= 1, got {mean.shape}, {scale.shape} and {weight.shape}")
    if any(field.dtype.kind not in "iu" for field in (mean, scale, weight)):
        raise ValueError(f"mean, scale and weight must be integers, got {mean.dtype}, {scale.dtype} and {weight.dtype}")
    if not mean.size:
        return
    typed = mean.dtype == np.int64 and scale.dtype == np.int16 and weight.dtype == np.int32
    if typed and (compiled := kernels(mean.shape[1])) and compiled.is_mixture(*compiled.typed(mean, scale, weight), _POSITION_LIMIT):
        return
    if max(-int(mean.min()), int(mean.max())) >= _POSITION_LIMIT:
        raise ValueError(f"a mean must be below 2**40 in size, found {mean.min()}..{mean.max()}")
    if scale.min() < 0 or scale.max() >= NUM_SCALES:
        raise ValueError(f"a scale index must be in 0..{NUM_SCALES - 1}, found {scale.min()}..{scale.max()}")
    if weight.min() < 1 or (weight.sum(axis=0, dtype=np.int64) != 1 << WEIGHT_BITS).any():
        raise ValueError(f"weights must be at least 1 and sum to 2**{WEIGHT_BITS} over the components")


def cumulative(mixture: Mixture, symbol: IntArray, lo: Bound, hi: Bound, delta: int = 1, precision: int = PRECISION) -> Int64Array:
    """C(symbol): int64 (N,), 0 for symbol <= lo, 2**precision for symbol > hi, strictly rising between.

    symbol: (N,) integers. lo, hi: the alphabet, ints or (N,), with 1 <= hi - lo + 1 <= 2**(precision - 4). delta: positive lattice spacing.
    precision: 5..30. Raises ValueError for anything else.
    """
    support = _checked(mixture, lo, hi, delta, precision)
    symbol = _checked_symbols(mixture, symbol)
    result = np.empty(symbol.size, np.int64)
    for begin in range(0, symbol.size, _BLOCK):
        part = slice(begin, min(begin + _BLOCK, symbol.size))
        result[part] = _cumulative(
            _prepared(mixture, part, delta), symbol[part], support.part(part.start, part.stop), 64 * delta, precision
        )
    return result


def intervals(
    mixture: Mixture, symbol: IntArray, lo: Bound, hi: Bound, delta: int = 1, precision: int = PRECISION
) -> tuple[Int64Array, Int64Array]:
    """The intervals (start, freq) of N symbols: int64 (N,) each, freq >= 1.

    Arguments as for ``cumulative``; symbols outside lo..hi raise ValueError.
    """
    support = _checked(mixture, lo, hi, delta, precision)
    symbol = _checked_symbols(mixture, symbol)
    if ((symbol < support.lo) | (symbol - support.lo >= support.size)).any():
        raise ValueError(f"a symbol is outside its alphabet: symbols {symbol.min()}..{symbol.max()}")
    start, freq = np.empty(symbol.size, np.int64), np.empty(symbol.size, np.int64)
    if compiled := kernels(symbol.size):
        compiled.fill_intervals(compiled.parameters(*mixture, *support), symbol, delta, precision, start, freq)
        return start, freq
    for begin in range(0, symbol.size, _BLOCK):
        part = slice(begin, min(begin + _BLOCK, symbol.size))
        prepared, inside = _prepared(mixture, part, delta), support.part(part.start, part.stop)
        start[part] = _cumulative(prepared, symbol[part], inside, 64 * delta, precision)
        freq[part] = _cumulative(prepared, symbol[part] + 1, inside, 64 * delta, precision) - start[part]
    return start, freq


def search(
    mixture: Mixture, cf: IntArray, lo: Bound, hi: Bound, delta: int = 1, precision: int = PRECISION
) -> tuple[Int64Array, Int64Array, Int64Array]:
    """The symbols whose intervals hold cf, and these intervals: (symbol, start, freq), int64 (N,) each. Inverse of ``intervals``.

    cf: (N,) integers in [0, 2**precision), else ValueError. The other arguments are as for ``cumulative``.
    """
    support = _checked(mixture, lo, hi, delta, precision)
    cf = np.asarray(cf)
    if cf.shape != mixture.mean.shape[1:] or (cf.size and (cf.min() < 0 or cf.max() >> precision)):
        raise ValueError(f"cf must be {mixture.mean.shape[1:]} numbers in [0, 2**{precision}), got shape {cf.shape}")
    return _search(_prepared(mixture, slice(None), delta), cf.astype(np.int64), support, 64 * delta, precision)


def push_mixture(
    message: Message,
    mixture: Mixture,
    symbol: IntArray,
    lo: Bound,
    hi: Bound,
    delta: int = 1,
    precision: int = PRECISION,
    plan: Plan | None = None,
) -> tuple[Message, Int64Array]:
    """Push N symbols; returns the message and the symbols' frequencies, int64 (N,), for ``report.bits_of``. See ``mixture_codec``."""
    start, freq = intervals(mixture, symbol, lo, hi, delta, precision)
    return push_planned(message, start, freq, precision, plan), freq


def pop_mixture(
    message: Message, mixture: Mixture, lo: Bound, hi: Bound, delta: int = 1, precision: int = PRECISION, plan: Plan | None = None
) -> tuple[Message, Int64Array, Int64Array]:
    """Pop N symbols; returns the message, the symbols and their frequencies, int64 (N,) each. See ``mixture_codec``."""
    support = _checked(mixture, lo, hi, delta, precision)
    n = mixture.mean.shape[1]
    symbol, freq = np.empty(n, np.int64), np.empty(n, np.int64)
    compiled = kernels(n)
    parameters = compiled.parameters(*mixture, *support) if compiled else None
    for stage in check_plan(plan, message, n, 0):
        message = resize(message, stage.lanes)
        if compiled:
            message = compiled.pop_stage(message, parameters, delta, precision, stage, symbol, freq)
            continue
        for begin, end in chunks(stage):
            part = slice(begin, end)
            cf, pop_fun = rans.pop(message, precision, end - begin)
            prepared, inside = _prepared(mixture, part, delta), support.part(begin, end)
            symbol[part], start, freq[part] = _search(prepared, cf.astype(np.int64), inside, 64 * delta, precision)
            message = pop_fun(start, freq[part])
    return message, symbol, freq


def mixture_codec(
    mixture: Mixture, lo: Bound, hi: Bound, delta: int = 1, precision: int = PRECISION, plan: Plan | None = None
) -> Codec[IntArray]:
    """Codec of an array of N symbols (N,), each with its own mixture; it pops int64 (N,). N may be 0.

    lo, hi: the alphabets, ints or (N,). delta: symbol j stands for the value j * delta. plan: from ``lanes.flat_plan`` or
    ``lanes.ramp_plan``, flat on the message's lanes by default; a push under a ramp leaves the message on ``plan[0].lanes`` lanes, a pop on
    ``plan[-1].lanes``.
    Raises ValueError for arguments that ``cumulative`` refuses, symbols outside their alphabet, or a plan that does not fit; StackUnderflow
    on a dry stack.
    """

    def push(message: Message, symbol: IntArray) -> Message:
        return push_mixture(message, mixture, symbol, lo, hi, delta, precision, plan)[0]

    def pop(message: Message) -> tuple[Message, IntArray]:
        message, symbol, _ = pop_mixture(message, mixture, lo, hi, delta, precision, plan)
        return message, symbol

    return Codec(push, pop)


def gaussian(x: IntArray, scale: int | IntArray) -> Mixture:
    """The Gaussians N(x, sigma) as mixtures of one component. x: integers (N,) in units; scale: the index of sigma, an int or (N,)."""
    mean = 64 * np.asarray(x, np.int64)[np.newaxis]
    return Mixture(mean, np.broadcast_to(np.asarray(scale, np.int64), mean.shape), np.full(mean.shape, 1 << WEIGHT_BITS, np.int64))


def lattice_range(low: Bound, high: Bound, scale: int, delta: int = 1) -> tuple[Bound, Bound]:
    """(lo, hi): the lattice indices that a Gaussian of this scale may reach from any x in low..high; ints or arrays as low and high are.

    lo = floor(low / delta) - R and hi = floor(high / delta) + R, with R the first or second integer above 8 sigma / delta.
    """
    reach = int(gaussian_tables().scale64[scale]) * Z_LIMIT // (64 * delta) + 2
    return low // delta - reach, high // delta + reach


def gaussian_codec(x: IntArray, scale: int, delta: int = 1, precision: int = PRECISION, plan: Plan | None = None) -> Codec[IntArray]:
    """Codec of the kernel q(y | x): y = delta * j, where the symbols j (N,) are N(x, sigma) discretised on the lattice delta * Z.

    x: integers (N,). scale: the index of sigma. The alphabet of each j is ``lattice_range(x, x, scale, delta)``.
    """
    x = np.asarray(x, np.int64)
    lo, hi = lattice_range(x, x, scale, delta)
    return mixture_codec(gaussian(x, scale), lo, hi, delta, precision, plan)


def _checked(mixture: Mixture, lo: Bound, hi: Bound, delta: int, precision: int) -> _Support:
    check_mixture(mixture)
    if not 5 <= precision <= MAX_MIXTURE_PRECISION or delta < 1:
        raise ValueError(f"precision must be in 5..{MAX_MIXTURE_PRECISION} and delta at least 1, got {precision} and {delta}")
    n = mixture.mean.shape[1]
    bounds = [_checked_bound(bound, n) for bound in (lo, hi)]
    support = _Support(bounds[0], bounds[1] - bounds[0] + 1)
    if n and (int(np.min(support.size)) < 1 or int(np.max(support.size)) > 1 << (precision - 4)):
        found = f"{np.min(support.size)}..{np.max(support.size)}"
        raise ValueError(f"an alphabet must have 1..2**{precision - 4} symbols at precision {precision}, found {found}")
    if n and 64 * delta * max(-int(np.min(lo)), int(np.max(hi)) + 1) >= _POSITION_LIMIT:
        raise ValueError(f"64 * delta * symbol must be below 2**40 in size, got delta {delta} and symbols {np.min(lo)}..{np.max(hi)}")
    return support


def _checked_bound(bound: Bound, n: int) -> int | Int64Array:
    array = np.asarray(bound)
    if array.dtype.kind not in "iu" or array.shape not in ((), (n,)):
        raise ValueError(f"lo and hi must be integers or integer arrays of length {n}, got {array.dtype}{array.shape}")
    return array.astype(np.int64) if array.ndim else int(array)


def _checked_symbols(mixture: Mixture, symbol: IntArray) -> Int64Array:
    symbol = np.asarray(symbol)
    if symbol.shape != mixture.mean.shape[1:] or symbol.dtype.kind not in "iu":
        raise ValueError(f"symbols must be an integer array {mixture.mean.shape[1:]}, got {symbol.dtype}{symbol.shape}")
    return np.ascontiguousarray(symbol, np.int64)


def _prepared(mixture: Mixture, part: slice, delta: int) -> _Prepared:
    return _Prepared(
        mixture.mean[:, part].astype(np.int64) + 32 * delta,
        gaussian_tables().reciprocal[mixture.scale[:, part]],
        mixture.weight[:, part].astype(np.int64),
    )


def _cumulative(prepared: _Prepared, symbol: Int64Array, support: _Support, spacing: int, precision: int) -> Int64Array:
    """C(symbol). spacing: 64 * delta."""
    tables = gaussian_tables()
    z = symbol * spacing - prepared.mean  # (K, n)
    np.clip(z, -EDGE_LIMIT, EDGE_LIMIT, out=z)
    z *= prepared.reciprocal
    z >>= Z_SHIFT
    np.clip(z, -Z_OFFSET, Z_OFFSET, out=z)
    z += Z_OFFSET
    cell = z >> CELL_BITS
    z &= CELL_MASK
    z *= tables.slope[cell]
    z >>= CELL_BITS
    z += tables.phi[cell]
    z *= prepared.weight
    c: Int64Array = z.sum(axis=0) >> (MIX_BITS - precision)
    above = symbol - support.lo
    c *= (1 << precision) - support.size
    c >>= precision
    c += above
    c[above <= 0] = 0
    c[above >= support.size] = 1 << precision
    return c


def _search(
    prepared: _Prepared, cf: Int64Array, support: _Support, spacing: int, precision: int
) -> tuple[Int64Array, Int64Array, Int64Array]:
    """Bisection: C(low) <= cf < C(high) throughout, until high = low + 1."""
    low = np.broadcast_to(np.asarray(support.lo, np.int64), cf.shape)
    high = low + support.size
    start, end = np.zeros_like(cf), np.full_like(cf, 1 << precision)
    for _ in range(int(np.max(support.size, initial=1) - 1).bit_length()):
        middle = (low + high) >> 1  # low itself where the search is over: C(low) <= cf, so nothing changes there
        c = _cumulative(prepared, middle, support, spacing, precision)
        right = c <= cf
        low, high = np.where(right, middle, low), np.where(right, high, middle)
        start, end = np.where(right, c, start), np.where(right, end, c)
    return low.copy(), start, end - start
