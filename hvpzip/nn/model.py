"""Loading a model with every check: identity, the proof that it is exact, and the self-test of the arithmetic that is to run it."""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from hvpzip.core import compiled
from hvpzip.diffusion.schedule import Schedule
from hvpzip.errors import ModelError
from hvpzip.nn import reference
from hvpzip.nn.config import NetworkConfig
from hvpzip.nn.identity import identity, identity_with_path
from hvpzip.nn.layers import LevelLayers, Tensors, levels_of
from hvpzip.nn.predictor import IntegerPredictor, Operations, Predictor
from hvpzip.nn.proof import prove
from hvpzip.nn.self_test import FIRST_GRID, self_test
from hvpzip.nn.settings import settings

if TYPE_CHECKING:
    from hvpzip.nn.denoiser import NoisePath

__all__ = ["Model", "check_predictor", "load_folder", "model_from", "operations"]

_TYPES = ("I8", "I32")  # of tensors, in safetensors' words


@dataclass(frozen=True)
class Model:
    """A model that is ready to code: settings, schedule, identity, weights, and what runs them.

    Attributes:
        levels: The level networks, finest first; the last one serves all coarser levels.
        predictor: Runs them; all predictors give the same integers.
        noise_path: For small pictures of a kind, beside the levels.
        usual_share: Of 100 training pictures, 99 need at most this share of the plain coder's bits (``codec.likeness``); None where it
            was not measured.
    """

    name: str
    id: bytes
    config: NetworkConfig
    schedule: Schedule
    levels: tuple[LevelLayers, ...]
    predictor: Predictor
    noise_path: NoisePath | None = None
    usual_share: float | None = None

    def network_of(self, level: int) -> int:
        """The number of the network that serves a level, both counted from 1, the finest."""
        return min(level, len(self.levels))


def operations() -> Operations:
    """The fastest operations of the CPU: the compiled core's, numpy's where it is missing."""
    if compiled() is None:
        return reference
    from hvpzip.nn.compiled import Compiled

    return Compiled()


def model_from(name: str, network: NetworkConfig, schedule: Schedule, tensors: Tensors) -> Model:
    """A model from tensors, on the CPU, proved but not self-tested. Raises ModelError where the tensors do not fit, or leave the proof."""
    levels = levels_of(network, schedule, tensors)
    prove(levels)
    return Model(name, identity(network, schedule, tensors), network, schedule, levels, IntegerPredictor(levels, operations()))


def load_folder(folder: Path, device: str = "cpu") -> Model:
    """A model from its folder, which need not be a bundled one; files that it makes open with it alone.

    Checks the id against the contents, proves that every sum stays exact, and runs the self-test on the device.

    Raises:
        ModelError: damaged file, weights outside the proof, or a device that is missing or whose arithmetic differs.
    """
    name, config = folder.name, settings(folder)
    if "noise_path" in config:
        return _with_path(folder, config, device)
    tensors = _tensors(folder)
    try:
        network, schedule = NetworkConfig.from_dict(config["network"]), Schedule.from_dict(config["schedule"])
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"model {name}: the settings in config.json are damaged ({error})") from error
    found = identity(network, schedule, tensors)
    _check_id(name, found, config)
    try:
        levels = levels_of(network, schedule, tensors)
        prove(levels)
    except ModelError as error:
        raise ModelError(f"model {name}: {error}") from error
    predictor = _predictor(levels, network, schedule, device)
    model = Model(name, found, network, schedule, levels, predictor, usual_share=_usual_share(config))
    check_predictor(model, str(config["self_test"]), device, _grid_of_self_test(name, config))
    return model


def _with_path(folder: Path, config: dict[str, Any], device: str) -> Model:
    """The photo model in the folder beside this one, with the noise path of this one."""
    name, told = folder.name, config["noise_path"]
    try:
        map_name, depth, components = str(told["map"]), int(told["depth"]), int(told["components"])
        photo = folder.parent / Path(str(config["photo_model"])).name
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"model {name}: the settings in config.json are damaged ({error})") from error
    if "noise_path" in settings(photo):
        raise ModelError(f"model {name}: its photo model {photo.name} has a noise path itself")
    tensors = _tensors(folder)
    model = load_folder(photo, device)
    found = identity_with_path(model.id, map_name, depth, components, tensors)
    _check_id(name, found, config)
    try:
        from hvpzip.nn.denoiser import NoisePath  # few models have one

        path = NoisePath.from_tensors(map_name, depth, components, tensors)
    except ModelError as error:
        raise ModelError(f"model {name}: {error}") from error
    return replace(model, name=name, id=found, noise_path=path, usual_share=_usual_share(config))


def _grid_of_self_test(name: str, config: dict[str, Any]) -> tuple[int, int]:
    """Rows and columns of the picture for which the self-test's digest stands."""
    found = config.get("self_test_grid", FIRST_GRID)
    if not isinstance(found, list | tuple) or len(found) != 2 or not all(isinstance(side, int) and 1 <= side <= 64 for side in found):
        raise ModelError(f"model {name}: the settings in config.json are damaged (a self-test on a grid of {found})")
    return found[0], found[1]


def _usual_share(config: dict[str, Any]) -> float | None:
    found = config.get("usual_share")
    return float(found) if isinstance(found, int | float) else None


def _check_id(name: str, found: bytes, config: dict[str, Any]) -> None:
    if found.hex() != config["id"]:
        raise ModelError(f"model {name}: its contents have id {found.hex()}, not {config['id']}: the files are damaged")


def _tensors(folder: Path) -> Tensors:
    name, path = folder.name, folder / "weights.safetensors"
    try:
        with safe_open(path, "numpy") as file:
            names = file.keys()
            types = {key: str(file.get_slice(key).get_dtype()) for key in names}
            others = [f"{key} ({kind})" for key, kind in sorted(types.items()) if kind not in _TYPES]
            tensors = {} if others else {key: file.get_tensor(key) for key in names}
    except (OSError, SafetensorError) as error:
        raise ModelError(f"model {name}: {path.name} is missing or damaged ({error})") from error
    if others:
        raise ModelError(f"model {name}: weights are integers of 8 and 32 bits, but {path.name} has {others[0]}: it is damaged")
    return tensors


def check_predictor(model: Model, expected: str, device: str, grid: tuple[int, int]) -> None:
    """Raise ModelError where the self-test on this device does not give the digest that was expected."""
    if self_test(model.predictor, [layers.schedule for layers in model.levels], grid) != expected:
        raise ModelError(f"model {model.name}: arithmetic on device {device!r} is not exact (self-test differs); use another device")


def _predictor(levels: tuple[LevelLayers, ...], network: NetworkConfig, schedule: Schedule, device: str) -> Predictor:
    if device == "cpu":
        return IntegerPredictor(levels, operations())
    if importlib.util.find_spec("torch") is None:
        raise ModelError(f"device {device!r} needs torch, which is not installed: pip install 'hvpzip[torch]'")
    graph = importlib.import_module("hvpzip.nn.graph.predictor")
    predictor: Predictor = graph.GraphPredictor(levels, network, schedule, device)
    return predictor
