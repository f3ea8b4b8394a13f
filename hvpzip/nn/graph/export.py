"""From a trained cascade to the files of a model, and from a model's integers to a cascade that computes with them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save_file
from torch import Tensor

from hvpzip.diffusion.schedule import Schedule
from hvpzip.nn.config import NetworkConfig
from hvpzip.nn.formats import ACT_BITS
from hvpzip.nn.graph.network import Cascade, ClosedForm
from hvpzip.nn.graph.ops import Conv, representable, weight_exponents
from hvpzip.nn.layers import LevelLayers
from hvpzip.nn.model import Model, model_from
from hvpzip.nn.self_test import GRID, self_test
from hvpzip.nn.settings import FORMAT

__all__ = ["export", "integer_cascade", "quantise"]


def quantise(cascade: Cascade, averaged: Mapping[str, Tensor] | None = None) -> dict[str, np.ndarray[Any, Any]]:
    """Integer tensors of a float cascade, by their names in a model's file: exactly what ``FloatOps(simulate=True)`` computes with.

    Args:
        cascade: Float weights.
        averaged: Weights to take instead, by parameter name.
    """
    tensors: dict[str, Tensor] = {}
    for name, module in cascade.named_modules():
        if isinstance(module, Conv):
            weight, bias = ((averaged or {}).get(f"{name}.{kind}", getattr(module, kind)).detach().cpu() for kind in ("weight", "bias"))
            weight = representable(weight)
            exponent = weight_exponents(weight, bias)
            step = torch.exp2(-exponent)
            tensors[f"{name}.weight"] = torch.round(weight / step[:, None, None, None]).to(torch.int8).contiguous()
            tensors[f"{name}.bias"] = torch.round(bias / step * 2.0**ACT_BITS).to(torch.int32)
            tensors[f"{name}.exponent"] = exponent.to(torch.int8)
    for name, value in cascade.state_dict().items():
        if ".closed_form." in name:
            tensors[name] = value.detach().cpu().to(torch.int32).contiguous()
    return {name: np.ascontiguousarray(tensor.numpy()) for name, tensor in tensors.items()}


def export(cascade: Cascade, averaged: Mapping[str, Tensor] | None, folder: Path, extra: Mapping[str, Any]) -> Model:
    """Write ``weights.safetensors`` and ``config.json`` of a trained cascade to ``folder``; ``extra`` says where it comes from. Raises
    ModelError outside the proof.
    """
    tensors = quantise(cascade, averaged)
    network, schedule = cascade.config, cascade.schedule
    model = model_from(folder.name, network, schedule, tensors)
    config = {
        "format": FORMAT,
        "id": model.id.hex(),
        "self_test": self_test(model.predictor, [layers.schedule for layers in model.levels]),
        "self_test_grid": list(GRID),
        "network": network.to_dict(),
        "schedule": schedule.to_dict(),
        "training": dict(extra),
    }
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "weights.safetensors")
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    return model


def integer_cascade(network: NetworkConfig, schedule: Schedule, levels: Sequence[LevelLayers]) -> Cascade:
    """The graph with a model's integers in its float32 weights, for ``IntegerOps``."""
    cascade = Cascade(network, schedule)
    for number, layers in enumerate(levels, start=1):
        level = cascade.level(number)
        modules = dict(level.named_modules())
        for name, layer in layers.named_layers():
            set_layer(modules[name], layer.weight, layer.bias, layer.exponent)
        for index, form in enumerate(layers.closed_forms):
            module = level.closed_form[index]
            assert isinstance(module, ClosedForm)
            for part, values in form._asdict().items():
                getattr(module, part).copy_(torch.from_numpy(values))
    return cascade.requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


@torch.no_grad()
def set_layer(module: torch.nn.Module, weight: np.ndarray[Any, Any], bias: np.ndarray[Any, Any], exponent: np.ndarray[Any, Any]) -> None:
    """Write a layer's integers into a convolution of the graph."""
    assert isinstance(module, Conv)
    for parameter, values in ((module.weight, weight), (module.bias, bias), (module.exponent, exponent)):
        parameter.copy_(torch.from_numpy(values))
