"""Integer arithmetic only: this file reaches the bit stream.

The network's operations on integers held in float32 tensors, and the proof that float32 holds them exactly. The only floating-point
operations are sums and products of integers below 2^24 and scalings by powers of two, all exact, and rounding half to even; so the result
does not depend on the order of summation, the device, the batch or the memory layout.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor

from hvpzip.core.tables import gaussian_tables
from hvpzip.diffusion.schedule import UNITS
from hvpzip.errors import ModelError
from hvpzip.nn.network import Cascade, ClosedForm, LevelNetwork
from hvpzip.nn.ops import ACT_BITS, ACT_MAX, CARRY_BITS, CARRY_MAX, OUT_BITS, OUT_MAX, Conv

__all__ = ["IntegerOps", "exact_arithmetic", "prove"]

LIMIT = 1 << 24
# With e >= 3 an increment of the carried features, below 2^24 * 2^(3 - e), is exact too.
MIN_EXPONENT = CARRY_BITS - ACT_BITS
MAX_EXPONENT = 16


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


def _require(bound: float, what: str) -> None:
    if not bound < LIMIT:
        raise ModelError(f"{what}: a sum can reach {bound:.0f}, but float32 is exact only below 2^24; the weights cannot be used")


def prove(cascade: Cascade) -> None:
    """Raise ModelError unless every sum in the cascade stays below 2^24 for every input: ``sum |w| max |a| + |b| < 2^24`` for each output
    channel.
    """
    for name, module in cascade.named_modules():
        if isinstance(module, Conv):
            # The network's inputs are companded int8, everything else is uint8; the larger bound serves both.
            bound = module.weight.double().abs().flatten(1).sum(1) * ACT_MAX + module.bias.double().abs()
            _require(float(bound.max()), name)
            if module.exponent.min() < MIN_EXPONENT or module.exponent.max() > MAX_EXPONENT:
                raise ModelError(f"{name}: weight exponents must lie in {MIN_EXPONENT}..{MAX_EXPONENT}")
            if bool((module.weight.abs() > 127).any()):
                raise ModelError(f"{name}: weights must be int8")
        elif isinstance(module, LevelNetwork):
            for index, step in enumerate(module.schedule.steps):
                form = module.closed_form[index]
                assert isinstance(form, ClosedForm)
                _prove_closed_form(form, module, index, f"{name}.closed_form.{index} ({step.unit})")


def _prove_closed_form(form: ClosedForm, network: LevelNetwork, index: int, name: str) -> None:
    step = network.schedule.steps[index]
    planes = [_plane_limit(network, None)] * (1 + UNITS.index(step.unit))
    if step.given is not None:
        planes.append(_plane_limit(network, step.given))
    limits = torch.tensor(planes, dtype=torch.float64).repeat_interleave(3)
    bound = (form.mean_weight.double().abs().sum((2, 3)) * limits).sum(1) + form.mean_bias.double().abs()
    _require(float(bound.max()), f"{name} mean")
    bound = form.scale_weight.double().abs().flatten(1).sum(1) * 127 + form.scale_bias.double().abs()
    _require(float(bound.max()), f"{name} scale")


def _plane_limit(network: LevelNetwork, latent: int | None) -> int:
    """Largest size of a sample (8 bits, any map's band), or of a latent's lattice point: 8 sigma and a little beyond its sample."""
    limit = 1023 if network.transform else 255
    if latent is None:
        return limit
    above = network.schedule.parent(latent)
    if above is not None:
        limit = _plane_limit(network, above)
    step = network.schedule.steps[latent]
    scale64 = gaussian_tables().scale64
    return max(limit + int(scale64[s]) * 8 // 64 + (3 << d) for s, d in zip(step.sigma, step.log2_delta, strict=True))
