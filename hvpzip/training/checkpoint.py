"""Checkpoints: everything a run needs to go on as if it had not stopped, in two pickle-free files of at most 16 MB each.

NAME.safetensors            weights, averaged weights, closed form; the settings, the step and the random state in the metadata
NAME.optimizer.safetensors  Adam's moments
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

__all__ = ["read_checkpoint", "write_checkpoint"]


def _write(tensors: Mapping[str, Tensor], path: Path, metadata: dict[str, str] | None = None) -> None:
    temporary = path.with_name(f".{path.name}.new")
    save_file({k: v.contiguous() for k, v in tensors.items()}, temporary, metadata)
    os.replace(temporary, path)


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    with safe_open(path, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118 (not a mapping)


def write_checkpoint(path: str | Path, tensors: Mapping[str, Tensor], moments: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    """Write both files, each replaced in one move. The step is in both, so that a pair torn by a crash is noticed."""
    path = Path(path)
    _write({**moments, "step": torch.tensor(state["step"])}, path.with_suffix(".optimizer.safetensors"))
    _write(tensors, path, {"state": json.dumps(state)})


def read_checkpoint(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Tensor] | None, dict[str, Any]]:
    """(tensors, moments or None where their file is missing or of another step, state)."""
    path = Path(path)
    tensors, metadata = _read(path)
    state = json.loads(metadata["state"])
    second = path.with_suffix(".optimizer.safetensors")
    moments = None
    if second.exists():
        moments, _ = _read(second)
        if int(moments.pop("step")) != state["step"]:
            moments = None
    return tensors, moments, state
