"""The models that come with the package: which there are, where they lie, what they state of themselves. Needs nothing but the standard
library until one is loaded.

    models/index.json                 {"default": NAME, "models": [NAME, ...]}
    models/NAME/weights.safetensors   int8 weights, int32 biases, int8 exponents, int32 closed forms
    models/NAME/config.json           network, schedule, id, digest of the self-test
    models/NAME/MODEL_CARD.md

A model with a noise path (``nn.denoiser``) is another one with that beside its levels: its config.json has ``photo_model``, the name of
the other, and ``noise_path`` instead of a network and a schedule.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hvpzip.errors import ModelError
from hvpzip.nn.settings import settings

if TYPE_CHECKING:
    from hvpzip.nn.model import Model

__all__ = [
    "find_model",
    "list_models",
    "load_model",
    "model_id",
    "models_folder",
    "name_of",
    "stated_ids",
]


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
    return bytes.fromhex(str(settings(_folder(name))["id"]))


def _folder(name: str) -> Path:
    if name not in _index()["models"]:
        raise ModelError(f"no model {name!r}; installed are {', '.join(list_models())}")
    return models_folder() / name


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
    """A bundled model, the default one for None, ready to code on ``device``; ``model.load_folder`` says what is checked.

    Raises:
        ModelError: unknown name, damaged file, weights outside the proof, or a device that is missing or whose arithmetic differs.
    """
    from hvpzip.nn.model import load_folder

    return load_folder(_folder(list_models()[0] if name is None else name), device)
