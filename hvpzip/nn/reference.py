"""Integer arithmetic only: this file reaches the bit stream.

The network's operations in numpy: what they mean, and what serves where the compiled core is missing. ``hvpzip.core`` has the same in C++
(``compiled.py``), and tests hold the two against each other and against the graph in torch.

Products of integers are summed in float32, where every sum stays below 2^24 (``proof.py``): exact in any order. Requantisation is a
shift with rounding half to even. A *plane* is one channel on the grid of a level's coarse image; features have their channels last.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hvpzip.nn.formats import (
    ACT_BITS,
    ACT_MAX,
    CARRY_BITS,
    CARRY_MAX,
    COARSE_ENERGIES,
    COMPAND_GAIN,
    COMPAND_LIMIT,
    COMPAND_MAX,
    OUT_BITS,
    OUT_MAX,
)
from hvpzip.nn.layers import BranchLayers, HeadLayers, Layer

__all__ = ["activate", "branch", "coarse_inputs", "compand", "head", "linear", "round_shift", "unit_inputs"]

Int8Array = NDArray[np.int8]
Int16Array = NDArray[np.int16]
Int32Array = NDArray[np.int32]
UInt8Array = NDArray[np.uint8]
IntArray = NDArray[np.integer[Any]]

_BAND = 1 << 18  # numbers of a band of rows: what it takes beside its results stays within some megabytes


@functools.cache
def _compand_table() -> Int8Array:
    """``sign(d) * round(14 log2(1 + |d|))`` for d in -1023..1023, at most 127: the largest m with (1 + d)^28 >= 2^(2m - 1)."""
    half = [min(COMPAND_MAX, ((1 + d) ** (2 * COMPAND_GAIN)).bit_length() // 2) for d in range(COMPAND_LIMIT + 1)]
    return np.array([-v for v in half[:0:-1]] + half, np.int8)


def compand(difference: Int32Array) -> Int8Array:
    """Companded differences, in -127..127: small ones keep their steps, large ones are compressed to their logarithm."""
    found: Int8Array = _compand_table()[np.clip(difference, -COMPAND_LIMIT, COMPAND_LIMIT) + COMPAND_LIMIT]
    return found


def round_shift(value: Int32Array, shift: int) -> Int32Array:
    """``value / 2**shift`` rounded half to even."""
    if shift == 0:
        return value
    found: Int32Array = (value + ((1 << (shift - 1)) - 1) + ((value >> shift) & 1)) >> shift
    return found


def coarse_inputs(values: Int32Array) -> tuple[Int8Array, UInt8Array]:
    """What the trunk reads of the coarser image ``(3, h, w)``: activations int8 ``(h, w, 15)`` and log-energies uint8 ``(12, h, w)`` in
    0..127.
    """
    right, below, diagonal, across = _differences(values)
    companded = compand(np.concatenate([right, below, diagonal, across]))
    level = np.concatenate([values[:1] - 128, values[1:] >> 1]).clip(-128, 127).astype(np.int8)
    return _channels_last(np.concatenate([companded, level])), np.abs(companded[:COARSE_ENERGIES]).astype(np.uint8)


def unit_inputs(values: Int32Array, prediction: Int32Array) -> tuple[Int8Array, UInt8Array]:
    """What a branch reads of a unit ``(3, h, w)`` just revealed, and its closed-form prediction in 1/64: activations int8 ``(h, w, 9)`` and
    log-energies uint8 ``(9, h, w)`` in 0..127.
    """
    right, below, _, _ = _differences(values)
    companded = compand(np.concatenate([values - round_shift(prediction, 6), right, below]))
    return _channels_last(companded), np.abs(companded).astype(np.uint8)


def linear(planes: IntArray, weight: Int32Array, bias: Int32Array, shift: int) -> Int32Array:
    """``(w * x + b) / 2**shift`` over a window of 3x3 with repeated edges, rounded half to even: int32 ``(3, h, w)``.

    planes: int32 or uint8 ``(C, h, w)``. weight: ``(3, C, 3, 3)``. bias: ``(3,)``.
    """
    _, rows, columns = planes.shape
    padded = np.pad(planes, ((0, 0), (1, 1), (1, 1)), mode="edge").astype(np.float32)
    total = np.zeros((3, rows * columns), np.float32)
    for dy in range(3):
        for dx in range(3):
            part = padded[:, dy : dy + rows, dx : dx + columns].reshape(len(padded), -1)
            total += weight[:, :, dy, dx].astype(np.float32) @ part
    return round_shift(total.astype(np.int32).reshape(3, rows, columns) + bias[:, None, None], shift)


def activate(carried: Int16Array) -> UInt8Array:
    """Activations of carried features: uint8, same shape."""
    return round_shift(carried.astype(np.int32), CARRY_BITS - ACT_BITS).clip(0, ACT_MAX).astype(np.uint8)


def branch(layers: BranchLayers, inputs: Int8Array, carried: Int16Array | None, *, reuse: bool = False) -> Int16Array:
    """Carried features ``(h, w, C)`` after a branch has read ``inputs (h, w, channels)``; ``carried`` are those before, None for none.
    reuse: whether their memory may serve, which it does not here.
    """
    f = _carry(_convolved(layers.embed, inputs, CARRY_BITS), carried)
    for spatial, mix in layers.blocks:
        hidden = _convolved(spatial, activate(f), ACT_BITS).clip(0, ACT_MAX).astype(np.uint8)
        f = _carry(_convolved(mix, hidden, CARRY_BITS), f)
    return f


def head(layers: HeadLayers, carried: Int16Array, size: tuple[int, int]) -> Int16Array:
    """Corrections of the first ``size`` rows and columns: int16 ``(rows, columns, outputs)``."""
    hidden = _convolved(layers.hidden, activate(carried[: size[0], : size[1]]), ACT_BITS).clip(0, ACT_MAX).astype(np.uint8)
    return _convolved(layers.out, hidden, OUT_BITS).clip(-OUT_MAX, OUT_MAX).astype(np.int16)


def _carry(increment: Int32Array, carried: Int16Array | None) -> Int16Array:
    if carried is not None:
        increment += carried
    return increment.clip(-CARRY_MAX, CARRY_MAX).astype(np.int16)


def _convolved(layer: Layer, a: IntArray, bits: int) -> Int32Array:
    """``layer`` on activations ``(h, w, inputs)``, in the format with so many fractional bits: ``(h, w, outputs)``."""
    rows, columns, inputs = a.shape
    outputs, _, side, _ = layer.weight.shape
    margin = side // 2
    padded = np.pad(a, ((margin, margin), (margin, margin), (0, 0)))
    taps = layer.weight.astype(np.float32).transpose(2, 3, 1, 0)  # (side, side, inputs, outputs)
    shift = layer.exponent.astype(np.int32) + (ACT_BITS - bits)
    below_half = (np.int32(1) << np.maximum(shift - 1, 0)) - 1
    odd = (shift > 0).astype(np.int32)
    found = np.empty((rows, columns, outputs), np.int32)
    step = max(1, _BAND // max(1, columns * max(inputs, outputs)))
    for first in range(0, rows, step):
        end = min(rows, first + step)
        total = np.zeros(((end - first) * columns, outputs), np.float32)
        for dy in range(side):
            for dx in range(side):
                part = padded[first + dy : end + dy, dx : dx + columns].astype(np.float32)
                total += part.reshape(-1, inputs) @ taps[dy, dx]
        sums = total.astype(np.int32) + layer.bias
        found[first:end] = ((sums + below_half + ((sums >> shift) & odd)) >> shift).reshape(end - first, columns, outputs)
    return found


def _differences(values: Int32Array) -> tuple[Int32Array, Int32Array, Int32Array, Int32Array]:
    """Differences to the right, downwards and along both diagonals; the edge is repeated."""
    padded = np.pad(values, ((0, 0), (0, 1), (0, 1)), mode="edge")
    here, right, below, diagonal = padded[:, :-1, :-1], padded[:, :-1, 1:], padded[:, 1:, :-1], padded[:, 1:, 1:]
    return right - here, below - here, diagonal - here, below - right


def _channels_last(planes: Int8Array) -> Int8Array:
    return np.ascontiguousarray(planes.transpose(1, 2, 0))
