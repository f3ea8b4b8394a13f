"""Bounds of a trained cascade on pictures: means over pictures and draws, with their standard errors, by term and by scale."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hvpzip.training.continuous.bound import (
    Terms,
    continuous_loss,
    low_discrepancy_times,
    mixture_step_loss,
    prior_loss,
    reconstruction_loss,
    step_loss,
)
from hvpzip.training.continuous.cascade import DiffusionCascade, ScaleModel
from hvpzip.training.continuous.log_snr import LogSnrSchedule

__all__ = ["Bound", "ScaleBound", "continuous_bound", "discrete_bound"]

BATCH = 100
NATS_TO_BITS = 1 / math.log(2)
FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class ScaleBound:
    """A scale's terms, bits per dimension of the picture: each ``(N, draws)``."""

    prior: FloatArray
    diffusion: FloatArray
    reconstruction: FloatArray

    @property
    def each(self) -> FloatArray:
        """``(N,)`` the scale's bits of each picture."""
        found: FloatArray = (self.prior + self.diffusion + self.reconstruction).mean(1)
        return found

    @property
    def total(self) -> float:
        """Mean over pictures and draws."""
        return float(self.each.mean())


@dataclass(frozen=True)
class Bound:
    """Scales, coarsest first."""

    scales: tuple[ScaleBound, ...]

    @property
    def each(self) -> FloatArray:
        """``(N,)`` bits per dimension of each picture."""
        found: FloatArray = np.sum([scale.each for scale in self.scales], 0)
        return found

    @property
    def total(self) -> float:
        """Mean over pictures and draws."""
        return float(self.each.mean())

    @property
    def noise_error(self) -> float:
        """Standard error of the mean that comes from the draws of noise and time alone (the pictures are given), from how draws differ."""
        draws = np.sum([s.prior + s.diffusion + s.reconstruction for s in self.scales], 0)
        count = draws.shape[1]
        return float(math.sqrt(draws.var(1, ddof=1).mean() / draws.size)) if count > 1 else math.nan

    @property
    def picture_error(self) -> float:
        """Standard error of the mean over pictures, as a sample of all pictures."""
        return float(self.each.std(ddof=1) / math.sqrt(len(self.each)))

    def table(self) -> str:
        """Markdown: one row a scale, the three terms, the sum."""
        lines = ["| scale | prior | diffusion | reconstruction | sum |", "| --- | --- | --- | --- | --- |"]
        for number, scale in enumerate(self.scales):
            terms = [float(t.mean()) for t in (scale.prior, scale.diffusion, scale.reconstruction)]
            lines.append(f"| {number} | {' | '.join(f'{t:.4f}' for t in terms)} | {sum(terms):.4f} |")
        sums = [sum(float(getattr(s, name).mean()) for s in self.scales) for name in ("prior", "diffusion", "reconstruction")]
        lines.append(f"| all | {' | '.join(f'{t:.4f}' for t in sums)} | {sum(sums):.4f} |")
        return "\n".join(lines)


PartTerms = Callable[[ScaleModel, Tensor, Tensor, torch.Generator], Terms]


def _evaluate(
    cascade: DiffusionCascade, planes: NDArray[np.int32], draws: int, seed: int, device: torch.device | str, terms: PartTerms
) -> Bound:
    found = []
    for number, (known, values) in enumerate(cascade.split(planes)):
        generator = torch.Generator().manual_seed(seed)
        rows = []
        for _ in range(draws):
            parts = []
            for k, v in zip(torch.split(known, BATCH), torch.split(values, BATCH), strict=True):
                with torch.no_grad():
                    parts.append(torch.stack(list(terms(cascade.scale(number), k.to(device), v.to(device), generator))).cpu())
            rows.append(torch.cat(parts, 1))
        stacked = torch.stack(rows, 2).double().numpy() * (NATS_TO_BITS / cascade.dims)
        found.append(ScaleBound(*stacked))
    return Bound(tuple(found))


def continuous_bound(
    cascade: DiffusionCascade,
    planes: NDArray[np.int32],
    draws: int = 4,
    seed: int = 0,
    device: torch.device | str = "cpu",
    schedules: list[LogSnrSchedule] | None = None,
) -> Bound:
    """The bound in continuous time for planes (N, 3, H, W): ``draws`` times a picture, times spread evenly over a batch.

    schedules: others to use instead of the cascade's own, one a scale: the bound depends on their end points alone.
    """
    place = {id(scale): number for number, scale in enumerate(cascade.scales)}

    def terms(model: ScaleModel, known: Tensor, values: Tensor, generator: torch.Generator) -> Terms:
        schedule = model.schedule if schedules is None else schedules[place[id(model)]]
        n = len(values)
        times = low_discrepancy_times(n, float(torch.rand(1, generator=generator)))[torch.randperm(n, generator=generator)]
        gamma, slope = schedule(times.to(values.device))
        eps, more = (torch.randn(values.shape, generator=generator).to(values.device) for _ in range(2))
        start = schedule(torch.zeros(n, device=values.device))[0]
        return Terms(
            prior_loss(model, values, schedule.ends[1]),
            continuous_loss(model, values, known, gamma, slope, eps),
            reconstruction_loss(model, values, known, start, more),
        )

    return _evaluate(cascade, planes, draws, seed, device, terms)


def discrete_bound(
    cascade: DiffusionCascade,
    planes: NDArray[np.int32],
    steps: int,
    draws: int = 4,
    seed: int = 0,
    device: torch.device | str = "cpu",
    mixtures: bool = False,
) -> Bound:
    """The bound with T = ``steps`` steps, evenly spaced in t: for each picture and draw one step of the T, times T.

    mixtures: steps whose p(z_s | z_t) is the belief carried to s, instead of one Gaussian of the variance of q.
    """

    def terms(model: ScaleModel, known: Tensor, values: Tensor, generator: torch.Generator) -> Terms:
        n = len(values)
        times = low_discrepancy_times(n, float(torch.rand(1, generator=generator)))[torch.randperm(n, generator=generator)]
        place = torch.floor(times * steps)
        gamma_s, gamma_t = (model.schedule(((place + i) / steps).to(values.device))[0] for i in (0, 1))
        eps, more, last = (torch.randn(values.shape, generator=generator).to(values.device) for _ in range(3))
        step = (
            mixture_step_loss(model, values, known, gamma_s, gamma_t, eps, more)
            if mixtures
            else step_loss(model, values, known, gamma_s, gamma_t, eps)
        )
        start = model.schedule(torch.zeros(n, device=values.device))[0]
        return Terms(
            prior_loss(model, values, model.schedule.ends[1]), steps * step, reconstruction_loss(model, values, known, start, last)
        )

    return _evaluate(cascade, planes, draws, seed, device, terms)
