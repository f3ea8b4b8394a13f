"""A path of noise levels over the scales of a map, as data: networks, lattices, priors; from the tensors of a file and back.

Integer arithmetic and strict IEEE arithmetic only: this file reaches the bit stream.

Tensors, all int32; N is a scale's number, 0 the base; B a block, T a level, 0 the one with the least noise:

    N.mean (C, Ck, 5, 5)  N.mean_bias (C)  N.scale (C, 4 Ck, 3, 3)  N.scale_bias (C)       the guess from the coarser picture
    N.enter  N.enter_bias  N.B.first  N.B.first_bias  N.B.second  N.B.second_bias  N.leave  N.leave_bias  N.straight
    N.gains (T + 1, B, W)  N.offsets (T + 1, B, W)  N.enters (T + 1, W)  N.leaves (T + 1, O)   what each level adds
    N.lattices (T, C, 2)   index of the noise that a latent adds to the one below it, and the lattice's step
    N.prior (C)            index of the scale of the noisiest latent
    N.alone (C)            index of the noise at which nothing is known: the last one of the T + 1 levels, which has no latent

Weights are multiples of 2^-14, biases and what levels add of 2^-10, but gains, mean_bias and scale_bias of 2^-14.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hvpzip.core.tables import NUM_SCALES, SCALE_STEPS
from hvpzip.errors import ModelError
from hvpzip.nn.denoiser.network import LIMIT_BITS, Block, IntegerScale, Level
from hvpzip.nn.denoiser.strict import exp2, log2
from hvpzip.transform.scales import NAMES, Hierarchy

__all__ = ["SCALE_OFFSET", "UNIT_BITS", "CodedScale", "Lattice", "NoisePath", "noise_of", "prove"]

UNIT_BITS = 3  # a step of a value is 8 units of the coder
SCALE_OFFSET = 3  # the coder's scale 0 is 2^-3 units
KNOWN_BITS = 13  # what is coded keeps coarser pictures below 2^12; details make them a little larger
EXACT_BITS = 53

FloatArray = NDArray[np.float64]
Int32Array = NDArray[np.int32]
Tensors = Mapping[str, NDArray[np.integer]]
_SINGLE = ("mean", "mean_bias", "scale", "scale_bias", "enter", "enter_bias", "leave", "leave_bias", "straight")
_BLOCK = ("first", "first_bias", "second", "second_bias")


class Lattice(NamedTuple):
    """A noise level of one channel.

    added: index of the scale of q(y_t | y_s) in the coder's table, in units. delta: lattice step in units, a power of two.
    """

    added: int
    delta: int


class CodedScale(NamedTuple):
    """A scale with what its coder needs.

    network: has a level for each row of ``lattices``, and one more: without latents. lattices: ``[t][c]``. prior: ``[c]``, index of the
    scale of p(y_T). alone: ``[c]``, index of the noise of the last level.
    """

    network: IntegerScale
    lattices: tuple[tuple[Lattice, ...], ...]
    prior: tuple[int, ...]
    alone: tuple[int, ...]


class NoisePath(NamedTuple):
    """Scales, coarsest first, of pictures (3, H, W) in Y, Co, Cg of any sides that the map halves ``depth`` times."""

    map_name: str
    depth: int
    scales: tuple[CodedScale, ...]

    def hierarchy(self, height: int, width: int) -> Hierarchy:
        """The map for pictures of these sides. Raises ValueError for others."""
        return Hierarchy(self.map_name, height, width, self.depth)

    def tensors(self) -> dict[str, Int32Array]:
        """The path as the tensors of a file."""
        found: dict[str, NDArray[np.float64]] = {}
        for number, scale in enumerate(self.scales):
            network, levels = scale.network, scale.network.levels
            own = {name: getattr(network, name) for name in _SINGLE}
            for place, block in enumerate(network.blocks):
                own |= {f"{place}.{name}": getattr(block, name) for name in _BLOCK}
            own |= {"gains": [level.gains for level in levels], "offsets": [level.offsets for level in levels]}
            own |= {"enters": [level.enter for level in levels], "leaves": [level.leave for level in levels]}
            own |= {"lattices": scale.lattices, "prior": scale.prior, "alone": scale.alone}
            found |= {f"{number}.{name}": np.asarray(value) for name, value in own.items()}
        for name, value in found.items():
            if np.abs(value).max(initial=0) >= 1 << 31 or (value != np.floor(value)).any():
                raise ValueError(f"{name} is not of integers of 32 bits")
        return {name: np.ascontiguousarray(value).astype(np.int32) for name, value in found.items()}

    @classmethod
    def from_tensors(cls, map_name: str, depth: int, components: int, tensors: Tensors) -> NoisePath:
        """Inverse of ``tensors``, checked and proved exact. Raises ModelError for anything else."""
        try:
            if map_name not in NAMES or not 0 <= depth <= 8 or not 1 <= components <= 16:
                raise ValueError(f"a map {map_name!r} of {depth} stages, with {components} components")
            like = Hierarchy(map_name, 1 << depth, 1 << depth, depth).split(np.zeros((1, 3, 1 << depth, 1 << depth), np.int32))
            scales = tuple(
                _scale(_Tensors(tensors, number), components, scale.known.shape[1], scale.values.shape[1])
                for number, scale in enumerate(like)
            )
            if set(tensors) != set(cls(map_name, depth, scales).tensors()):
                raise ValueError("tensors that no scale has")
        except (KeyError, ValueError) as error:
            raise ModelError(f"the noise path is damaged ({error})") from error
        found = cls(map_name, depth, scales)
        prove(found)
        return found


def noise_of(added: NDArray[np.integer]) -> FloatArray:
    """log2 of the noise of each level and channel (T, C), in steps of a value, for the indices of the noise that each level adds."""
    # The sum goes from level to level, one at a time, so its order is fixed.
    variance, rows = np.zeros(added.shape[1]), []
    for row in added.astype(np.float64):
        variance = variance + exp2(2.0 * (row / SCALE_STEPS - (SCALE_OFFSET + UNIT_BITS)))
        rows.append(0.5 * log2(variance))
    return np.stack(rows) if rows else np.zeros(added.shape)


class _Tensors:
    """The tensors of one scale, of expected shapes, as float64."""

    def __init__(self, tensors: Tensors, number: int) -> None:
        self.tensors, self.number = tensors, number

    def __contains__(self, name: str) -> bool:
        return f"{self.number}.{name}" in self.tensors

    def __call__(self, name: str, *shape: int | None) -> FloatArray:
        found = self.tensors[f"{self.number}.{name}"]
        if found.ndim != len(shape) or any(want not in (None, have) for want, have in zip(shape, found.shape, strict=True)):
            raise ValueError(f"{self.number}.{name} has the shape {found.shape}, not {shape}")
        return found.astype(np.float64)


def _scale(get: _Tensors, components: int, known: int, channels: int) -> CodedScale:
    inputs, outputs = 5 * known + 3 * channels, 3 * components * channels
    width = len(get("enter", None, inputs, 3, 3))
    blocks: list[Block] = []
    while f"{len(blocks)}.first" in get:
        place = len(blocks)
        first, second = get(f"{place}.first", width, width, 3, 3), get(f"{place}.second", width, width, 1, 1)
        blocks.append(Block(first, get(f"{place}.first_bias", width), second, get(f"{place}.second_bias", width)))
    lattices = get("lattices", None, channels, 2).astype(np.int64)
    prior, alone = (get(name, channels).astype(np.int64) for name in ("prior", "alone"))
    added, delta = lattices[:, :, 0], lattices[:, :, 1]
    indices = np.concatenate([added.ravel(), prior, alone])
    if indices.min() < 0 or indices.max() >= NUM_SCALES:
        raise ValueError(f"noise outside the table of {NUM_SCALES} scales")
    if delta.min(initial=1) < 1 or delta.max(initial=1) > 1 << 20 or (delta & (delta - 1)).any():
        raise ValueError("a lattice's step is a power of two")
    count = len(lattices) + 1
    noise = np.concatenate([noise_of(added), noise_of(alone[None])])
    gains, offsets = (get(name, count, len(blocks), width) for name in ("gains", "offsets"))
    enters, leaves = get("enters", count, width), get("leaves", count, outputs)
    network = IntegerScale(
        mean=get("mean", channels, known, 5, 5),
        mean_bias=get("mean_bias", channels),
        scale=get("scale", channels, 4 * known, 3, 3),
        scale_bias=get("scale_bias", channels),
        enter=get("enter", width, inputs, 3, 3),
        enter_bias=get("enter_bias", width),
        blocks=tuple(blocks),
        leave=get("leave", outputs, width, 1, 1),
        leave_bias=get("leave_bias", outputs),
        straight=get("straight", outputs, inputs, 1, 1),
        levels=tuple(Level(*parts) for parts in zip(gains, offsets, enters, leaves, noise, strict=True)),
        components=components,
    )
    return CodedScale(
        network,
        tuple(tuple(Lattice(int(a), int(d)) for a, d in row) for row in lattices),
        tuple(int(index) for index in prior),
        tuple(int(index) for index in alone),
    )


def prove(path: NoisePath) -> None:
    """Raise ModelError unless every sum that the networks may take is one of integers below 2^53, whatever they are given."""
    for number, scale in enumerate(path.scales):
        net = scale.network
        sums = [("mean", net.mean, KNOWN_BITS), ("scale", net.scale, LIMIT_BITS), ("enter", net.enter, LIMIT_BITS)]
        sums += [("leave", net.leave, LIMIT_BITS), ("straight", net.straight, LIMIT_BITS)]
        sums += [(name, part, LIMIT_BITS) for block in net.blocks for name, part in (("first", block.first), ("second", block.second))]
        for name, weight, bits in sums:
            most = np.abs(weight).sum((1, 2, 3)).max(initial=0.0) * 2.0**bits
            if most >= 2.0**EXACT_BITS:
                raise ModelError(f"the noise path's sums may not be exact: {name} of scale {number} reaches 2^{np.log2(most):.1f}")
