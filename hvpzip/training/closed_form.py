"""Closed-form preconditioning: linear means by least squares, log-scales by a regression on log-energies, before the first training step.

docs/design.md, Network: solved and then frozen, this start is worth hundreds of steps; left to the optimiser it is shaken to pieces.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from hvpzip.diffusion.posterior_float import sample_latents
from hvpzip.diffusion.schedule import UNITS
from hvpzip.diffusion.walk import Walk
from hvpzip.nn.formats import MEAN_SHIFT
from hvpzip.nn.graph import features
from hvpzip.nn.graph.network import Cascade, ClosedForm, Head, LevelNetwork
from hvpzip.training.loss import LevelPlanes, pyramid_of

__all__ = ["initialise_biases", "solve"]

RIDGE = 1e-3  # of the mean squared input: keeps the weights small where inputs are nearly collinear, as the proof of exactness asks
GAUSSIAN_LOG2_MEAN = 0.916  # -E[log2 |Z|] of a standard normal: turns a mean of log-residuals into a scale
MEAN_ONE = 1 << 12
SCALE_ONE = 1 << 8


# Known planes and known energies, channels of each.
_Known = tuple[Tensor, Tensor]


class _Normal:
    """Normal equations of a linear regression with a bias, in float64."""

    def __init__(self) -> None:
        self.xx: Tensor | None = None
        self.xy: Tensor | None = None

    def add(self, inputs: Tensor, targets: Tensor, weights: Tensor | None = None) -> None:
        """``inputs (B, C, h, w)`` with a 3x3 window, ``targets (B, 3, h, w)``; every colour shares the inputs."""
        columns = F.unfold(F.pad(inputs, (1, 1, 1, 1), mode="replicate"), 3).transpose(1, 2).flatten(0, 1).double()
        columns = torch.cat([columns, torch.ones_like(columns[:, :1])], 1)
        rows = targets.permute(0, 2, 3, 1).flatten(0, 2).double()
        scaled = columns if weights is None else columns * weights.flatten()[:, None].double()
        xx, xy = scaled.T @ columns, scaled.T @ rows
        self.xx = xx if self.xx is None else self.xx + xx
        self.xy = xy if self.xy is None else self.xy + xy

    def solution(self) -> tuple[Tensor, Tensor]:
        """Weights ``(3, C, 3, 3)`` and biases ``(3,)``."""
        assert self.xx is not None
        assert self.xy is not None
        scale = self.xx.diagonal().mean() * RIDGE * 1e-3
        ridge = torch.eye(len(self.xx), dtype=torch.float64, device=self.xx.device) * scale
        ridge[-1, -1] = 0
        solved = torch.linalg.solve(self.xx + ridge, self.xy).T
        return solved[:, :-1].unflatten(1, (-1, 3, 3)), solved[:, -1]


def _walk(network: LevelNetwork, planes: LevelPlanes) -> Iterator[tuple[int, Tensor, Tensor, Tensor]]:
    """(step, known planes, known energies, target) of every step; energies need the means that are already solved."""
    schedule, units = network.schedule, planes.units
    begin = planes.coarse, features.coarse_inputs(planes.coarse)[1]
    walk: Walk[_Known, Tensor] = Walk(schedule, schedule.every_step, begin, partial(_revealed, network))
    for unit in UNITS:
        walk.known |= {i: units[unit] for i, step in enumerate(schedule.steps) if step.unit == unit and not step.is_latent}
        walk.known |= sample_latents(schedule, walk.steps, unit, units[unit])
    for index in walk.steps:
        found = walk.known[index]  # a latent of luma alone: colours are predicted as those of the unit
        yield index, *walk.state(index), torch.cat([found, units[schedule.steps[index].unit][:, found.shape[1] :]], 1)


def _revealed(network: LevelNetwork, known: _Known, step: int, values: Tensor) -> _Known:
    planes, energies = known
    form = _form(network, network.schedule.reference(step))
    # Others may have been revealed at once with this one: the prediction is from before.
    mean = features.linear(planes[:, : form.mean_weight.shape[1]], form.mean_weight, form.mean_bias, MEAN_SHIFT)
    values = torch.cat([values, features.round_shift(mean[:, values.shape[1] :], 6)], 1)
    return torch.cat([planes, values], 1), torch.cat([energies, features.unit_inputs(values, mean)[1]], 1)


def _form(network: LevelNetwork, step: int) -> ClosedForm:
    form = network.closed_form[step]
    assert isinstance(form, ClosedForm)
    return form


@torch.no_grad()
def solve(model: Cascade, batches: Callable[[], Tensor], count: int) -> None:
    """Fill the closed-form buffers of every step from ``count`` batches of RGB crops: means first, then couplings, then log-scales."""
    data = [[planes for planes in pyramid_of(batches(), model.config) if min(planes.coarse.shape[-2:]) >= 4] for _ in range(count)]
    for quantity in ("mean", "coupling", "scale"):
        normals: dict[tuple[int, int], _Normal] = {}
        moments: dict[tuple[int, int], Tensor] = {}
        for levels in data:
            for planes in levels:
                number = min(planes.number, len(model.networks))
                network = model.level(number)
                for step, known, energies, target in _walk(network, planes):
                    key, form = (number, step), _form(network, step)
                    if quantity == "mean":
                        normals.setdefault(key, _Normal()).add(known, target)
                        continue
                    residual = target - features.linear(known, form.mean_weight, form.mean_bias, MEAN_SHIFT) / 64
                    if quantity == "coupling":
                        flat = residual.transpose(0, 1).flatten(1).double()
                        # Weighted by 1 / luma energy, or the few strongest edges would decide for all.
                        flat = flat / (flat[0].abs() + 2)
                        moments[key] = moments.get(key, torch.zeros_like(flat @ flat.T)) + flat @ flat.T
                    else:
                        a, b, c = form.coupling / 64
                        y, co, cg = residual.unbind(1)
                        left = torch.stack([y, co - a * y, cg - b * y - c * co], 1)
                        normals.setdefault(key, _Normal()).add(energies, 64 * (torch.log2(left.abs() + 0.25) + GAUSSIAN_LOG2_MEAN))
        for (number, step), normal in normals.items():
            form = _form(model.level(number), step)
            weight, bias = normal.solution()
            if quantity == "mean":
                form.mean_weight.copy_(torch.round(weight * MEAN_ONE))
                form.mean_bias.copy_(torch.round(bias * MEAN_ONE))
            else:
                form.scale_weight.copy_(torch.round(weight * SCALE_ONE))
                form.scale_bias.copy_(torch.round(bias * SCALE_ONE))
        for (number, step), m in moments.items():
            first = m[0, 1] / m[0, 0]
            second = torch.linalg.solve(m[:2, :2], m[:2, 2])
            _form(model.level(number), step).coupling.copy_(torch.round(64 * torch.stack([first, *second])))


@torch.no_grad()
def initialise_biases(model: Cascade) -> None:
    """Spread the mixtures: K scale ratios around the regression's scale, the widest one rare. Training calibrates them first of all."""
    count = model.config.components
    for network in model.networks:
        assert isinstance(network, LevelNetwork)
        for head in network.heads:
            assert isinstance(head, Head)
            ratio = torch.linspace(-1.0, 1.6, count) if count > 1 else torch.zeros(1)
            logit = -0.6 * torch.arange(count).float()
            mixture = torch.cat([torch.zeros(3 * count), ratio.repeat(3), logit.repeat(3)])
            head.out.bias.zero_()
            head.out.bias[: len(mixture)] = mixture
