"""The exact discrete bound in float, differentiable, for training and validation; codes are counted by ``codec``, not here.

    bits(level) = sum over steps  -log2 p(revealed | known)  -  sum over latents  -log2 q(y | x)                       (rate minus refund)

Every term is a sum over integers: there is no density, no dequantisation. ``p`` is a mixture of K Gaussians for each sample, integrated
over the sample's bin; ``q`` is a Gaussian integrated over the bins of its lattice. Colours are coupled inside a step by a triangular
shift of the means.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from hvpzip.diffusion.schedule import Step

__all__ = ["MIN_LOG2_SCALE", "log2_sigma", "mixture_bits", "noise", "refund_bits", "sample_latent"]

MIN_LOG2_SCALE = -3.0  # the smallest scale of the integer table, 1/8 of a sample
MAX_LOG2_SCALE = 16.9
SCALE_STEPS = 16
# The coder's frequencies are at least one in 2^24, so no sample costs more than 24 bits there; this keeps the float bound as honest.
FLOOR = 2.0**-24


def log2_sigma(index: int) -> float:
    """log2 of the scale with this index in the integer table: 16 an octave from 1/8 up."""
    return index / SCALE_STEPS + MIN_LOG2_SCALE


def _normal_cdf(z: Tensor) -> Tensor:
    return 0.5 * torch.erfc(z * -math.sqrt(0.5))


def mixture_bits(
    mean: Tensor,
    log2_scale: Tensor,
    coupling: Tensor,
    corrections: Tensor,
    surprise: Tensor | None,
    values: Tensor,
    half_bin: Tensor,
    components: int,
) -> Tensor:
    """-log2 p of every sample, in bits.

    Args:
        mean: ``(B, 3, h, w)`` closed-form means in sample units.
        log2_scale: ``(B, 3, h, w)`` closed-form log2 of the scale.
        coupling: ``(3,)`` closed-form couplings (Co on Y, Cg on Y, Cg on Co).
        corrections: ``(B, 9 K + 3, h, w)`` head outputs: shifts in units of the local scale, log2 of scale ratios, logits in log2
            units, couplings;
            ``12 K + 3`` with gains on the surprise before the couplings.
        surprise: ``(B, 3, h, w)`` the latent that the step reads, minus its prediction, in sample units. Given a Gaussian of scale s, the
            posterior mean of x moves by s^2 / (s^2 + sigma^2) of it: a gain that differs by component, so the head gives it.
        values: ``(B, 3, h, w)`` what is revealed, in sample units.
        half_bin: ``(3,)`` half the width of a bin of each colour, in sample units.
        components: K.

    Returns:
        ``(B, 3, h, w)`` bits, differentiable in ``corrections``.
    """
    batch, _, height, width = mean.shape
    kinds = 3 if surprise is None else 4
    mixture = corrections[:, : 3 * kinds * components].reshape(batch, kinds, 3, components, height, width)
    shift, ratio, logit = mixture[:, 0], mixture[:, 1], mixture[:, 2]  # each (B, colour, K, h, w)
    couple = corrections[:, 3 * kinds * components :] + coupling[:, None, None]
    base = log2_scale.clamp(MIN_LOG2_SCALE, MAX_LOG2_SCALE)
    residual = values - mean
    moved = torch.stack(
        [
            mean[:, 0],
            mean[:, 1] + couple[:, 0] * residual[:, 0],
            mean[:, 2] + couple[:, 1] * residual[:, 0] + couple[:, 2] * residual[:, 1],
        ],
        1,
    )
    centre = moved[:, :, None] + shift * torch.exp2(base)[:, :, None]
    if surprise is not None:
        centre = centre + mixture[:, 3] * surprise[:, :, None]
    inverse = torch.exp2(-(base[:, :, None] + ratio).clamp(MIN_LOG2_SCALE, MAX_LOG2_SCALE))
    distance = (values[:, :, None] - centre).abs()  # a bin's mass is symmetric, and the lower tail keeps its digits
    half = half_bin[:, None, None, None]
    mass = _normal_cdf((half - distance) * inverse) - _normal_cdf((-half - distance) * inverse)
    weight = torch.softmax(logit * math.log(2.0), 2)
    return -torch.log2((weight * mass).sum(2) + FLOOR)


def noise(step: Step, device: torch.device) -> tuple[Tensor, Tensor]:
    """(sigma, delta) of a latent step, each ``(3,)`` in sample units; (0, 1) for an exact step."""
    if not step.is_latent:
        return torch.zeros(3, device=device), torch.ones(3, device=device)
    sigma = torch.tensor([2.0 ** log2_sigma(i) for i in step.sigma], device=device)
    return sigma, torch.tensor([2.0**d for d in step.log2_delta], device=device)


def sample_latent(values: Tensor, sigma: Tensor, delta: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """y ~ q(y | x): the Gaussian N(x, sigma^2) rounded to the lattice delta * Z, which is its discretisation. Shapes ``(B, 3, h, w)``;
    sigma, delta ``(3,)``.
    """
    noise = torch.randn(values.shape, device=values.device, generator=generator)
    step = delta[:, None, None]
    return torch.round((values + sigma[:, None, None] * noise) / step) * step


def refund_bits(values: Tensor, latent: Tensor, sigma: Tensor, delta: Tensor) -> Tensor:
    """-log2 q(y | x) of every sample, in bits. Shapes as in ``sample_latent``."""
    scale, half = sigma[:, None, None], 0.5 * delta[:, None, None]
    distance = (latent - values).abs()
    return -torch.log2(_normal_cdf((half - distance) / scale) - _normal_cdf((-half - distance) / scale) + FLOOR)
