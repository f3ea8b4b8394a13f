"""Draws and means: what is known stays, draws have the model's distribution, sizes are free for enlarging."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from hvpzip.training.continuous.cascade import DiffusionCascade
from hvpzip.training.continuous.sampling import complete, enlarge, mean_values, sample_values, samples
from hvpzip.transform.lifting import HAAR, split2d


def test_draws_have_the_moments_of_the_untrained_mixture(cascade: DiffusionCascade, planes: NDArray[np.int32]) -> None:
    known = cascade.split(planes[:1])[1][0].expand(400, -1, -1, -1)
    model = cascade.scale(1)
    drawn = sample_values(model, known, 3, torch.Generator().manual_seed(0))
    prior = model.estimate(torch.zeros_like(drawn), torch.zeros(400), known).prior
    assert prior is not None
    unit, weight = model.unit[:, None, None], prior.log_weight.exp()
    mean = (weight * prior.mean).sum(1) * unit
    deviation = torch.sqrt((weight * (prior.mean**2 + prior.scale**2)).sum(1) - (weight * prior.mean).sum(1) ** 2) * unit
    z = (drawn.mean(0) - mean[0]) / (deviation[0] / 20)
    assert float(z.square().mean()) == pytest.approx(1, abs=0.4)
    assert float((drawn.std(0) / deviation[0]).mean()) == pytest.approx(1, abs=0.05)
    assert torch.equal(mean_values(model, known), torch.round(mean))


def test_what_is_known_stays(cascade: DiffusionCascade, planes: NDArray[np.int32]) -> None:
    for fill in ("mean", "sample"):
        whole = complete(cascade, cascade.hierarchy.split(planes[:2])[1].known, 1, fill)
        assert np.array_equal(split2d(whole, HAAR)[0], split2d(planes[:2], HAAR)[0])
    with pytest.raises(ValueError, match="unknown fill"):
        complete(cascade, planes, 1, "median")


def test_samples_depend_on_the_seed_alone(cascade: DiffusionCascade) -> None:
    first, again, other = (samples(cascade, 2, 2, seed) for seed in (1, 1, 2))
    assert first.shape == (2, 3, 8, 8)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_enlarging_keeps_the_picture_as_its_coarser_scale(cascade: DiffusionCascade, planes: NDArray[np.int32]) -> None:
    small = planes[:1, :, :5, :7]
    large = enlarge(cascade, small, 2)
    assert large.shape == (1, 3, 10, 14)
    assert np.array_equal(split2d(large, HAAR)[0], small)
    for factor in (1, 3, 4):
        with pytest.raises(ValueError, match="enlarges by powers of two from 2 to 2"):
            enlarge(cascade, small, factor)
