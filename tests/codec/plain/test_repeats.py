"""When plain methods are tried beside the model: not for photos, but for whatever repeats."""

import numpy as np
import pytest

from hvpzip.codec.plain import encode, may_beat_a_model, quick_bytes


def photo(side: int, channels: int = 3) -> np.ndarray:
    """uint8 (side, side, channels): slopes with noise, and a flat corner as an overexposed sky has."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:side, :side] * 2.0 / side
    plane = 120 + 70 * np.sin(3 * x + y) + 40 * np.cos(5 * y)
    samples = np.clip(plane[:, :, None] + rng.normal(0, 3, (side, side, channels)), 0, 254).astype(np.uint8)
    samples[: side // 3] = 255
    return samples


@pytest.mark.parametrize("channels", [1, 3])
def test_photos_are_left_to_the_model(channels):
    assert not may_beat_a_model(photo(300, channels))


def tiled() -> np.ndarray:
    return np.tile(photo(300)[150:250, :100], (3, 3, 1))


def shifted_rows() -> np.ndarray:
    samples = photo(300)
    for row in range(200, 300, 4):  # an eighth of all rows again, a few pixels further, and brighter
        samples[row, 7:] = samples[row - 60, :-7] // 2 + 60
        samples[row - 60] = samples[row - 60] // 2
    return samples


@pytest.mark.parametrize(
    "samples",
    [
        photo(100),
        photo(300) // 2,
        tiled(),
        shifted_rows(),
        np.indices((300, 300)).sum(axis=0).astype(np.uint8)[:, :, None],
        np.random.default_rng(0).integers(0, 256, (20_000, 20, 1), dtype=np.uint8),
    ],
    ids=["small", "half of all values", "tiles", "rows that come again", "ramp", "narrow"],
)
def test_small_pictures_few_values_repeats_and_ramps_are_tried(samples):
    assert may_beat_a_model(samples)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_the_quick_size_is_no_smaller_than_the_smallest(channels):
    samples = photo(140, channels)
    assert len(encode(samples, 8)) <= quick_bytes(samples) <= samples.size
