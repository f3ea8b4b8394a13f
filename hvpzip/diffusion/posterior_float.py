"""q(y | x) in floats, to draw latents from and to count them while a network is trained; ``posterior`` is what codes them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from hvpzip.diffusion.likelihood_float import FLOOR, normal_cdf
from hvpzip.diffusion.noise import deltas, sigmas
from hvpzip.diffusion.schedule import LevelSchedule, Step

__all__ = ["noise", "refund_bits", "sample_latent", "sample_latents"]


def noise(step: Step, device: torch.device) -> tuple[Tensor, Tensor]:
    """(sigma, delta) of a latent step, each ``(colours,)`` in sample units; three times (0, 1) for an exact step."""
    return torch.tensor(sigmas(step), device=device), torch.tensor(deltas(step), device=device)


def sample_latent(values: Tensor, sigma: Tensor, delta: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """y ~ q(y | x): the Gaussian N(x, sigma^2) rounded to the lattice delta * Z, which is its discretisation. Shapes ``(B, C, h, w)``;
    sigma, delta ``(C,)``.
    """
    noise = torch.randn(values.shape, device=values.device, generator=generator)
    step = delta[:, None, None]
    return torch.round((values + sigma[:, None, None] * noise) / step) * step


def sample_latents(
    schedule: LevelSchedule, steps: Sequence[int], unit: str, values: Tensor, generator: torch.Generator | None = None
) -> dict[int, Tensor]:
    """The latents of a unit ``(B, 3, h, w)`` among these steps, by step, drawn from q, each ``(B, its colours, h, w)``; those of a chain
    one from the other, the least noisy first.
    """
    latents: dict[int, Tensor] = {}
    own = [index for index in steps if schedule.steps[index].is_latent and schedule.steps[index].unit == unit]
    for index in sorted(own, key=lambda index: _depth(schedule, index)):
        above = schedule.parent(index)
        parent = values[:, : schedule.colours(index)] if above is None else latents[above]
        latents[index] = sample_latent(parent, *noise(schedule.steps[index], values.device), generator)
    return latents


def _depth(schedule: LevelSchedule, latent: int) -> int:
    above = schedule.parent(latent)
    return 0 if above is None else 1 + _depth(schedule, above)


def refund_bits(values: Tensor, latent: Tensor, sigma: Tensor, delta: Tensor) -> Tensor:
    """-log2 q(y | x) of every sample, in bits. Shapes as in ``sample_latent``."""
    scale, half = sigma[:, None, None], 0.5 * delta[:, None, None]
    distance = (latent - values).abs()
    return -torch.log2(normal_cdf((half - distance) / scale) - normal_cdf((-half - distance) / scale) + FLOOR)
