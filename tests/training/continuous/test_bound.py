"""The bound against what it must be: a model that is exact about its own diffusion has no gap, whatever the picture and the schedule."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from hvpzip.training.continuous import parameterisation
from hvpzip.training.continuous.bound import second_order_residual, step_moments
from hvpzip.training.continuous.cascade import DiffusionCascade
from hvpzip.training.continuous.evaluate import continuous_bound, discrete_bound
from hvpzip.training.continuous.log_snr import LogSnrSchedule
from hvpzip.training.continuous.parameterisation import Belief
from hvpzip.training.continuous.sampling import _draw


def one_shot_bits(cascade: DiffusionCascade, planes: NDArray[np.int32]) -> float:
    """-log2 of the mass that the untrained model's mixture, with no noisy value known, has on the bins: bits per dimension."""
    total = 0.0
    for number, (known, values) in enumerate(cascade.split(planes)):
        model = cascade.scale(number)
        _, prior = model.estimate(torch.zeros_like(values), torch.zeros(len(values)), known)
        assert prior is not None
        unit = model.unit[:, None, None]
        double = Belief(*(part.double() for part in prior))
        total -= float(parameterisation.log_mass(double, (values / unit).double(), (0.5 / unit).double()).sum())
    return total / planes.size / np.log(2)


def test_continuous_bound_of_an_exact_model_is_its_code_length(cascade: DiffusionCascade, planes: NDArray[np.int32]) -> None:
    found = continuous_bound(cascade, planes, draws=100)
    assert found.noise_error < 0.02
    assert found.total == pytest.approx(one_shot_bits(cascade, planes), abs=4 * found.noise_error)


def test_few_steps_with_mixtures_are_exact_for_an_exact_model(cascade: DiffusionCascade, planes: NDArray[np.int32]) -> None:
    """A belief carried to s is the model's own p(z_s | z_t): any number of steps gives the same length."""
    expected = one_shot_bits(cascade, planes)
    for steps in (1, 3):
        found = discrete_bound(cascade, planes, steps, draws=40, mixtures=True)
        assert found.total == pytest.approx(expected, abs=4 * found.noise_error)


def test_gaussian_steps_lose_bits_that_more_steps_win_back(cascade: DiffusionCascade, planes: NDArray[np.int32]) -> None:
    totals = [discrete_bound(cascade, planes, steps, draws=20).total for steps in (2, 8, 64)]
    assert totals[0] > totals[1] > totals[2] > one_shot_bits(cascade, planes) - 0.05


@pytest.mark.parametrize("shape", ["linear", "cosine"])
def test_continuous_bound_does_not_depend_on_the_shape(cascade: DiffusionCascade, planes: NDArray[np.int32], shape: str) -> None:
    schedules = [LogSnrSchedule(shape, *cascade.scale(i).schedule.ends.tolist()) for i in range(len(cascade.scales))]
    own = continuous_bound(cascade, planes, draws=40)
    other = continuous_bound(cascade, planes, draws=40, schedules=schedules)
    assert own.total == pytest.approx(other.total, abs=4 * np.hypot(own.noise_error, other.noise_error))


def test_a_step_back_is_the_posterior_of_two_gaussians() -> None:
    """q(y_s | y_t, x) by Bayes from q(y_s | x) and q(y_t | y_s)."""
    gamma_s, gamma_t = torch.tensor([-4.0], dtype=torch.float64), torch.tensor([-1.0], dtype=torch.float64)
    share, variance = step_moments(gamma_s, gamma_t)
    before, added = torch.exp(gamma_s), torch.exp(gamma_t) - torch.exp(gamma_s)
    assert variance.item() == pytest.approx((1 / (1 / before + 1 / added)).item())
    assert share.item() == pytest.approx((added / (before + added)).item())


def test_a_known_scale_costs_what_its_table_says(cascade: DiffusionCascade, planes: NDArray[np.int32]) -> None:
    found = continuous_bound(cascade, planes[:8], draws=2)
    rows = [line.split("|")[1:-1] for line in found.table().splitlines()[2:]]
    assert [row[0].strip() for row in rows] == ["0", "1", "all"]
    assert sum(float(row[-1]) for row in rows[:-1]) == pytest.approx(found.total, abs=2e-4)
    assert float(found.each.mean()) == pytest.approx(found.total)


def test_second_order_residual_of_an_exact_model_has_mean_zero(cascade: DiffusionCascade, planes: NDArray[np.int32]) -> None:
    """Values drawn from the untrained mixture itself: the derivative of x_hat is then the covariance."""
    known, values = cascade.split(planes)[1]
    known, values = known.repeat(60, 1, 1, 1), values.repeat(60, 1, 1, 1)
    model, generator = cascade.scale(1), torch.Generator().manual_seed(0)
    prior = model.estimate(torch.zeros_like(values), torch.zeros(len(values)), known).prior
    assert prior is not None
    drawn = _draw(prior, generator) * model.unit[:, None, None]
    eps = torch.randn(values.shape, generator=generator)
    probe = 2.0 * torch.randint(0, 2, values.shape, generator=generator) - 1
    for gamma in (-4.0, 0.0):
        found = second_order_residual(model, drawn, known, torch.full((len(values),), gamma), eps, probe).detach()
        assert abs(float(found.mean())) < 4 * float(found.std()) / np.sqrt(len(found))
        assert float(found.std()) > 1
