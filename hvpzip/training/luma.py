"""Noise on luma alone: a trained cascade whose latents had three colours goes on with latents of Y.

Steps, features and heads stay. What reads a latent finds colours as predicted where it found their latents, so the closed forms of those
steps are solved anew on the checkpoint's photos; all others, which the heads have learnt to correct, stay what they are.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch

from hvpzip.nn.graph.network import Cascade, LevelNetwork
from hvpzip.training.checkpoint import read_checkpoint, write_checkpoint
from hvpzip.training.closed_form import solve
from hvpzip.training.config import TrainConfig
from hvpzip.training.data import Crops, load_photos
from hvpzip.training.loop import CLOSED_FORM_BATCHES

__all__ = ["luma_checkpoint"]


def luma_checkpoint(source: Path, target: Path) -> None:
    """Write to ``target`` (a checkpoint's path) the checkpoint ``source`` with latents of luma alone.

    Raises:
        ValueError: they are already.
    """
    tensors, moments, state = read_checkpoint(source)
    config = TrainConfig.from_dict(state["config"])
    noise = dataclasses.replace(
        config.noise,
        sigma=tuple(sigma[:1] for sigma in config.noise.sigma),
        log2_delta=tuple(delta[:1] for delta in config.noise.log2_delta),
    )
    if noise == config.noise:
        raise ValueError(f"the latents of {source} are of luma alone already")
    config = dataclasses.replace(config, noise=noise)
    cascade = Cascade(config.network, noise.schedule())
    cascade.load_state_dict({k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")})
    photos, generator = load_photos(config.sources), torch.Generator().manual_seed(config.seed)
    torch.manual_seed(config.seed)
    crops = Crops(photos, config.weights, config.crop, config.augmentation, torch.device("cpu"), generator)
    solve(cascade, lambda: crops.batch(2 * config.batch), CLOSED_FORM_BATCHES)
    solved = cascade.state_dict()
    for number, network in enumerate(cascade.networks):
        assert isinstance(network, LevelNetwork)
        for index, step in enumerate(network.schedule.steps):
            if step.given is not None:
                prefix = f"networks.{number}.closed_form.{index}."
                tensors |= {f"model.{name}": value for name, value in solved.items() if name.startswith(prefix)}
    state["config"] = config.to_dict()
    target.parent.mkdir(parents=True, exist_ok=True)
    write_checkpoint(target, tensors, moments or {}, state)
