"""The variational bound in VDM's three named terms, for each picture of a batch and each scale, in nats.

    -log p(v | known) <= prior + diffusion + reconstruction                                     (Kingma et al. 2021, eq. 11)
    prior            KL(q(z_1 | x) || N(0, I))
    reconstruction   E -log p(v | z_0), the mass that the belief given z_0 has on the bin of v
    diffusion        continuous time   E_t  1/2 gamma'(t) |eps - eps_hat(z_t)|^2                 (eq. 17, by eps instead of x)
                     T steps           E_i  T/2 expm1(gamma_t - gamma_s) |eps - eps_hat(z_t)|^2   (eq. 14), t = i / T, s = t - 1/T
                     T steps, mixture  E log q(z_s | z_t, x) - log p(z_s | z_t), p the belief at t carried to s

Values are integers and the bins have width one in steps of v: there is no dequantisation and no density in the sum. Values on 2^-24 of a
coder's floor aside, each term is exact up to the Monte-Carlo error of its expectation.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from hvpzip.training.continuous import parameterisation
from hvpzip.training.continuous.cascade import ScaleModel
from hvpzip.training.continuous.parameterisation import Belief

__all__ = [
    "Terms",
    "carried_loss",
    "continuous_loss",
    "diffuse",
    "low_discrepancy_times",
    "mixture_step_loss",
    "prior_loss",
    "reconstruction_loss",
    "second_order_residual",
    "step_loss",
]


class Terms(NamedTuple):
    """The bound's terms in nats, each ``(N,)``: one number a picture, summed over a scale's samples."""

    prior: Tensor
    diffusion: Tensor
    reconstruction: Tensor

    def total(self) -> Tensor:
        """``(N,)``."""
        return self.prior + self.diffusion + self.reconstruction


def low_discrepancy_times(count: int, offset: float) -> Tensor:
    """``(count,)`` times, evenly spread over [0, 1) from ``offset``: each one uniform if the offset is (VDM, appendix I.1)."""
    return (offset + torch.arange(count) / count) % 1.0


def diffuse(model: ScaleModel, values: Tensor, gamma: Tensor, eps: Tensor) -> Tensor:
    """z = alpha x + sigma eps for ``values (N, C, h, w)`` in steps of v, ``gamma (N,)``."""
    x = values / model.unit[:, None, None]
    g = gamma[:, None, None, None]
    return torch.sqrt(torch.sigmoid(-g)) * x + torch.sqrt(torch.sigmoid(g)) * eps


def prior_loss(model: ScaleModel, values: Tensor, gamma_1: Tensor) -> Tensor:
    """KL of q(z_1 | x) from a standard normal, ``(N,)``; ``gamma_1`` a number as a tensor."""
    x = values / model.unit[:, None, None]
    alpha_squared, log_sigma_squared = torch.sigmoid(-gamma_1), F.logsigmoid(gamma_1)
    # sigma^2 - 1 - log sigma^2 = -alpha^2 - log(1 - alpha^2)
    return 0.5 * (alpha_squared * x**2 - alpha_squared - log_sigma_squared).sum((1, 2, 3))


def squared_error(model: ScaleModel, values: Tensor, belief: Belief, gamma: Tensor) -> Tensor:
    """|eps - eps_hat|^2 = SNR |x - x_hat|^2, ``(N,)``, for the belief at ``gamma (N,)``."""
    x = values / model.unit[:, None, None]
    return (torch.exp(-gamma)[:, None, None, None] * (x - belief.expectation()) ** 2).sum((1, 2, 3))


def reconstruction(model: ScaleModel, values: Tensor, belief: Belief) -> Tensor:
    """-log of the mass on the bins of ``values``, ``(N,)``."""
    unit = model.unit[:, None, None]
    return -parameterisation.log_mass(belief, values / unit, 0.5 / unit).sum((1, 2, 3))


def continuous_loss(model: ScaleModel, values: Tensor, known: Tensor, gamma: Tensor, slope: Tensor, eps: Tensor) -> Tensor:
    """The diffusion term's integrand at ``gamma (N,)`` with ``slope`` = dgamma / dt there: ``(N,)``, its mean over t is the term."""
    z = diffuse(model, values, gamma, eps)
    return 0.5 * slope * squared_error(model, values, model.estimate(z, gamma, known).belief, gamma)


def step_loss(model: ScaleModel, values: Tensor, known: Tensor, gamma_s: Tensor, gamma_t: Tensor, eps: Tensor) -> Tensor:
    """KL of one step from t to s < t with Gaussians of the same variance: ``(N,)``; steps add up to the term."""
    z = diffuse(model, values, gamma_t, eps)
    return 0.5 * torch.expm1(gamma_t - gamma_s) * squared_error(model, values, model.estimate(z, gamma_t, known).belief, gamma_t)


def step_moments(gamma_s: Tensor, gamma_t: Tensor) -> tuple[Tensor, Tensor]:
    """(share, variance) of q(y_s | y_t, x) = N(y_t + share (x - y_t), variance), y = z / alpha, in the units of x; each ``(N,)``.

    share = 1 - ratio_s^2 / ratio_t^2, variance = ratio_s^2 share: Gaussian noise of which a part is taken away (VDM, appendix A.2).
    """
    share = -torch.expm1(gamma_s - gamma_t)
    return share, torch.exp(gamma_s) * share


def mixture_step(belief: Belief, y: Tensor, gamma_s: Tensor, gamma_t: Tensor) -> Belief:
    """p(y_s | y_t): the belief about x at t carried to s, again a mixture for each sample."""
    share, variance = (m[:, None, None, None, None] for m in step_moments(gamma_s, gamma_t))
    return Belief(y[:, None] + share * (belief.mean - y[:, None]), torch.sqrt(variance + (share * belief.scale) ** 2), belief.log_weight)


def carried_loss(model: ScaleModel, values: Tensor, belief: Belief, y: Tensor, gamma_s: Tensor, gamma_t: Tensor, more: Tensor) -> Tensor:
    """One draw of log q(y_s | y_t, x) - log p(y_s | y_t) with p the ``belief`` at t carried to s: ``(N,)``. ``more`` makes y_s from y_t."""
    x = values / model.unit[:, None, None]
    share, variance = (m[:, None, None, None] for m in step_moments(gamma_s, gamma_t))
    y_s = y + share * (x - y) + torch.sqrt(variance) * more
    log_q = -0.5 * more**2 - 0.5 * torch.log(2 * math.pi * variance)
    log_p = parameterisation.log_density(mixture_step(belief, y, gamma_s, gamma_t), y_s)
    return (log_q - log_p).sum((1, 2, 3))


def mixture_step_loss(
    model: ScaleModel, values: Tensor, known: Tensor, gamma_s: Tensor, gamma_t: Tensor, eps: Tensor, more: Tensor
) -> Tensor:
    """``carried_loss`` of one step: ``eps`` makes y_t, ``more`` makes y_s from it."""
    z = diffuse(model, values, gamma_t, eps)
    y = z * torch.sqrt(1 + torch.exp(gamma_t))[:, None, None, None]
    return carried_loss(model, values, model.estimate(z, gamma_t, known).belief, y, gamma_s, gamma_t, more)


def second_order_residual(model: ScaleModel, values: Tensor, known: Tensor, gamma: Tensor, eps: Tensor, probe: Tensor) -> Tensor:
    """v^T (dx_hat / dy) v - (v . (eps - eps_hat))^2 for Rademacher probes v, ``(N,)``: of mean zero where the network's derivative is the
    covariance that Tweedie's formula asks of it.

    Its mean square is the error of second order (Lu et al. 2022; i-DODE, Zheng et al. 2023, section 3.2): what the ODE's divergence reads.
    """
    x = values / model.unit[:, None, None]
    ratio = torch.exp(0.5 * gamma)[:, None, None, None]
    with torch.enable_grad():
        y = (x + ratio * eps).requires_grad_()
        x_hat = model.estimate(y / torch.sqrt(1 + ratio**2), gamma, known).belief.expectation()
        (product,) = torch.autograd.grad(x_hat, y, probe, create_graph=True)
    error = eps - (y - x_hat) / ratio
    return (product * probe).sum((1, 2, 3)) - (probe * error).sum((1, 2, 3)) ** 2


def reconstruction_loss(model: ScaleModel, values: Tensor, known: Tensor, gamma_0: Tensor, eps: Tensor) -> Tensor:
    """-log p(v | z_0), ``(N,)``, for ``gamma_0 (N,)``."""
    z = diffuse(model, values, gamma_0, eps)
    return reconstruction(model, values, model.estimate(z, gamma_0, known).belief)
