"""Filling in: what is known stays, means and draws are those of the model's mixtures."""

import numpy as np
import pytest

from hvpzip.codec.fill import fill_in


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("height", "width"), [(16, 24), (13, 7)])
@pytest.mark.parametrize("step", [1, 2, 4])
def test_what_is_known_stays(tiny_model, channels, height, width, step) -> None:
    picture = np.random.default_rng(step).integers(0, 256, (height, width, channels)).astype(np.uint8)
    small = picture[::step, ::step]
    for fill in ("mean", "sample"):
        found = fill_in(small, (channels, height, width), tiny_model, fill, np.random.default_rng(0))
        assert found.shape == picture.shape
        # A colour outside 0 to 255 cannot come from what is known, so its samples are exact.
        assert np.array_equal(found[::step, ::step], small)


def test_draws_vary_about_the_mean_and_follow_from_the_generator(tiny_model) -> None:
    small = np.full((4, 4, 1), 128, np.uint8)
    mean = fill_in(small, (1, 8, 8), tiny_model, "mean", np.random.default_rng(0)).astype(float)
    draws = np.stack([fill_in(small, (1, 8, 8), tiny_model, "sample", np.random.default_rng(i)).astype(float) for i in range(300)])
    again = fill_in(small, (1, 8, 8), tiny_model, "sample", np.random.default_rng(7))
    assert np.array_equal(draws[7], again)
    # hh is the first unit, so its draws depend on what is known alone, as its mean does.
    corner = draws[:, 1::2, 1::2].mean(0) - mean[1::2, 1::2]
    error = draws[:, 1::2, 1::2].std(0) / np.sqrt(len(draws))
    assert draws[:, 1::2, 1::2].std(0).min() > 0
    assert np.abs(corner).max() < 5 * error.max() + 0.5


def test_what_does_not_belong_together_is_an_error(tiny_model) -> None:
    generator = np.random.default_rng(0)
    with pytest.raises(ValueError, match="unknown fill 'median'"):
        fill_in(np.zeros((4, 4, 1), np.uint8), (1, 8, 8), tiny_model, "median", generator)
    with pytest.raises(ValueError, match="no smaller scale of one of 8x8"):
        fill_in(np.zeros((3, 4, 1), np.uint8), (1, 8, 8), tiny_model, "mean", generator)
