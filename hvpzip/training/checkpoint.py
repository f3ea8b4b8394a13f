"""Checkpoints: everything a run needs to go on as if it had not stopped, in pickle-free files of at most 16 MB each.

NAME.safetensors            weights, averaged weights, closed form; the settings, the step and the random state in the metadata
NAME.optimizer.safetensors  the optimisers' moments
NAME.STEP.N.safetensors     further parts of either where one file would be too large; the first part's metadata names them
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

__all__ = ["read_checkpoint", "write_checkpoint"]

PART_BYTES = 15_000_000  # of tensors: leaves room for names and metadata below 16 MB
SUFFIX = ".safetensors"


def _save(tensors: Mapping[str, Tensor], path: Path, metadata: dict[str, str]) -> None:
    temporary = path.with_name(f".{path.name}.new")
    save_file({k: v.contiguous() for k, v in tensors.items()}, temporary, metadata)
    os.replace(temporary, path)


def _write(tensors: Mapping[str, Tensor], path: Path, step: int, metadata: dict[str, str]) -> None:
    """Further parts first, under names of this step; the first part, which names them, then takes the place of the old one in one move. So
    whatever a crash leaves is a whole checkpoint, old or new.
    """
    parts: list[dict[str, Tensor]] = [{}]
    size = 0
    for name, tensor in tensors.items():
        if size + tensor.nbytes > PART_BYTES and parts[-1]:
            parts.append({})
            size = 0
        parts[-1][name] = tensor
        size += tensor.nbytes
    stem = path.name.removesuffix(SUFFIX)
    further = {f"{stem}.{step}.{number}{SUFFIX}": part for number, part in enumerate(parts[1:], 2)}
    for name, part in further.items():
        _save(part, path.with_name(name), {})
    _save(parts[0], path, {**metadata, "parts": json.dumps(list(further))})
    for other in path.parent.iterdir():
        if re.fullmatch(rf"{re.escape(stem)}\.\d+\.\d+{re.escape(SUFFIX)}", other.name) and other.name not in further:
            other.unlink()


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    tensors: dict[str, Tensor] = {}
    metadata: dict[str, str] = {}
    names = [path.name]
    while names:
        with safe_open(path.with_name(names.pop()), "pt") as file:
            tensors |= {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
            metadata |= file.metadata() or {}
            names += json.loads((file.metadata() or {}).get("parts", "[]"))
    return tensors, metadata


def write_checkpoint(path: str | Path, tensors: Mapping[str, Tensor], moments: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    """Write both, each replaced in one move. The step is in both, so that a pair torn by a crash is noticed."""
    path, step = Path(path), int(state["step"])
    _write({**moments, "step": torch.tensor(step)}, path.with_suffix(f".optimizer{SUFFIX}"), step, {})
    _write(tensors, path, step, {"state": json.dumps(state)})


def read_checkpoint(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Tensor] | None, dict[str, Any]]:
    """(tensors, moments or None where their file is missing or of another step, state)."""
    path = Path(path)
    tensors, metadata = _read(path)
    state = json.loads(metadata["state"])
    second = path.with_suffix(f".optimizer{SUFFIX}")
    moments = None
    if second.exists():
        moments, _ = _read(second)
        if int(moments.pop("step")) != state["step"]:
            moments = None
    return tensors, moments, state
