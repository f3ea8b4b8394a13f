"""Least squares, written from docs/format.md alone: section 12.4, as sections 12 and 13 use it."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

F32, F64 = np.float32, np.float64


def solve(system: np.ndarray) -> np.ndarray:
    """x of a system (n, n + 1) of which the upper triangle and the last column count; in the system's own width."""
    a, n, kind = system.copy(), len(system), system.dtype.type
    v = np.zeros(n, system.dtype)
    for k in range(n):
        v[k] = kind(1) / max(a[k, k], kind(1e-6))
        a[k + 1 :, k + 1 :] -= (a[k, k + 1 : n] * v[k])[:, None] * a[k, k + 1 :]  # below the diagonal nothing is read
    x = np.zeros(n, system.dtype)
    for k in reversed(range(n)):
        rest = a[k, n]
        for one in a[k, k + 1 : n] * x[k + 1 :]:
            rest = rest - one
        x[k] = rest * v[k]
    return x


def in_lanes(x: np.ndarray, f: np.ndarray) -> np.floating:
    lanes = [x.dtype.type(0)] * 4
    for i, one in enumerate(x * f):
        lanes[i % 4] = lanes[i % 4] + one
    return (lanes[0] + lanes[1]) + (lanes[2] + lanes[3])


def likeness_weight(u: float, k0: int, halves: int) -> np.float32:
    if halves == 2:
        return F32(1 / u)
    return F32(math.sqrt(k0) / (u * math.sqrt(u)) if halves == 3 else k0 / (u * u))


def local(
    places: Iterable[tuple[int, int, float, np.ndarray, np.float32]], n: int, k0: int, halves: int, falloff: float
) -> np.ndarray | None:
    """x of n features, or None where there are fewer than 20 places.

    places: (dy, dx, u, features, target) of the window in raster order; features and targets in 32 bits.
    """
    system, count = np.zeros((n, n + 1), F32), 0
    for dy, dx, u, f, target in places:
        w = F32(1 / (1 + falloff * (dy * dy + dx * dx))) * likeness_weight(u, k0, halves)
        system += f[:, None] * (w * np.append(f, target))[None, :]
        count += 1
    if count < 20:
        return None
    trace = F32(0)
    for i in range(n):
        trace = trace + system[i, i]
    ridge = F32(0.002) * trace / F32(n) + F32(0.02)
    for i in range(n):
        system[i, i] = system[i, i] + ridge
    return solve(system)


class Recursive:
    """Doubles; ``n`` features."""

    def __init__(self, n: int, fade: float) -> None:
        self.a, self.g, self.grow = np.zeros((n, n + 1), F64), F64(1), F64(1) / F64(fade)
        self.x = np.zeros(n, F64)

    def solve(self) -> None:
        system = self.a.copy()
        for i in range(len(system)):
            system[i, i] = system[i, i] + F64(0.05) * self.g
        self.x = solve(system)

    def predict(self, f: np.ndarray) -> np.float64:
        return in_lanes(self.x, f)

    def learn(self, f: np.ndarray, target: np.float64, w: np.float64) -> None:
        self.g = self.g * self.grow
        row = np.append(f, target)
        self.a += (w * self.g * f)[:, None] * row[None, :]
        if self.g > 2.0**40:
            self.g = self.g * 2.0**-40
            self.a = self.a * 2.0**-40
            self.a[np.abs(self.a) <= 1 / 1.6069380442589903e60] = 0
