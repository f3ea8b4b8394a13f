"""The colour lifts: exact inverses within stated ranges."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hvpzip.transform import colour


@st.composite
def rgb_images(draw):
    depth = draw(st.integers(1, 16))
    top = (1 << depth) - 1
    values = st.one_of(st.sampled_from([0, 1, top // 2, top]), st.integers(0, top)).map(lambda v: min(v, top))
    shape = (3, draw(st.integers(0, 5)), draw(st.integers(0, 5)))
    return depth, draw(hnp.arrays(np.uint16, shape, elements=values))


@given(rgb_images(), st.sampled_from(colour.LIFTS))
def test_inverse_undoes_forward_and_values_stay_in_range(image, lift):
    depth, x = image
    y = colour.forward(x, lift)
    assert y.dtype == np.int32
    np.testing.assert_array_equal(colour.inverse(y, lift), x)
    for plane, (lo, hi) in zip(y, colour.channel_range(3, depth, lift), strict=True):
        assert ((plane >= lo) & (plane <= hi)).all()


@pytest.mark.parametrize("depth", [8, 16])
def test_every_corner_of_the_cube_inverts_and_reaches_the_stated_range(depth):
    top = (1 << depth) - 1
    near = np.array([0, 1, 2, top // 2, top // 2 + 1, top - 1, top], np.int32)
    x = np.stack(np.meshgrid(near, near, near)).reshape(3, 1, -1)
    y = colour.forward(x, colour.YCOCG_R)
    np.testing.assert_array_equal(colour.inverse(y, colour.YCOCG_R), x)
    reached = [(int(plane.min()), int(plane.max())) for plane in y]
    assert reached == colour.channel_range(3, depth, colour.YCOCG_R)


def test_ycocg_r_of_known_colours_is_as_published():
    x = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [10, 20, 31]], np.uint8).T.reshape(3, 1, 5)
    y = colour.forward(x, colour.YCOCG_R)
    assert y.reshape(3, 5).T.tolist() == [[63, 255, -127], [127, 0, 255], [63, -255, -127], [255, 0, 0], [20, -21, 0]]


def test_inverse_of_any_integers_is_undone_by_forward():
    y = np.random.default_rng(1).integers(-(1 << 20), 1 << 20, (3, 40, 40)).astype(np.int32)
    np.testing.assert_array_equal(colour.forward(colour.inverse(y, colour.YCOCG_R), colour.YCOCG_R), y)


def test_batches_keep_their_leading_axes():
    x = np.random.default_rng(2).integers(0, 256, (4, 3, 5, 6)).astype(np.uint8)
    y = colour.forward(x, colour.YCOCG_R)
    np.testing.assert_array_equal(y[2], colour.forward(x[2], colour.YCOCG_R))


def test_the_result_is_a_new_array():
    x = np.ones((1, 2, 2), np.int32)
    colour.forward(x, colour.NONE)[...] = 7
    assert (x == 1).all()


@pytest.mark.parametrize(("channels", "lift"), [(1, colour.YCOCG_R), (4, colour.YCOCG_R), (3, 2), (3, -1)])
def test_a_lift_that_does_not_apply_is_refused(channels, lift):
    with pytest.raises(ValueError, match="colour lift"):
        colour.forward(np.zeros((channels, 2, 2), np.int32), lift)
    with pytest.raises(ValueError, match="colour lift"):
        colour.channel_range(channels, 8, lift)


def test_floats_wide_integers_and_missing_axes_are_refused():
    with pytest.raises(TypeError, match="float64"):
        colour.forward(np.zeros((3, 2, 2)), colour.YCOCG_R)
    with pytest.raises(TypeError, match="int64"):
        colour.inverse(np.zeros((3, 2, 2), np.int64), colour.YCOCG_R)
    with pytest.raises(ValueError, match="shape"):
        colour.forward(np.zeros((3, 2), np.int32), colour.YCOCG_R)
    with pytest.raises(ValueError, match="bit_depth"):
        colour.channel_range(3, 17, colour.NONE)
