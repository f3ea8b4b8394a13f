"""Widening and deepening a trained cascade: the larger networks begin as the same functions (``training/widen.py`` says how channels are
copied). A new block adds nothing at first, as every block's last layer begins at zero.
"""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from hvpzip.training.checkpoint import read_checkpoint, write_checkpoint
from hvpzip.training.continuous.cascade import DiffusionCascade
from hvpzip.training.continuous.loop import DiffusionTrainConfig
from hvpzip.training.widen import widened

__all__ = ["widen_cascade"]


def _widened(name: str, tensor: Tensor, shape: torch.Size, seed: int) -> Tensor:
    if "blocks" in name and ".film." in name:  # gains of all channels, then offsets
        half = torch.Size((shape[0] // 2, *shape[1:]))
        return torch.cat([widened(part, half, seed + place) for place, part in enumerate(tensor.chunk(2))])
    return widened(tensor, shape, seed)


def widen_cascade(source: Path, target: Path, widths: Sequence[int], blocks: Sequence[int], seed: int = 0) -> None:
    """Write to ``target`` (a checkpoint's path) the checkpoint ``source`` with networks of these sizes, finest scale first, the last entry
    for all coarser ones. Moments of weights that grew begin anew.

    Raises:
        ValueError: a network would be narrower or shallower than it is.
    """
    tensors, moments, state = read_checkpoint(source)
    config = DiffusionTrainConfig.from_dict(state["config"])
    config = dataclasses.replace(config, cascade=dataclasses.replace(config.cascade, widths=tuple(widths), blocks=tuple(blocks)))
    torch.manual_seed(seed)
    begun = DiffusionCascade(config.cascade).state_dict()
    known = {name.removeprefix("average.") for name in tensors} - {"random"}
    if known - set(begun):
        raise ValueError(f"the network has more blocks than {tuple(blocks)}: there would be no {min(known - set(begun))}")
    wide = {"random": tensors["random"]} if "random" in tensors else {}
    for prefix in ("", "average."):
        for name, tensor in begun.items():
            old = tensors.get(prefix + name)
            wide[prefix + name] = tensor.clone() if old is None else _widened(name, old, tensor.shape, seed + zlib.crc32(name.encode()))
    kept = {name: value for name, value in (moments or {}).items() if value.shape == begun[name.partition(".")[2]].shape}
    state["config"] = config.to_dict()
    target.parent.mkdir(parents=True, exist_ok=True)
    write_checkpoint(target, wide, kept, state)
