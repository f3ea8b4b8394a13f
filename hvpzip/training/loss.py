"""The bound of a batch, in named terms: level, unit, step, rate or refund."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from hvpzip.diffusion.bound import RATE, REFUND, Term
from hvpzip.diffusion.likelihood_float import mixture_bits
from hvpzip.diffusion.posterior_float import noise, refund_bits, sample_latents
from hvpzip.diffusion.schedule import COLOURS, UNITS, LevelSchedule
from hvpzip.diffusion.walk import Walk
from hvpzip.nn.config import NetworkConfig
from hvpzip.nn.graph.network import Cascade, LevelNetwork, State
from hvpzip.nn.graph.ops import Ops
from hvpzip.transform import colour, lifting, pyramid

__all__ = ["LevelPlanes", "cascade_terms", "on_path", "path_bits", "pyramid_of", "training_loss"]


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


def level_terms(network: LevelNetwork, ops: Ops, planes: LevelPlanes, components: int) -> list[Term]:
    """Terms of every step of the level, of all paths; latents are sampled from q."""
    schedule, terms = network.schedule, []
    known: dict[int, Tensor] = {}
    for unit in UNITS:
        known |= sample_latents(schedule, schedule.every_step, unit, planes.units[unit])
        known |= {i: planes.units[unit] for i, step in enumerate(schedule.steps) if step.unit == unit and not step.is_latent}
    walk: Walk[State, Tensor] = Walk(schedule, schedule.every_step, network.begin(ops, planes.coarse), partial(network.reveal, ops), known)
    for index in walk.steps:
        step, revealed = schedule.steps[index], known[index][:, : schedule.colours(index)]
        sigma, delta = (values[: revealed.shape[1]] for values in noise(step, revealed.device))
        prediction = network.predict(ops, walk.state(index), index)
        bits = mixture_bits(
            prediction.mean / 64,
            prediction.log2_scale / 64,
            prediction.coupling / 64,
            prediction.corrections.float(),
            None if prediction.innovation is None else prediction.innovation / 64,
            revealed,
            0.5 * delta,
            components,
        )
        begun = max((schedule.begun(path, index) for path in schedule.paths.values() if index in path), default=0)
        for colours in ((0, begun), (begun, COLOURS)) if begun else (None,):
            counted = bits if colours is None else bits[:, slice(*colours)]
            terms.append(Term(planes.number, step.unit, index, RATE, counted.sum(), colours))
        if step.is_latent:
            refund = refund_bits(known[walk.parent(index)][:, : schedule.colours(index)], revealed, sigma, delta)
            terms.append(Term(planes.number, step.unit, index, REFUND, refund.sum()))
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
        if on_path(term, schedule_of[term.level], path):
            total = total + term.net_bits
    return total


def on_path(term: Term, schedule: LevelSchedule, path: str) -> bool:
    """Whether a term of a level counts on one of its paths."""
    steps = schedule.paths[path]
    return term.step in steps and (term.colours is None or term.colours[0] >= schedule.begun(steps, term.step))


def training_loss(terms: list[Term], model: Cascade, samples: int, side_weight: float) -> Tensor:
    """Bits per dimension of the first path, plus ``side_weight`` times the steps that only other paths take."""
    total = terms[0].bits.new_zeros(())
    for term in terms:
        schedule = model.schedule.level(term.level)
        weight = 1.0 if on_path(term, schedule, next(iter(schedule.paths))) else side_weight
        total = total + weight * term.net_bits
    loss: Tensor = total / samples
    return loss
