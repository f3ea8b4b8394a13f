"""The ODE's likelihood against code lengths that are known."""

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from hvpzip.training.continuous.cascade import DiffusionCascade
from tests.training.continuous.test_bound import one_shot_bits

ode = pytest.importorskip("hvpzip.training.continuous.ode", reason="needs torchdiffeq (extra diffusion)")


def test_ode_of_an_exact_model_has_its_code_length(cascade: DiffusionCascade, planes: NDArray[np.int32]) -> None:
    """The untrained model's score is that of a density: the flow, the reverse diffusion and the mixture are one model."""
    found = ode.ode_bits(cascade, planes[:16], draws=6)
    assert found.total == pytest.approx(one_shot_bits(cascade, planes[:16]), abs=4 * found.draw_error + 0.01)
    assert found.draw_error < 0.05


def test_more_draws_never_cost_more(cascade: DiffusionCascade, planes: NDArray[np.int32]) -> None:
    found = ode.ode_bits(cascade, planes[:4], draws=4, tolerance=1e-2)
    assert found.importance_weighted(cascade.dims) <= found.total
    one = ode.OdeResult(found.bits[:, :1], 0)
    assert one.importance_weighted(cascade.dims) == pytest.approx(one.total)
    assert math.isnan(one.draw_error)


def entropy_of_truncated_normal(limit: float) -> float:
    """In nats, of a standard normal cut at +-limit."""
    inside = math.erf(limit / math.sqrt(2))
    density = math.exp(-0.5 * limit**2) / math.sqrt(2 * math.pi)
    return 0.5 * math.log(2 * math.pi * math.e) + math.log(inside) - limit * density / inside


def test_truncated_noise_costs_what_it_lacks_to_be_uniform(cascade: DiffusionCascade, planes: NDArray[np.int32]) -> None:
    """A density that is smooth over a bin, as this model's, gives the one-shot length and KL(q, uniform over the bin)."""
    lost = 0.0
    for number in range(2):
        half = 0.5 / cascade.scale(number).unit
        ratio = float(half.min()) / ode.TRUNCATION
        per_channel = [math.log(2 * float(h) / ratio) - entropy_of_truncated_normal(float(h) / ratio) for h in half]
        lost += sum(per_channel) * 16 / 192 / math.log(2)  # 4x4 of 192 samples a channel, both scales
    found = ode.ode_bits(cascade, planes[:8], draws=4, dequantisation="truncated")
    assert found.total == pytest.approx(one_shot_bits(cascade, planes[:8]) + lost, abs=4 * found.draw_error + 0.02)


def test_unknown_dequantisations_are_errors(cascade: DiffusionCascade, planes: NDArray[np.int32]) -> None:
    known, values = cascade.split(planes[:1])[1]
    with pytest.raises(ValueError, match="unknown dequantisation"):
        ode.scale_log_weights(cascade.scale(1), values, known, torch.Generator(), "uniform")
