"""A path of few noise levels: its bound in float, and the coder that codes along it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from hvpzip.core.tables import NUM_SCALES, SCALE_STEPS
from hvpzip.training.continuous.bound import Terms, mixture_step_loss, prior_loss, reconstruction_loss, step_loss
from hvpzip.training.continuous.cascade import DiffusionCascade, ScaleModel
from hvpzip.training.continuous.coding import SCALE_OFFSET, UNIT_BITS, CodedCascade, CodedScale, Lattice
from hvpzip.training.continuous.quantise import integer_scale

__all__ = ["Path", "coded_cascade", "path_terms", "uniform_path"]

FINENESS = 1  # a lattice step is at least this many octaves below the noise beyond the level below

Path = tuple[tuple[float, ...], ...]
"""gammas of each scale, coarsest scale first, rising: the first one is where the reconstruction starts, the last one where the prior is."""


def uniform_path(cascade: DiffusionCascade, steps: int) -> Path:
    """``steps`` + 1 levels, evenly spaced in each schedule's own time."""
    return tuple(tuple(cascade.scale(i).schedule.gamma(k / steps) for k in range(steps + 1)) for i in range(len(cascade.scales)))


@torch.no_grad()
def path_terms(
    model: ScaleModel, values: Tensor, known: Tensor, gammas: Sequence[float], generator: torch.Generator, mixtures: bool = True
) -> Terms:
    """The bound along all levels of a scale, one draw of noise each; nats, ``(N,)``."""
    n = len(values)

    def noise() -> Tensor:
        return torch.randn(values.shape, generator=generator)

    levels = [torch.full((n,), gamma) for gamma in gammas]
    diffusion = torch.zeros(n)
    for gamma_s, gamma_t in itertools.pairwise(levels):
        if mixtures:
            diffusion = diffusion + mixture_step_loss(model, values, known, gamma_s, gamma_t, noise(), noise())
        else:
            diffusion = diffusion + step_loss(model, values, known, gamma_s, gamma_t, noise())
    return Terms(
        prior_loss(model, values, torch.tensor(gammas[-1])), diffusion, reconstruction_loss(model, values, known, levels[0], noise())
    )


def coded_cascade(cascade: DiffusionCascade, path: Path) -> CodedCascade:
    """The cascade's integers for a path: the noise between two levels is the nearest of the coder's scales."""
    return CodedCascade(cascade.hierarchy, tuple(_coded_scale(cascade.scale(number), gammas) for number, gammas in enumerate(path)))


def _coded_scale(model: ScaleModel, gammas: Sequence[float]) -> CodedScale:
    unit = model.unit.double().cpu().numpy()
    variance = np.zeros(len(unit))
    lattices, log2_noise = [], []
    for gamma in gammas:
        wanted = unit**2 * math.exp(gamma) - variance
        added = [scale_of(0.5 * math.log2(max(w, 1e-6))) for w in wanted]
        variance = variance + np.array([4.0 ** (index / SCALE_STEPS - SCALE_OFFSET - UNIT_BITS) for index in added])
        lattices.append(tuple(Lattice(index, 1 << max(0, math.floor(index / SCALE_STEPS - SCALE_OFFSET) - FINENESS)) for index in added))
        log2_noise.append(0.5 * np.log2(variance))
    prior = tuple(scale_of(math.log2(u) + 0.5 * math.log2(1 + math.exp(gammas[-1]))) for u in unit)
    return CodedScale(integer_scale(model, gammas, log2_noise), tuple(lattices), prior)


def scale_of(log2_steps: float) -> int:
    """Index of the coder's scale nearest to this log2 of a deviation in steps of v."""
    return min(max(round((log2_steps + UNIT_BITS + SCALE_OFFSET) * SCALE_STEPS), 0), NUM_SCALES - 1)
