"""Every kind of samples comes back equal from every method that takes it; damaged data is refused in one way."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hvpzip.codec import plain
from hvpzip.codec.plain import methods
from hvpzip.errors import CorruptError
from tests.helpers.damage import flips
from tests.helpers.pictures import KINDS, SEEDS, shapes
from tests.helpers.pictures import samples as picture

DEPTHS = (1, 2, 4, 7, 8, 12, 16)


@settings(deadline=None, max_examples=60)
@given(
    SEEDS,
    shapes(9),
    st.sampled_from(DEPTHS),
    st.sampled_from(KINDS),
)
def test_every_candidate_comes_back_equal(seed, shape, depth, kind):
    samples = picture(seed, shape, depth, kind)
    candidates = list(methods.candidates(samples, depth))
    for data in candidates:
        again = plain.decode(data, shape, depth)
        assert again.dtype == samples.dtype
        np.testing.assert_array_equal(again, samples)
    assert len(plain.encode(samples, depth)) == min(map(len, candidates))


def test_all_methods_are_tried():
    found = {data[0] for data in methods.candidates(picture(1, (9, 8, 3), 8, "slope"), 8)}
    assert found == {methods.DEFLATE, methods.LZMA, methods.WEBP, methods.PNG}
    assert plain.encode(np.full((5, 6, 4), 9, np.uint8), 8) == bytes((methods.CONSTANT, 9, 9, 9, 9))


@pytest.mark.parametrize(("shape", "depth"), [((6, 7, 3), 8), ((6, 7, 1), 1), ((6, 7, 2), 16)])
def test_damage_gives_samples_of_the_shape_or_one_error(shape, depth):
    for data in methods.candidates(picture(2, shape, depth, "slope"), depth):
        for damaged in flips(data, every=5):
            try:
                again = plain.decode(damaged, shape, depth)
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
