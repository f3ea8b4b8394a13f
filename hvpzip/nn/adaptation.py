"""Integer arithmetic only: this file reaches the bit stream.

A head adapted to a picture: its layers after small integer changes that a file sends. Every output channel has a gain and a bias,
every weight a change:

    w' = w (1 + gain / 32) + change / 128        b' = b (1 + gain / 32) + bias / 32

rounded half up to int8 weights with an exponent for each output channel, as small as they need, and checked like shipped weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hvpzip.errors import ModelError
from hvpzip.nn.formats import ACT_BITS, ACT_MAX, LIMIT, MIN_EXPONENT, WEIGHT_MAX
from hvpzip.nn.layers import HeadLayers, Layer

__all__ = ["BIAS_BITS", "GAIN_BITS", "WEIGHT_BITS", "Changes", "adapted_head", "adapted_layer"]

GAIN_BITS, BIAS_BITS, WEIGHT_BITS = 5, 5, 7

Int64Array = NDArray[np.int64]


class Changes(NamedTuple):
    """Changes of a 1x1 convolution, int64: gain ``(outputs,)`` in 1/32, bias ``(outputs,)`` in 1/32, weight ``(outputs, inputs)`` in 1/128
    (of the values that its integers stand for).
    """

    gain: Int64Array
    bias: Int64Array
    weight: Int64Array

    @classmethod
    def none(cls, layer: Layer) -> Changes:
        """Changes that leave ``layer`` as it is."""
        outputs, inputs = layer.weight.shape[:2]
        return cls(np.zeros(outputs, np.int64), np.zeros(outputs, np.int64), np.zeros((outputs, inputs), np.int64))

    def any(self) -> bool:
        """Whether anything changes."""
        return any(bool(part.any()) for part in self)


def adapted_layer(layer: Layer, changes: Changes) -> Layer:
    """A 1x1 convolution after ``changes`` (less than 32 in size each).

    Raises:
        ModelError: the weights would leave the proof of exactness.
    """
    weight, bias, exponent = (part.astype(np.int64) for part in (layer.weight[:, :, 0, 0], layer.bias, layer.exponent))
    gain = (1 << GAIN_BITS) + changes.gain
    # Both in 2^-(e + GAIN_BITS), biases in 2^-ACT_BITS of that; e >= MIN_EXPONENT keeps the first shift from being negative.
    fine = weight * gain[:, None] + (changes.weight << (exponent + GAIN_BITS - WEIGHT_BITS)[:, None])
    fine_bias = bias * gain + (changes.bias << (exponent + GAIN_BITS + ACT_BITS - BIAS_BITS))
    peak = np.abs(fine).max(1)
    shift = np.full_like(peak, GAIN_BITS)
    while bool((wide := _rounded(peak, shift) > WEIGHT_MAX).any()):
        shift += wide
    smaller = exponent + GAIN_BITS - shift
    new_weight, new_bias = _rounded(fine, shift[:, None]), _rounded(fine_bias, shift)
    bound = int((np.abs(new_weight).sum(1) * ACT_MAX + np.abs(new_bias)).max())
    if smaller.min() < MIN_EXPONENT or bound >= LIMIT:
        raise ModelError(f"an adapted head is out of range: exponents from {smaller.min()}, sums up to {bound}")
    return Layer(new_weight.astype(np.int8)[:, :, None, None], new_bias.astype(np.int32), smaller.astype(np.int8))


def adapted_head(head: HeadLayers, changes: Mapping[str, Changes]) -> HeadLayers:
    """The head with its layers changed, by name (``hidden``, ``out``); those not named are shared with it. Raises ModelError."""
    return head._replace(**{name: adapted_layer(getattr(head, name), change) for name, change in changes.items()})


def _rounded(value: Int64Array, shift: Int64Array) -> Int64Array:
    found: Int64Array = (value + (np.int64(1) << (shift - 1))) >> shift
    return found
