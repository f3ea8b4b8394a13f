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
from hvpzip.diffusion.likelihood import output_channels
from hvpzip.diffusion.likelihood_float import mixture_bits
from hvpzip.nn.formats import OUT_MAX
from hvpzip.nn.parameters import StepPrediction


def random_prediction(seed: int, components: int, latent: bool, count: int = 60) -> StepPrediction:
    rng = np.random.default_rng(seed)

    def plane(low: int, high: int) -> np.ndarray:
        return rng.integers(low, high + 1, (3, count)).astype(np.int32)

    mean, log2_scale, coupling = plane(-9000, 9000), plane(-150, 400), rng.integers(-60, 61, 3)
    corrections = rng.integers(-150, 151, (count, output_channels(components, latent))).astype(np.int16)
    return StepPrediction(mean, log2_scale, coupling, corrections, plane(-2000, 2000) if latent else None, components)


@pytest.mark.parametrize("latent", [False, True])
@pytest.mark.parametrize("components", [1, 3])
def test_integer_mixtures_are_the_float_ones_within_their_rounding(components, latent):
    prediction = random_prediction(8, components, latent)
    kinds = 4 if latent else 3
    rng = np.random.default_rng(2)
    values = np.round(prediction.mean / 64 + rng.normal(0, 5, (3, 60))).astype(np.int64)
    residuals = 64 * values - prediction.mean
    corrections = prediction.corrections.T / 64
    mixture = corrections[: 3 * kinds * components].reshape(kinds, 3, components, 60)
    couple = corrections[3 * kinds * components :] + prediction.coupling[:, None] / 64
    for colour in range(3):
        found = prediction.mixture(colour, values[:colour])
        moved = prediction.mean[colour] / 64
        for before in range(colour):
            moved = moved + couple[before if colour == 1 else 1 + before] * residuals[before] / 64
        log2_scale = np.clip(prediction.log2_scale[colour] / 64, -3, None)
        shift = mixture[0, colour] * 2**log2_scale
        centre = moved + shift
        if latent:
            centre = centre + mixture[3, colour] * prediction.innovation[colour] / 64
        # Each product is rounded to 1/64; the local scale is rounded to a sixteenth of an octave.
        assert (np.abs(found.mean / 64 - centre) <= 2.5 / 64 + 0.03 * np.abs(shift)).all()
        expected = log2_scale + mixture[1, colour]
        assert np.abs(found.scale / 16 - 3 - np.clip(expected, -3, 16.9)).max() <= 1 / 32 + 1e-9
        power = 2 ** mixture[2, colour]
        assert np.abs(found.weight / 65536 - power / power.sum(0)).max() < 1e-4
        ans.intervals(found, values[colour], -(1 << 12), 1 << 12)  # which checks the contract of a mixture


def test_coded_bits_are_those_of_the_float_bound():
    prediction, components = random_prediction(4, 3, True, 4000), 3
    values = np.round(prediction.mean / 64 + np.random.default_rng(2).normal(0, 3, (3, 4000))).astype(np.int64)
    coder = 0.0
    for colour in range(3):
        _, freq = ans.intervals(prediction.mixture(colour, values[:colour]), values[colour], -(1 << 10), 1 << 10)
        coder += ans.bits_of(freq, ans.PRECISION)

    def tensor(array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(array.astype(np.float32))[None, :, None] / 64

    bound = mixture_bits(
        tensor(prediction.mean),
        tensor(prediction.log2_scale),
        torch.from_numpy(prediction.coupling.astype(np.float32)) / 64,
        tensor(prediction.corrections.T),
        tensor(prediction.innovation),
        tensor(64 * values),
        torch.full((3,), 0.5),
        components,
    )
    assert coder == pytest.approx(float(bound.sum()), rel=0.003)


def test_extreme_outputs_stay_inside_the_contract_of_a_mixture():
    """Whatever the network says, the coder can take it."""
    for sign in (-1, 1):
        big = np.full((3, 2), sign * ((1 << 24) - 1), np.int32)
        corrections = np.full((2, output_channels(2, True)), sign * OUT_MAX, np.int16)
        parameters = StepPrediction(big, big, np.full(3, sign * 1_000_000), corrections, big // 16, 2)
        values = np.array([[255, -255]] * 3)
        for colour in range(3):
            mixture = parameters.mixture(colour, values[:colour])
            assert mixture.scale.min() >= 0
            assert mixture.scale.max() < len(gaussian_tables().scale64)
            if colour == 0:
                ans.intervals(mixture, np.array([255, -255]), -255, 255)


def test_a_unit_without_samples_has_empty_mixtures():
    assert random_prediction(1, 2, True, 0).mixture(0, np.empty((0, 0))).mean.shape == (2, 0)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), components=st.integers(1, 5), latent=st.booleans(), colour=st.integers(0, 2), ties=st.booleans())
def test_both_kernels_make_the_same_mixtures(seed, components, latent, colour, ties):
    prediction = random_prediction(seed, components, latent)
    if ties:
        prediction.corrections = np.clip(np.rint(prediction.corrections / 75) * 2000, -OUT_MAX, OUT_MAX).astype(np.int16)
    before = np.random.default_rng(seed).integers(-300, 301, (colour, 60))
    found = []
    for backend in ("reference", "compiled"):
        with mock.patch.dict(os.environ, HVPZIP_KERNELS=backend):
            found.append(prediction.mixture(colour, before))
            ans.cumulative(found[-1], np.zeros(60, np.int64), -255, 255)  # which checks the contract of a mixture
    for one, other in zip(*found, strict=True):
        assert np.array_equal(one, other)
