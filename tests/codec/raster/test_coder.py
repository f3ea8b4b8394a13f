"""Samples of every shape and depth come back equal; damage gives one kind of error; neighbours and sums are what they say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hvpzip.ans import StackUnderflow
from hvpzip.codec import raster
from hvpzip.codec.raster import coder
from hvpzip.errors import CorruptError
from tests.helpers.damage import flips, truncations
from tests.helpers.pictures import KINDS, SEEDS, shapes
from tests.helpers.pictures import samples as picture


@settings(deadline=None, max_examples=25)
@given(
    SEEDS,
    shapes(9),
    st.sampled_from((1, 3, 8, 12, 16)),
    st.sampled_from(KINDS),
)
def test_samples_come_back_equal(seed, shape, depth, kind):
    samples = picture(seed, shape, depth, kind)
    again = raster.decode(raster.encode(samples), shape, depth)
    np.testing.assert_array_equal(again, samples, strict=True)


@pytest.mark.parametrize(("kind", "extreme"), [("noise", 0), ("slope", 65535)])
def test_larger_pictures_come_back_equal_with_extreme_values(kind, extreme):
    samples = picture(7, (30, 40, 3), 16, kind)
    samples[10:20:3, 10:30:2] = extreme
    data = raster.encode(samples)
    np.testing.assert_array_equal(raster.decode(data, samples.shape, 16), samples)


def test_compiled_and_plain_coder_give_the_same_bytes(monkeypatch):
    samples = picture(3, (16, 20, 2), 16, "slope")
    monkeypatch.setenv("HVPZIP_KERNELS", "reference")
    plain = raster.encode(samples)
    monkeypatch.setenv("HVPZIP_KERNELS", "compiled")
    assert raster.encode(samples) == plain
    np.testing.assert_array_equal(raster.decode(plain, samples.shape, 16), samples)


def test_flat_pictures_cost_next_to_nothing():
    samples = np.zeros((32, 32, 1), np.uint16)
    samples[20:, 10:] = 40000
    assert len(raster.encode(samples)) < 200


def test_pictures_with_too_few_bits_for_a_ramp_begin_on_all_lanes():
    flat = np.zeros((60, 300, 1), np.uint8)
    flat[0, 0] = 1
    data = raster.encode(flat)
    assert data[0] >= coder._FLAT
    np.testing.assert_array_equal(raster.decode(data, flat.shape, 8), flat)


@pytest.mark.parametrize("ramp", range(len(coder._RUNS)))
def test_every_ramp_of_lanes_is_read(monkeypatch, ramp):
    samples = picture(1, (20, 30, 1), 8, "noise")
    pushed, push = [], coder.ans.push_planned

    def dry(message, *rest):
        pushed.append(message)
        if len(pushed) <= ramp:
            raise StackUnderflow("dry")
        return push(message, *rest)

    monkeypatch.setattr(coder.ans, "push_planned", dry)
    data = raster.encode(samples)
    assert data[0] == ramp
    np.testing.assert_array_equal(raster.decode(data, samples.shape, 8), samples)


@pytest.mark.parametrize("depth", [8, 16])
def test_damage_gives_samples_of_the_shape_or_one_error(depth):
    samples = picture(5, (9, 8, 2), depth, "slope")
    data = raster.encode(samples)
    for damaged in flips(data, every=29):
        try:
            again = raster.decode(damaged, samples.shape, depth)
        except CorruptError as error:
            message = str(error)
        else:
            message = ""
            assert again.shape == samples.shape
        assert "\n" not in message
    for cut in truncations(data, every=7):
        with pytest.raises(CorruptError):
            raster.decode(cut, samples.shape, depth)
