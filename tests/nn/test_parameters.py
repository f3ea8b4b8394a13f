"""From a head's integers to mixtures: against floating point, in extreme cases, and the same with and without compiled loops."""

import os
from unittest import mock

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hvpzip import ans
from hvpzip.core.tables import gaussian_tables
from hvpzip.diffusion.bound import mixture_bits
from hvpzip.nn.network import Prediction
from hvpzip.nn.ops import OUT_MAX
from hvpzip.nn.parameters import Parameters


def random_prediction(seed: int, components: int, surprise: bool, count: int = 60) -> Prediction:
    rng = np.random.default_rng(seed)

    def plane(low: int, high: int, channels: int = 3) -> torch.Tensor:
        return torch.from_numpy(rng.integers(low, high + 1, (1, channels, 1, count))).float()

    kinds = 4 if surprise else 3
    return Prediction(
        plane(-9000, 9000),
        plane(-150, 400),
        torch.from_numpy(rng.integers(-60, 61, 3)).float(),
        plane(-150, 150, 3 * kinds * components + 3),
        plane(-2000, 2000) if surprise else None,
    )


@pytest.mark.parametrize("surprise", [False, True])
@pytest.mark.parametrize("components", [1, 3])
def test_integer_mixtures_are_the_float_ones_within_their_rounding(components, surprise):
    prediction = random_prediction(8, components, surprise)
    parameters = Parameters(prediction, 0, (1, 60), components)
    kinds = 4 if surprise else 3
    rng = np.random.default_rng(2)
    values = np.round(prediction.mean[0, :, 0].numpy() / 64 + rng.normal(0, 5, (3, 60))).astype(np.int64)
    residuals = 64 * values - parameters.mean
    corrections = prediction.corrections[0, :, 0].double().numpy() / 64
    mixture = corrections[: 3 * kinds * components].reshape(kinds, 3, components, 60)
    couple = corrections[3 * kinds * components :] + prediction.coupling.numpy()[:, None] / 64
    for colour in range(3):
        found = parameters.mixture(colour, values[:colour])
        moved = prediction.mean[0, colour, 0].numpy() / 64
        for before in range(colour):
            moved = moved + couple[before if colour == 1 else 1 + before] * residuals[before] / 64
        log2_scale = np.clip(prediction.log2_scale[0, colour, 0].numpy() / 64, -3, None)
        shift = mixture[0, colour] * 2**log2_scale
        centre = moved + shift
        if surprise:
            centre = centre + mixture[3, colour] * prediction.surprise[0, colour, 0].numpy() / 64
        # Each product is rounded to 1/64; the local scale is rounded to a sixteenth of an octave.
        assert (np.abs(found.mean / 64 - centre) <= 2.5 / 64 + 0.03 * np.abs(shift)).all()
        expected = log2_scale + mixture[1, colour]
        assert np.abs(found.scale / 16 - 3 - np.clip(expected, -3, 16.9)).max() <= 1 / 32 + 1e-9
        power = 2 ** mixture[2, colour]
        assert np.abs(found.weight / 65536 - power / power.sum(0)).max() < 1e-4
        ans.intervals(found, values[colour], -(1 << 12), 1 << 12)  # which checks the contract of a mixture


def test_coded_bits_are_those_of_the_float_bound():
    prediction, components = random_prediction(4, 3, True, 4000), 3
    parameters = Parameters(prediction, 0, (1, 4000), components)
    values = np.round(parameters.mean / 64 + np.random.default_rng(2).normal(0, 3, (3, 4000))).astype(np.int64)
    coder = 0.0
    for colour in range(3):
        _, freq = ans.intervals(parameters.mixture(colour, values[:colour]), values[colour], -(1 << 10), 1 << 10)
        coder += ans.bits_of(freq, ans.PRECISION)
    bound = mixture_bits(
        prediction.mean / 64,
        prediction.log2_scale / 64,
        prediction.coupling / 64,
        prediction.corrections / 64,
        prediction.surprise / 64,
        torch.from_numpy(values)[None, :, None].float(),
        torch.full((3,), 0.5),
        components,
    )
    assert coder == pytest.approx(float(bound.sum()), rel=0.003)


def test_extreme_outputs_stay_inside_the_contract_of_a_mixture():
    """Whatever the network says, the coder can take it."""
    for sign in (-1, 1):
        big = torch.full((1, 3, 1, 2), sign * float((1 << 24) - 1))
        prediction = Prediction(
            big, big, torch.full((3,), sign * 1e6), torch.full((1, 3 * 4 * 2 + 3, 1, 2), sign * float(OUT_MAX)), big * 2.0**-4
        )
        parameters = Parameters(prediction, 0, (1, 2), 2)
        values = np.array([[255, -255]] * 3)
        for colour in range(3):
            mixture = parameters.mixture(colour, values[:colour])
            assert mixture.scale.min() >= 0
            assert mixture.scale.max() < len(gaussian_tables().scale64)
            if colour == 0:
                ans.intervals(mixture, np.array([255, -255]), -255, 255)


def test_parameters_are_cropped_to_the_units_own_size():
    prediction = random_prediction(1, 2, True, 12)
    grid = Prediction(*(p.reshape(1, -1, 3, 4) if p is not None and p.ndim == 4 else p for p in prediction))
    whole, part = Parameters(grid, 0, (3, 4), 2), Parameters(grid, 0, (2, 3), 2)
    assert np.array_equal(part.mean, whole.mean.reshape(3, 3, 4)[:, :2, :3].reshape(3, 6))
    assert Parameters(grid, 0, (0, 4), 2).mixture(0, np.empty((0, 0))).mean.shape == (2, 0)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), components=st.integers(1, 5), surprise=st.booleans(), colour=st.integers(0, 2), ties=st.booleans())
def test_both_kernels_make_the_same_mixtures(seed, components, surprise, colour, ties):
    prediction = random_prediction(seed, components, surprise)
    if ties:
        prediction = prediction._replace(corrections=prediction.corrections.div(75).round().mul(2000).clamp(-OUT_MAX, OUT_MAX))
    parameters = Parameters(prediction, 0, (1, 60), components)
    before = np.random.default_rng(seed).integers(-300, 301, (colour, 60))
    found = []
    for backend in ("reference", "compiled"):
        with mock.patch.dict(os.environ, HVPZIP_KERNELS=backend):
            found.append(parameters.mixture(colour, before))
            ans.cumulative(found[-1], np.zeros(60, np.int64), -255, 255)  # which checks the contract of a mixture
    for one, other in zip(*found, strict=True):
        assert np.array_equal(one, other)
