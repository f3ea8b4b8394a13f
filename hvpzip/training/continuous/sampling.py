"""Draws and means of what is not known: samples, pictures from a part of their scales, super-resolution.

A scale's values given the coarser picture are drawn by T steps back from noise (each a draw from the belief carried down, as the coder
codes it) and a draw of integers at the end, or replaced by their mean, the network's estimate where nothing of the scale is known.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hvpzip.training.continuous.bound import mixture_step
from hvpzip.training.continuous.cascade import DiffusionCascade, ScaleModel
from hvpzip.training.continuous.parameterisation import Belief
from hvpzip.transform.scales import Scale

__all__ = ["FILLS", "complete", "enlarge", "mean_values", "sample_values", "samples"]

FILLS = ("mean", "sample")
Int32Array = NDArray[np.int32]


def _draw(belief: Belief, generator: torch.Generator) -> Tensor:
    weights = belief.log_weight.exp().movedim(1, -1)
    chosen = torch.multinomial(weights.reshape(-1, weights.shape[-1]), 1, generator=generator).view(weights.shape[:-1])[:, None]
    mean, scale = belief.mean.gather(1, chosen)[:, 0], belief.scale.gather(1, chosen)[:, 0]
    return mean + scale * torch.randn(mean.shape, generator=generator)


@torch.no_grad()
def sample_values(model: ScaleModel, known: Tensor, steps: int, generator: torch.Generator) -> Tensor:
    """Values ``(N, C, h, w)`` in steps of v drawn given the coarser picture ``known (N, Ck, h, w)``."""
    n, _, height, width = known.shape
    gammas = [model.schedule.gamma(k / steps) for k in range(steps, -1, -1)]
    z = torch.randn((n, model.channels, height, width), generator=generator)
    for here, below in zip(gammas, [*gammas[1:], None], strict=True):
        gamma = torch.full((n,), here)
        belief = model.estimate(z, gamma, known).belief
        y = z * torch.sqrt(1 + torch.exp(gamma))[:, None, None, None]
        if below is None:
            return torch.round(_draw(belief, generator) * model.unit[:, None, None])
        lower = torch.full((n,), below)
        z = _draw(mixture_step(belief, y, lower, gamma), generator) / torch.sqrt(1 + torch.exp(lower))[:, None, None, None]
    raise AssertionError("the last level returns")


@torch.no_grad()
def mean_values(model: ScaleModel, known: Tensor) -> Tensor:
    """The mean of the values given the coarser picture alone, rounded: the estimate at t = 1 for z = 0."""
    n, _, height, width = known.shape
    gamma = torch.full((n,), float(model.schedule.ends[1]))
    estimate = model.estimate(torch.zeros(n, model.channels, height, width), gamma, known)
    belief = estimate.belief if estimate.prior is None else estimate.prior
    return torch.round(belief.expectation() * model.unit[:, None, None])


def complete(
    cascade: DiffusionCascade, known: Int32Array, first: int, fill: str, steps: int = 32, generator: torch.Generator | None = None
) -> Int32Array:
    """Planes of the whole picture, scales ``first`` and finer filled in by "mean" or "sample".

    known: the coarser picture that scale ``first`` is conditioned on; for scale 0 an array (N, 0, h, w).
    Raises ValueError for another fill.
    """
    if fill not in FILLS:
        raise ValueError(f"unknown fill {fill!r}; known are {', '.join(FILLS)}")
    generator = generator or torch.Generator().manual_seed(0)
    for number in range(first, len(cascade.scales)):
        model, seen = cascade.scale(number), torch.from_numpy(known).float()
        values = mean_values(model, seen) if fill == "mean" else sample_values(model, seen, steps, generator)
        known = cascade.hierarchy.merge(number, Scale(known, values.numpy().astype(np.int32)))
    return known


def samples(cascade: DiffusionCascade, count: int, steps: int, seed: int = 0) -> Int32Array:
    """Planes (count, 3, side, side) drawn from nothing."""
    like = cascade.hierarchy.split(np.zeros((count, 3, cascade.config.side, cascade.config.side), np.int32))[0].known
    return complete(cascade, like, 0, "sample", steps, torch.Generator().manual_seed(seed))


def enlarge(cascade: DiffusionCascade, planes: Int32Array, factor: int, fill: str = "mean", steps: int = 32, seed: int = 0) -> Int32Array:
    """Planes (N, 3, factor H, factor W): the picture taken as a coarser one of the finest scales (super-resolution, SR3).

    planes: any sides. factor: a power of two that the map's scales reach, else ValueError.
    """
    height, width = planes.shape[2:]
    doublings = factor.bit_length() - 1
    stages = cascade.hierarchy.stages
    each = 2 if cascade.config.map_name.endswith("-lines") else 1
    if factor < 2 or factor != 1 << doublings or doublings * each > len(stages):
        raise ValueError(f"this model enlarges by powers of two from 2 to {2 ** (len(stages) // each)}, not by {factor}")
    found = complete(cascade, planes, len(cascade.scales) - doublings * each, fill, steps, torch.Generator().manual_seed(seed))
    assert found.shape[2:] == (factor * height, factor * width)
    return found
