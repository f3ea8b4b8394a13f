"""What the network says, as an estimate of x: eps, v, x, and a mixture for each sample. ``y = z / alpha`` is x plus noise of ``ratio``.

With ``ratio = sigma / alpha = exp(gamma / 2)``, and the network's outputs o,

    eps       x_hat = y - ratio o                                  (Ho et al. 2020, eq. 15)
    v         x_hat = alpha z - sigma o                            (Salimans and Ho 2022)
    x         x_hat = o
    mixture   x_hat = sum_k r_k (m_k + g_k (y - m_k)),  g_k = s_k^2 / (s_k^2 + ratio^2),  r_k ~ w_k N(y; m_k, s_k^2 + ratio^2)

The last one takes o as a mixture of Gaussians (weights w, means m, scales s) for each sample given its surroundings, and x_hat is its
posterior mean given y: a network that ignores its neighbours' noisy values has the bound of a one-shot model, at any number of steps.
All four give the belief p(x | z) of one sample as a mixture, which the reconstruction term and steps with mixtures use: the first three
as one Gaussian around x_hat as wide as the noise.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["PARAMETERISATIONS", "Belief", "outputs_each", "read"]

PARAMETERISATIONS = ("eps", "v", "x", "mixture")
# Widths of components stay within these of the preconditioner's scale: wide enough for any picture, and never zero.
RATIO_LIMIT = 8.0


class Belief(NamedTuple):
    """Mixture for each sample, in units of x; each ``(N, K, C, h, w)``. Weights sum to one over K, as logarithms."""

    mean: Tensor
    scale: Tensor
    log_weight: Tensor

    def expectation(self) -> Tensor:
        """``(N, C, h, w)`` x_hat."""
        return (self.log_weight.exp() * self.mean).sum(1)


def outputs_each(name: str, components: int) -> int:
    """Network outputs for each sample. Raises ValueError for an unknown name."""
    if name not in PARAMETERISATIONS:
        raise ValueError(f"unknown parameterisation {name!r}; known are {', '.join(PARAMETERISATIONS)}")
    return 3 * components if name == "mixture" else 1


def read(name: str, outputs: Tensor, y: Tensor, ratio: Tensor, mean: Tensor, scale: Tensor) -> tuple[Belief, Belief | None]:
    """(belief given y, belief without y or None) from the network's outputs.

    Args:
        name: One of ``PARAMETERISATIONS``.
        outputs: ``(N, E C, h, w)`` with E = ``outputs_each``.
        y: ``(N, C, h, w)`` noisy values, z / alpha.
        ratio: ``(N, C, 1, 1)`` sigma / alpha in the units of x.
        mean, scale: ``(N, C, h, w)`` the preconditioner's guess of x and its scale; only the mixture uses them.
    """
    n, channels, height, width = y.shape
    if name == "mixture":
        shift, stretch, logit = outputs.view(n, 3, -1, channels, height, width).unbind(1)
        prior = Belief(
            mean[:, None] + scale[:, None] * shift,
            scale[:, None] * torch.exp(stretch.clamp(-RATIO_LIMIT, RATIO_LIMIT)),
            torch.log_softmax(logit, 1),
        )
        return posterior(prior, y, ratio), prior
    alpha_squared = 1 / (1 + ratio**2)
    if name == "eps":
        x_hat = y - ratio * outputs
    elif name == "v":
        x_hat = alpha_squared * y - alpha_squared.sqrt() * ratio * outputs
    else:
        x_hat = outputs
    one = x_hat[:, None]
    return Belief(one, ratio[:, None].expand_as(one), torch.zeros_like(one)), None


def posterior(prior: Belief, y: Tensor, ratio: Tensor) -> Belief:
    """The mixture given a noisy value ``y`` with noise ``ratio`` of each sample."""
    noise = ratio[:, None] ** 2
    total = prior.scale**2 + noise
    gain = prior.scale**2 / total
    surprise = y[:, None] - prior.mean
    log_weight = torch.log_softmax(prior.log_weight - 0.5 * (surprise**2 / total + torch.log(total)), 1)
    return Belief(prior.mean + gain * surprise, torch.sqrt(gain * noise), log_weight)


def log_density(belief: Belief, values: Tensor) -> Tensor:
    """log p of ``values`` (N, C, h, w), in nats per unit of x."""
    z = (values[:, None] - belief.mean) / belief.scale
    return torch.logsumexp(belief.log_weight - 0.5 * z**2 - torch.log(belief.scale), 1) - 0.5 * math.log(2 * math.pi)


def log_mass(belief: Belief, values: Tensor, half: Tensor) -> Tensor:
    """log of the mass on the bins ``values +- half`` (``half`` (C, 1, 1)), in nats; a floor of 2^-24, as a coder would give at least."""
    distance = (values[:, None] - belief.mean).abs()
    root = math.sqrt(0.5)
    upper = torch.erfc((distance - half) / belief.scale * root)
    lower = torch.erfc((distance + half) / belief.scale * root)
    mass = (belief.log_weight.exp() * 0.5 * (upper - lower)).sum(1)
    return torch.log(mass + 2.0**-24)
