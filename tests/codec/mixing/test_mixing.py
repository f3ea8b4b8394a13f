"""Samples come back equal, by each profile, and with the same bytes on each instruction set; damage gives one kind of error."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hvpzip.codec import mixing
from hvpzip.codec.colours.matrices import MATRICES
from hvpzip.codec.mixing import coder
from hvpzip.errors import CorruptError
from tests.helpers.damage import flips
from tests.helpers.pictures import KINDS, SEEDS, shapes
from tests.helpers.pictures import samples as picture


@settings(deadline=None, max_examples=15)
@given(
    SEEDS,
    shapes(12),
    st.sampled_from((1, 3, 8, 12, 16)),
    st.sampled_from(KINDS),
    st.sampled_from(mixing.PROFILES),
)
def test_samples_come_back_equal(seed, shape, depth, kind, profile):
    samples = picture(seed, shape, depth, kind)
    again = mixing.decode(mixing.encode(samples, profile), shape, depth)
    np.testing.assert_array_equal(again, samples, strict=True)


@pytest.mark.parametrize("profile", mixing.PROFILES)
@pytest.mark.parametrize(("depth", "channels"), [(8, 1), (8, 3), (8, 4), (16, 3), (12, 2)])
def test_every_instruction_set_writes_the_same_bytes(profile, depth, channels):
    core = pytest.importorskip("hvpzip.core._core")
    samples = picture(3, (40, 50, channels), depth, "slope")
    planes = np.ascontiguousarray(samples.transpose(2, 0, 1), np.uint16)
    low, high = planes.min((1, 2)), planes.max((1, 2))
    matrix = MATRICES[1].numbers() if depth == 8 and channels > 2 else np.empty(0, np.int64)
    portable = core.mixing_encode(planes, low, high, matrix, profile, portable=True)
    assert core.mixing_encode(planes, low, high, matrix, profile) == portable
    again = np.zeros_like(planes)
    core.mixing_decode(np.frombuffer(portable, np.uint8), low, high, matrix, profile, again, portable=True)
    np.testing.assert_array_equal(again, planes)


def test_flat_pictures_cost_next_to_nothing():
    samples = np.zeros((64, 64, 3), np.uint8)
    samples[40:, 10:] = 200
    assert len(mixing.encode(samples, 1)) < 120


def test_truncated_and_longer_data_are_refused():
    samples = picture(5, (9, 7, 2), 8, "slope")
    data = mixing.encode(samples, 1)
    for size in range(0, len(data), 3):
        with pytest.raises(CorruptError):
            mixing.decode(data[:size], samples.shape, 8)
    with pytest.raises(CorruptError):
        mixing.decode(data + b"\x01", samples.shape, 8)


def test_flipped_bits_are_refused_or_give_samples_in_range():
    samples = picture(6, (8, 8, 3), 5, "noise")
    data = mixing.encode(samples, 2)
    refused, every = 0, list(flips(data, every=23))
    for damaged in every:
        try:
            assert mixing.decode(damaged, samples.shape, 5).max() < 32
        except CorruptError:
            refused += 1
    # Only what makes all samples different ends in another state nearly always.
    assert 4 * refused > 3 * len(every)


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (b"\x09\x00\x00\x00\x00\x05\x00", "profile 9"),
        (b"\x00\x00\x00\x00\x00\x05\x00", "profile 0"),
        (b"\x01\x01\x00\x00\x00\x05\x00", "order 1"),
        (b"\x01\x00\x00\x06\x00\x05\x00", "bounds"),
        (b"\x01\x00\x00\x00\x00\x00\x01", "bounds"),
        (b"\x01\x00\x01\x00\x00\x05\x00", "matrix 1"),
        (b"\x01\x00\x00\x00\x00", "too few"),
    ],
)
def test_a_head_that_no_encoder_writes_is_refused(head, message):
    with pytest.raises(CorruptError, match=message):
        mixing.decode(head + b"\x00\x00\x00\x80" * (len(head) == 7), (2, 2, 1), 8)


def test_any_order_of_planes_can_be_read():
    samples = picture(8, (6, 5, 3), 8, "noise")
    data = mixing.encode(samples[:, :, [1, 0, 2]], 1)  # green, red, blue take the places of red, green, blue
    again = mixing.decode(data[:1] + bytes((0, 0)) + data[3:], samples.shape, 8)
    np.testing.assert_array_equal(again, samples)
    assert coder._orders(3)[0] == (0, 1, 2)
