"""What the model says of the units of level 1, written from docs/format.md alone: section 13.1, over the network of section 7.10."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from tests.helpers.by_document.network import SCALE64, Network, compand, differences, rhe, weights

SPANS = ((0, 255), (-255, 255), (-255, 255))


class Told(NamedTuple):
    """Of a unit, as lists by position: means of G, R, B (or the only one), p, q, r, and sigmas."""

    means: list[list[float]]
    p: list[float]
    q: list[float]
    r: list[float]
    sigmas: list[list[float]]

    def of(self, plane: int, i: int, values: list[int]) -> tuple[int, int]:
        """(the network's mean, its error) of a plane, given the values of those before it."""
        mean = self.means[plane][i]
        if plane == 1:
            mean = mean + self.p[i] * (values[0] - self.means[0][i])
        elif plane == 2:
            mean = (mean + self.q[i] * (values[0] - self.means[0][i])) + self.r[i] * (values[1] - self.means[1][i])
        error = math.floor(64 * (0.8 * self.sigmas[plane][i]) + 0.5)
        return min(max(math.floor(64 * mean + 0.5), 0), 255 * 64), min(max(error, 1), 4096)


def lifted(rgb: np.ndarray) -> np.ndarray:
    """Y, Co, Cg (3, h, w) of R, G, B; of gray (1, h, w) the second and third are 0."""
    if len(rgb) == 1:
        return np.concatenate([rgb, np.zeros((2, *rgb.shape[1:]), np.int64)])
    red, green, blue = rgb
    orange = red - blue
    t = blue + (orange >> 1)
    return np.stack([t + ((green - t) >> 1), orange, green - t])


class Teller:
    """The network on level 1, told the units as they come."""

    def __init__(self, coarse: np.ndarray, channels: int, tensors: dict[str, np.ndarray], network: dict, schedule: dict) -> None:
        self.channels, self.components = channels, network["components"]
        self.net = Network(tensors, "networks.0")
        self.steps: list[dict[str, Any]] = schedule["levels"][0]["steps"]
        planes = lifted(coarse)
        first = compand(np.concatenate(differences(planes)))
        levels = np.clip(np.stack([planes[0] - 128, planes[1] >> 1, planes[2] >> 1]), -128, 127)
        self.f = self.net.branch("trunk", np.concatenate([first, levels]), 0)
        self.planes, self.energies = planes, np.abs(first)

    def _step(self, unit: str) -> int:
        return next(i for i, step in enumerate(self.steps) if step["unit"] == unit and not step["sigma"] and step["given"] is None)

    def tell(self, unit: str, rows: int, columns: int) -> Told:
        """Of a unit of that size."""
        index, k = self._step(unit), self.components
        mean = self.net.closed(index, "mean", self.planes)[:, :rows, :columns].reshape(3, -1)
        log_scale = np.clip(self.net.closed(index, "scale", self.energies)[:, :rows, :columns].reshape(3, -1), -192, 1081)
        corrections = self.net.head(index, self.f)[:, :rows, :columns]
        parts = corrections[: 9 * k].reshape(3, 3, k, -1).tolist()
        a = (corrections[9 * k :].reshape(3, -1) + self.net.get(f"closed_form.{index}.coupling")[:, None]).tolist()
        found: list[list[float]] = [[] for _ in range(9)]
        for i in range(rows * columns):
            one = self._place([m[i] for m in mean.tolist()], [s[i] for s in log_scale.tolist()], parts, [row[i] for row in a], i)
            for values, value in zip(found, one, strict=True):
                values.append(value)
        g, r, b, p, q, ratio, *sigmas = found
        planes = 1 if self.channels == 1 else 3
        return Told([g, r, b][:planes], p, q, ratio, sigmas[:planes])

    def _place(self, means: list[int], log_scales: list[int], parts: list, a: list[int], i: int) -> tuple[float, ...]:
        """Means of the three, p, q, r, sigmas of the three, at position i."""
        v = [(one + 32) >> 6 for one in means]
        c = [one / 64 for one in means]
        errors = [64 * v[j] - means[j] for j in range(3)]
        between = {(1, 0): a[0], (2, 0): a[1], (2, 1): a[2]}
        m, variance = [], []
        for k in range(1 if self.channels == 1 else 3):
            centre = means[k] + sum((between[k, j] * errors[j] + 32) >> 6 for j in range(k))
            w = weights([parts[2][k][n][i] for n in range(self.components)])
            u, s = [], []
            for n in range(self.components):
                scale = SCALE64[min(max((log_scales[k] + 194) >> 2, 0), 319)]
                u.append((centre + ((parts[0][k][n][i] * scale + 32) >> 6)) / 64)
                s.append(SCALE64[min(max((log_scales[k] + parts[1][k][n][i] + 194) >> 2, 0), 319)] / 64)
            shares = [one / 65536 for one in w]
            total = shares[0] * u[0]
            for share, one in zip(shares[1:], u[1:], strict=True):
                total = total + share * one
            spread = 1 / 12
            for share, one, scale in zip(shares, u, s, strict=True):
                spread = spread + share * (scale * scale + (one - total) * (one - total))
            for j in range(k):
                total = total - between[k, j] / 64 * (v[j] - c[j])
            m.append(total)
            variance.append(spread)
        if self.channels == 1:
            return m[0], 0.0, 0.0, 0.0, 0.0, 0.0, sigma_of(variance[0]), 0.0, 0.0
        a10, a20, a21 = (one / 64 for one in a)
        y = m[0]
        o = m[1] + a10 * (y - c[0])
        g = (m[2] + a20 * (y - c[0])) + a21 * (o - c[1])
        yy = variance[0]
        yo = a10 * yy
        oo = a10 * yo + variance[1]
        yg = a20 * yy + a21 * yo
        og = a20 * yo + a21 * oo
        gg = (a20 * yg + a21 * og) + variance[2]
        green, cross, middle = (yy + yg) + gg / 4, yy - gg / 4, (yy - yg) + gg / 4
        go, mo, quarter = (yo + og / 2) / 2, (yo - og / 2) / 2, oo / 4
        rg, bg = cross + go, cross - go
        rr, bb, rb = (middle + 2 * mo) + quarter, (middle - 2 * mo) + quarter, middle - quarter
        p = rg / green
        red, blue = rr - p * rg, rb - p * bg
        r = blue / red
        q = bg / green - r * p
        last = (bb - (bg / green) * bg) - r * blue
        mean = y - g / 2
        means_of = (y + g / 2) + 1 / 4, (mean + o / 2) + 1 / 2, (mean - o / 2) + 1 / 2
        return *means_of, p, q, r, sigma_of(green), sigma_of(red), sigma_of(last)

    def learn(self, unit: str, values: np.ndarray) -> None:
        """The unit's planes, R, G, B or gray, (C, rows, columns)."""
        index = self._step(unit)
        mean = self.net.closed(index, "mean", self.planes)
        full = rhe(mean, 6)
        for colour, (low, high) in enumerate(SPANS):
            full[colour] = np.clip(full[colour], low, high) if colour < self.channels else 0
        full[:, : values.shape[1], : values.shape[2]] = lifted(values)
        inputs = compand(np.concatenate([full - rhe(mean, 6), *differences(full)[:2]]))
        if unit != "lh":
            self.f = self.net.branch(f"carry.{unit}", inputs, self.f)
        self.planes, self.energies = np.concatenate([self.planes, full]), np.concatenate([self.energies, np.abs(inputs)])


def sigma_of(variance: float) -> float:
    return math.sqrt(max(variance - 1 / 12, 1 / 64))
