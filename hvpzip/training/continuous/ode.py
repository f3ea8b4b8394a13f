"""Likelihood of the probability-flow ODE of a cascade, by an adaptive solver (torchdiffeq).

With y = z / alpha, noise ratio r = exp(gamma / 2) and s = log r, the ODE of Song et al. 2021 (eq. 13) is

    dy / ds = y - x_hat(y, s) = r eps_hat              d log p(y) / ds = -div (y - x_hat)

from s_0 to s_1, where y is N(0, 1 + r_1^2) as in VDM. The divergence is Hutchinson's estimate with Rademacher probes, the same along the
whole path (Grathwohl et al. 2019). Integers are dequantised in one of two ways (Zheng et al. 2023, section 4):

    noise             y_0 ~ N(v, r_0^2) as in the bound:  log P(v) >= E [log p(y_0) + log p(v | y_0) - log q(y_0 | v)]
    truncated normal  y_0 ~ N(v, r^2) cut to the bin of v, r a sixth of a bin:  log P(v) >= E [log p(y_0) - log q(y_0 | v)]

The second suits a model trained with noise well below a bin, whose density has learnt where the integers are: over a smooth density it
costs KL(q, uniform) more than the first. Several draws give the importance-weighted bound, log of the mean of the weights, which is never
worse in expectation.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchdiffeq import odeint

from hvpzip.training.continuous.bound import diffuse, reconstruction
from hvpzip.training.continuous.cascade import DiffusionCascade, ScaleModel

__all__ = ["DEQUANTISATIONS", "OdeResult", "ode_bits", "scale_log_weights"]

DEQUANTISATIONS = ("noise", "truncated")
TRUNCATION = 3.0  # deviations from the middle of a bin to its edge
BATCH = 50

FloatArray = NDArray[np.float64]


class OdeResult(NamedTuple):
    """Bits per dimension of each picture ``(N, draws)`` (one draw: noise and probe), and evaluations of the networks a draw."""

    bits: FloatArray
    evaluations: int

    @property
    def total(self) -> float:
        """Mean over pictures and draws."""
        return float(self.bits.mean())

    @property
    def draw_error(self) -> float:
        """Standard error of the mean from the draws of noise and probes; the pictures are given."""
        return float(math.sqrt(self.bits.var(1, ddof=1).mean() / self.bits.size)) if self.bits.shape[1] > 1 else math.nan

    def importance_weighted(self, dims: int) -> float:
        """Mean over pictures of -log2 of the mean weight over all draws, bits per dimension."""
        nats = torch.from_numpy(-self.bits * dims * math.log(2))
        return float(-(torch.logsumexp(nats, 1) - math.log(nats.shape[1])).mean() / math.log(2) / dims)


def scale_log_weights(
    model: ScaleModel, values: Tensor, known: Tensor, generator: torch.Generator, dequantisation: str = "noise", tolerance: float = 1e-3
) -> tuple[Tensor, int]:
    """(log weights ``(N,)`` in nats whose expectation of exp is P(v), evaluations of the network)."""
    unit = model.unit[:, None, None]
    x = values / unit
    gamma_1 = float(model.schedule.ends[1])
    if dequantisation == "noise":
        gamma_0 = float(model.schedule.ends[0])
        eps = torch.randn(values.shape, generator=generator)
        gamma = torch.full((len(values),), gamma_0)
        belief = model.estimate(diffuse(model, values, gamma, eps), gamma, known).belief
        y = x + math.exp(0.5 * gamma_0) * eps
        edge = -reconstruction(model, values, belief) - _normal_log_density(eps).sum((1, 2, 3)) + eps[0].numel() * 0.5 * gamma_0
        return _flow(model, y, known, 0.5 * gamma_0, 0.5 * gamma_1, generator, tolerance, edge)
    if dequantisation != "truncated":
        raise ValueError(f"unknown dequantisation {dequantisation!r}; known are {', '.join(DEQUANTISATIONS)}")
    # One noise level for all channels of a scale: that at which the narrowest bin, in units of x, is six deviations wide.
    half = 0.5 / unit
    ratio = float(half.min()) / TRUNCATION
    limit = half / ratio  # deviations to the edge, at least TRUNCATION
    inside = torch.erf(limit / math.sqrt(2))
    u = (2 * torch.rand(values.shape, generator=generator) - 1) * inside
    eps = math.sqrt(2) * torch.erfinv(u.clamp(-1 + 1e-7, 1 - 1e-7))
    log_q = (_normal_log_density(eps) - torch.log(inside)).sum((1, 2, 3)) - eps[0].numel() * math.log(ratio)
    # Both densities are in units of x, so the bin's width in them cancels.
    return _flow(model, x + ratio * eps, known, math.log(ratio), 0.5 * gamma_1, generator, tolerance, -log_q)


def _normal_log_density(eps: Tensor) -> Tensor:
    return -0.5 * eps**2 - 0.5 * math.log(2 * math.pi)


def _flow(
    model: ScaleModel, y: Tensor, known: Tensor, start: float, end: float, generator: torch.Generator, tolerance: float, edge: Tensor
) -> tuple[Tensor, int]:
    """``edge`` plus log p of ``y`` at s = ``start``."""
    probe = 2.0 * torch.randint(0, 2, y.shape, generator=generator) - 1
    scale = y[0].numel()  # the divergence is a sum over samples: its error shall count as one sample's does
    calls = 0

    def velocity(s: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        nonlocal calls
        calls += 1
        with torch.enable_grad():
            here = state[0].detach().requires_grad_()
            gamma = (2 * s).float().expand(len(here))
            z = here / torch.sqrt(1 + torch.exp(gamma))[:, None, None, None]
            drift = here - model.estimate(z, gamma, known).belief.expectation()
            (product,) = torch.autograd.grad(drift, here, probe)
        return drift.detach(), (product * probe).sum((1, 2, 3)) / scale

    times = torch.tensor([start, end], dtype=torch.float64)
    path, integral = odeint(velocity, (y, torch.zeros(len(y))), times, rtol=tolerance, atol=tolerance, method="dopri5")
    total = 1 + math.exp(2 * end)
    prior = (-0.5 * path[-1] ** 2 / total).sum((1, 2, 3)) - 0.5 * scale * math.log(2 * math.pi * total)
    return edge + prior + integral[-1] * scale, calls


@torch.no_grad()
def ode_bits(
    cascade: DiffusionCascade,
    planes: NDArray[np.int32],
    draws: int = 2,
    seed: int = 0,
    dequantisation: str = "noise",
    tolerance: float = 1e-3,
) -> OdeResult:
    """Bits of planes (N, 3, H, W) by the ODE of every scale."""
    rows, calls = [], 0
    generator = torch.Generator().manual_seed(seed)
    scales = cascade.split(planes)
    for _ in range(draws):
        total = torch.zeros(len(planes), dtype=torch.float64)
        for number, (known, values) in enumerate(scales):
            found = []
            for k, v in zip(torch.split(known, BATCH), torch.split(values, BATCH), strict=True):
                weights, count = scale_log_weights(cascade.scale(number), v, k, generator, dequantisation, tolerance)
                found.append(weights)
                calls += count
            total += torch.cat(found).double()
        rows.append(-total / math.log(2) / cascade.dims)
    return OdeResult(torch.stack(rows, 1).numpy(), calls // draws)
