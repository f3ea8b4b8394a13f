"""The bound of a batch, in named terms: level, unit, step, rate or refund."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from hvpzip.diffusion.bound import mixture_bits, noise, refund_bits, sample_latent
from hvpzip.diffusion.schedule import UNITS, LevelSchedule
from hvpzip.nn.config import NetworkConfig
from hvpzip.nn.network import Cascade, LevelNetwork, State
from hvpzip.nn.ops import Ops
from hvpzip.transform import colour, lifting, pyramid

__all__ = ["Term", "cascade_terms", "path_bits", "pyramid_of", "sample_latents", "training_loss"]


class Term(NamedTuple):
    """One term of the bound, summed over a batch: bits are positive for a rate and for a refund alike."""

    level: int
    unit: str
    step: int
    kind: str
    bits: Tensor


class LevelPlanes(NamedTuple):
    """A level's coarse image and its units, float32 tensors of integers ``(B, 3, h, w)``."""

    number: int
    coarse: Tensor
    units: Mapping[str, Tensor]


def pyramid_of(images: Tensor, config: NetworkConfig, min_side: int = 2) -> list[LevelPlanes]:
    """Levels of a batch of RGB crops ``(B, 3, H, W)`` int32, finest first, down to a coarse side of ``min_side``. Sides must be powers of
    two times it.
    """
    count = int(np.log2(min(images.shape[-2:]) // min_side))
    if (config.colour_lift, config.transform) == (colour.YCOCG_R, lifting.SUBSAMPLE):
        return _subsampled(images, count)
    device = images.device
    split = pyramid.split(colour.forward(images.cpu().numpy(), config.colour_lift), config.transform, count)
    levels = []
    coarse = split.base
    for number, bands in zip(range(count, 0, -1), split.levels, strict=True):
        tensors = {name: torch.from_numpy(bands[name]).to(device, torch.float32) for name in UNITS}
        levels.append(LevelPlanes(number, torch.from_numpy(coarse).to(device, torch.float32), tensors))
        coarse = lifting.merge2d(coarse, bands, config.transform)
    return levels[::-1]


def _subsampled(images: Tensor, count: int) -> list[LevelPlanes]:
    """The default map on the images' own device: a GPU must not wait for numpy. Equal to ``hvpzip.transform`` (tests/training)."""
    red, green, blue = images.unbind(1)
    orange = red - blue
    middle = blue + (orange >> 1)
    cg = green - middle
    image = torch.stack([middle + (cg >> 1), orange, cg], 1).float()
    levels = []
    for number in range(1, count + 1):
        units = {"hh": image[..., 1::2, 1::2], "hl": image[..., 0::2, 1::2], "lh": image[..., 1::2, 0::2]}
        image = image[..., 0::2, 0::2]
        levels.append(LevelPlanes(number, image, units))
    return levels


def sample_latents(schedule: LevelSchedule, unit: str, values: Tensor) -> dict[int, Tensor]:
    """All latents of a unit ``(B, 3, h, w)`` by step, drawn from q; those of a chain one from the other, the least noisy first."""
    latents: dict[int, Tensor] = {}
    for index in sorted(
        (i for i, step in enumerate(schedule.steps) if step.is_latent and step.unit == unit), key=lambda i: _depth(schedule, i)
    ):
        above = schedule.parent(index)
        parent = values if above is None else latents[above]
        latents[index] = sample_latent(parent, *noise(schedule.steps[index], values.device))
    return latents


def _depth(schedule: LevelSchedule, latent: int) -> int:
    above = schedule.parent(latent)
    return 0 if above is None else 1 + _depth(schedule, above)


def level_terms(network: LevelNetwork, ops: Ops, planes: LevelPlanes, components: int) -> list[Term]:
    """Terms of every step of the level, of all paths; latents are sampled from q."""
    terms = []
    state = network.begin(ops, planes.coarse)
    for unit in UNITS:
        values = planes.units[unit]
        latents = sample_latents(network.schedule, unit, values)
        side: dict[int, State] = {}
        for index, step in enumerate(network.schedule.steps):
            if step.unit != unit:
                continue
            sigma, delta = noise(step, values.device)
            revealed = latents[index] if step.is_latent else values
            prediction = network.predict(ops, state if step.given is None else side[step.given], index)
            bits = mixture_bits(
                prediction.mean / 64,
                prediction.log2_scale / 64,
                prediction.coupling / 64,
                prediction.corrections.float(),
                None if prediction.surprise is None else prediction.surprise / 64,
                revealed,
                0.5 * delta,
                components,
            )
            terms.append(Term(planes.number, unit, index, "rate", bits.sum()))
            if step.is_latent:
                above = network.schedule.parent(index)
                parent = values if above is None else latents[above]
                terms.append(Term(planes.number, unit, index, "refund", refund_bits(parent, revealed, sigma, delta).sum()))
                side[index] = network.reveal(ops, state, index, revealed)
        if unit != UNITS[-1]:
            state = network.reveal(ops, state, network.schedule.direct(unit), values)
    return terms


def cascade_terms(model: Cascade, ops: Ops, images: Tensor) -> list[Term]:
    """Terms of all levels for RGB crops ``(B, 3, H, W)`` int32."""
    terms = []
    for planes in pyramid_of(images, model.config):
        terms += level_terms(model.level(planes.number), ops, planes, model.config.components)
    return terms


def path_bits(terms: list[Term], schedule_of: Mapping[int, LevelSchedule], path: str) -> Tensor:
    """The bound of one path in bits: its rates minus its refunds, over all levels."""
    total = torch.zeros(())
    for term in terms:
        if term.step in schedule_of[term.level].paths[path]:
            total = total + (term.bits if term.kind == "rate" else -term.bits)
    return total


def training_loss(terms: list[Term], model: Cascade, samples: int, side_weight: float) -> Tensor:
    """Bits per dimension of the first path, plus ``side_weight`` times the steps that only other paths take."""
    total = terms[0].bits.new_zeros(())
    for term in terms:
        main = next(iter(model.schedule.level(term.level).paths.values()))
        weight = 1.0 if term.step in main else side_weight
        total = total + (weight if term.kind == "rate" else -weight) * term.bits
    return total / samples
