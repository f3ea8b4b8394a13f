"""A path of few noise levels: its bound in float, and the coder that codes along it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from hvpzip.core.tables import NUM_SCALES, SCALE_STEPS
from hvpzip.nn.denoiser import CodedScale, Lattice, NoisePath, noise_of, prove
from hvpzip.nn.denoiser.path import SCALE_OFFSET, UNIT_BITS
from hvpzip.training.continuous.bound import Terms, mixture_step_loss, prior_loss, reconstruction_loss, step_loss
from hvpzip.training.continuous.cascade import DiffusionCascade, ScaleModel
from hvpzip.training.continuous.quantise import integer_scale

__all__ = ["Path", "noise_path", "path_terms", "uniform_path"]

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


def noise_path(cascade: DiffusionCascade, path: Path) -> NoisePath:
    """The cascade's integers for a path, as a file holds them: the noise between two levels is the nearest of the coder's scales.

    Raises ModelError where a sum of its networks may not be exact.
    """
    scales = tuple(_coded_scale(cascade.scale(number), gammas) for number, gammas in enumerate(path))
    found = NoisePath(cascade.config.map_name, len(cascade.hierarchy.stages), scales)
    prove(found)
    return found


def _coded_scale(model: ScaleModel, gammas: Sequence[float]) -> CodedScale:
    unit = model.unit.double().cpu().numpy()
    rows: list[list[int]] = []
    for gamma in gammas:
        below = 4.0 ** noise_of(np.array(rows))[-1] if rows else 0.0
        rows.append([scale_of(0.5 * math.log2(max(wanted, 1e-6))) for wanted in unit**2 * math.exp(gamma) - below])
    top = float(model.schedule.ends[1])
    alone = tuple(scale_of(math.log2(u) + 0.5 * top / math.log(2)) for u in unit)
    noise = [*noise_of(np.array(rows)), *noise_of(np.array([alone]))]
    lattices = tuple(tuple(Lattice(added, _lattice_step(added)) for added in row) for row in rows)
    prior = tuple(scale_of(math.log2(u) + 0.5 * math.log2(1 + math.exp(gammas[-1]))) for u in unit)
    return CodedScale(integer_scale(model, [*gammas, top], noise), lattices, prior, alone)


def _lattice_step(added: int) -> int:
    return 1 << max(0, math.floor(added / SCALE_STEPS - SCALE_OFFSET) - FINENESS)


def scale_of(log2_steps: float) -> int:
    """Index of the coder's scale nearest to this log2 of a deviation in steps of v."""
    return min(max(round((log2_steps + UNIT_BITS + SCALE_OFFSET) * SCALE_STEPS), 0), NUM_SCALES - 1)
