"""Integer arithmetic only: this file reaches the bit stream.

The network's operations on integers held in float32 tensors, which ``nn/proof.py`` proves to be exact. The only floating-point
operations are sums and products of integers below 2^24 and scalings by powers of two, all exact, and rounding half to even; so the result
does not depend on the order of summation, the device, the batch or the memory layout.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor

from hvpzip.nn.formats import ACT_BITS, ACT_MAX, CARRY_BITS, CARRY_MAX, OUT_BITS, OUT_MAX
from hvpzip.nn.graph.ops import Conv

__all__ = ["IntegerOps", "exact_arithmetic"]


class IntegerOps:
    """The coding arithmetic of ``ops.Ops``: ``Conv`` holds integer weights and biases, and ``exponent``, one for each output channel."""

    def inputs(self, values: Tensor) -> Tensor:
        return values.contiguous(memory_format=torch.channels_last)

    def activate(self, f: Tensor) -> Tensor:
        return torch.round(f * 2.0 ** (ACT_BITS - CARRY_BITS)).clamp_(0, ACT_MAX)

    def conv_activate(self, conv: Conv, a: Tensor) -> Tensor:
        return self._scaled(conv, a, ACT_BITS).clamp_(0, ACT_MAX)

    def conv_carry(self, conv: Conv, a: Tensor, f: Tensor | None) -> Tensor:
        increment = self._scaled(conv, a, CARRY_BITS)
        return (increment if f is None else increment.add_(f)).clamp_(-CARRY_MAX, CARRY_MAX)

    def conv_out(self, conv: Conv, a: Tensor) -> Tensor:
        return self._scaled(conv, a, OUT_BITS).clamp_(-OUT_MAX, OUT_MAX)

    @staticmethod
    def _scaled(conv: Conv, a: Tensor, bits: int) -> Tensor:
        accumulator = F.conv2d(a, conv.weight, conv.bias, padding=conv.weight.shape[-1] // 2)
        scale = torch.exp2(bits - ACT_BITS - conv.exponent)  # powers of two, exactly
        return accumulator.mul_(scale[:, None, None]).round_()


@contextmanager
def exact_arithmetic() -> Iterator[None]:
    """Full float32 products and sums while integers are inferred: no TF32, no bfloat16, no Winograd or FFT convolution (cuDNN may choose
    them).
    """
    precision = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with (
            torch.inference_mode(),
            torch.autocast("cpu", enabled=False),
            torch.autocast("cuda", enabled=False),
            torch.backends.cudnn.flags(enabled=False),
        ):
            yield
    finally:
        torch.set_float32_matmul_precision(precision)
