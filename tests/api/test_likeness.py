"""Likeness of pictures to what their model knows."""

import numpy as np
import pytest

import hvpzip
from hvpzip import api


@pytest.mark.parametrize("gray", [False, True])
def test_a_photo_is_like_what_the_model_knows_and_noise_is_not(crop, gray):
    planes = crop(40, 30, 96, 64, gray)
    photo = np.ascontiguousarray(planes[0] if gray else planes.transpose(1, 2, 0))
    noise = np.random.default_rng(0).integers(0, 256, photo.shape, np.uint8)
    found, other = (api.likeness(hvpzip.compress(samples, effort=1)) for samples in (photo, noise))
    assert found.share < other.share
    assert found.unlike is False
    assert other.unlike
