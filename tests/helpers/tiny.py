"""A tiny model whose weights come from an integer generator: the same on every machine, for ever."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from hvpzip.diffusion.schedule import Schedule
    from hvpzip.nn.config import NetworkConfig
    from hvpzip.nn.model import Model

__all__ = [
    "at_once_schedule",
    "luma_schedule",
    "make_tiny_model",
    "make_tiny_path_model",
    "mixed",
    "noisy_schedule",
    "tiny_path_tensors",
    "tiny_settings",
    "tiny_tensors",
]


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


def luma_schedule() -> Schedule:
    """The tiny model's levels with latents of luma alone."""
    from hvpzip.diffusion.schedule import Schedule, one_latent_level

    return Schedule(levels=(one_latent_level((80,), (2,)), one_latent_level((96,), (3,))))


def at_once_schedule(units: tuple[str, ...] = ("hl", "lh")) -> Schedule:
    """The tiny model's levels in the order ``hl lh | hh``, with latents of luma on these units. (The encoder begins with ``hh``, so a
    latent of it would have little to borrow from.)
    """
    from hvpzip.diffusion.schedule import Schedule, ordered_level

    return Schedule(levels=tuple(ordered_level((("hl", "lh"), ("hh",)), units, (sigma,), (delta,)) for sigma, delta in ((80, 2), (96, 3))))


def tiny_tensors(transform: int = 0, seed: int = 1, schedule: Schedule | None = None) -> dict[str, np.ndarray]:
    """Integer weights as a model's file has them: random networks, random corrections to closed forms that predict somewhat."""
    from hvpzip.diffusion.likelihood import output_channels
    from hvpzip.nn.formats import COARSE_CHANNELS, COARSE_ENERGIES, UNIT_CHANNELS

    numbers = mixed(seed)

    def uniform(shape: tuple[int, ...], low: int, high: int, dtype: type) -> np.ndarray:
        found = [low + next(numbers) % (high - low + 1) for _ in range(int(np.prod(shape)))]
        return np.array(found, np.int64).reshape(shape).astype(dtype)

    network, usual = tiny_settings(transform)
    schedule, channels = schedule or usual, network.channels
    shapes: dict[str, tuple[int, ...]] = {}  # of a convolution's weights, or (planes, energies) of a closed form

    def branch(name: str, inputs: int, blocks: int) -> None:
        shapes[f"{name}.embed"] = (channels, inputs, 3, 3)
        for block in range(blocks):
            shapes[f"{name}.blocks.{block}.spatial"] = (channels, channels, 3, 3)
            shapes[f"{name}.blocks.{block}.mix"] = (channels, channels, 1, 1)

    for number in range(network.networks):
        of = f"networks.{number}"
        branch(f"{of}.trunk", COARSE_CHANNELS, network.trunk_blocks)
        level = schedule.level(number + 1)
        for group in level.order[:-1]:
            branch(f"{of}.carry.{group[-1]}", UNIT_CHANNELS * len(group), network.carry_blocks)
        for read in level.side_branches:
            branch(f"{of}.side.{read[-1]}", UNIT_CHANNELS * len(read), network.side_blocks)
        for index, step in enumerate(level.steps):
            reads_latent = step.given is not None
            shapes[f"{of}.heads.{index}.hidden"] = (channels, channels, 1, 1)
            shapes[f"{of}.heads.{index}.out"] = (output_channels(network.components, reads_latent), channels, 1, 1)
            known = level.known_before(step.unit) + len(step.reads)
            shapes[f"{of}.closed_form.{index}"] = (3 * (1 + known), COARSE_ENERGIES + UNIT_CHANNELS * known)

    tensors = {}
    for name, shape in sorted(shapes.items()):
        if len(shape) == 4:
            wide = 4 if shape[-1] == 3 else 3  # what keeps activations from running into their limits
            low = 13 if ".out" in name else 5 + wide
            tensors[f"{name}.weight"] = uniform(shape, -127, 127, np.int8)
            tensors[f"{name}.bias"] = uniform(shape[:1], -4000, 4000, np.int32)
            tensors[f"{name}.exponent"] = uniform(shape[:1], low, low + 1, np.int8)
        else:
            of_planes, energies = shape
            mean = uniform((3, of_planes, 3, 3), -25, 25, np.int32)
            planes = of_planes // 3
            for colour in range(3):
                for plane in range(3 * planes):  # flat pictures are predicted exactly
                    mean[colour, plane, 1, 1] -= mean[colour, plane].sum() - (4096 // planes if plane % 3 == colour else 0)
            tensors[f"{name}.mean_weight"] = mean
            tensors[f"{name}.mean_bias"] = uniform((3,), -200, 200, np.int32)
            tensors[f"{name}.scale_weight"] = uniform((3, energies, 3, 3), 0, 8000 // (9 * energies), np.int32)
            tensors[f"{name}.scale_bias"] = uniform((3,), -35000, -25000, np.int32)
            tensors[f"{name}.coupling"] = uniform((3,), -30, 30, np.int32)
    return tensors


def make_tiny_model(transform: int = 0, seed: int = 1, schedule: Schedule | None = None) -> Model:
    """The tiny model, proved and ready to code; on another schedule if one is given."""
    from hvpzip.nn.model import model_from

    network, usual = tiny_settings(transform)
    return model_from("tiny", network, schedule or usual, tiny_tensors(transform, seed, schedule))


def tiny_path_tensors(map_name: str = "5/3", depth: int = 2, seed: int = 5) -> dict[str, np.ndarray]:
    """A noise path as a model's file has it: random networks of 8 channels, two Gaussians, two latents a scale."""
    from hvpzip.transform.scales import Hierarchy

    numbers = mixed(seed)

    def uniform(shape: tuple[int, ...], most: int) -> np.ndarray:
        found = [next(numbers) % (2 * most + 1) - most for _ in range(int(np.prod(shape)))]
        return np.array(found, np.int64).reshape(shape).astype(np.int32)

    tensors, side, width, components = {}, 1 << depth, 8, 2
    like = Hierarchy(map_name, side, side, depth).split(np.zeros((1, 3, side, side), np.int32))
    for number, scale in enumerate(like):
        known, channels = scale.known.shape[1], scale.values.shape[1]
        inputs, outputs = 5 * known + 3 * channels, 3 * components * channels
        shapes = {
            "mean": ((channels, known, 5, 5), 100),
            "mean_bias": ((channels,), 1 << 14),
            "scale": ((channels, 4 * known, 3, 3), 100),
            "scale_bias": ((channels,), 1 << 12),
            "enter": ((width, inputs, 3, 3), 1500),
            "enter_bias": ((width,), 200),
            "0.first": ((width, width, 3, 3), 2500),
            "0.first_bias": ((width,), 200),
            "0.second": ((width, width, 1, 1), 4000),
            "0.second_bias": ((width,), 200),
            "leave": ((outputs, width, 1, 1), 2000),
            "leave_bias": ((outputs,), 200),
            "straight": ((outputs, inputs, 1, 1), 300),
            "gains": ((3, 1, width), 8000),
            "offsets": ((3, 1, width), 500),
            "enters": ((3, width), 500),
            "leaves": ((3, outputs), 200),
        }
        own = {name: uniform(*told) for name, told in shapes.items()}
        own["scale_bias"] += (3 << 14) if number else (6 << 14)
        if not number:
            own["mean_bias"][0] += 128 << 14
        noise = ((96, 4), (160, 64))  # a step, and 16 steps, on lattices of half a step and 8
        own["lattices"] = np.array([[row] * channels for row in noise], np.int32)
        own["prior"] = np.full(channels, 163 if number else 202, np.int32)
        own["alone"] = np.full(channels, 256, np.int32)
        tensors |= {f"{number}.{name}": value for name, value in own.items()}
    return tensors


def make_tiny_path_model(map_name: str = "5/3", depth: int = 2) -> Model:
    """The tiny model on the map of plain subsampling, with a noise path."""
    from dataclasses import replace

    from hvpzip.nn.denoiser import NoisePath
    from hvpzip.nn.identity import identity_with_path

    model, tensors = make_tiny_model(), tiny_path_tensors(map_name, depth)
    path = NoisePath.from_tensors(map_name, depth, 2, tensors)
    return replace(model, name="tiny-path", id=identity_with_path(model.id, map_name, depth, 2, tensors), noise_path=path)


def noisy_schedule() -> Schedule:
    """Of two levels alike: a chain of two latents on ``hh``, a latent on ``hl``, and the direct path beside them."""
    from hvpzip.diffusion.schedule import LevelSchedule, Schedule, Step

    steps = (
        Step(unit="hh", sigma=(112, 96, 96), log2_delta=(4, 3, 3)),
        Step(unit="hh", sigma=(80, 64, 64), log2_delta=(2, 1, 1), given=0),
        Step(unit="hh", given=1),
        Step(unit="hl", sigma=(64, 48, 48), log2_delta=(1, 0, 0)),
        Step(unit="hl", given=3),
        Step(unit="lh"),
        Step(unit="hh"),
        Step(unit="hl"),
    )
    level = LevelSchedule(steps=steps, paths={"noisy": (0, 1, 2, 3, 4, 5), "direct": (6, 7, 5)})
    return Schedule(levels=(level, level))
