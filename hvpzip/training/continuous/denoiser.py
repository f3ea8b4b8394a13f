"""One denoising network a scale, shared by all noise levels, conditioned on the exact coarser picture by concatenation (SR3).

    inputs   coarser picture, log2 of its local differences, the preconditioner's guess and log-scale, the surprise of the noisy values
    body     blocks h += W2 relu(f(W1 relu(h))), W1 3x3, W2 1x1 from zero, f an affine map of each channel that gamma decides (FiLM)
    outputs  1x1, from zero: what ``parameterisation`` reads

ReLUs, sums and products alone: a network for one fixed set of noise levels is a chain of convolutions, ready for integers.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["DIFFERENCES", "Denoiser", "differences"]

TIME_FEATURES = 24
TIME_HIDDEN = 48
TIME_SPAN = (-11.0, 7.0)  # gammas that the time features resolve
DIFFERENCES = 4  # maps of local differences for each channel of the coarser picture


def differences(known: Tensor) -> Tensor:
    """log2(1 + |difference|) of each sample to its four neighbours, edges repeated: ``(N, 4 C, h, w)``."""
    padded = F.pad(known, (1, 1, 1, 1), mode="replicate")
    centre = known
    others = (padded[..., 1:-1, :-2], padded[..., 1:-1, 2:], padded[..., :-2, 1:-1], padded[..., 2:, 1:-1])
    return torch.log2(1 + torch.cat([(centre - other).abs() for other in others], 1))


def _time_features(gamma: Tensor) -> Tensor:
    """Gaussian bumps along gamma, and gamma itself: ``(N, TIME_FEATURES)``."""
    low, high = TIME_SPAN
    centres = torch.linspace(low, high, TIME_FEATURES - 1, device=gamma.device)
    width = (high - low) / (TIME_FEATURES - 2)
    bumps = torch.exp(-0.5 * ((gamma[:, None] - centres) / width) ** 2)
    return torch.cat([bumps, gamma[:, None] / high], 1)


def _zero(layer: nn.Conv2d | nn.Linear) -> None:
    for p in layer.parameters():
        nn.init.zeros_(p)


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.film = nn.Linear(TIME_HIDDEN, 2 * width)
        self.second = nn.Conv2d(width, width, 1)
        for layer in (self.film, self.second):
            _zero(layer)

    def forward(self, h: Tensor, time: Tensor) -> Tensor:
        gain, offset = self.film(time)[..., None, None].chunk(2, 1)
        inner = self.first(F.relu(h))
        out: Tensor = h + self.second(F.relu(torch.addcmul(inner + offset, inner, gain)))
        return out


class Denoiser(nn.Module):
    """Args:
    inputs, outputs: Channels.
    width, blocks: Of the body.
    """

    def __init__(self, inputs: int, outputs: int, width: int, blocks: int) -> None:
        super().__init__()
        self.time = nn.Linear(TIME_FEATURES, TIME_HIDDEN)
        self.enter = nn.Conv2d(inputs, width, 3, padding=1)
        self.enter_film = nn.Linear(TIME_HIDDEN, width)
        self.blocks = nn.ModuleList(_Block(width) for _ in range(blocks))
        self.leave = nn.Conv2d(width, outputs, 1)
        self.leave_film = nn.Linear(TIME_HIDDEN, outputs)
        self.straight = nn.Conv2d(inputs, outputs, 1, bias=False)
        for layer in (self.leave, self.leave_film, self.enter_film, self.straight):
            _zero(layer)

    def forward(self, inputs: Tensor, gamma: Tensor) -> Tensor:
        """``inputs (N, inputs, h, w)``, ``gamma (N,)`` to ``(N, outputs, h, w)``."""
        time = F.relu(self.time(_time_features(gamma)))
        h = self.enter(inputs) + self.enter_film(time)[..., None, None]
        for block in self.blocks:
            h = block(h, time)
        out: Tensor = self.leave(F.relu(h)) + self.leave_film(time)[..., None, None] + self.straight(inputs)
        return out

    def multiply_adds(self) -> int:
        """For each position of the scale's grid."""
        return sum(m.weight.numel() for m in self.modules() if isinstance(m, nn.Conv2d))


def gaussian_log2_mean() -> float:
    """-E[log2 |Z|] of a standard normal: (Euler's gamma + log 2) / (2 log 2)."""
    return (0.5772156649015329 + math.log(2)) / (2 * math.log(2))
