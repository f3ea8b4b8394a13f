"""Parameterisations: four names for one estimate."""

import pytest
import torch

from hvpzip.training.continuous.parameterisation import PARAMETERISATIONS, Belief, log_density, log_mass, outputs_each, posterior, read


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("name", ["eps", "v", "x"])
def test_the_right_output_gives_x_exactly(name: str) -> None:
    x, eps, gamma = draw(2, 3, 4, 4), draw(2, 3, 4, 4, seed=1), torch.tensor([-3.0, 1.0], dtype=torch.float64)
    ratio = torch.exp(0.5 * gamma)[:, None, None, None].expand(2, 3, 1, 1)
    alpha, sigma = torch.sigmoid(-gamma).sqrt()[:, None, None, None], torch.sigmoid(gamma).sqrt()[:, None, None, None]
    outputs = {"eps": eps, "v": alpha * eps - sigma * x, "x": x}[name]
    belief, _ = read(name, outputs, x + ratio * eps, ratio, x, x)
    assert torch.allclose(belief.expectation(), x)


def test_posterior_of_a_mixture_is_that_of_bayes() -> None:
    """Against numerical integration over x."""
    prior = Belief(draw(1, 3, 1, 1, 1), draw(1, 3, 1, 1, 1, seed=1).exp(), torch.log_softmax(draw(1, 3, 1, 1, 1, seed=2), 1))
    y, ratio = torch.full((1, 1, 1, 1), 0.7, dtype=torch.float64), torch.full((1, 1, 1, 1), 0.5, dtype=torch.float64)
    grid = torch.linspace(-30, 30, 60001, dtype=torch.float64)
    joint = torch.exp(log_density(prior, grid[None, None, None])[0, 0, 0]) * torch.exp(-0.5 * ((0.7 - grid) / 0.5) ** 2)
    joint = joint / joint.sum()
    found = posterior(prior, y, ratio)
    assert found.expectation().item() == pytest.approx(float((joint * grid).sum()), abs=1e-6)
    second = (found.log_weight.exp() * (found.mean**2 + found.scale**2)).sum()
    assert second.item() == pytest.approx(float((joint * grid**2).sum()), abs=1e-6)


def test_masses_of_all_bins_are_one() -> None:
    belief = Belief(draw(1, 2, 1, 1, 1) * 5, draw(1, 2, 1, 1, 1, seed=1).exp(), torch.log_softmax(draw(1, 2, 1, 1, 1, seed=2), 1))
    values = torch.arange(-200, 201, dtype=torch.float64)[None, None, None]
    total = torch.exp(log_mass(belief, values, torch.tensor(0.5))).sum()
    assert total.item() == pytest.approx(1 + 401 * 2.0**-24, abs=1e-9)


def test_outputs_and_unknown_names() -> None:
    assert {name: outputs_each(name, 3) for name in PARAMETERISATIONS} == {"eps": 1, "v": 1, "x": 1, "mixture": 9}
    with pytest.raises(ValueError, match="unknown parameterisation"):
        outputs_each("score", 3)
