"""Integer arithmetic only: this file reaches the bit stream.

How a message carries the changes of heads (``nn/adaptation.py``); ``payload`` has what the header says of them.

For each changed network and layer there are three priors, those of its gains, biases and weights. A prior's byte is ``8 * zero + ratio``:
zero has probability 1 - 2^(-(zero + 1) / 3), and a size m from 1 to 63 is proportional to ((2 ratio + 1) / 16)^m, both signs alike
(``prior``). The numbers are the first that the decoder pops and the last that the encoder pushes: step by step along the path, layer by
layer, gains, biases, weights row by row.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from hvpzip import ans
from hvpzip.ans import Plan
from hvpzip.codec.lanes import Transfer
from hvpzip.codec.payload import PRIOR_BYTES, AdaptedHeads
from hvpzip.diffusion.schedule import Schedule
from hvpzip.errors import CorruptError, ModelError
from hvpzip.nn.adaptation import Changes, adapted_head
from hvpzip.nn.layers import HeadLayers, Layer
from hvpzip.nn.model import Model

__all__ = ["LARGEST_CHANGE", "Adaptation", "HeadChanges", "Heads", "adapted_heads", "prior", "prior_bits"]

LARGEST_CHANGE = 63
PRIOR_PRECISION = 16
ZEROS, RATIOS = 32, 8
# 2^(16 - k / 3) for k = 0, 1, 2
_THIRDS = (65536, 52016, 41285)

Int64Array = NDArray[np.int64]
# Changes by (number of the network, step): by the layer's name
HeadChanges = Mapping[tuple[int, int], Mapping[str, Changes]]
Heads = dict[tuple[int, int], HeadLayers]


@functools.cache
def prior(byte: int) -> Int64Array:
    """Frequencies of -63..63, of 2^16 together, each at least 1. Raises CorruptError for a byte that names no prior."""
    zero, ratio = divmod(byte, RATIOS)
    if not 0 <= zero < ZEROS:
        raise CorruptError(f"{byte} names no prior of changes")
    rest = _THIRDS[(zero + 1) % 3] >> ((zero + 1) // 3)
    powers = [(2 * ratio + 1) ** m * 16 ** (LARGEST_CHANGE - m) for m in range(1, LARGEST_CHANGE + 1)]
    total = 2 * sum(powers)
    half = [max(1, rest * power // total) for power in powers]
    return np.array([*half[::-1], (1 << PRIOR_PRECISION) - 2 * sum(half), *half], np.int64)


@functools.cache
def prior_bits() -> NDArray[np.float64]:
    """Bits of a size 0..63 under every prior: float64 ``(256, 64)``. For the encoder's choice only."""
    return np.stack([PRIOR_PRECISION - np.log2(prior(byte)[LARGEST_CHANGE:].astype(np.float64)) for byte in range(ZEROS * RATIOS)])


class Adaptation(AdaptedHeads):
    """What a payload says of its heads, and how the numbers of their changes move."""

    __slots__ = ()

    @classmethod
    def choose(cls, changes: HeadChanges, layers: tuple[str, ...]) -> Adaptation:
        """The cheapest priors for these changes, of at least one network."""
        networks = tuple(sorted({network for network, _ in changes}))
        priors = bytearray()
        for network in networks:
            for layer in layers:
                parts = [heads[layer] for (number, _), heads in changes.items() if number == network]
                for kind in range(len(Changes._fields)):
                    sizes = np.concatenate([np.abs(part[kind]).ravel() for part in parts])
                    priors.append(int(np.argmin(prior_bits() @ np.bincount(sizes, minlength=LARGEST_CHANGE + 1))))
        return cls(networks, layers, bytes(priors))

    def transfers(self, model: Model, path: str) -> list[Transfer]:
        """The arrays of numbers, in the encoder's order."""
        return [Transfer(True, size) for _, _, _, _, size in reversed(list(self._arrays(model, path)))]

    def push(self, message: ans.Message, changes: HeadChanges, model: Model, path: str, plans: Iterator[Plan]) -> tuple[ans.Message, float]:
        """Push all changes; returns the message and their bits."""
        bits = 0.0
        for key, layer, kind, byte, _ in reversed(list(self._arrays(model, path))):
            symbols = changes[key][layer][kind].ravel() + LARGEST_CHANGE
            freqs = prior(byte)[symbols]
            message = ans.push_planned(message, _starts(byte)[symbols], freqs, PRIOR_PRECISION, next(plans))
            bits += ans.bits_of(freqs, PRIOR_PRECISION)
        return message, bits

    def pop(self, message: ans.Message, model: Model, path: str, plans: Iterator[Plan]) -> tuple[ans.Message, HeadChanges, float]:
        """The inverse of ``push``."""
        found: dict[tuple[int, int], dict[str, list[Int64Array]]] = {}
        bits = 0.0
        for key, layer, _, byte, size in self._arrays(model, path):
            message, symbols, freqs = ans.pop_table(message, _starts(byte), size, PRIOR_PRECISION, next(plans))
            bits += ans.bits_of(freqs, PRIOR_PRECISION)
            found.setdefault(key, {}).setdefault(layer, []).append(symbols - LARGEST_CHANGE)
        changes = {}
        for key, layers in found.items():
            head = _head(model, *key)
            changes[key] = {name: _shaped(_layer(head, name), parts) for name, parts in layers.items()}
        return message, changes, bits

    def _arrays(self, model: Model, path: str) -> Iterator[tuple[tuple[int, int], str, int, int, int]]:
        """(network and step, layer, kind of array, its prior, its size), in the decoder's order."""
        for place, network in enumerate(self.networks):
            for step in _path(model.schedule, network, path):
                head = _head(model, network, step)
                for at, name in enumerate(self.layers):
                    for kind, part in enumerate(Changes.none(_layer(head, name))):
                        yield (network, step), name, kind, self.priors[(place * len(self.layers) + at) * PRIOR_BYTES + kind], part.size


@functools.cache
def _starts(byte: int) -> Int64Array:
    """Where the intervals of -63..63 begin under a prior, and where the last one ends."""
    return np.concatenate([[0], np.cumsum(prior(byte))])


def adapted_heads(model: Model, changes: HeadChanges) -> Heads:
    """The changed heads. Raises CorruptError where weights leave the proof of exactness."""
    try:
        return {key: adapted_head(_head(model, *key), layers) for key, layers in changes.items()}
    except ModelError as error:
        raise CorruptError(f"the payload's changes are damaged: {error}") from error


def _path(schedule: Schedule, network: int, path: str) -> tuple[int, ...]:
    return tuple(schedule.level(network).paths[path])


def _head(model: Model, network: int, step: int) -> HeadLayers:
    return model.levels[network - 1].heads[step]


def _layer(head: HeadLayers, name: str) -> Layer:
    layer = getattr(head, name)
    assert isinstance(layer, Layer)
    return layer


def _shaped(layer: Layer, parts: list[Int64Array]) -> Changes:
    return Changes(*(part.reshape(like.shape) for part, like in zip(parts, Changes.none(layer), strict=True)))
