"""The operations of the graph for training: plain float, and float that simulates the integers (``nn/formats.py``).

One graph (``network.py``) serves training and coding; it calls an ``Ops`` for every operation. ``IntegerOps`` (``integer.py``) is the one
that codes.
"""

from __future__ import annotations

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hvpzip.nn.formats import ACT_BITS, ACT_MAX, CARRY_BITS, CARRY_MAX, LIMIT, MAX_EXPONENT, MIN_EXPONENT, OUT_BITS, OUT_MAX, WEIGHT_MAX

__all__ = ["Conv", "FloatOps", "Ops", "representable", "weight_exponents"]

LARGEST_WEIGHT = WEIGHT_MAX / 2.0**MIN_EXPONENT


class Conv(nn.Module):
    """Weights of a convolution with 'same' zero padding; ``Ops`` runs it.

    Args:
        inputs, outputs: Channels.
        kernel: Side of the window, odd.
        gain: Standard deviation of the initial weights is ``gain / sqrt(fan_in)``; 0 starts them at zero.
    """

    exponent: Tensor

    def __init__(self, inputs: int, outputs: int, kernel: int, gain: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel) * gain / (inputs * kernel * kernel) ** 0.5)
        self.bias = nn.Parameter(torch.zeros(outputs))
        # Integer networks hold round(w 2^e) and round(b 2^(e+5)) instead, and e here.
        self.register_buffer("exponent", torch.zeros(outputs), persistent=False)


class Ops(Protocol):
    """What the graph asks of its arithmetic. ``a`` are activations, ``f`` carried features."""

    def inputs(self, values: Tensor) -> Tensor: ...
    def activate(self, f: Tensor) -> Tensor: ...
    def conv_activate(self, conv: Conv, a: Tensor) -> Tensor: ...
    def conv_carry(self, conv: Conv, a: Tensor, f: Tensor | None) -> Tensor: ...
    def conv_out(self, conv: Conv, a: Tensor) -> Tensor: ...


def representable(weight: Tensor) -> Tensor:
    """Weights kept within what an int8 with the smallest exponent says, 15.9; few ever reach it."""
    return weight.clamp(-LARGEST_WEIGHT, LARGEST_WEIGHT)


def weight_exponents(weight: Tensor, bias: Tensor) -> Tensor:
    """``e`` for each output channel: the largest with ``|w| 2^e <= 127`` and every accumulator below 2^24, at most 16. Shape
    ``(outputs,)``, float.
    """
    flat = weight.detach().flatten(1)
    peak = flat.abs().amax(1).clamp_min(1e-12)
    exponent = torch.floor(torch.log2((WEIGHT_MAX + 0.49) / peak))
    # sum |w| 255 + |b| 32 < 2^24 / 2^e, with half a step of rounding for each weight
    total = flat.abs().sum(1) * ACT_MAX + bias.detach().abs() * 2.0**ACT_BITS
    room = torch.floor(torch.log2((LIMIT - 0.5 * ACT_MAX * flat.shape[1] - 2.0) / total.clamp_min(1e-12)))
    return torch.minimum(exponent, room).clamp(max=MAX_EXPONENT)


class _Round(torch.autograd.Function):
    """Rounding whose gradient is the identity (straight-through)."""

    @staticmethod
    def forward(ctx: object, value: Tensor, step: float) -> Tensor:
        return torch.round(value / step) * step

    @staticmethod
    def backward(ctx: object, grad: Tensor) -> tuple[Tensor, None]:
        return grad, None


class FloatOps:
    """Training arithmetic.

    Args:
        simulate: Round weights, biases, activations, features and outputs as the integer network will (fake quantisation, straight-
            through).
            Values are then exact multiples of their formats' steps, so the result equals ``IntegerOps`` scaled by powers of two.
    """

    def __init__(self, simulate: bool = False) -> None:
        self.simulate = simulate

    def _round(self, value: Tensor, bits: int) -> Tensor:
        return _Round.apply(value, 2.0**-bits) if self.simulate else value  # type: ignore[no-untyped-call]

    def _conv(self, conv: Conv, a: Tensor) -> Tensor:
        weight: Tensor = conv.weight
        bias: Tensor = conv.bias
        if self.simulate:
            kept = representable(weight)
            exponent = weight_exponents(kept, bias)
            step = torch.exp2(-exponent)
            weight = _Round.apply(kept / step[:, None, None, None], 1.0) * step[:, None, None, None]  # type: ignore[no-untyped-call]
            bias = _Round.apply(bias / step * 2.0**ACT_BITS, 1.0) * step * 2.0**-ACT_BITS  # type: ignore[no-untyped-call]
        return F.conv2d(a, weight, bias, padding=weight.shape[-1] // 2)

    def inputs(self, values: Tensor) -> Tensor:
        return (values * 2.0**-ACT_BITS).contiguous(memory_format=torch.channels_last)

    def activate(self, f: Tensor) -> Tensor:
        return F.hardtanh(self._round(f, ACT_BITS), 0.0, ACT_MAX * 2.0**-ACT_BITS)

    def conv_activate(self, conv: Conv, a: Tensor) -> Tensor:
        return self.activate(self._conv(conv, a))

    def conv_carry(self, conv: Conv, a: Tensor, f: Tensor | None) -> Tensor:
        increment = self._round(self._conv(conv, a), CARRY_BITS)
        total = increment if f is None else f + increment
        return F.hardtanh(total, -CARRY_MAX * 2.0**-CARRY_BITS, CARRY_MAX * 2.0**-CARRY_BITS) if self.simulate else total

    def conv_out(self, conv: Conv, a: Tensor) -> Tensor:
        return F.hardtanh(self._round(self._conv(conv, a), OUT_BITS), -OUT_MAX * 2.0**-OUT_BITS, OUT_MAX * 2.0**-OUT_BITS)
