"""Noise schedules: gamma(t) = -log SNR(t), rising with t from gamma_0 (little noise) to gamma_1 (nothing left of the picture).

    alpha^2 = sigmoid(-gamma)     sigma^2 = sigmoid(gamma)          variance preserving (VDM, Kingma et al. 2021, eq. 3 and 4)
    noise-to-signal               sigma / alpha = exp(gamma / 2)

The continuous bound depends on the end points alone (VDM, section 5.1): the shape only decides its variance.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["SHAPES", "LogSnrSchedule"]

SHAPES = ("linear", "cosine", "learned")
HIDDEN = 64
START_WEIGHT = 0.1  # of the hidden units at the start: near linear
COSINE_EDGE = 0.05  # the cosine's log SNR is infinite at 0 and 1: it is cut there and stretched to the end points


class LogSnrSchedule(nn.Module):
    """gamma(t) = gamma_0 + (gamma_1 - gamma_0) g(t), with g from 0 to 1 of one of three shapes.

        linear    g(t) = t
        cosine    g(t) ~ 2 log tan(pi t / 2)           (Nichol and Dhariwal 2021), cut to where it is finite
        learned   g(t) ~ w t + sum of w_i sigmoid(a_i t + b_i), all w and a positive (VDM's monotone network, appendix H)

    Args:
        shape: One of ``SHAPES``.
        gamma_0, gamma_1: End points at the start; both are parameters, learned with the bound where the training says so.
    """

    def __init__(self, shape: str, gamma_0: float, gamma_1: float) -> None:
        super().__init__()
        if shape not in SHAPES:
            raise ValueError(f"unknown shape {shape!r}; known are {', '.join(SHAPES)}")
        self.shape = shape
        self.ends = nn.Parameter(torch.tensor([gamma_0, gamma_1]))
        if shape == "learned":
            self.linear = nn.Parameter(torch.zeros(()))
            self.slopes = nn.Parameter(torch.full((HIDDEN,), math.log(8.0)))
            self.offsets = nn.Parameter(torch.linspace(0, 1, HIDDEN))
            self.weights = nn.Parameter(torch.full((HIDDEN,), math.log(START_WEIGHT / HIDDEN)))

    def forward(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """(gamma, dgamma / dt) at times ``t`` (N,) in [0, 1]."""
        low, high = self.ends[0], self.ends[1]
        progress, slope = self._progress(t)
        return low + (high - low) * progress, (high - low) * slope

    def gamma(self, t: float) -> float:
        """gamma at one time."""
        with torch.no_grad():
            return float(self(torch.tensor([t], device=self.ends.device))[0])

    def _progress(self, t: Tensor) -> tuple[Tensor, Tensor]:
        if self.shape == "linear":
            return t, torch.ones_like(t)
        if self.shape == "cosine":
            span = 1 - 2 * COSINE_EDGE
            half = 0.5 * math.pi * (COSINE_EDGE + span * t)
            top = math.log(math.tan(0.5 * math.pi * (1 - COSINE_EDGE)))
            return 0.5 + 0.5 * torch.log(torch.tan(half)) / top, 0.5 * math.pi * span / torch.sin(2 * half) / top
        value, slope = self._rise(t)
        start, end = self._rise(t.new_zeros(1))[0], self._rise(t.new_ones(1))[0]
        return (value - start) / (end - start), slope / (end - start)

    def _rise(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """The monotone network and its derivative: steps of width exp(-slope) around the offsets, on a line."""
        steepness, weight = F.softplus(self.slopes) * 4, self.weights.exp()
        hidden = torch.sigmoid(steepness * (t[:, None] - self.offsets))
        value = self.linear.exp() * t + (weight * hidden).sum(1)
        slope = self.linear.exp() + (weight * steepness * hidden * (1 - hidden)).sum(1)
        return value, slope
