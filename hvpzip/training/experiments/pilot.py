"""A small network that sees each unit of a level in any state of knowledge, to learn what every step of every schedule would cost.

A **band state** says what is known of one unit of a level: nothing, a latent of noise sigma, one of its four phases, two of them (a
checkerboard), or all of it. The state of a level is one band state a unit. For any of them the pilot predicts, with one evaluation, a
mixture of Gaussians for the exact values of all units; what a step to a less noisy state costs then follows without another network:

    p(y_t | y_s)     the mixture through the kernel q(y_t | y_s, x): again a mixture of Gaussians
    cost(s -> t)  =  E[-log2 p(y_t | y_s) + log2 q(y_t | y_s, x)]      t noisy: rate less refund, telescoped; lattice steps cancel
    cost(s -> x)  =  E[-log2 p(x | y_s)]                               t exact: the plain rate of integers

with latents of one unit Markov: y_s is y_t with more noise. (``q(y_t | y_s, x)``, not ``q(y_t | x)``: with the latter a chain would be
refunded for what y_s already told.) The unit's own latent enters by Bayes' rule, component by component, so the network need not learn it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hvpzip.diffusion.schedule import UNITS
from hvpzip.training.loss import LevelPlanes

__all__ = ["BAND_STATES", "CHROMA", "EXACT", "SIGMAS", "UNKNOWN", "Pilot", "Seen", "exact_bits", "look", "noisy_bits", "successors"]

SIGMAS = (16.0, 8.0, 4.0, 2.0)  # of luma, in samples of the level
CHROMA = 0.5  # chroma's noise over luma's, as in the shipped schedule
BAND_STATES = ("-", *(f"{sigma:g}" for sigma in SIGMAS), "1/4", "1/2", "x")
UNKNOWN, QUARTER, HALF, EXACT = 0, 5, 6, 7
COMPONENTS = 3
_INPUTS = 12 + 9 + 3 + 3
_LOG2E = 1 / math.log(2.0)


def sigma_of(state: int) -> float | None:
    """Luma's noise in a band state, None where it is no latent."""
    return SIGMAS[state - 1] if 1 <= state <= len(SIGMAS) else None


def successors(state: int) -> list[int]:
    """Band states that a step may lead to, ``state`` itself first."""
    if state == UNKNOWN:
        return list(range(len(BAND_STATES)))
    if sigma_of(state) is not None:
        return [*range(state, len(SIGMAS) + 1), EXACT]
    return list(range(state, EXACT + 1))


def known_positions(state: int, height: int, width: int) -> Tensor:
    """Where a unit is known exactly: bool ``(height, width)``."""
    rows, columns = torch.arange(height)[:, None] % 2, torch.arange(width)[None] % 2
    if state == EXACT:
        return torch.ones(height, width, dtype=torch.bool)
    if state == HALF:
        return rows == columns
    if state == QUARTER:
        return (rows == 0) & (columns == 0)
    return torch.zeros(height, width, dtype=torch.bool)


class Seen(NamedTuple):
    """What one unit shows in its state.

    Attributes:
        values: ``(B, 3, h, w)`` samples where they are known, a latent where there is one, else anything.
        known: ``(B, 1, h, w)`` bool: exactly known.
        variance: ``(B, 3, h, w)`` of the latent's noise, infinite where nothing is known.
    """

    values: Tensor
    known: Tensor
    variance: Tensor


def look(values: Tensor, states: list[int], noise: Tensor) -> Seen:
    """A unit ``(B, 3, h, w)`` in a state for each crop. ``noise``: standard normal, of its shape."""
    factor = values.new_tensor([1.0, CHROMA, CHROMA])[:, None, None]
    sigmas = torch.stack([(sigma_of(s) or math.inf) * factor for s in states]).expand_as(values)
    noisy = torch.isfinite(sigmas)
    known = torch.stack([known_positions(s, *values.shape[2:]) for s in states])[:, None]
    shown = torch.where(noisy, values + torch.where(noisy, sigmas, torch.zeros(())) * noise, values)
    return Seen(shown, known, sigmas**2)


class Mixtures(NamedTuple):
    """Of each sample of one unit, given what is seen: K Gaussians ``(B, 3, K, h, w)`` and couplings ``(B, 3, h, w)`` of the colours."""

    log_weight: Tensor
    mean: Tensor
    variance: Tensor
    coupling: Tensor


class Pilot(nn.Module):
    """The pilot of one level; ``forward`` is one evaluation."""

    def __init__(self, channels: int = 24, blocks: int = 3) -> None:
        super().__init__()
        self.embed = nn.Conv2d(_INPUTS, channels, 3, padding=1)
        self.spatial = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in range(blocks))
        self.mix = nn.ModuleList(nn.Conv2d(channels, channels, 1) for _ in range(blocks))
        self.head = nn.Conv2d(channels, 9 * 3 * COMPONENTS + 9, 1)
        self.linear = nn.Conv2d(_INPUTS, 9, 5, padding=2)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.head.weight)

    def forward(self, planes: LevelPlanes, seen: dict[str, Seen]) -> dict[str, Mixtures]:
        """Mixtures of every unit, given the coarse image and what is seen of each unit."""
        energy, inputs, bases = _coarse_view(planes.coarse)
        shares = []
        for unit in UNITS:
            one = seen[unit]
            share = torch.where(one.known, torch.ones(()), energy / (energy + one.variance.sqrt()))  # 1 exact, 0 unknown
            inputs = torch.cat([inputs, (share * (one.values - bases[unit]) / energy).clamp(-8, 8)], 1)
            shares.append(share[:, :1])
        inputs = torch.cat([inputs, *shares], 1)
        f = self.embed(inputs)
        for spatial, mix in zip(self.spatial, self.mix, strict=True):
            f = f + mix(F.relu(spatial(F.relu(f))))
        straight = self.linear(inputs).unflatten(1, (3, 3))
        rest = self.head(F.relu(f))
        mixture = rest[:, :-9].unflatten(1, (3, 3, 3, COMPONENTS))  # unit, colour, kind, component
        couplings = rest[:, -9:].unflatten(1, (3, 3))
        spread = torch.linspace(-1.2, 0.6, COMPONENTS)[:, None, None]
        found = {}
        for i, unit in enumerate(UNITS):
            shift, ratio, logit = mixture[:, i].unbind(2)
            mean = bases[unit][:, :, None] + energy[:, :, None] * (straight[:, i][:, :, None] + shift)
            variance = (energy[:, :, None] * torch.exp((ratio + spread).clamp(-5, 4))) ** 2
            found[unit] = _given_latent(Mixtures(torch.log_softmax(logit, 2), mean, variance, couplings[:, i]), seen[unit])
        return found


def _coarse_view(coarse: Tensor) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """(local energy ``(B, 3, h, w)``, inputs from the coarse image, interpolated units)."""
    padded = F.pad(coarse, (0, 1, 0, 1), mode="replicate")
    here, right, below, across = padded[..., :-1, :-1], padded[..., :-1, 1:], padded[..., 1:, :-1], padded[..., 1:, 1:]
    differences = torch.stack([right - here, below - here, across - here, below - right])
    square = F.pad((differences**2).mean(0), (1, 1, 1, 1), mode="replicate")
    energy = F.avg_pool2d(square, 3, 1).sqrt() + 0.7
    inputs = torch.cat([*(differences / energy).clamp(-8, 8), torch.log2(energy) / 4], 1)
    return energy, inputs, {"hh": (here + right + below + across) / 4, "hl": (here + right) / 2, "lh": (here + below) / 2}


def _given_latent(prior: Mixtures, seen: Seen) -> Mixtures:
    """Bayes' rule, component by component, where a latent is seen."""
    noise, y = seen.variance[:, :, None], seen.values[:, :, None]
    noisy = torch.isfinite(noise)
    finite = torch.where(noisy, noise, torch.ones(()))
    total = prior.variance + finite
    evidence = -0.5 * (torch.log(total) + (y - prior.mean) ** 2 / total)
    return Mixtures(
        torch.where(noisy, torch.log_softmax(prior.log_weight + evidence, 2), prior.log_weight),
        torch.where(noisy, (prior.mean * finite + y * prior.variance) / total, prior.mean),
        torch.where(noisy, prior.variance * finite / total, prior.variance),
        prior.coupling,
    )


def _moments(mixtures: Mixtures, colour: int) -> tuple[Tensor, Tensor]:
    """Mean and variance of a colour's whole mixture, ``(B, h, w)``."""
    weight, mean = mixtures.log_weight[:, colour].exp(), mixtures.mean[:, colour]
    centre = (weight * mean).sum(1)
    return centre, (weight * (mixtures.variance[:, colour] + mean**2)).sum(1) - centre**2


def exact_bits(mixtures: Mixtures, values: Tensor) -> Tensor:
    """-log2 p of integers ``(B, 3, h, w)``, summed over colours: ``(B, h, w)``."""
    bits = values.new_zeros(())
    residuals: list[Tensor] = []
    for colour in range(3):
        x = values[:, colour]
        moved = mixtures.mean[:, colour] + _shift(mixtures.coupling, colour, residuals)[:, None]
        scale = mixtures.variance[:, colour].sqrt()
        distance = (x[:, None] - moved).abs()
        mass = 0.5 * (torch.erfc((distance - 0.5) / scale * math.sqrt(0.5)) - torch.erfc((distance + 0.5) / scale * math.sqrt(0.5)))
        bits = bits - torch.log2((mixtures.log_weight[:, colour].exp() * mass).sum(1) + 2.0**-24)
        residuals.append(x - _moments(mixtures, colour)[0])
    return bits


def _shift(coupling: Tensor, colour: int, residuals: list[Tensor]) -> Tensor:
    first = {0: 0, 1: 0, 2: 1}[colour]
    return sum((coupling[:, first + i] * residual for i, residual in enumerate(residuals)), torch.zeros_like(coupling[:, 0]))


def noisy_bits(mixtures: Mixtures, seen: Seen, values: Tensor, target: int, noise: Tensor) -> Tensor:
    """Cost of a step of one unit to the latent ``target``: ``(B, h, w)`` bits, summed over colours; one draw of ``noise`` (B, 3, h, w).

    The coupling acts as in a joint Gaussian: the shift of a colour is what the latents of the colours before say of their values.
    """
    bits = values.new_zeros(())
    residuals: list[Tensor] = []
    unsure: list[Tensor] = []
    sigma = sigma_of(target)
    assert sigma is not None
    for colour in range(3):
        b = (sigma * (1.0 if colour == 0 else CHROMA)) ** 2
        back = b / seen.variance[:, colour]  # 0 where nothing was known
        x, y_s, alpha = values[:, colour], torch.where(back > 0, seen.values[:, colour], torch.zeros(())), 1 - back
        spread = b * alpha
        y_t = alpha * x + back * y_s + spread.sqrt() * noise[:, colour]
        first = {0: 0, 1: 0, 2: 1}[colour]
        left = sum((mixtures.coupling[:, first + i] ** 2 * v for i, v in enumerate(unsure)), torch.zeros_like(x))
        mean = mixtures.mean[:, colour] + _shift(mixtures.coupling, colour, residuals)[:, None]
        total = alpha[:, None] ** 2 * (mixtures.variance[:, colour] + left[:, None]) + spread[:, None]
        distance = y_t[:, None] - alpha[:, None] * mean - (back * y_s)[:, None]
        log_p = torch.logsumexp(mixtures.log_weight[:, colour] - 0.5 * (torch.log(total) + distance**2 / total), 1)
        log_q = -0.5 * (torch.log(spread) + noise[:, colour] ** 2)
        bits = bits + _LOG2E * (log_q - log_p)
        centre, variance = _moments(mixtures, colour)
        gain = alpha * variance / (alpha**2 * variance + spread)
        residuals.append(gain * (y_t - alpha * centre - back * y_s))
        unsure.append(variance * (1 - gain * alpha))
    return bits
