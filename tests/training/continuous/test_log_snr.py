"""Noise schedules: monotone, with the derivative that they claim, ends where they say."""

import pytest
import torch

from hvpzip.training.continuous.log_snr import SHAPES, LogSnrSchedule


@pytest.mark.parametrize("shape", SHAPES)
def test_gamma_rises_between_its_ends_with_the_slope_it_gives(shape: str) -> None:
    schedule = LogSnrSchedule(shape, -9.0, 4.0).double()
    t = torch.linspace(0, 1, 101, dtype=torch.float64, requires_grad=True)
    gamma, slope = schedule(t)
    assert gamma[0].item() == pytest.approx(-9, abs=1e-6)
    assert gamma[-1].item() == pytest.approx(4, abs=1e-6)
    assert (gamma.diff() > 0).all()
    (found,) = torch.autograd.grad(gamma.sum(), t)
    assert torch.allclose(found, slope, rtol=1e-9)


def test_learned_shape_stays_monotone_whatever_its_parameters() -> None:
    schedule = LogSnrSchedule("learned", -9.0, 4.0)
    with torch.no_grad():
        for p in (schedule.linear, schedule.slopes, schedule.offsets, schedule.weights):
            p.add_(2 * torch.randn(p.shape, generator=torch.Generator().manual_seed(1)))
    gamma, slope = schedule(torch.linspace(0, 1, 1001))
    assert (gamma.diff() >= 0).all()
    assert (slope > 0).all()


def test_unknown_shape_is_an_error() -> None:
    with pytest.raises(ValueError, match="unknown shape"):
        LogSnrSchedule("square", -9.0, 4.0)
