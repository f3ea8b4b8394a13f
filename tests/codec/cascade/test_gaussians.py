"""The network's mixtures of Y, Co and Cg as Gaussians of green, red and blue: against matrices, and against samples that are drawn."""

from __future__ import annotations

import numpy as np
import pytest

from hvpzip.codec.cascade.gaussians import gaussians_of
from hvpzip.core.tables import gaussian_tables
from hvpzip.diffusion.likelihood import output_channels
from hvpzip.nn.parameters import StepPrediction
from hvpzip.transform import colour

COMPONENTS = 3


def prediction(n: int, seed: int) -> StepPrediction:
    rng = np.random.default_rng(seed)
    mean = rng.integers(64 * 60, 64 * 180, (3, n)).astype(np.int32)
    mean[1:] -= 64 * 120
    corrections = rng.integers(-60, 61, (n, output_channels(COMPONENTS, False))).astype(np.int16)
    return StepPrediction(mean, rng.integers(0, 256, (3, n)).astype(np.int32), rng.integers(-30, 31, 3), corrections, None, COMPONENTS)


def drawn(one: StepPrediction, count: int) -> np.ndarray:
    """Samples (Y, Co, Cg) of the mixtures of the first position: int64 (3, count)."""
    rng, found = np.random.default_rng(1), np.empty((0, count), np.int64)
    for channel in range(3):
        wide = StepPrediction(
            np.repeat(one.mean[:, :1], count, 1),
            np.repeat(one.log2_scale[:, :1], count, 1),
            one.coupling,
            np.repeat(one.corrections[:1], count, 0),
            None,
            COMPONENTS,
        )
        mixture = wide.mixture(channel, found)
        component = (rng.random(count) * 65536 >= np.cumsum(mixture.weight, axis=0)).sum(axis=0)
        rows = np.arange(count)
        centre, scale = mixture.mean[component, rows] / 64, gaussian_tables().scale64[mixture.scale[component, rows]] / 64
        found = np.concatenate([found, np.rint(centre + scale * rng.normal(size=count)).astype(np.int64)[None]])
    return found


def test_they_are_those_of_what_the_mixtures_make():
    one = prediction(1, 3)
    count = 400_000
    red, green, blue = colour.inverse(drawn(one, count).astype(np.int32).reshape(3, 1, count), colour.YCOCG_R)[:, 0].astype(float)
    planes = np.stack((green, red, blue))
    found = gaussians_of([one], 1, 3)
    deviation = planes.std(axis=1)
    assert found.mean[:, 0] == pytest.approx(planes.mean(axis=1), abs=5 * deviation.max() / np.sqrt(count) + 0.02)
    covariance = np.cov(planes)
    on_green = covariance[0, 1] / covariance[0, 0]
    blue_on = np.linalg.solve(covariance[:2, :2], covariance[:2, 2])
    assert found.slope[:, 0] == pytest.approx([on_green, blue_on[0], blue_on[1]], abs=0.02)
    given = [covariance[0, 0], covariance[1, 1] - on_green * covariance[0, 1], covariance[2, 2] - blue_on @ covariance[:2, 2]]
    assert found.sigma[:, 0] == pytest.approx(np.sqrt(np.array(given)), rel=0.02)


def test_they_are_those_of_matrices():
    many = prediction(50, 8)
    found = gaussians_of([many.of(slice(0, 20)), many.of(slice(20, 50))], 50, 3)
    lift = np.array([[1, 0, 0.5], [1, 0.5, -0.5], [1, -0.5, -0.5]])
    couple = np.stack([many.coupling_of(index) for index in range(3)]) / 64
    whole = (many.mean + 32) >> 6
    for i in range(50):
        low = np.array([[1, 0, 0], [couple[0, i], 1, 0], [couple[1, i], couple[2, i], 1]])
        forward = np.linalg.inv(2 * np.eye(3) - low)  # each colour by its own part and those before it
        own_mean, own_variance = np.empty(3), np.empty(3)
        for channel in range(3):
            mixture = many.mixture(channel, whole[:channel])
            weight, centre = mixture.weight[:, i] / 65536, mixture.mean[:, i] / 64
            scale = gaussian_tables().scale64[mixture.scale[:, i]] / 64
            mean = weight @ centre
            own_variance[channel] = weight @ (scale**2 + (centre - mean) ** 2) + 1 / 12
            own_mean[channel] = mean - sum(low[channel, k] * (whole[k, i] - many.mean[k, i] / 64) for k in range(channel))
        closed = many.mean[:, i] / 64
        expected = closed + forward @ (own_mean - closed)
        covariance = lift @ forward @ np.diag(own_variance) @ forward.T @ lift.T
        assert found.mean[:, i] == pytest.approx(lift @ expected + [0.25, 0.5, 0.5], rel=1e-9)
        assert found.slope[0, i] == pytest.approx(covariance[0, 1] / covariance[0, 0], rel=1e-9)
        assert found.slope[1:, i] == pytest.approx(np.linalg.solve(covariance[:2, :2], covariance[:2, 2]), rel=1e-9)
        last = covariance[2, 2] - covariance[2, :2] @ np.linalg.solve(covariance[:2, :2], covariance[:2, 2])
        assert found.sigma[2, i] == pytest.approx(np.sqrt(last - 1 / 12), rel=1e-9)


def test_gray_is_the_first_mixture_alone():
    many = prediction(9, 4)
    found = gaussians_of([many], 9, 1)
    assert found.mean.shape == found.sigma.shape == (1, 9)
    assert not found.slope.any()
    mixture = many.mixture(0, np.empty((0, 9), np.int64))
    assert found.mean[0] == pytest.approx((mixture.weight / 65536 * mixture.mean / 64).sum(axis=0))
