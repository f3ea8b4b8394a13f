"""Running sums by context, and logarithms to number contexts.

Integer arithmetic only: this file reaches the bit stream.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Sums", "log2_sixteenths"]

Int64Array = NDArray[np.int64]

_LOG_BITS: Final = 40  # numbers below 2**40 have their logarithm


class Sums:
    """For each context a sum and a weight; both are halved once the weight goes over the limit, so that the old fades."""

    def __init__(self, contexts: int, limit: int) -> None:
        self._sum, self._weight, self._limit = np.zeros(contexts, np.int64), np.zeros(contexts, np.int64), limit

    def mean(self, context: Int64Array, prior: int | Int64Array, prior_weight: int) -> Int64Array:
        """(sum + prior) // (weight + prior_weight) of each context."""
        found: Int64Array = (self._sum[context] + prior) // (self._weight[context] + prior_weight)
        return found

    def share(self, context: Int64Array, prior: int, prior_weight: int) -> Int64Array:
        """(2 sum + prior) / (2 weight + prior_weight) of each context, in 2**-16, rounded down."""
        found: Int64Array = (2 * self._sum[context] + prior << 16) // (2 * self._weight[context] + prior_weight)
        return found

    def add(self, context: Int64Array, values: Int64Array, weight: int) -> None:
        """Enter values, each with this weight. Their order does not matter, for halving comes after all."""
        np.add.at(self._sum, context, values)
        np.add.at(self._weight, context, weight)
        over = context[self._weight[context] > self._limit]
        if over.size:
            over = np.unique(over)
            self._sum[over] >>= 1
            self._weight[over] >>= 1


def log2_sixteenths(values: Int64Array) -> Int64Array:
    """floor(16 log2 v) of numbers 1 .. 2**40 - 1."""
    found: Int64Array = np.searchsorted(_thresholds(), values, side="right") - 1
    return found


@cache
def _thresholds() -> Int64Array:
    """The least v with v**16 >= 2**i, for each i."""
    found = []
    for i in range(16 * _LOG_BITS):
        v = 1 << i // 16
        low, high = v, 2 * v
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if middle**16 >= 1 << i else (middle + 1, high)
        found.append(low)
    return np.array(found, np.int64)
