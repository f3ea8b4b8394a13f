"""Integer arithmetic only: this file reaches the bit stream.

The network's operations on integers held in float32 tensors, the proof that float32 holds them exactly, and the step from a head's
integers to the integer mixtures that the coder takes. The only floating-point operations are sums and products of integers below 2^24 and
scalings by powers of two, all exact, and rounding half to even; so the result does not depend on the order of summation, the device, the
batch or the memory layout.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from hvpzip.ans import Mixture, softmax_weights
from hvpzip.ans.tables import NUM_SCALES, gaussian_tables
from hvpzip.diffusion.schedule import UNITS
from hvpzip.errors import ModelError
from hvpzip.nn.network import Cascade, ClosedForm, LevelNetwork, Prediction
from hvpzip.nn.ops import ACT_BITS, ACT_MAX, CARRY_BITS, CARRY_MAX, OUT_BITS, OUT_MAX, Conv

__all__ = ["IntegerOps", "Parameters", "exact_arithmetic", "prove"]

LIMIT = 1 << 24
# With e >= 3 an increment of the carried features, below 2^24 * 2^(3 - e), is exact too.
MIN_EXPONENT = CARRY_BITS - ACT_BITS
MAX_EXPONENT = 16

Int64Array = NDArray[np.int64]


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
    step = network.schedule.steps[latent]
    scale64 = gaussian_tables().scale64
    return max(limit + int(scale64[s]) * 8 // 64 + (3 << d) for s, d in zip(step.sigma, step.log2_delta, strict=True))


class Parameters:
    """A step's prediction for one image as numpy integers, cropped to the unit's own size.

    Attributes:
        mean: int64 ``(3, n)`` in 1/64, n positions in row-major order.
    """

    def __init__(self, prediction: Prediction, item: int, size: tuple[int, int], components: int) -> None:
        rows, columns = size

        def array(tensor: Tensor) -> Int64Array:
            part = tensor[item, :, :rows, :columns]
            return part.reshape(part.shape[0], -1).to("cpu", torch.int32).numpy().astype(np.int64)

        self.mean = array(prediction.mean)
        # 16 scales an octave from 2^-3 up; log2 is in 1/64
        self._log2_scale = np.clip(array(prediction.log2_scale), -192, 1081)
        self._coupling = prediction.coupling.to("cpu", torch.int64).numpy()
        self._components = components
        self._surprise = None if prediction.surprise is None else array(prediction.surprise)
        corrections = array(prediction.corrections)
        kinds = 3 if self._surprise is None else 4
        self._mixture = corrections[: 3 * kinds * components].reshape(kinds, 3, components, corrections.shape[1])
        self._couple = corrections[3 * kinds * components :]

    def mixture(self, colour: int, residuals: list[Int64Array]) -> Mixture:
        """The mixtures of one colour, given ``64 * value - mean`` of those before it (int64 ``(n,)`` each). Triangular, hence exact."""
        shift, ratio, logit = self._mixture[:3, colour]  # (K, n) each
        centre = self.mean[colour]
        for before, residual in enumerate(residuals):
            index = before if colour == 1 else 1 + before
            centre = centre + _rounded((self._couple[index] + self._coupling[index]) * residual)
        local = gaussian_tables().scale64[_scale_index(self._log2_scale[colour])]
        mean = centre + _rounded(shift * local)
        if self._surprise is not None:
            mean += _rounded(self._mixture[3, colour] * self._surprise[colour])
        return Mixture(mean, _scale_index(self._log2_scale[colour] + ratio), softmax_weights(logit))

    def slope(self) -> Int64Array:
        """By how much the mean of Cg moves with Co, int64 (n,) in 1/64."""
        found: Int64Array = self._couple[2] + self._coupling[2]
        return found


def _rounded(product: Int64Array) -> Int64Array:
    """A product of two numbers in 1/64, in 1/64, rounded half up."""
    product += 32
    product >>= 6
    return product


def _scale_index(log2_scale: Int64Array) -> Int64Array:
    index: Int64Array = np.clip((log2_scale + 194) >> 2, 0, NUM_SCALES - 1)
    return index
