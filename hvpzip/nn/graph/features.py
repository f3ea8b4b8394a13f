"""Integer arithmetic only: this file reaches the bit stream.

What the networks read, and the closed-form predictions that they correct. Everything here is an integer held in a float32 tensor: sums
and products stay below 2^24, so float32 holds them exactly in any order of summation, on any device (docs/design.md, Arithmetic). Training
and coding run this same code.

Shapes: a *plane* is ``(B, 3, h, w)``: one colour-lifted unit of a level on the grid of its coarse image. Units of odd-sized images are
a row or column shorter than the grid; the caller fills the missing samples with their rounded prediction.
"""

from __future__ import annotations

import functools

import torch
import torch.nn.functional as F
from torch import Tensor

from hvpzip.nn.formats import COMPAND_GAIN, COMPAND_LIMIT, COMPAND_MAX

__all__ = [
    "coarse_inputs",
    "compand",
    "linear",
    "round_shift",
    "unit_inputs",
    "window_sums",
]


@functools.cache
def _compand_table() -> Tensor:
    """``sign(d) * round(14 log2(1 + |d|))`` for d in -1023..1023, clipped to 127: the largest m with (1 + d)^28 >= 2^(2m - 1)."""
    half = [min(COMPAND_MAX, ((1 + d) ** (2 * COMPAND_GAIN)).bit_length() // 2) for d in range(COMPAND_LIMIT + 1)]
    return torch.tensor([-v for v in half[:0:-1]] + half, dtype=torch.float32)


def compand(difference: Tensor) -> Tensor:
    """Companded differences, in -127..127: small ones keep their steps, large ones are compressed to their logarithm. New tensor, same
    shape.
    """
    table = _compand_table().to(difference.device)
    return table[(difference.clamp(-COMPAND_LIMIT, COMPAND_LIMIT) + COMPAND_LIMIT).long()]


def round_shift(value: Tensor, shift: int) -> Tensor:
    """``value / 2**shift`` rounded half to even; exact, for the scaling only changes a float's exponent."""
    return torch.round(value * 2.0**-shift)


def _differences(plane: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Differences to the right, downwards and along both diagonals; the edge is repeated."""
    padded = F.pad(plane, (0, 1, 0, 1), mode="replicate")
    here, right, below, diagonal = padded[..., :-1, :-1], padded[..., :-1, 1:], padded[..., 1:, :-1], padded[..., 1:, 1:]
    return right - here, below - here, diagonal - here, below - right


def coarse_inputs(coarse: Tensor) -> tuple[Tensor, Tensor]:
    """Inputs of the trunk from the coarser image ``(B, 3, h, w)``.

    Returns:
        Activations ``(B, 15, h, w)`` in -128..127 and log-energies ``(B, 12, h, w)`` in 0..127.
    """
    companded = compand(torch.cat(_differences(coarse), 1))
    level = torch.cat([coarse[:, :1] - 128, torch.floor(coarse[:, 1:] * 0.5)], 1).clamp(-128, 127)
    return torch.cat([companded, level], 1), companded.abs()


def unit_inputs(values: Tensor, prediction: Tensor) -> tuple[Tensor, Tensor]:
    """Inputs from a unit just revealed.

    Args:
        values: ``(B, 3, h, w)`` samples, or positions of a latent, in sample units.
        prediction: ``(B, 3, h, w)`` linear prediction of it, in 1/64 of a sample.

    Returns:
        Activations ``(B, 9, h, w)`` in -127..127 and their log-energies in 0..127.
    """
    right, below, _, _ = _differences(values)
    companded = compand(torch.cat([values - round_shift(prediction, 6), right, below], 1))
    return companded, companded.abs()


def linear(inputs: Tensor, weight: Tensor, bias: Tensor, shift: int) -> Tensor:
    """``(w * x + b) / 2**shift`` over a window with repeated edges, rounded half to even.

    Args:
        inputs: ``(B, C, h, w)`` integers.
        weight: ``(3, C, k, k)`` integers, k odd.
        bias: ``(3,)`` integers at the scale of the products.
        shift: Bits to drop.

    ``sum |w| * max |x| + |b| < 2^24`` is checked where the weights are loaded.
    """
    return round_shift(window_sums(inputs, weight) + bias[:, None, None], shift)


def window_sums(inputs: Tensor, weight: Tensor) -> Tensor:
    """``w * x`` over a window with repeated edges: ``linear`` without its bias and shift, weight ``(outputs, C, k, k)``."""
    margin = weight.shape[-1] // 2
    padded = F.pad(inputs, (margin,) * 4, mode="replicate") if margin else inputs
    with torch.autocast(inputs.device.type, enabled=False):  # training may run the network around it in bfloat16
        return F.conv2d(padded, weight)
