"""The network's operations in the compiled core: the same signatures and integers as ``reference.py``, many times as fast.

Integer arithmetic only: this file reaches the bit stream.

Weights are packed for the processor's instruction set when they are first used.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hvpzip.core import _core  # type: ignore[attr-defined]
from hvpzip.nn.formats import COARSE_CHANNELS, COARSE_ENERGIES, UNIT_CHANNELS
from hvpzip.nn.layers import BranchLayers, HeadLayers, Layer
from hvpzip.threads import current_threads

__all__ = ["Compiled", "instruction_sets"]

Int8Array = NDArray[np.int8]
Int16Array = NDArray[np.int16]
Int32Array = NDArray[np.int32]
UInt8Array = NDArray[np.uint8]

_ACTIVATIONS, _CARRIED, _OUTPUTS = range(3)  # formats of a result


def instruction_sets() -> list[str]:
    """The names of those that the core has kernels for and this processor has, the fastest first; the last one runs everywhere."""
    found: list[str] = _core.instruction_sets()
    return found


class Compiled:
    """The operations in one instruction set, the fastest one by default."""

    def __init__(self, instruction_set: str | None = None) -> None:
        self.instruction_set = instruction_set or instruction_sets()[0]

    def _packed(self, layer: Layer, form: int, signed: bool = False) -> Any:
        key = self.instruction_set, form, signed
        if key not in layer.packed:
            layer.packed[key] = _core.Convolution(self.instruction_set, form, signed, layer.weight, layer.bias, layer.exponent)
        return layer.packed[key]

    def coarse_inputs(self, values: Int32Array) -> tuple[Int8Array, UInt8Array]:
        grid = values.shape[1:]
        inputs, energies = np.empty((*grid, COARSE_CHANNELS), np.int8), np.empty((COARSE_ENERGIES, *grid), np.uint8)
        _core.coarse_inputs(values, inputs, energies)
        return inputs, energies

    def unit_inputs(self, values: Int32Array, prediction: Int32Array) -> tuple[Int8Array, UInt8Array]:
        grid = values.shape[1:]
        inputs, energies = np.empty((*grid, UNIT_CHANNELS), np.int8), np.empty((UNIT_CHANNELS, *grid), np.uint8)
        _core.unit_inputs(values, prediction, inputs, energies)
        return inputs, energies

    def linear(self, planes: NDArray[Any], weight: Int32Array, bias: Int32Array, shift: int) -> Int32Array:
        found = np.empty((3, *planes.shape[1:]), np.int32)
        kernel = _core.linear_energies if planes.dtype == np.uint8 else _core.linear_values
        kernel(planes, weight, bias, shift, found, current_threads())
        return found

    def branch(self, layers: BranchLayers, inputs: Int8Array, carried: Int16Array | None, *, reuse: bool = False) -> Int16Array:
        channels = len(layers.embed.bias)
        found = carried if reuse and carried is not None else np.empty((*inputs.shape[:2], channels), np.int16)
        before = np.empty((0, 0, channels), np.int16) if carried is None else carried
        blocks = [self._packed(layer, form) for block in layers.blocks for layer, form in zip(block, (_ACTIVATIONS, _CARRIED), strict=True)]
        _core.branch(self._packed(layers.embed, _CARRIED, signed=True), blocks, inputs, before, found, current_threads())
        return found

    def head(self, layers: HeadLayers, carried: Int16Array, size: tuple[int, int]) -> Int16Array:
        found = np.empty((*size, len(layers.out.bias)), np.int16)
        hidden, out = self._packed(layers.hidden, _ACTIVATIONS), self._packed(layers.out, _OUTPUTS)
        _core.head(hidden, out, carried, found, current_threads())
        return found
