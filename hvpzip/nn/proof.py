"""The proof that the integer network is exact, whatever it reads: every sum stays below 2^24.

``sum |w| max |a| + |b| < 2^24`` for each output channel. Then float32 holds all sums exactly in any order, and int32 does with room; so
every arithmetic gives the same integers.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hvpzip.core.tables import gaussian_tables
from hvpzip.diffusion.schedule import LevelSchedule
from hvpzip.errors import ModelError
from hvpzip.nn.formats import ACT_MAX, COMPAND_MAX, LIMIT, MAX_EXPONENT, MIN_EXPONENT, WEIGHT_MAX
from hvpzip.nn.layers import ClosedForm, Layer, LevelLayers

__all__ = ["prove"]


def prove(levels: Iterable[LevelLayers]) -> None:
    """Raise ModelError unless every sum in the networks stays below 2^24 for every input."""
    for number, level in enumerate(levels):
        for name, layer in level.named_layers():
            _prove_layer(layer, f"networks.{number}.{name}")
        for index, form in enumerate(level.closed_forms):
            _prove_closed_form(form, level, index, f"networks.{number}.closed_form.{index} ({level.schedule.steps[index].unit})")


def _sums(weight: NDArray[Any]) -> NDArray[np.int64]:
    found: NDArray[np.int64] = np.abs(weight.reshape(len(weight), -1).astype(np.int64)).sum(1)
    return found


def _require(bound: int, what: str) -> None:
    if not bound < LIMIT:
        raise ModelError(f"{what}: a sum can reach {bound}, but float32 is exact only below 2^24; the weights cannot be used")


def _prove_layer(layer: Layer, name: str) -> None:
    # The network's inputs are companded int8, everything else is uint8; the larger bound serves both.
    size = np.abs(layer.weight.reshape(len(layer.weight), -1).astype(np.int16))
    _require(int((size.sum(1, dtype=np.int64) * ACT_MAX + np.abs(layer.bias.astype(np.int64))).max()), name)
    if layer.exponent.min() < MIN_EXPONENT or layer.exponent.max() > MAX_EXPONENT:
        raise ModelError(f"{name}: weight exponents must lie in {MIN_EXPONENT}..{MAX_EXPONENT}")
    if size.max() > WEIGHT_MAX:
        raise ModelError(f"{name}: weights must lie in -{WEIGHT_MAX}..{WEIGHT_MAX}")


def _prove_closed_form(form: ClosedForm, level: LevelLayers, index: int, name: str) -> None:
    step = level.schedule.steps[index]
    planes = [_plane_limit(level.schedule, level.transform, None)] * (1 + level.schedule.known_before(step.unit))
    planes += [_plane_limit(level.schedule, level.transform, latent) for latent in step.reads]
    limits = np.repeat(planes, 3)
    sums = np.abs(form.mean_weight.astype(np.int64)).sum((2, 3)) @ limits
    _require(int((sums + np.abs(form.mean_bias.astype(np.int64))).max()), f"{name} mean")
    _require(int((_sums(form.scale_weight) * COMPAND_MAX + np.abs(form.scale_bias.astype(np.int64))).max()), f"{name} scale")


def _plane_limit(schedule: LevelSchedule, transform: int, latent: int | None) -> int:
    """Largest size of a sample (8 bits, any map's band), or of a latent's lattice point: 8 sigma and a little beyond its sample."""
    limit = 1023 if transform else 255
    if latent is None:
        return limit
    above = schedule.parent(latent)
    if above is not None:
        limit = _plane_limit(schedule, transform, above)
    step = schedule.steps[latent]
    scale64 = gaussian_tables().scale64
    return max(limit + int(scale64[s]) * 8 // 64 + (3 << d) for s, d in zip(step.sigma, step.log2_delta, strict=True))
