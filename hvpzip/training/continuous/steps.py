"""Few steps by dynamic programming (Watson et al. 2021): the best path of noise levels through a grid, from a table of KL terms.

    cost(s -> t) = KL of one step from level t to level s          cost of the first level = reconstruction there, of the last = prior there

The bound is a sum of these, so the best path with T steps is a shortest path with T edges (their eq. 8). Unlike theirs, both end points are
free: a path may begin its reconstruction at more noise, and end where the prior costs least. The programme of ``training.search`` walks
states of three bands under a stack's debt; here a state is one number, and no debt is asked.
"""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from hvpzip.training.continuous.bound import carried_loss, diffuse, prior_loss, reconstruction, squared_error
from hvpzip.training.continuous.cascade import DiffusionCascade
from hvpzip.training.continuous.path import Path

__all__ = ["CostTable", "best_path", "cost_tables", "joint_paths", "uniform_bits"]

FloatArray = NDArray[np.float64]


class CostTable(NamedTuple):
    """A scale's costs, bits per dimension of the picture, at noise levels ``gammas`` (G,), rising.

    step: (G, G), [s, t] for s < t, infinite elsewhere. start, end: (G,) reconstruction at a level, prior at a level.
    """

    gammas: tuple[float, ...]
    step: FloatArray
    start: FloatArray
    end: FloatArray


@torch.no_grad()
def cost_tables(
    cascade: DiffusionCascade, planes: NDArray[np.int32], levels: int = 24, mixtures: bool = True, seed: int = 0
) -> list[CostTable]:
    """Tables of all scales for planes (N, 3, H, W): ``levels`` levels evenly spaced in each schedule's time, one draw of noise each."""
    factor = 1 / (math.log(2) * cascade.dims)
    tables = []
    for number, (known, values) in enumerate(cascade.split(planes)):
        model, generator = cascade.scale(number), torch.Generator().manual_seed(seed)
        gammas = tuple(model.schedule.gamma(k / (levels - 1)) for k in range(levels))
        step = np.full((levels, levels), np.inf)
        start, end = np.zeros(levels), np.zeros(levels)
        for t in range(levels):
            gamma_t = torch.full((len(values),), gammas[t])
            eps, more = (torch.randn(values.shape, generator=generator) for _ in range(2))
            z = diffuse(model, values, gamma_t, eps)
            y = z * torch.sqrt(1 + torch.exp(gamma_t))[:, None, None, None]
            belief = model.estimate(z, gamma_t, known).belief
            error = squared_error(model, values, belief, gamma_t)
            start[t] = float(reconstruction(model, values, belief).mean()) * factor
            end[t] = float(prior_loss(model, values, torch.tensor(gammas[t])).mean()) * factor
            for s in range(t):
                gamma_s = torch.full_like(gamma_t, gammas[s])
                found = (
                    carried_loss(model, values, belief, y, gamma_s, gamma_t, more)
                    if mixtures
                    else 0.5 * torch.expm1(gamma_t - gamma_s) * error
                )
                step[s, t] = float(found.mean()) * factor
        tables.append(CostTable(gammas, step, start, end))
    return tables


def best_path(table: CostTable, steps: int) -> tuple[float, tuple[int, ...]]:
    """(bits, levels rising) of the cheapest path with exactly ``steps`` steps; infinite where there are fewer levels."""
    best = table.start.copy()
    back: list[NDArray[np.int64]] = []
    for _ in range(steps):
        total = best[:, None] + table.step
        back.append(total.argmin(0))
        best = total.min(0)
    best = best + table.end
    place = int(best.argmin())
    bits, path = float(best[place]), [place]
    for choice in reversed(back):
        path.append(int(choice[path[-1]]))
    return bits, tuple(reversed(path))


def uniform_bits(table: CostTable, steps: int) -> float:
    """Bits of the path with ``steps`` even steps over the whole grid."""
    path = [round(float(k)) for k in np.linspace(0, len(table.gammas) - 1, steps + 1)]
    edges = sum(table.step[s, t] for s, t in itertools.pairwise(path))
    return float(table.start[path[0]] + edges + table.end[path[-1]])


def joint_paths(tables: list[CostTable], steps: int) -> tuple[float, Path]:
    """(bits, path) with ``steps`` steps at every scale."""
    found = [best_path(table, steps) for table in tables]
    return sum(bits for bits, _ in found), tuple(
        tuple(table.gammas[k] for k in levels) for table, (_, levels) in zip(tables, found, strict=True)
    )
