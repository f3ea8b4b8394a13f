"""A walk through a level network that visits every step, and planes to walk it with."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    import torch

    from hvpzip.nn.graph.network import LevelNetwork
    from hvpzip.nn.graph.ops import Ops


def picture(seed: int, batch: int, height: int, width: int) -> torch.Tensor:
    """A smooth random plane in every channel with noise: integers ``(B, 3, h, w)`` in float32, luma 0..255, chroma -255..255."""
    import torch

    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    waves = rng.uniform(-0.5, 0.5, (2, batch, 3, 1, 1))
    offset = np.array([128, 0, 0])[:, None, None]
    plane = 60 * np.sin(waves[0] * y + waves[1] * x) + rng.normal(0, 12, (batch, 3, height, width))
    return torch.from_numpy(np.clip(np.round(plane + offset), np.array([0, -255, -255])[:, None, None], 255)).float()


def walk(network: LevelNetwork, ops: Ops, planes: list[torch.Tensor]) -> list[torch.Tensor]:
    """Carried features and predictions of every step, given a coarse image and three units."""
    from hvpzip.diffusion.schedule import UNITS
    from hvpzip.diffusion.walk import Walk

    coarse, *units = planes
    schedule, found = network.schedule, []
    known = {index: units[UNITS.index(step.unit)] + 3 * step.is_latent for index, step in enumerate(schedule.steps)}
    states = Walk(schedule, schedule.every_step, network.begin(ops, coarse), partial(network.reveal, ops), known)
    for index in states.steps:
        state = states.state(index)
        prediction = network.predict(ops, state, index)
        found += [state.carried, prediction.mean, prediction.log2_scale, prediction.corrections]
        if prediction.innovation is not None:
            found.append(prediction.innovation)
    return found


@pytest.fixture(scope="session")
def everything() -> Callable[..., list[torch.Tensor]]:
    """``everything(network, ops, planes)``: carried features and predictions of every step, given a coarse image and three units."""
    return walk


@pytest.fixture(scope="session")
def planes_of() -> Callable[..., list[torch.Tensor]]:
    """``planes_of(batch, height=9, width=14)``: a coarse image and three units, integers ``(B, 3, h, w)`` in float32."""
    return lambda batch, height=9, width=14: [picture(seed, batch, height, width) for seed in range(4)]
