"""Widening a trained cascade: the wide network begins as the same function, and goes on from what the narrow one has learnt.

After Net2Net (Chen et al. 2016, arXiv 1511.05641). A new channel's incoming weights are those of an old channel, disturbed, or the two
would learn the same for ever; its outgoing weights are zero. So every old channel and every prediction stay what they were, exactly,
however much the copies are disturbed: nothing need be shared out.
"""

from __future__ import annotations

import dataclasses
import zlib
from pathlib import Path

import torch
from torch import Tensor

from hvpzip.nn.graph.network import Cascade
from hvpzip.training.checkpoint import read_checkpoint, write_checkpoint
from hvpzip.training.config import TrainConfig

__all__ = ["DISTURBANCE", "widen_checkpoint", "widened"]

DISTURBANCE = 0.5  # standard deviation of what is added to a copied weight, in root mean squares of its channel's weights


def widened(tensor: Tensor, shape: torch.Size, seed: int) -> Tensor:
    """``tensor`` (a convolution's weight or bias, or anything that keeps its shape) in a larger ``shape``.

    Rows are outputs, columns inputs. New rows are disturbed copies of old ones, new columns are zero. The same seed disturbs alike, so
    averaged weights go with live ones.

    Raises:
        ValueError: the shape is smaller, or differs elsewhere than in its first two axes.
    """
    if tensor.shape == shape:
        return tensor
    if tensor.dim() != len(shape) or tensor.shape[2:] != shape[2:] or any(new < old for new, old in zip(shape, tensor.shape, strict=True)):
        raise ValueError(f"{tuple(tensor.shape)} cannot be widened to {tuple(shape)}")
    generator = torch.Generator().manual_seed(seed)
    rows = tensor.shape[0]
    more = shape[0] - rows
    rounds = [torch.randperm(rows, generator=generator) for _ in range(-(-more // rows))]  # every old one once before any twice
    source = torch.cat([torch.empty(0, dtype=torch.int64), *rounds])[:more]
    copies = tensor[source].clone()
    if tensor.dim() > 1 and more:
        loudness = copies.flatten(1).square().mean(1).sqrt().reshape(-1, *[1] * (tensor.dim() - 1))
        copies += DISTURBANCE * loudness * torch.randn(copies.shape, generator=generator)
    wide = tensor.new_zeros(shape)
    wide[tuple(slice(0, size) for size in tensor.shape)] = tensor
    wide[(slice(rows, None), *(slice(0, size) for size in tensor.shape[1:]))] = copies
    return wide


def widen_checkpoint(source: Path, target: Path, channels: int, seed: int = 0) -> None:
    """Write to ``target`` (a checkpoint's path) the checkpoint ``source`` with so many channels. Moments of widened weights begin anew.

    Raises:
        ValueError: fewer channels than the network has.
    """
    tensors, moments, state = read_checkpoint(source)
    config = TrainConfig.from_dict(state["config"])
    network = dataclasses.replace(config.network, channels=channels)
    shapes = {name: value.shape for name, value in Cascade(network, config.noise.schedule()).state_dict().items()}
    wide = {}
    for name, value in tensors.items():
        _, _, weight = name.partition(".")  # "model." or "averaged."
        wide[name] = widened(value, shapes[weight], seed + zlib.crc32(weight.encode()))
    kept = {name: value for name, value in (moments or {}).items() if value.shape == shapes[name.rpartition(".")[0]]}
    state["config"]["network"]["channels"] = channels
    target.parent.mkdir(parents=True, exist_ok=True)
    write_checkpoint(target, wide, kept, state)
