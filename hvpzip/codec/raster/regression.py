"""Least squares that follow the picture: moments of what was seen, the old fading, and weights that solve the normal equations.

Integer arithmetic only: this file reaches the bit stream.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["ONE", "Regression"]

Int64Array = NDArray[np.int64]

ONE: Final = 1 << 16  # a weight of 1
_LIMIT: Final = 1 << 20
_TRUST_BITS: Final = 8


class Regression:
    """Weights such that their sum of products with the features is near the target, for what was seen lately.

    All products fit in 64 bits for features and targets below 2**17 in size, trust of at most 2**13, 512 samples at once and a fade of at
    most 8: a moment stays below 2**(17 + 17 + 13 - 8 + 9 + 8).
    """

    def __init__(self, start: Sequence[int], fade: int, ridge: int) -> None:
        """start: the weights, in 2**-16, before anything is known. fade: every update keeps 1 - 2**-fade of the moments. ridge: the weights
        are drawn towards the start by 2**-ridge of the mean square of a feature."""
        self._start, self._fade, self._ridge = [int(weight) for weight in start], fade, ridge
        self._weights = np.array(self._start, np.int64)
        self._squares = np.zeros((len(start), len(start)), np.int64)
        self._products = np.zeros(len(start), np.int64)

    def predict(self, features: Int64Array) -> Int64Array:
        """features (f, n) -> (n,), in 1/64 of their unit, rounded down."""
        predicted: Int64Array = (self._weights @ features) >> 10
        return predicted

    def learn(self, features: Int64Array, target: Int64Array, trust: Int64Array) -> None:
        """Enter n samples: features (f, n), target (n,), trust (n,), how much each counts."""
        weighted = (features * trust) >> _TRUST_BITS
        self._squares += weighted @ features.T - (self._squares >> self._fade)
        self._products += weighted @ target - (self._products >> self._fade)

    def solve(self) -> None:
        """Weights from the moments, by elimination without fractions (Bareiss): every division on the way down is exact."""
        size = len(self._start)
        rows = [[*row, product << 16] for row, product in zip(self._squares.tolist(), self._products.tolist(), strict=True)]
        extra = sum(rows[i][i] for i in range(size)) // (size << self._ridge) + 1
        for i, weight in enumerate(self._start):
            rows[i][i] += extra
            rows[i][size] += extra * weight
        before = 1
        for i in range(size):
            top = rows[i]
            if top[i] <= 0:  # rounding may leave moments that no samples have
                self._weights = np.array(self._start, np.int64)
                return
            for j in range(i + 1, size):
                row = rows[j]
                rows[j] = [0] * (i + 1) + [(top[i] * row[k] - row[i] * top[k]) // before for k in range(i + 1, size + 1)]
            before = top[i]
        weights = [0] * size
        for i in reversed(range(size)):
            rest = rows[i][size] - sum(rows[i][k] * weights[k] for k in range(i + 1, size))
            weights[i] = max(-_LIMIT, min(_LIMIT, (2 * rest + rows[i][i]) // (2 * rows[i][i])))
        self._weights = np.array(weights, np.int64)
