"""A trained cascade as a model that compresses: the best few noise levels of each scale, in integers, beside a photo model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from hvpzip.nn.bundled import load_model, model_id
from hvpzip.nn.identity import identity_with_path
from hvpzip.nn.model import Model, load_folder
from hvpzip.nn.settings import FORMAT
from hvpzip.training.continuous.cascade import DiffusionCascade
from hvpzip.training.continuous.path import noise_path
from hvpzip.training.continuous.steps import cost_tables, joint_paths

__all__ = ["export"]

LEVELS = 16  # to choose from


def export(cascade: DiffusionCascade, planes: NDArray[np.int32], steps: int, photo_model: str, folder: Path) -> Model:
    """Write ``weights.safetensors`` and ``config.json`` to ``folder``, a sibling of the photo model's; the model as it loads again.

    Args:
        cascade: For evaluation; its parameterisation is the mixture.
        planes: (N, 3, side, side), on which the noise levels are chosen.
        steps: Steps of every scale: one less than its latents.
        photo_model: Name of a bundled model, which codes what the noise path cannot.

    Raises: ModelError where a sum of the networks may not be exact.
    """
    _, gammas = joint_paths(cost_tables(cascade, planes, LEVELS), steps)
    path = noise_path(cascade, gammas)
    tensors, settings = path.tensors(), (path.map_name, path.depth, cascade.config.components)
    found = identity_with_path(model_id(load_model(photo_model).name), *settings, tensors)
    config = {
        "format": FORMAT,
        "id": found.hex(),
        "photo_model": photo_model,
        "noise_path": dict(zip(("map", "depth", "components"), settings, strict=True)),
    }
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "weights.safetensors")
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    return load_folder(folder)
