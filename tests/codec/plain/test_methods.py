"""Every kind of samples comes back equal from every method that takes it; damaged data is refused in one way."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hvpzip.codec import plain
from hvpzip.codec.plain import methods
from hvpzip.errors import CorruptError

DEPTHS = (1, 2, 4, 7, 8, 12, 16)


def picture(seed: int, shape: tuple[int, int, int], depth: int, smooth: bool) -> np.ndarray:
    """Noise, or a slope with a little of it."""
    generator = np.random.default_rng(seed)
    noise = generator.integers(0, 1 << depth, shape)
    slope = np.indices(shape).sum(axis=0) * (1 << depth) // (4 * sum(shape)) + generator.integers(0, 2, shape)
    return np.clip(slope if smooth else noise, 0, (1 << depth) - 1).astype(np.uint8 if depth <= 8 else np.uint16)


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 1 << 30),
    st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 4)),
    st.sampled_from(DEPTHS),
    st.booleans(),
)
def test_every_candidate_comes_back_equal(seed, shape, depth, smooth):
    samples = picture(seed, shape, depth, smooth)
    candidates = list(methods.candidates(samples, depth))
    for data in candidates:
        again = plain.decode(data, shape, depth)
        assert again.dtype == samples.dtype
        np.testing.assert_array_equal(again, samples)
    assert len(plain.encode(samples, depth)) == min(map(len, candidates))


def test_all_methods_are_tried():
    found = {data[0] for data in methods.candidates(picture(1, (9, 8, 3), 8, smooth=True), 8)}
    assert found == {methods.DEFLATE, methods.LZMA, methods.WEBP, methods.PNG}
    assert plain.encode(np.full((5, 6, 4), 9, np.uint8), 8) == bytes((methods.CONSTANT, 9, 9, 9, 9))


@pytest.mark.parametrize(("shape", "depth"), [((6, 7, 3), 8), ((6, 7, 1), 1), ((6, 7, 2), 16)])
def test_damage_gives_samples_of_the_shape_or_one_error(shape, depth):
    for data in methods.candidates(picture(2, shape, depth, smooth=True), depth):
        for position in range(0, 8 * len(data), 5):
            damaged = bytearray(data)
            damaged[position // 8] ^= 1 << position % 8
            try:
                again = plain.decode(bytes(damaged), shape, depth)
            except CorruptError as error:
                message = str(error)
            else:
                message = ""
                assert again.shape == shape
                assert int(again.max()) < 1 << depth
            assert "\n" not in message


@pytest.mark.parametrize("data", [b"", b"\0", b"\x09abc", b"\x01", b"\x01\0\0\0\0", b"\x02\x07", b"\x02\x01\x03\0"])
def test_data_of_no_method_is_refused(data):
    with pytest.raises(CorruptError):
        plain.decode(data, (2, 2, 1), 8)
