"""Integer arithmetic only: this file reaches the bit stream.

The network's operations in 8-bit kernels: the same integers as ``IntegerOps``, several times as fast.

Activations are uint8, inputs int8, carried features and head outputs int16, all with channels last. oneDNN multiplies 8-bit integers and
adds them up in int32. All that it then does in float32 is ``(sum + bias) * 2^k``, which the proof of ``integer.prove`` keeps exact, and for
uint8 results rounding half to even and clamping. Kernels of processors without VNNI may saturate on the way, so every convolution is
compared with the float32 one before it is used.

Everything else is done in bands of rows that stay in the processor's cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from torch import Tensor

from hvpzip.nn.ops import ACT_BITS, ACT_MAX, CARRY_BITS, CARRY_MAX, OUT_BITS, OUT_MAX, Conv

__all__ = ["InexactError", "Int8Ops"]

# Numbers of a band: 1 MB in float32, the fastest of 2^15 to 2^19 where the second-level cache has 2 MB.
BAND = 1 << 18
SIGN = 128  # int8 inputs go to the kernels as uint8, moved by this much


class _Packed(NamedTuple):
    """A convolution as oneDNN takes it, for one format of its result."""

    weight: Tensor
    scale: Tensor  # (outputs,) float32: powers of two
    bias: Tensor  # (outputs,) float32, scaled
    zero: Tensor  # (outputs,) int32 zeros
    origin: int  # the uint8 that stands for zero
    padding: list[int]


class InexactError(ArithmeticError):
    """This processor's 8-bit kernels do not give the integers of float32."""


class Int8Ops:
    """``ops.Ops`` in 8-bit kernels, on a CPU. Weights are packed when they are first used and must not change afterwards; that first use
    raises InexactError where the kernels are not exact, or RuntimeError or AttributeError where this torch has none.
    """

    def __init__(self) -> None:
        # Heads adapted to a group go away with it, and so must their kernels.
        self._packs: WeakKeyDictionary[Conv, dict[tuple[int, bool], _Packed]] = WeakKeyDictionary()

    def inputs(self, values: Tensor) -> Tensor:
        """int8 from integers -128..127."""
        return values.to(torch.int8, memory_format=torch.channels_last)

    def activate(self, f: Tensor) -> Tensor:
        """uint8 from int16 features."""
        a = torch.empty_like(f, dtype=torch.uint8, memory_format=torch.channels_last)
        for rows in _bands(f.shape):
            scaled = f[:, :, rows].float().mul_(2.0 ** (ACT_BITS - CARRY_BITS))
            # torch converts float32 to uint8 one by one, but by way of int16 many at once
            a[:, :, rows] = scaled.round_().clamp_(0, ACT_MAX).to(torch.int16)
        return a

    def conv_activate(self, conv: Conv, a: Tensor) -> Tensor:
        """uint8 from uint8 or int8."""
        packed = self._pack(conv, ACT_BITS, a.dtype)
        return _convolve(packed, _unsigned(a), packed.padding, torch.uint8)

    def conv_carry(self, conv: Conv, a: Tensor, f: Tensor | None) -> Tensor:
        """int16 from uint8 or int8, and int16."""
        return self._in_bands(conv, a, CARRY_BITS, CARRY_MAX, f)

    def conv_out(self, conv: Conv, a: Tensor) -> Tensor:
        """int16 from uint8 or int8."""
        return self._in_bands(conv, a, OUT_BITS, OUT_MAX, None)

    def _in_bands(self, conv: Conv, a: Tensor, bits: int, limit: int, f: Tensor | None) -> Tensor:
        packed = self._pack(conv, bits, a.dtype)
        margin, across = packed.padding
        a = _unsigned(a)
        if margin:
            a = F.pad(a, (0, 0, margin, margin), value=packed.origin).contiguous(memory_format=torch.channels_last)
        shape = (a.shape[0], len(packed.bias), a.shape[2] - 2 * margin, a.shape[3])
        found = torch.empty(shape, dtype=torch.int16, memory_format=torch.channels_last)
        for rows in _bands(shape):
            increment = _convolve(packed, a[:, :, rows.start : rows.stop + 2 * margin], [0, across], torch.float32).round_()
            if f is not None:
                increment += f[:, :, rows]
            found[:, :, rows] = increment.clamp_(-limit, limit)
        return found

    def _pack(self, conv: Conv, bits: int, dtype: torch.dtype) -> _Packed:
        signed = dtype == torch.int8
        packs = self._packs.setdefault(conv, {})
        if (bits, signed) not in packs:
            packs[bits, signed] = _pack(conv, bits, SIGN if signed else 0)
        return packs[bits, signed]


def _bands(shape: torch.Size | tuple[int, ...]) -> Iterator[slice]:
    """Rows of a ``(B, C, h, w)`` tensor, a band at a time."""
    batch, channels, height, width = shape
    rows = max(1, BAND // max(1, batch * channels * width))
    for first in range(0, height, rows):
        yield slice(first, min(height, first + rows))


def _unsigned(a: Tensor) -> Tensor:
    return a if a.dtype == torch.uint8 else a.view(torch.uint8) ^ SIGN


def _pack(conv: Conv, bits: int, origin: int) -> _Packed:
    scale = torch.exp2(bits - ACT_BITS - conv.exponent)
    padding = [conv.weight.shape[-1] // 2] * 2
    weight = torch.ops.onednn.qconv_prepack(conv.weight.to(torch.int8).contiguous(), scale, 1.0, origin, [1, 1], padding, [1, 1], 1, None)
    packed = _Packed(weight, scale, conv.bias * scale, torch.zeros(len(scale), dtype=torch.int32), origin, padding)
    _check(packed, conv)
    return packed


def _check(packed: _Packed, conv: Conv) -> None:
    """Raise InexactError unless the kernel computes what float32 does for the lowest and highest inputs at random, and for the highest
    alone: if sums of 16 bits saturate anywhere with these weights, they do so here.
    """
    generator = torch.Generator().manual_seed(1)
    a = 255 * torch.randint(0, 2, (1, conv.weight.shape[1], 8, 20), generator=generator, dtype=torch.uint8)
    a[:, :, :, 16:] = 255
    a = a.contiguous(memory_format=torch.channels_last)
    expected = F.conv2d(a.float() - packed.origin, conv.weight, conv.bias, padding=packed.padding) * packed.scale[:, None, None]
    if not torch.equal(_convolve(packed, a, packed.padding, torch.float32), expected):
        raise InexactError("8-bit convolutions are not exact on this processor")


def _convolve(packed: _Packed, a: Tensor, padding: list[int], dtype: torch.dtype) -> Tensor:
    """``(sum + bias) * scale``, unrounded in float32 or rounded half to even and clamped in uint8."""
    found: Tensor = torch.ops.onednn.qconv2d_pointwise(
        a,
        1.0,
        packed.origin,
        packed.weight,
        packed.scale,
        packed.zero,
        packed.bias,
        [1, 1],
        padding,
        [1, 1],
        1,
        1.0,
        0,
        dtype,
        "none",
        [],
        "",
    )
    return found
