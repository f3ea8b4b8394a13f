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
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hvpzip.ans.codecs import Codec, pop_planned, push_planned
from hvpzip.ans.lanes import Plan
from hvpzip.ans.rans import IntArray, Message
from hvpzip.core import kernels
from hvpzip.core.reference.parameters import softmax_weights as _softmax_weights
from hvpzip.core.tables import NUM_SCALES, POSITION_LIMIT, WEIGHT_BITS, Z_LIMIT, gaussian_tables
from hvpzip.threads import current_threads

__all__ = [
    "MAX_MIXTURE_PRECISION",
    "PRECISION",
    "Mixture",
    "check_mixture",
    "contiguous",
    "cumulative",
    "gaussian",
    "gaussian_codec",
    "intervals",
    "lattice_range",
    "mixture_codec",
    "pop_mixture",
    "push_mixture",
    "softmax_weights",
]

Int64Array: TypeAlias = NDArray[np.int64]
Bound: TypeAlias = "int | IntArray"

PRECISION = 24
MAX_MIXTURE_PRECISION = 30


class Mixture(NamedTuple):
    """N mixtures of K Gaussians; integer arrays (K, N).

    mean: in 1/64 of a unit, below 2**40 in size. scale: index into the table of scales, 0..319; scale i is 2**(i/16) / 8 units. weight:
    1..2**16, with a sum over K of exactly 2**16 (``softmax_weights`` makes them).
    """

    mean: IntArray
    scale: IntArray
    weight: IntArray


class _Support(NamedTuple):
    """The alphabets: lo and their sizes, int64 (N,)."""

    lo: Int64Array
    size: Int64Array


def softmax_weights(logits: IntArray) -> NDArray[np.int32]:
    """Weights proportional to 2**(logits / 64): int32 (K, N), each >= 1, summing to exactly 2**16 over K.

    logits: integer (K, N), 1 <= K <= 2**10, any values. What rounding down leaves over goes to the largest logit, the first one on a tie.
    """
    logits = np.asarray(logits)
    if logits.ndim != 2 or logits.dtype.kind not in "iu" or not 1 <= logits.shape[0] <= 1 << 10:
        raise ValueError(f"logits must be an integer array (K, N) with K in 1..1024, got {logits.dtype}{logits.shape}")
    return _softmax_weights(logits)


def check_mixture(mixture: Mixture) -> None:
    """Raise ValueError unless the mixture keeps its contract."""
    mean, scale, weight = (np.asarray(field) for field in mixture)
    if mean.ndim != 2 or not mean.shape[0] or mean.shape != scale.shape or mean.shape != weight.shape:
        raise ValueError(f"mean, scale and weight must be (K, N) with K >= 1, got {mean.shape}, {scale.shape} and {weight.shape}")
    if any(field.dtype.kind not in "iu" for field in (mean, scale, weight)):
        raise ValueError(f"mean, scale and weight must be integers, got {mean.dtype}, {scale.dtype} and {weight.dtype}")
    kinds_of_kernels = mean.dtype == np.int64 and scale.dtype == np.int16 and weight.dtype == np.int32
    if not mean.size or (kinds_of_kernels and kernels().is_mixture(*contiguous(mixture))):
        return  # one pass; what is wrong is looked for below
    if max(-int(mean.min()), int(mean.max())) >= POSITION_LIMIT:
        raise ValueError(f"a mean must be below 2**40 in size, found {mean.min()}..{mean.max()}")
    if scale.min() < 0 or scale.max() >= NUM_SCALES:
        raise ValueError(f"a scale index must be in 0..{NUM_SCALES - 1}, found {scale.min()}..{scale.max()}")
    if weight.min() < 1 or (weight.sum(axis=0, dtype=np.int64) != 1 << WEIGHT_BITS).any():
        raise ValueError(f"weights must be at least 1 and sum to 2**{WEIGHT_BITS} over the components")


def contiguous(mixture: Mixture) -> tuple[Int64Array, NDArray[np.int16], NDArray[np.int32]]:
    """The mixture's fields as the kernels take them; no copies where they are so already."""
    return (
        np.ascontiguousarray(mixture.mean, np.int64),
        np.ascontiguousarray(mixture.scale, np.int16),
        np.ascontiguousarray(mixture.weight, np.int32),
    )


def cumulative(mixture: Mixture, symbol: IntArray, lo: Bound, hi: Bound, delta: int = 1, precision: int = PRECISION) -> Int64Array:
    """C(symbol): int64 (N,), 0 for symbol <= lo, 2**precision for symbol > hi, strictly rising between.

    symbol: (N,) integers. lo, hi: the alphabet, ints or (N,), with 1 <= hi - lo + 1 <= 2**(precision - 4). delta: positive lattice spacing.
    precision: 5..30. Raises ValueError for anything else.
    """
    support = _checked(mixture, lo, hi, delta, precision)
    symbol = _checked_symbols(mixture, symbol)
    result = np.empty(symbol.size, np.int64)
    kernels().fill_cumulative(*contiguous(mixture), *support, symbol, 64 * delta, precision, result)
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
    kernels().fill_intervals(*contiguous(mixture), *support, symbol, 64 * delta, precision, current_threads(), start, freq)
    return start, freq


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
    arguments = (*contiguous(mixture), *support, 64 * delta, precision)
    return pop_planned(message, mixture.mean.shape[1], kernels().pop_stage, arguments, plan)


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
    if n and isinstance(lo, int) and isinstance(hi, int):  # one alphabet for all: its size is looked at once
        _check_size(hi - lo + 1, hi - lo + 1, precision)
        _check_reach(lo, hi, delta)
        return _Support(np.full(n, lo, np.int64), np.full(n, hi - lo + 1, np.int64))
    first, last = (_checked_bound(bound, n) for bound in (lo, hi))
    support = _Support(np.ascontiguousarray(np.broadcast_to(first, n)), np.ascontiguousarray(np.broadcast_to(last - first + 1, n)))
    if n:
        _check_size(int(np.min(support.size)), int(np.max(support.size)), precision)
        _check_reach(int(np.min(lo)), int(np.max(hi)), delta)
    return support


def _check_size(least: int, most: int, precision: int) -> None:
    if least < 1 or most > 1 << (precision - 4):
        raise ValueError(f"an alphabet must have 1..2**{precision - 4} symbols at precision {precision}, found {least}..{most}")


def _check_reach(lo: int, hi: int, delta: int) -> None:
    if 64 * delta * max(-lo, hi + 1) >= POSITION_LIMIT:
        raise ValueError(f"64 * delta * symbol must be below 2**40 in size, got delta {delta} and symbols {lo}..{hi}")


def _checked_bound(bound: Bound, n: int) -> Int64Array:
    array = np.asarray(bound)
    if array.dtype.kind not in "iu" or array.shape not in ((), (n,)):
        raise ValueError(f"lo and hi must be integers or integer arrays of length {n}, got {array.dtype}{array.shape}")
    return array.astype(np.int64)


def _checked_symbols(mixture: Mixture, symbol: IntArray) -> Int64Array:
    symbol = np.asarray(symbol)
    if symbol.shape != mixture.mean.shape[1:] or symbol.dtype.kind not in "iu":
        raise ValueError(f"symbols must be an integer array {mixture.mean.shape[1:]}, got {symbol.dtype}{symbol.shape}")
    return np.ascontiguousarray(symbol, np.int64)
