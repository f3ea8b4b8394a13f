"""The integer network as arrays: what a model's file holds, by what it is for.

coarse image -> trunk -> f0 -> head of a step on hh
                          |-> side branch (a latent) -> head of the step that reads it
                          '-> carry(hh) -> f1 -> head hl ... carry(hl) -> f2 -> head lh
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hvpzip.diffusion.likelihood import COUPLINGS, output_channels
from hvpzip.diffusion.schedule import LevelSchedule, Schedule
from hvpzip.errors import ModelError
from hvpzip.nn.config import NetworkConfig
from hvpzip.nn.formats import COARSE_CHANNELS, COARSE_ENERGIES, UNIT_CHANNELS

__all__ = ["BranchLayers", "ClosedForm", "HeadLayers", "Layer", "LevelLayers", "Tensors", "levels_of"]

Int32Array = NDArray[np.int32]
Tensors = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Layer:
    """A convolution with zero padding on integers.

    Attributes:
        weight: int8 ``(outputs, inputs, k, k)``, k 1 or 3.
        bias: int32 ``(outputs,)``.
        exponent: int8 ``(outputs,)``: the weights stand for ``weight 2^-exponent``.
        packed: What an arithmetic made of it, by a key of its own.
    """

    weight: NDArray[np.int8]
    bias: Int32Array
    exponent: NDArray[np.int8]
    packed: dict[Any, Any] = field(default_factory=dict, repr=False)


class HeadLayers(NamedTuple):
    """From carried features to a step's corrections: two 1x1 layers."""

    hidden: Layer
    out: Layer


class BranchLayers(NamedTuple):
    """New inputs are embedded and added to the carried features, then blocks (spatial 3x3, mix 1x1) refine them."""

    embed: Layer
    blocks: tuple[tuple[Layer, Layer], ...]


class ClosedForm(NamedTuple):
    """A step's linear mean and log-scale over a window of 3x3, int32: weights ``(3, planes, 3, 3)``, biases and couplings ``(3,)``."""

    mean_weight: Int32Array
    mean_bias: Int32Array
    scale_weight: Int32Array
    scale_bias: Int32Array
    coupling: Int32Array


@dataclass(frozen=True, eq=False)
class LevelLayers:
    """The network of one level (or of all coarse ones)."""

    schedule: LevelSchedule
    transform: int
    components: int
    trunk: BranchLayers
    carry: Mapping[str, BranchLayers]  # by the last unit of a group; the last group's reveal feeds nothing in its level
    side: Mapping[int, BranchLayers]  # by the last of the latents that are read together
    heads: tuple[HeadLayers, ...]  # by step
    closed_forms: tuple[ClosedForm, ...]  # by step

    def named_layers(self) -> Iterator[tuple[str, Layer]]:
        """Every convolution with its name in the file, without that of the network."""
        branches = [("trunk", self.trunk)]
        branches += [(f"carry.{unit}", branch) for unit, branch in self.carry.items()]
        branches += [(f"side.{step}", branch) for step, branch in self.side.items()]
        for name, branch in branches:
            yield f"{name}.embed", branch.embed
            for index, (spatial, mix) in enumerate(branch.blocks):
                yield f"{name}.blocks.{index}.spatial", spatial
                yield f"{name}.blocks.{index}.mix", mix
        for index, head in enumerate(self.heads):
            yield f"heads.{index}.hidden", head.hidden
            yield f"heads.{index}.out", head.out


class _Reader:
    """Takes tensors by name, each once, and checks type and shape."""

    def __init__(self, tensors: Tensors) -> None:
        self.left = dict(tensors)

    def take(self, name: str, dtype: type[np.integer[Any]], shape: tuple[int, ...]) -> NDArray[Any]:
        found = self.left.pop(name, None)
        if found is None:
            raise ModelError(f"the weights do not belong to their settings (there is no {name})")
        if found.dtype != dtype or found.shape != shape:
            raise ModelError(
                f"the weights do not belong to their settings ({name} is {found.dtype} {found.shape}, not {dtype.__name__} {shape})"
            )
        return np.ascontiguousarray(found)

    def layer(self, name: str, inputs: int, outputs: int, side: int) -> Layer:
        return Layer(
            self.take(f"{name}.weight", np.int8, (outputs, inputs, side, side)),
            self.take(f"{name}.bias", np.int32, (outputs,)),
            self.take(f"{name}.exponent", np.int8, (outputs,)),
        )

    def branch(self, name: str, inputs: int, channels: int, blocks: int) -> BranchLayers:
        def block(index: int) -> tuple[Layer, Layer]:
            of = f"{name}.blocks.{index}"
            return self.layer(f"{of}.spatial", channels, channels, 3), self.layer(f"{of}.mix", channels, channels, 1)

        return BranchLayers(self.layer(f"{name}.embed", inputs, channels, 3), tuple(block(index) for index in range(blocks)))

    def head(self, name: str, channels: int, outputs: int) -> HeadLayers:
        return HeadLayers(self.layer(f"{name}.hidden", channels, channels, 1), self.layer(f"{name}.out", channels, outputs, 1))

    def closed_form(self, name: str, planes: int, energies: int) -> ClosedForm:
        shapes = [(3, planes, 3, 3), (3,), (3, energies, 3, 3), (3,), (COUPLINGS,)]
        return ClosedForm(*(self.take(f"{name}.{part}", np.int32, s) for part, s in zip(ClosedForm._fields, shapes, strict=True)))


def levels_of(config: NetworkConfig, schedule: Schedule, tensors: Tensors) -> tuple[LevelLayers, ...]:
    """The level networks, finest first, from the tensors of a model's file. Raises ModelError where they do not fit the settings."""
    reader = _Reader(tensors)
    found = tuple(_level(reader, f"networks.{index}", config, schedule.level(index + 1)) for index in range(config.networks))
    if reader.left:
        raise ModelError(f"the weights do not belong to their settings (they know no {min(reader.left)})")
    return found


def _level(reader: _Reader, name: str, config: NetworkConfig, schedule: LevelSchedule) -> LevelLayers:
    channels, heads, forms = config.channels, [], []
    for index, step in enumerate(schedule.steps):
        outputs = output_channels(config.components, step.given is not None)
        known = schedule.known_before(step.unit) + len(step.reads)
        heads.append(reader.head(f"{name}.heads.{index}", channels, outputs))
        forms.append(reader.closed_form(f"{name}.closed_form.{index}", 3 * (1 + known), COARSE_ENERGIES + UNIT_CHANNELS * known))
    return LevelLayers(
        schedule,
        config.transform,
        config.components,
        reader.branch(f"{name}.trunk", COARSE_CHANNELS, channels, config.trunk_blocks),
        {
            group[-1]: reader.branch(f"{name}.carry.{group[-1]}", UNIT_CHANNELS * len(group), channels, config.carry_blocks)
            for group in schedule.order[:-1]
        },
        {
            read[-1]: reader.branch(f"{name}.side.{read[-1]}", UNIT_CHANNELS * len(read), channels, config.side_blocks)
            for read in schedule.side_branches
        },
        tuple(heads),
        tuple(forms),
    )
