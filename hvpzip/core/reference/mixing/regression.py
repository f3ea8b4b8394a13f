"""Least squares that learn while coding: mirrors ``src/mixing/regression.h`` and ``Local`` of ``raster.h``.

IEEE arithmetic, element by element in the same order: this file reaches the bit stream.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Local", "Recursive", "Window", "rounded"]

FloatArray = NDArray[np.floating[Any]]


def rounded(value: Any, low: int, high: int) -> int:
    """A prediction in samples to 1/64, within low to high."""
    kind = type(value)
    scaled = value * kind(64) + kind(0.5)
    if not scaled > kind(low):
        return low
    return high if scaled >= kind(high) else math.floor(scaled)


def _solve(matrix: FloatArray, features: int) -> FloatArray:
    kind = matrix.dtype.type
    inverse = np.zeros(features, matrix.dtype)
    for k in range(features):
        inverse[k] = kind(1) / max(matrix[k, k], kind(1e-6))
        for i in range(k + 1, features):
            matrix[i, i:] = matrix[i, i:] - matrix[k, i:] * (matrix[k, i] * inverse[k])
    solution = np.zeros(features, matrix.dtype)
    for k in range(features - 1, -1, -1):
        total = matrix[k, features]
        for j in range(k + 1, features):
            total = total - matrix[k, j] * solution[j]
        solution[k] = total * inverse[k]
    return solution


def _ridged(matrix: FloatArray) -> FloatArray:
    n = len(matrix)
    trace = np.float32(0)
    for i in range(n):
        trace = trace + matrix[i, i]
    ridge = np.float32(0.002) * trace / np.float32(n) + np.float32(0.02)
    for i in range(n):
        matrix[i, i] = matrix[i, i] + ridge
    return matrix


def _in_lanes(products: FloatArray) -> Any:
    sums = np.zeros(4, products.dtype)
    for j, product in enumerate(products):
        sums[j % 4] = sums[j % 4] + product
    return (sums[0] + sums[1]) + (sums[2] + sums[3])


class Local:
    """Weighted by likeness, over a window."""

    def __init__(
        self, reach: int, k0: float, half_powers: int, falloff: float, every: int, height: int, width: int, features: int, deep: int
    ) -> None:
        self.reach, self.k0, self.half_powers, self.falloff, self.every = reach, k0, half_powers, falloff, every
        self.solution: NDArray[np.float32] | None = None
        self.features, self.deep = features, deep
        self.rows = np.zeros((height, width, features + 1), np.float32)

    def _weight(self, dy: int, dx: int, likeness: int) -> np.float32:
        u = min(likeness, 4095) / 2.0 + self.k0
        if self.half_powers == 2:
            power = 1.0 / u
        elif self.half_powers == 3:
            power = math.sqrt(self.k0) / (u * math.sqrt(u))
        else:
            power = self.k0 / (u * u)
        return np.float32(1.0 / (1.0 + self.falloff * (dy * dy + dx * dx))) * np.float32(power)

    def predict(self, y: int, x: int, features: list[int], base: int, likeness: dict[tuple[int, int], int], low: int, high: int) -> int:
        scale = np.float32(1.0 / (1 << self.deep))
        f = np.array(features, np.float32) * (np.float32(0.5) * scale)
        self.rows[y, x, :-1] = f
        if x % self.every == 0:
            self.solution = self._solved(y, x, likeness)
        if self.solution is None:
            return max(low, min(32 * base, high))
        return rounded(_in_lanes(self.solution * f) / scale + np.float32(0.5) * np.float32(base), low, high)

    def _solved(self, y: int, x: int, likeness: dict[tuple[int, int], int]) -> NDArray[np.float32] | None:
        n, width = self.features, self.rows.shape[1]
        matrix, count = np.zeros((n, n + 1), np.float32), 0
        for yy in range(max(y - self.reach, 0), y + 1):
            for xx in range(max(x - self.reach, 0), min(x + self.reach, width - 1 if yy < y else x - 1) + 1):
                row = self.rows[yy, xx]
                weight = self._weight(y - yy, xx - x, likeness[yy, xx])
                matrix = matrix + row[:-1, None] * (row * weight)[None, :]
                count += 1
        return _solve(_ridged(matrix), n) if count >= 20 else None

    def learn(self, y: int, x: int, target: int) -> None:
        self.rows[y, x, -1] = np.float32(target) * (np.float32(0.5) * np.float32(1.0 / (1 << self.deep)))


class Window:
    """Weighted by likeness, over a window of a unit: mirrors ``src/mixing/window.h``. The last feature is the network's mean."""

    def __init__(self, rows: int, columns: int, features: int) -> None:
        self.features = features
        self.rows = np.zeros((rows, columns, features + 1), np.float32)
        self.quarters = np.zeros((rows, columns, features - 1), np.int64)

    def predict(self, y: int, x: int, quarters: list[int], network: np.float32, likes: Iterable[int]) -> np.float32:
        """quarters: all features but the last, in quarters. Returns the prediction less the base: at first the network's."""
        f = np.array([*(np.float32(0.25) * np.float32(v) for v in quarters), network], np.float32)
        self.rows[y, x, :-1] = f
        self.quarters[y, x] = quarters
        chosen, n, columns = list(likes), self.features, self.rows.shape[1]
        matrix, count = np.zeros((n, n + 1), np.float32), 0
        for yy in range(max(y - 6, 0), y + 1):
            for xx in range(max(x - 6, 0), min(x + 6, columns - 1 if yy < y else x - 1) + 1):
                likeness = int(np.abs(self.quarters[yy, xx, chosen] - self.quarters[y, x, chosen]).sum())
                total = 0.25 * min(likeness, 4095) + 5.0
                far = (y - yy) ** 2 + (xx - x) ** 2
                weight = np.float32(1.0 / (1.0 + 0.03 * far)) * np.float32(math.sqrt(5.0) / (total * math.sqrt(total)))
                row = self.rows[yy, xx]
                matrix = matrix + row[:-1, None] * (row * weight)[None, :]
                count += 1
        if count < 20:
            return network
        return np.float32(_in_lanes(_solve(_ridged(matrix), n) * f))

    def learn(self, y: int, x: int, target: np.float32) -> None:
        self.rows[y, x, -1] = target


class Recursive:
    """Of everything so far, the old fading."""

    def __init__(self, fade: float, every: int, features: int) -> None:
        self.growth, self.every, self.features, self.gain = 1.0 / fade, every, features, 1.0
        self.matrix = np.zeros((features, features + 1))
        self.weights: FloatArray = np.zeros(features)
        self.row = np.zeros(features + 1)

    def predict(self, f: FloatArray) -> float:
        return float(_in_lanes(self.weights * f))

    def solve(self) -> None:
        work = self.matrix.copy()
        for i in range(self.features):
            work[i, i] = work[i, i] + 0.05 * self.gain
        self.weights = _solve(work, self.features)

    def learn(self, row: FloatArray, weight: float) -> None:
        self.gain = self.gain * self.growth
        scale = weight * self.gain
        self.matrix = self.matrix + row[None, :] * (row[:-1] * scale)[:, None]
        if self.gain > 2.0**40:
            self.gain = self.gain * 2.0**-40
            scaled = self.matrix * 2.0**-40
            self.matrix = np.where(np.abs(scaled) > 1.0 / 1.6069380442589903e60, scaled, 0.0)
