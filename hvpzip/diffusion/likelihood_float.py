"""-log2 p in floats, differentiable, for training and validation; codes are counted by ``codec``, not here.

``p`` is a mixture of K Gaussians for each sample, integrated over the sample's bin. Colours are coupled inside a step by a triangular
shift of the means (``likelihood`` has the layout of a head's channels).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from hvpzip.diffusion.likelihood import CG_ON_CO, CG_ON_Y, CO_ON_Y, COLOURS, GAIN, LOG_RATIO, LOGIT, SHIFT, kinds
from hvpzip.diffusion.noise import MAX_LOG2_SCALE, MIN_LOG2_SCALE

__all__ = ["FLOOR", "mixture_bits", "normal_cdf"]

# The coder's frequencies are at least one in 2^24, so no sample costs more than 24 bits there; this keeps the float bound as honest.
FLOOR = 2.0**-24


def normal_cdf(z: Tensor) -> Tensor:
    """The standard normal distribution's mass below ``z``."""
    return 0.5 * torch.erfc(z * -math.sqrt(0.5))


def mixture_bits(
    mean: Tensor,
    log2_scale: Tensor,
    coupling: Tensor,
    corrections: Tensor,
    innovation: Tensor | None,
    values: Tensor,
    half_bin: Tensor,
    components: int,
) -> Tensor:
    """-log2 p of every sample, in bits.

    Args:
        mean: ``(B, 3, h, w)`` closed-form means in sample units.
        log2_scale: ``(B, 3, h, w)`` closed-form log2 of the scale.
        coupling: ``(3,)`` closed-form couplings (Co on Y, Cg on Y, Cg on Co).
        corrections: ``(B, output_channels, h, w)`` head outputs.
        innovation: ``(B, 3, h, w)`` the latent that the step reads, minus its prediction, in sample units; None where it reads none.
        values: ``(B, C, h, w)`` what is revealed, in sample units: the first C colours.
        half_bin: ``(C,)`` half the width of a bin of each colour, in sample units.
        components: K.

    Returns:
        ``(B, C, h, w)`` bits, differentiable in ``corrections``.
    """
    batch, colours, height, width = values.shape
    count = kinds(innovation is not None)
    mixture = corrections[:, : count * COLOURS * components].reshape(batch, count, COLOURS, components, height, width)[:, :, :colours]
    shift, ratio, logit = mixture[:, SHIFT], mixture[:, LOG_RATIO], mixture[:, LOGIT]  # each (B, colour, K, h, w)
    couple = corrections[:, count * COLOURS * components :] + coupling[:, None, None]
    mean, base = mean[:, :colours], log2_scale[:, :colours].clamp(MIN_LOG2_SCALE, MAX_LOG2_SCALE)
    residual = values - mean
    moved = mean
    if colours == COLOURS:
        moved = torch.stack(
            [
                mean[:, 0],
                mean[:, 1] + couple[:, CO_ON_Y] * residual[:, 0],
                mean[:, 2] + couple[:, CG_ON_Y] * residual[:, 0] + couple[:, CG_ON_CO] * residual[:, 1],
            ],
            1,
        )
    centre = moved[:, :, None] + shift * torch.exp2(base)[:, :, None]
    if innovation is not None:
        centre = centre + mixture[:, GAIN] * innovation[:, :colours, None]
    inverse = torch.exp2(-(base[:, :, None] + ratio).clamp(MIN_LOG2_SCALE, MAX_LOG2_SCALE))
    distance = (values[:, :, None] - centre).abs()  # a bin's mass is symmetric, and the lower tail keeps its digits
    half = half_bin[:, None, None, None]
    mass = normal_cdf((half - distance) * inverse) - normal_cdf((-half - distance) * inverse)
    weight = torch.softmax(logit * math.log(2.0), 2)
    return -torch.log2((weight * mass).sum(2) + FLOOR)
