"""Integer weights: export from a trained cascade, files, identity, and loading with every check.

    models/index.json            {"default": NAME, "models": [NAME, ...]}
    models/NAME/weights.safetensors   int8 weights, int32 biases, int8 exponents, int32 closed forms
    models/NAME/config.json      network, schedule, id, digest of the self-test
    models/NAME/MODEL_CARD.md

A model's id is the first 8 bytes of the SHA-256 of its network settings, schedule, tensors and of the coder's tables. It is computed anew
whenever the model is loaded, so a damaged file is refused by name.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from hvpzip.core.tables import exp2_table, gaussian_tables
from hvpzip.diffusion.schedule import UNITS, Schedule
from hvpzip.errors import ModelError
from hvpzip.nn.config import NetworkConfig
from hvpzip.nn.int8 import InexactError, Int8Ops
from hvpzip.nn.integer import IntegerOps, exact_arithmetic, prove
from hvpzip.nn.network import Cascade, State
from hvpzip.nn.ops import ACT_BITS, Conv, Ops, weight_exponents

__all__ = [
    "Model",
    "export",
    "find_model",
    "list_models",
    "load_folder",
    "load_model",
    "model_id",
    "models_folder",
    "name_of",
    "quantise",
    "stated_ids",
]

ID_BYTES = 8
FORMAT = 1


@dataclass(frozen=True)
class Model:
    """A loaded model: integer network, schedule, identity."""

    name: str
    id: bytes
    config: NetworkConfig
    schedule: Schedule
    cascade: Cascade
    device: torch.device
    ops: Ops = field(default_factory=IntegerOps)  # the arithmetic to run the cascade in; all give the same integers


def models_folder() -> Path:
    """Where the bundled models are: inside the installed package, or at the root of a checkout."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "models", package.parent / "models"):
        if (folder / "index.json").is_file():
            return folder
    raise ModelError(f"no models are installed: neither {package / 'models'} nor {package.parent / 'models'} has an index.json")


def _index() -> dict[str, Any]:
    path = models_folder() / "index.json"
    try:
        data = json.loads(path.read_text())
        if data["default"] not in data["models"]:
            raise ValueError(f"the default {data['default']!r} is none of its models")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path}, the list of models, is damaged ({error!r})") from error
    assert isinstance(data, dict)
    return data


def list_models() -> list[str]:
    """Names of the bundled models, the default one first."""
    index = _index()
    return sorted(index["models"], key=lambda name: (name != index["default"], name))


def model_id(name: str) -> bytes:
    """The id that a bundled model states (8 bytes); ``load_model`` checks it. Raises ModelError for an unknown name."""
    return bytes.fromhex(str(_config(_folder(name))["id"]))


def _folder(name: str) -> Path:
    if name not in _index()["models"]:
        raise ModelError(f"no model {name!r}; installed are {', '.join(list_models())}")
    return models_folder() / name


def _config(folder: Path) -> dict[str, Any]:
    name = folder.name
    try:
        data = json.loads((folder / "config.json").read_text())
        if data["format"] != FORMAT:
            raise ModelError(f"model {name} has format {data['format']}, this version reads {FORMAT}")
        bytes.fromhex(data["id"])
        missing = [key for key in ("network", "schedule", "self_test") if key not in data]
        if missing:
            raise ValueError(f"it does not say {', '.join(missing)}")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelError(f"model {name}: config.json is missing or damaged ({error})") from error
    assert isinstance(data, dict)
    return data


def find_model(wanted: bytes, device: str = "cpu") -> Model:
    """The bundled model with this id. Raises ModelError naming the id where there is none."""
    return load_model(name_of(wanted), device)


def name_of(wanted: bytes) -> str:
    """The name of the bundled model that states this id, whatever is wrong with others. Raises ModelError naming the id where there is
    none, and those that are there.
    """
    stated = stated_ids()
    for name, found in stated.items():
        if found == wanted:
            return name
    installed = ", ".join(f"{name} ({'damaged' if found is None else found.hex()})" for name, found in stated.items())
    raise ModelError(f"the file was made by model {wanted.hex()}, which is not installed; installed are {installed}")


def stated_ids() -> dict[str, bytes | None]:
    """The bundled models in the order of ``list_models``, each with the id that it states; None where its settings are damaged."""
    found: dict[str, bytes | None] = {}
    for name in list_models():
        try:
            found[name] = model_id(name)
        except ModelError:
            found[name] = None
    return found


def load_model(name: str | None = None, device: str = "cpu") -> Model:
    """A bundled model, the default one for None, ready to code on ``device``.

    Checks the id against the contents, proves that every sum stays exact, and runs the self-test on the device.

    Raises:
        ModelError: unknown name, damaged file, weights outside the proof, or a device whose arithmetic differs.
    """
    name = list_models()[0] if name is None else name
    return load_folder(_folder(name), device)


def load_folder(folder: Path, device: str = "cpu") -> Model:
    """A model that need not be bundled, from its own folder, checked as ``load_model`` does; files that it makes open with it alone."""
    name, config, path = folder.name, _config(folder), folder / "weights.safetensors"
    try:
        with safe_open(path, "pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a mapping)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"model {name}: {path.name} is missing or damaged ({error})") from error
    no_integers = [f"{key} ({tensor.dtype})" for key, tensor in sorted(tensors.items()) if tensor.is_floating_point()]
    if no_integers:
        raise ModelError(f"model {name}: weights are integers, but {path.name} has {no_integers[0]}: it is damaged")
    try:
        network, schedule = NetworkConfig.from_dict(config["network"]), Schedule.from_dict(config["schedule"])
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"model {name}: the settings in config.json are damaged ({error})") from error
    found = _identity(network, schedule, tensors)
    if found.hex() != config["id"]:
        raise ModelError(f"model {name}: its contents have id {found.hex()}, not {config['id']}: the files are damaged")
    try:
        cascade = _integer_cascade(network, schedule, tensors)
        prove(cascade)
    except ModelError as error:
        raise ModelError(f"model {name}: {error}") from error
    model = Model(name, found, network, schedule, cascade.to(device), torch.device(device))
    choice = _arithmetic()
    if choice != "float32":
        faster = _with_int8(model, config["self_test"])
        if faster is not None:
            return faster
        if choice == "int8":
            raise ModelError(f"model {name}: HVPZIP_ARITHMETIC asks for int8, whose kernels are missing or not exact here")
    if self_test(model) != config["self_test"]:
        raise ModelError(f"model {name}: arithmetic on device {device!r} is not exact (self-test differs); use another device")
    return model


def _arithmetic() -> str:
    """What the environment asks for: ``float32``, ``int8``, or nothing. Raises ValueError for anything else."""
    choice = os.environ.get("HVPZIP_ARITHMETIC", "")
    if choice not in ("", "float32", "int8"):
        raise ValueError(f"HVPZIP_ARITHMETIC must be float32 or int8, found {choice!r}")
    return choice


def _with_int8(model: Model, expected: str) -> Model | None:
    """The model in 8-bit arithmetic if its self-test gives ``expected`` here; None where the kernels are missing, slow or not exact."""
    if model.device.type != "cpu" or platform.machine().lower() not in ("x86_64", "amd64"):
        return None  # on other processors oneDNN has nothing but its slow reference kernels
    faster = replace(model, ops=Int8Ops())
    try:
        return faster if self_test(faster) == expected else None
    except (InexactError, AttributeError, RuntimeError):
        return None


def _integer_cascade(network: NetworkConfig, schedule: Schedule, tensors: Mapping[str, Tensor]) -> Cascade:
    cascade = Cascade(network, schedule)
    try:
        cascade.load_state_dict({k: v.to(torch.float32) for k, v in tensors.items() if not k.endswith(".exponent")})
        for name, module in cascade.named_modules():
            if isinstance(module, Conv):
                module.exponent.copy_(tensors[f"{name}.exponent"].to(torch.float32))
    except (RuntimeError, KeyError) as error:
        raise ModelError(f"the weights do not belong to their settings ({' '.join(str(error).split())[:200]})") from error
    return cascade.requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _identity(network: NetworkConfig, schedule: Schedule, tensors: Mapping[str, Tensor]) -> bytes:
    digest = hashlib.sha256(json.dumps(network.to_dict(), sort_keys=True).encode())
    digest.update(schedule.canonical())
    for name in sorted(tensors):
        array = tensors[name].numpy()
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes())
    gaussian = gaussian_tables()
    for table in (gaussian.phi, gaussian.reciprocal, gaussian.scale64, exp2_table()):
        digest.update(table.astype("<i8").tobytes())
    return digest.digest()[:ID_BYTES]


def self_test(model: Model) -> str:
    """SHA-256 of every prediction of every network for a fixed image of 24x40 positions (from an integer generator), as hexadecimal."""
    ops, digest = model.ops, hashlib.sha256()
    state = np.arange(4 * 3 * 24 * 40, dtype=np.uint64)
    for _ in range(3):  # splitmix64 steps: well mixed, the same everywhere
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9) + np.uint64(0x9E3779B97F4A7C15)
    noise = (state >> np.uint64(59)).astype(np.float32).reshape(4, 1, 3, 24, 40) - 16
    ramp = np.arange(24 * 40, dtype=np.float32).reshape(24, 40) % 97
    with exact_arithmetic():
        coarse, *units = (torch.from_numpy(plane + ramp).to(model.device) for plane in noise)
        for number in range(1, model.config.networks + 1):
            network = model.cascade.level(number)
            before = network.begin(ops, coarse)
            for unit, values in zip(UNITS, units, strict=True):
                side: dict[int, State] = {}
                for index, step in enumerate(network.schedule.steps):
                    if step.unit != unit:
                        continue
                    source = before if step.given is None else side[step.given]
                    prediction = network.predict(ops, source, index)
                    for part in (prediction.mean, prediction.log2_scale, prediction.corrections):
                        digest.update(part.to("cpu", torch.int32).contiguous().numpy().astype("<i4").tobytes())
                    if step.is_latent:
                        side[index] = network.reveal(ops, before, index, values)
                if unit != UNITS[-1]:
                    before = network.reveal(ops, before, network.schedule.direct(unit), values)
    return digest.hexdigest()


def quantise(cascade: Cascade, averaged: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
    """Integer tensors of a float cascade: exactly what ``FloatOps(simulate=True)`` computes with.

    Args:
        cascade: Float weights.
        averaged: Weights to take instead, by parameter name.
    """
    tensors: dict[str, Tensor] = {}
    for name, module in cascade.named_modules():
        if isinstance(module, Conv):
            weight, bias = ((averaged or {}).get(f"{name}.{kind}", getattr(module, kind)).detach().cpu() for kind in ("weight", "bias"))
            exponent = weight_exponents(weight, bias)
            step = torch.exp2(-exponent)
            tensors[f"{name}.weight"] = torch.round(weight / step[:, None, None, None]).to(torch.int8).contiguous()
            tensors[f"{name}.bias"] = torch.round(bias / step * 2.0**ACT_BITS).to(torch.int32)
            tensors[f"{name}.exponent"] = exponent.to(torch.int8)
    for name, value in cascade.state_dict().items():
        if ".closed_form." in name:
            tensors[name] = value.detach().cpu().to(torch.int32).contiguous()
    return tensors


def export(cascade: Cascade, averaged: Mapping[str, Tensor] | None, folder: Path, extra: Mapping[str, Any]) -> Model:
    """Write ``weights.safetensors`` and ``config.json`` of a trained cascade to ``folder``; ``extra`` says where it comes from. Raises
    ModelError outside the proof.
    """
    tensors = quantise(cascade, averaged)
    network, schedule = cascade.config, cascade.schedule
    integer = _integer_cascade(network, schedule, tensors)
    prove(integer)
    model = Model(folder.name, _identity(network, schedule, tensors), network, schedule, integer, torch.device("cpu"))
    config = {
        "format": FORMAT,
        "id": model.id.hex(),
        "self_test": self_test(model),
        "network": network.to_dict(),
        "schedule": schedule.to_dict(),
        "training": dict(extra),
    }
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "weights.safetensors")
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    return model
