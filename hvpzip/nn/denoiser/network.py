"""A scale's network as integers: what it believes of the values given noisy ones, the same numbers on every machine.

Integer arithmetic and strict IEEE arithmetic only: this file reaches the bit stream. Convolutions are sums of products of integers below
2^53, held in float64, and so exact in any order; everything else is elementwise (``strict``), a sum over components in their order.

    activations   multiples of 2^-ACTIVATION_BITS, at most 2^LIMIT_BITS of them
    weights       multiples of 2^-WEIGHT_BITS
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hvpzip.nn.denoiser.strict import exp2, log2, rounded

__all__ = ["ACTIVATION_BITS", "LIMIT_BITS", "WEIGHT_BITS", "Block", "IntegerScale", "Level", "NoisyBelief", "believe", "carried"]

ACTIVATION_BITS = 10
WEIGHT_BITS = 14
LIMIT_BITS = 20
KNOWN_SHIFT = 6  # the network sees the coarser picture over 64
LOG2_E = 1.4426950408889634

FloatArray = NDArray[np.float64]
Int64Array = NDArray[np.int64]


class Block(NamedTuple):
    """``first`` (W, W, 3, 3) and ``second`` (W, W, 1, 1) with their biases, integers."""

    first: FloatArray
    first_bias: FloatArray
    second: FloatArray
    second_bias: FloatArray


class Level(NamedTuple):
    """What one noise level adds: per block gain (in 2^-WEIGHT_BITS) and offset of each channel; offsets at the ends; log2 of the noise.

    ``log2_noise``: (C,) float64, noise of each channel in steps of v.
    """

    gains: FloatArray
    offsets: FloatArray
    enter: FloatArray
    leave: FloatArray
    log2_noise: FloatArray


class IntegerScale(NamedTuple):
    """A scale's preconditioner, network and noise levels; ``path.NoisePath`` says what a file holds of them."""

    mean: FloatArray
    mean_bias: FloatArray
    scale: FloatArray
    scale_bias: FloatArray
    enter: FloatArray
    enter_bias: FloatArray
    blocks: tuple[Block, ...]
    leave: FloatArray
    leave_bias: FloatArray
    straight: FloatArray
    levels: tuple[Level, ...]
    components: int


class NoisyBelief(NamedTuple):
    """A mixture for each sample in steps of v: each (K, N, C, h, w). ``log2_weight`` sum to one as powers of two only nearly."""

    mean: FloatArray
    log2_scale: FloatArray
    log2_weight: FloatArray


def _convolved(x: FloatArray, weight: FloatArray) -> FloatArray:
    """(N, I, h, w) by (O, I, k, k), edges of the input repeated where ``x`` was padded before: the valid part, exact for integers."""
    outputs, inputs, size, _ = weight.shape
    height, width = x.shape[2] - size + 1, x.shape[3] - size + 1
    total = np.zeros((x.shape[0], outputs, height * width))
    if not inputs:
        return total.reshape(x.shape[0], outputs, height, width)
    for i in range(size):
        for j in range(size):
            part = np.ascontiguousarray(x[:, :, i : i + height, j : j + width]).reshape(x.shape[0], inputs, -1)
            total = total + weight[:, :, i, j] @ part
    return total.reshape(x.shape[0], outputs, height, width)


def _padded(x: FloatArray, size: int, mode: str) -> FloatArray:
    side = ((0, 0), (0, 0), (size // 2, size // 2), (size // 2, size // 2))
    return np.pad(x, side, mode="edge") if mode == "edge" else np.pad(x, side)


def _layer(x: FloatArray, weight: FloatArray, bias: FloatArray) -> FloatArray:
    """A layer of the network: zeros beyond the edges, the sum rounded to activations and kept within the limit."""
    total = _convolved(_padded(x, weight.shape[2], "zeros"), weight) * 2.0**-WEIGHT_BITS
    return _limited(rounded(total) + bias[:, None, None])


def _limited(x: FloatArray) -> FloatArray:
    return np.clip(x, -(2.0**LIMIT_BITS), 2.0**LIMIT_BITS)


def _activation(x: FloatArray) -> FloatArray:
    return _limited(rounded(x * 2.0**ACTIVATION_BITS))


def _differences(known: FloatArray) -> FloatArray:
    """log2(1 + |difference|) to the four neighbours, as activations over four."""
    p = np.pad(known, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
    others = (p[..., 1:-1, :-2], p[..., 1:-1, 2:], p[..., :-2, 1:-1], p[..., 2:, 1:-1])
    return np.concatenate([rounded(log2(1.0 + np.abs(known - other)) * 2.0**ACTIVATION_BITS) for other in others], 1)


def guess(scale: IntegerScale, known: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(mean in steps of v, log2 scale, differences) from the coarser picture, integers in float64."""
    local = _differences(known)
    unit = 2.0**-WEIGHT_BITS
    mean = _convolved(_padded(known, scale.mean.shape[2], "edge"), scale.mean) * unit + scale.mean_bias[:, None, None] * unit
    fine = unit * 2.0**-ACTIVATION_BITS
    log2_scale = _convolved(_padded(local, scale.scale.shape[2], "edge"), scale.scale) * fine + scale.scale_bias[:, None, None] * unit
    return mean, np.clip(log2_scale, -2.0, 9.0), local


def believe(scale: IntegerScale, number: int, y: FloatArray, known: FloatArray) -> NoisyBelief:
    """What is believed of v given noisy values at level ``number`` and the coarser picture.

    y: (N, C, h, w) in steps of v. known: (N, Ck, h, w) whole numbers.
    """
    level = scale.levels[number]
    mean, log2_scale, local = guess(scale, known)
    noise = level.log2_noise[:, None, None]
    surprise = (y - mean) * exp2(-_log2_root_sum(log2_scale, noise))
    inputs = [known * 2.0 ** (ACTIVATION_BITS - KNOWN_SHIFT), rounded(0.25 * local), _activation(mean * 2.0**-KNOWN_SHIFT)]
    inputs += [_activation(0.25 * log2_scale), _activation(surprise)]
    x = np.concatenate(inputs, 1)
    outputs = _network(scale, level, x).reshape(len(y), 3, scale.components, *y.shape[1:]) * 2.0**-ACTIVATION_BITS
    shift, stretch, logit = (np.moveaxis(outputs[:, i], 1, 0) for i in range(3))
    component_mean = mean + exp2(log2_scale) * shift
    component_scale = log2_scale + LOG2_E * np.clip(stretch, -8.0, 8.0)
    total = _log2_root_sum(component_scale, noise)
    gain = exp2(2.0 * (component_scale - total))
    away = y - component_mean
    z = away * exp2(-total)
    log2_weight = LOG2_E * logit - (0.5 * LOG2_E) * (z * z) - total
    return NoisyBelief(component_mean + gain * away, component_scale + noise - total, log2_weight)


def carried(belief: NoisyBelief, y: FloatArray, scale: IntegerScale, number: int) -> NoisyBelief:
    """p(y_s | y_t): the belief at level ``number`` carried one level down (``bound.mixture_step``)."""
    below, here = (scale.levels[i].log2_noise[:, None, None] for i in (number - 1, number))
    share = 1.0 - exp2(2.0 * (below - here))
    log2_share = log2(share)
    mean = y + share * (belief.mean - y)
    return NoisyBelief(mean, _log2_root_sum(belief.log2_scale + log2_share, below + 0.5 * log2_share), belief.log2_weight)


def _log2_root_sum(a: FloatArray, b: FloatArray) -> FloatArray:
    """log2 sqrt(4**a + 4**b)."""
    high, low = np.maximum(a, b), np.minimum(a, b)
    return high + 0.5 * log2(1.0 + exp2(2.0 * (low - high)))


def _network(scale: IntegerScale, level: Level, x: FloatArray) -> FloatArray:
    h = _layer(x, scale.enter, scale.enter_bias + level.enter)
    for number, block in enumerate(scale.blocks):
        inner = _layer(np.maximum(h, 0.0), block.first, block.first_bias)
        gain = 2.0**WEIGHT_BITS + level.gains[number]
        inner = _limited(rounded(inner * gain[:, None, None] * 2.0**-WEIGHT_BITS) + level.offsets[number][:, None, None])
        h = _limited(h + _layer(np.maximum(inner, 0.0), block.second, block.second_bias))
    straight = rounded(_convolved(x, scale.straight) * 2.0**-WEIGHT_BITS)
    return _layer(np.maximum(h, 0.0), scale.leave, scale.leave_bias + level.leave) + straight
