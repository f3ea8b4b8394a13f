"""Maps behind one seam: exact inverses both ways, unit determinant, the same number of integers on both sides."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hvpzip.transform.scales import NAMES, Hierarchy, Scale


def pictures(seed: int, shape: tuple[int, int, int, int], low: int = 0, high: int = 255) -> np.ndarray:
    return np.random.default_rng(seed).integers(low, high, shape, endpoint=True).astype(np.int32)


def merged(hierarchy: Hierarchy, scales: tuple[Scale, ...]) -> np.ndarray:
    picture = scales[0].known
    for number, scale in enumerate(scales):
        picture = hierarchy.merge(number, Scale(picture, scale.values))
    return picture


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), sides=st.sampled_from([(8, 8), (8, 16), (16, 8), (16, 16), (24, 8), (8, 32)]))
def test_merge_of_split_is_the_picture(name: str, seed: int, sides: tuple[int, int]) -> None:
    hierarchy = Hierarchy(name, *sides)
    x = pictures(seed, (2, 3, *sides), -300, 300)
    scales = hierarchy.split(x)
    assert len(scales) == len(hierarchy)
    assert sum(scale.values.size for scale in scales) == x.size
    assert np.array_equal(merged(hierarchy, scales), x)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1))
def test_split_of_merge_gives_back_any_details(name: str, seed: int) -> None:
    hierarchy = Hierarchy(name, 8, 8)
    like = hierarchy.split(pictures(seed, (1, 3, 8, 8)))
    rng = np.random.default_rng(seed)
    wanted = tuple(Scale(s.known, rng.integers(-400, 400, s.values.shape).astype(np.int32)) for s in like)
    found = hierarchy.split(merged(hierarchy, wanted))
    assert all(np.array_equal(a.values, b.values) for a, b in zip(wanted, found, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_determinant_is_one(name: str) -> None:
    """The linear part, from pulses so large that rounding (at most a few units) does not count."""
    hierarchy, pulse = Hierarchy(name, 8, 8), 1 << 20
    x = (np.eye(64) * pulse).astype(np.int32).reshape(64, 1, 8, 8)
    scales = hierarchy.split(x)
    matrix = np.concatenate([scale.values.reshape(64, -1) for scale in scales], 1) / pulse
    assert abs(np.linalg.det(matrix)) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_known_is_what_coarser_scales_merge_to(name: str) -> None:
    hierarchy = Hierarchy(name, 16, 16)
    scales = hierarchy.split(pictures(3, (2, 3, 16, 16)))
    assert scales[0].known.shape[1] == 0
    for number in range(len(scales) - 1):
        assert np.array_equal(hierarchy.merge(number, scales[number]), scales[number + 1].known)
        assert scales[number + 1].known.shape[2:] == scales[number + 1].values.shape[2:]


def test_laplacian_residuals_of_a_ramp_vanish_inside() -> None:
    ramp = np.arange(16, dtype=np.int32) * 16
    x = np.broadcast_to(ramp, (1, 1, 16, 16)).copy()
    finest = Hierarchy("laplacian", 16, 16).split(x)[-1].values
    assert not finest[..., 1:-1].any()


def test_unknown_names_and_odd_sides_are_errors() -> None:
    with pytest.raises(ValueError, match="unknown map"):
        Hierarchy("fourier", 8, 8)
    with pytest.raises(ValueError, match="odd sides"):
        Hierarchy("haar", 8, 9)
    with pytest.raises(ValueError, match="expected pictures"):
        Hierarchy("haar", 8, 8).split(np.zeros((1, 3, 8, 16), np.int32))
