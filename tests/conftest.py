"""A tiny model whose weights come from an integer generator: the same on every machine and with every version of torch, for ever."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    import torch

    from hvpzip.diffusion.schedule import Schedule
    from hvpzip.nn.config import NetworkConfig
    from hvpzip.nn.int8 import Int8Ops
    from hvpzip.nn.weights import Model

PHOTO = Path(__file__).resolve().parents[1] / "examples" / "kodim23-crop.png"


def mixed(seed: int) -> Iterator[int]:
    """64-bit numbers of the splitmix64 generator, without end."""
    mask = (1 << 64) - 1
    while True:
        seed = (seed + 0x9E3779B97F4A7C15) & mask
        z = ((seed ^ (seed >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        yield z ^ (z >> 31)


def tiny_settings(transform: int = 0) -> tuple[NetworkConfig, Schedule]:
    """Network and schedule of the tiny model: two networks of 8 channels, two Gaussians, a latent on every level."""
    from hvpzip.diffusion.schedule import Schedule, one_latent_level
    from hvpzip.nn.config import NetworkConfig

    network = NetworkConfig(channels=8, components=2, networks=2, trunk_blocks=1, carry_blocks=1, side_blocks=1, transform=transform)
    levels = (one_latent_level((80, 64, 64), (2, 1, 1)), one_latent_level((96, 80, 80), (3, 2, 2)))
    return network, Schedule(levels=levels)


def tiny_tensors(transform: int = 0, seed: int = 1, schedule: Schedule | None = None) -> dict[str, torch.Tensor]:
    """Integer weights as ``nn.weights.quantise`` gives them: random networks, random corrections to closed forms that predict somewhat."""
    import torch

    from hvpzip.nn.network import Cascade
    from hvpzip.nn.ops import Conv

    numbers = mixed(seed)

    def uniform(shape: torch.Size, low: int, high: int, dtype: torch.dtype) -> torch.Tensor:
        count = int(np.prod(shape))
        return torch.tensor([low + next(numbers) % (high - low + 1) for _ in range(count)], dtype=torch.int64).reshape(shape).to(dtype)

    network, usual = tiny_settings(transform)
    cascade = Cascade(network, schedule or usual)
    tensors = {}
    for name, module in sorted(cascade.named_modules()):
        if isinstance(module, Conv):
            wide = 4 if module.weight.shape[-1] == 3 else 3  # what keeps activations from running into their limits
            low = 13 if ".out" in name else 5 + wide
            tensors[f"{name}.weight"] = uniform(module.weight.shape, -127, 127, torch.int8)
            tensors[f"{name}.bias"] = uniform(module.bias.shape, -4000, 4000, torch.int32)
            tensors[f"{name}.exponent"] = uniform(module.exponent.shape, low, low + 1, torch.int8)
        elif hasattr(module, "mean_weight"):
            mean = uniform(module.mean_weight.shape, -25, 25, torch.int32)
            planes = mean.shape[1] // 3
            for colour in range(3):
                for plane in range(3 * planes):  # flat pictures are predicted exactly
                    mean[colour, plane, 1, 1] -= mean[colour, plane].sum() - (4096 // planes if plane % 3 == colour else 0)
            energies = 9 * module.scale_weight.shape[1]
            tensors[f"{name}.mean_weight"] = mean
            tensors[f"{name}.mean_bias"] = uniform(module.mean_bias.shape, -200, 200, torch.int32)
            tensors[f"{name}.scale_weight"] = uniform(module.scale_weight.shape, 0, 8000 // energies, torch.int32)
            tensors[f"{name}.scale_bias"] = uniform(module.scale_bias.shape, -35000, -25000, torch.int32)
            tensors[f"{name}.coupling"] = uniform(module.coupling.shape, -30, 30, torch.int32)
    return tensors


def make_tiny_model(transform: int = 0, seed: int = 1, schedule: Schedule | None = None) -> Model:
    """The tiny model, proved and ready to code; on another schedule if one is given."""
    import torch

    from hvpzip.nn.integer import prove
    from hvpzip.nn.weights import Model, _identity, _integer_cascade

    network, usual = tiny_settings(transform)
    tensors = tiny_tensors(transform, seed, schedule)
    schedule = schedule or usual
    cascade = _integer_cascade(network, schedule, tensors)
    prove(cascade)
    return Model("tiny", _identity(network, schedule, tensors), network, schedule, cascade, torch.device("cpu"))


def photo_crop(left: int, top: int, width: int, height: int, gray: bool = False) -> np.ndarray:
    """A crop of the example photo: uint8 ``(C, height, width)``."""
    from PIL import Image

    with Image.open(PHOTO) as photo:
        crop = np.asarray(photo.convert("RGB"))[top : top + height, left : left + width]
    return np.ascontiguousarray(crop[:, :, 1][None] if gray else crop.transpose(2, 0, 1))


@pytest.fixture(scope="session")
def tiny_model() -> Model:
    """The tiny model on the map of plain subsampling."""
    return make_tiny_model()


@pytest.fixture(scope="session")
def tiny_models() -> Callable[[int], Model]:
    """``tiny_models(transform)``: the tiny model on that map."""
    made: dict[int, Model] = {}
    return lambda transform: made.setdefault(transform, made.get(transform) or make_tiny_model(transform))


@pytest.fixture(scope="session")
def tiny_model_on() -> Callable[[Schedule], Model]:
    """``tiny_model_on(schedule)``: a tiny model with that schedule."""
    return lambda schedule: make_tiny_model(schedule=schedule)


@pytest.fixture(scope="session")
def crop() -> Callable[..., np.ndarray]:
    """``crop(left, top, width, height, gray=False)`` of the example photo: uint8 ``(C, height, width)``."""
    return photo_crop


@pytest.fixture(scope="session")
def int8_ops() -> Int8Ops:
    """The arithmetic of 8-bit kernels. Skips where this processor or this torch has no exact ones, by the test that the loader makes."""
    from dataclasses import replace

    from hvpzip.nn.integer import IntegerOps
    from hvpzip.nn.weights import _with_int8, load_model, self_test

    model = replace(load_model(), ops=IntegerOps())
    found = _with_int8(model, self_test(model))
    if found is None:
        pytest.skip("this processor or this torch has no exact 8-bit convolutions")
    return found.ops
