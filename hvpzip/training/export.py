"""From a checkpoint to the model that ships: integers, their proof, the identity, and what the integers cost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from hvpzip.diffusion.bound import Term
from hvpzip.nn.graph.export import export
from hvpzip.nn.graph.network import Cascade
from hvpzip.nn.graph.ops import FloatOps
from hvpzip.nn.model import Model
from hvpzip.training.checkpoint import read_checkpoint
from hvpzip.training.config import TrainConfig
from hvpzip.training.loop import validation_crops
from hvpzip.training.loss import cascade_terms, path_bits

__all__ = ["export_checkpoint", "integer_cost", "load_cascade"]


def load_cascade(checkpoint: str | Path) -> tuple[Cascade, dict[str, Tensor], TrainConfig, int]:
    """(float cascade with the live weights, averaged weights by name, settings, step) of a checkpoint."""
    tensors, _, state = read_checkpoint(checkpoint)
    config = TrainConfig.from_dict(state["config"])
    cascade = Cascade(config.network, config.noise.schedule())
    cascade.load_state_dict({k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")})
    averaged = {k.removeprefix("averaged."): v for k, v in tensors.items() if k.startswith("averaged.")}
    return cascade, averaged, config, state["step"]


def export_checkpoint(checkpoint: str | Path, folder: Path, *, default: bool) -> Model:
    """Write the averaged weights of a checkpoint as a model, and enter it in the index beside it (as the default where asked)."""
    cascade, averaged, config, step = load_cascade(checkpoint)
    model = export(cascade, averaged, folder, {"step": step, "batch": config.batch, "crop": config.crop, "seed": config.seed})
    index_path = folder.parent / "index.json"
    index = json.loads(index_path.read_text()) if index_path.exists() else {"default": folder.name, "models": []}
    index["models"] = sorted({*index["models"], folder.name})
    if default:
        index["default"] = folder.name
    index_path.write_text(json.dumps(index) + "\n")
    return model


@torch.no_grad()
def integer_cost(checkpoint: str | Path, sources: tuple[str, ...]) -> Mapping[str, tuple[float, float]]:
    """Bits per dimension of the averaged weights in float and as integers, by source and path, on the same latents.

    The integers are simulated (``FloatOps(simulate=True)``), which tests hold equal to the integer network.
    """
    cascade, averaged, _, _ = load_cascade(checkpoint)
    cascade.load_state_dict({**cascade.state_dict(), **averaged})
    cascade.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    found: dict[str, list[float]] = {}
    for name, images in validation_crops(sources).items():
        for simulate in (False, True):
            torch.manual_seed(0)
            terms: list[Term] = []
            for part in torch.split(images, 4):
                terms += cascade_terms(cascade, FloatOps(simulate), part)
            for path in cascade.schedule.path_names:
                levels = {term.level: cascade.schedule.level(term.level) for term in terms}
                found.setdefault(f"{name}/{path}", []).append(float(path_bits(terms, levels, path)) / images.numel())
    return {key: (values[0], values[1]) for key, values in found.items()}
