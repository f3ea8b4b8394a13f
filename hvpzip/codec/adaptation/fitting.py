"""Finding changes of the heads for one group (design section 8): the encoder's part, in float.

What comes out are small integers that the payload carries (``adaptation.py``); nothing here reaches the bit stream in any other way, so a
file decodes everywhere, though two processors may choose other changes for it.

A head is two 1x1 convolutions, so its positions are independent of each other: the network runs once over crops of the group, and then
only heads are evaluated, on minibatches of positions. The loss is the bound (``diffusion.bound``) plus what the numbers cost; what is left
of a head's gain on positions that its fit has not seen must pay for its numbers, or the head stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hvpzip.codec.adaptation.head_changes import LARGEST_CHANGE, Adaptation, HeadChanges, prior_bits
from hvpzip.codec.walk.geometry import Int32Array, Level
from hvpzip.codec.walk.level_walk import LevelWalk
from hvpzip.diffusion.likelihood_float import mixture_bits
from hvpzip.diffusion.posterior_float import noise, sample_latents
from hvpzip.errors import ModelError
from hvpzip.nn.adaptation import BIAS_BITS, GAIN_BITS, WEIGHT_BITS, Changes, adapted_layer
from hvpzip.nn.formats import ACT_BITS, ACT_MAX
from hvpzip.nn.layers import HeadLayers, Layer
from hvpzip.nn.model import Model
from hvpzip.nn.parameters import StepPrediction

__all__ = ["FitSettings", "fit_heads"]

CROP, CROPS, MARGIN = 64, 12, 2  # of a level's grid; the margin's features lack their surroundings
HELD_OUT = 4  # every fourth position judges the fit
# A step of a number costs about so many bits (docs/experiments.md, 70: 1, 4 and 8 tried), until it is far from zero.
PENALTY_BITS, PENALTY_UNITS = 4.0, 8.0
RATE, WEIGHT_RATE = 0.03, 0.01  # the second: of a weight, relative to a bias
DEAD_ZONE = 0.75  # in steps; less is sent as zero
UNITS = {"gain": 2.0**GAIN_BITS, "bias": 2.0**BIAS_BITS, "weight": 2.0**WEIGHT_BITS}


class FitSettings(NamedTuple):
    """How much an encoder spends.

    Attributes:
        steps: Gradient steps a head.
        batch: Positions a step.
        networks: Networks whose heads are fitted, 1 for the finest level.
        layers: Layers of a head, see ``Adaptation.layers``.
    """

    steps: int
    batch: int
    networks: tuple[int, ...] = (1, 2)
    layers: tuple[str, ...] = ("out", "hidden")


class _Pool(NamedTuple):
    """One step at many positions, n of them: everything that its loss needs.

    Attributes:
        head: Its layers.
        inputs: uint8 ``(C, n)``, what the first layer reads.
        mean, log2_scale, values: ``(3, n)`` in sample units and octaves.
        coupling: ``(3,)``.
        innovation: ``(3, n)`` in sample units, or None.
        half_bin: ``(3,)``.
        positions: How many the group has.
    """

    head: HeadLayers
    inputs: Tensor
    mean: Tensor
    log2_scale: Tensor
    values: Tensor
    coupling: Tensor
    innovation: Tensor | None
    half_bin: Tensor
    positions: int


def fit_heads(
    model: Model,
    path: str,
    levels: list[Level],
    coarse: list[Int32Array],
    bands: list[dict[str, Int32Array]],
    settings: FitSettings,
) -> tuple[Adaptation, HeadChanges] | None:
    """Changes that make a group smaller, with the priors they are sent by; None where they would not.

    Args:
        model: The model, on any device; the fit itself runs on the CPU, each head on one thread, so that it depends on neither.
        path: The schedule's path that will be taken.
        levels, coarse, bands: Finest level first, as ``coarse_images`` gives them.
        settings: What to spend.
    """
    channels = coarse[0].shape[0] if coarse else 0
    pools: dict[tuple[int, int], _Pool] = {}
    collector = _Collector(model, channels)
    for level, image, units in zip(levels, coarse, bands, strict=True):
        rows, columns = _common(level)
        enough = rows * columns >= settings.batch and min(rows, columns) > 2 * MARGIN
        if enough and level.number in settings.networks and level.number <= model.config.networks:
            pools |= collector.level(level, path, image, units)
    if not pools:
        return None
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # of one fit: sums depend on how they are split
    try:
        with ThreadPoolExecutor(threads) as executor:
            fitted = list(executor.map(lambda pool: _fit(pool, model.config.components, channels, settings), pools.values()))
    finally:
        torch.set_num_threads(threads)
    changes = dict(zip(pools, fitted, strict=True))
    worth = {network for (network, _), layers in changes.items() if any(part.any() for part in layers.values())}
    kept = {key: layers for key, layers in changes.items() if key[0] in worth}
    return (Adaptation.choose(kept, settings.layers), kept) if kept else None


def _common(level: Level) -> tuple[int, int]:
    """Rows and columns of the grid where all three units have samples."""
    rows, columns = (min(size[axis] for size in level.sizes.values()) for axis in (0, 1))
    return rows, columns


class _Collector(LevelWalk):
    """Runs the network over crops of a level and keeps what the heads read and must predict."""

    def level(self, level: Level, path: str, coarse: Int32Array, bands: dict[str, Int32Array]) -> dict[tuple[int, int], _Pool]:
        rows, columns = _common(level)
        generator = torch.Generator().manual_seed(0)
        found: dict[int, list[_Sample]] = {}
        for down, across in _places(rows, columns):
            crops = {name: plane[:, down, across] for name, plane in [("coarse", coarse), *bands.items()]}
            for index, sample in self._crop(level, path, crops, generator):
                found.setdefault(index, []).append(sample)
        return {(level.number, index): self._pool(level, index, samples, rows * columns) for index, samples in found.items()}

    def _crop(self, level: Level, path: str, planes: dict[str, Int32Array], generator: torch.Generator) -> Iterator[tuple[int, _Sample]]:
        """What each step of the path reads and must predict in a crop."""
        size = planes["coarse"].shape[1:]
        crop = level._replace(grid=size, sizes=dict.fromkeys(level.sizes, size))
        steps, states = level.schedule.steps, self.along(crop, path, planes["coarse"])
        for unit in dict.fromkeys(steps[index].unit for index in states.steps):
            latents = sample_latents(level.schedule, states.steps, unit, _three(planes[unit])[None], generator)
            states.known |= {index: values[0].numpy().astype(np.int64) for index, values in latents.items()}
        states.known |= {index: planes[steps[index].unit].astype(np.int64) for index in states.steps if not steps[index].is_latent}
        for index in states.steps:
            state = states.state(index)
            found = self.model.predictor.predict(state, index, size)
            yield index, _Sample(self.model.predictor.activations(state), found, states.known[index])

    def _pool(self, level: Level, index: int, samples: list[_Sample], positions: int) -> _Pool:
        def inner(planes: list[NDArray[Any]]) -> Tensor:
            """(C, n) of ``(C, h, w)`` planes, without the margins."""
            return torch.from_numpy(np.concatenate([p[:, MARGIN:-MARGIN, MARGIN:-MARGIN].reshape(len(p), -1) for p in planes], axis=1))

        def flat(planes: list[NDArray[Any]]) -> Tensor:
            return inner([p.reshape(3, *s.inputs.shape[:2]) for p, s in zip(planes, samples, strict=True)]).float()

        predictions = [sample.prediction for sample in samples]
        innovation = [p.innovation for p in predictions if p.innovation is not None]
        return _Pool(
            self.model.levels[level.number - 1].heads[index],
            inner([sample.inputs.transpose(2, 0, 1) for sample in samples]),
            flat([p.mean for p in predictions]) / 64,
            flat([p.log2_scale for p in predictions]) / 64,
            inner([_three(sample.values).numpy() for sample in samples]),
            torch.from_numpy(predictions[0].coupling).float() / 64,
            flat(innovation) / 64 if innovation else None,
            0.5 * noise(level.schedule.steps[index], torch.device("cpu"))[1],
            positions,
        )


class _Sample(NamedTuple):
    """One step in one crop."""

    inputs: NDArray[np.uint8]  # (h, w, C), what the head reads
    prediction: StepPrediction
    values: NDArray[np.int64]  # (C, h, w), what it must predict


def _three(planes: NDArray[np.integer[Any]]) -> Tensor:
    """float32 ``(3, h, w)``; gray has no chroma, which is zero."""
    full = np.zeros((3, *planes.shape[1:]), np.float32)
    full[: len(planes)] = planes
    return torch.from_numpy(full)


def _places(rows: int, columns: int) -> list[tuple[slice, slice]]:
    """At most ``CROPS`` crops of equal size, evenly spaced."""
    down = max(1, min(round((CROPS * rows / columns) ** 0.5), -(-rows // CROP), CROPS))
    across = max(1, min(CROPS // down, -(-columns // CROP)))
    height, width = min(CROP, rows), min(CROP, columns)
    tops = np.linspace(0, rows - height, down).astype(int) if down > 1 else [(rows - height) // 2]
    lefts = np.linspace(0, columns - width, across).astype(int) if across > 1 else [(columns - width) // 2]
    return [(slice(int(top), int(top) + height), slice(int(left), int(left) + width)) for top in tops for left in lefts]


Weights = Mapping[str, tuple[Tensor, Tensor]]


def _real(layer: Layer) -> tuple[Tensor, Tensor]:
    """Weights ``(outputs, inputs)`` and biases as the numbers that they stand for."""
    step = torch.exp2(-torch.from_numpy(layer.exponent.astype(np.float32)))
    weight = torch.from_numpy(layer.weight[:, :, 0, 0].astype(np.float32)) * step[:, None]
    return weight, torch.from_numpy(layer.bias.astype(np.float32)) * step * 2.0**-ACT_BITS


def _bits(pool: _Pool, at: Tensor, weights: Weights, components: int, channels: int) -> Tensor:
    """Bits of every position in ``at``, ``(n,)``. Activations are clamped like the integer network's, but not rounded."""
    hidden, out = weights["hidden"], weights["out"]
    a = (hidden[0] @ (pool.inputs[:, at].float() * 2.0**-ACT_BITS) + hidden[1][:, None]).clamp(0, ACT_MAX * 2.0**-ACT_BITS)
    corrections = out[0] @ a + out[1][:, None]

    def row(values: Tensor) -> Tensor:
        return values[:, at][None, :, None]

    innovation = None if pool.innovation is None else row(pool.innovation)
    closed = row(pool.mean), row(pool.log2_scale), pool.coupling
    bits = mixture_bits(*closed, corrections[None, :, None], innovation, row(pool.values), pool.half_bin, components)
    return bits[0, :channels, 0].sum(0)


def _fit(pool: _Pool, components: int, channels: int, settings: FitSettings) -> dict[str, Changes]:
    """Changes of one head, by layer."""
    count = pool.inputs.shape[1]
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(count, generator=generator)
    unseen, seen = order[: count // HELD_OUT], order[count // HELD_OUT :]
    shipped = {name: _real(getattr(pool.head, name)) for name in ("hidden", "out")}
    numbers: dict[str, dict[str, Tensor]] = {}
    groups: list[dict[str, Any]] = []
    for name in settings.layers:
        outputs, inputs = shipped[name][0].shape
        numbers[name] = {"gain": torch.zeros(outputs), "bias": torch.zeros(outputs), "weight": torch.zeros(outputs, inputs)}
        for kind, values in numbers[name].items():
            # Weights meet activations that are around 32 times their step in size: a smaller rate.
            groups.append({"params": [values.requires_grad_()], "rate": RATE * (WEIGHT_RATE * 2.0**ACT_BITS if kind == "weight" else 1.0)})
    optimizer = torch.optim.Adam(groups, lr=0.0, betas=(0.8, 0.95))

    def changed() -> Weights:
        found = dict(shipped)
        for name, kinds in numbers.items():
            weight, bias = shipped[name]
            found[name] = (weight * (1 + kinds["gain"])[:, None] + kinds["weight"], bias * (1 + kinds["gain"]) + kinds["bias"])
        return found

    for step in range(settings.steps):
        for group in optimizer.param_groups:
            group["lr"] = group["rate"] * min(1.0, 2 * (1 - step / settings.steps))
        at = seen[torch.randint(len(seen), (settings.batch,), generator=generator)]
        arrays = [(kind, values) for kinds in numbers.values() for kind, values in kinds.items()]
        size = torch.stack([(values.abs() * UNITS[kind]).clamp(max=PENALTY_UNITS).sum() for kind, values in arrays]).sum()
        loss = _bits(pool, at, changed(), components, channels).mean() + PENALTY_BITS / pool.positions * size
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    found = {name: Changes(*(_rounded(kinds[kind], kind) for kind in Changes._fields)) for name, kinds in numbers.items()}
    return found if _worth(pool, unseen, shipped, found, components, channels) else {n: Changes.none(getattr(pool.head, n)) for n in found}


def _rounded(values: Tensor, kind: str) -> NDArray[np.int64]:
    steps = values.detach().numpy() * UNITS[kind]
    whole: NDArray[np.int64] = np.where(np.abs(steps) < DEAD_ZONE, 0, np.rint(steps)).astype(np.int64)
    return whole.clip(-LARGEST_CHANGE, LARGEST_CHANGE)


@torch.no_grad()
def _worth(pool: _Pool, unseen: Tensor, shipped: Weights, found: Mapping[str, Changes], components: int, channels: int) -> bool:
    """Whether the changed head, as its integers say, saves more than its numbers cost."""
    try:
        adapted = {name: _real(adapted_layer(getattr(pool.head, name), changes)) for name, changes in found.items()}
    except ModelError:
        return False
    before = _bits(pool, unseen, shipped, components, channels).mean()
    after = _bits(pool, unseen, {**shipped, **adapted}, components, channels).mean()
    cost = 0.0
    for changes in found.values():
        for part in changes:
            cost += float((prior_bits() @ np.bincount(np.abs(part).ravel(), minlength=LARGEST_CHANGE + 1)).min())
    return float(before - after) * pool.positions > cost
