"""Scales: inverse at every size, the number and shapes of levels, ranges that hold over all inputs, phases."""

import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hvpzip.transform import colour, lifting, maps, pyramid
from hvpzip.transform.maps import legall53
from hvpzip.transform.pyramid import BANDS


@st.composite
def sampled_images(draw):
    depth = draw(st.integers(8, 16))
    top = (1 << depth) - 1
    channels = draw(st.sampled_from([1, 3]))
    lift = draw(st.sampled_from(colour.LIFTS)) if channels == 3 else colour.NONE
    values = st.one_of(st.sampled_from([0, top]), st.integers(0, top))
    shape = (channels, draw(st.integers(1, 20)), draw(st.integers(1, 20)))
    return draw(hnp.arrays(np.uint16, shape, elements=values)), depth, lift


@given(sampled_images(), st.sampled_from(tuple(maps.MAPS)), st.integers(0, 24))
def test_split_and_merge_are_inverse_and_values_stay_in_their_ranges(image, map_id, cap):
    x, depth, lift = image
    levels = pyramid.num_levels(*x.shape[1:], cap=cap)
    y = colour.forward(x, lift)
    split = pyramid.split(y, map_id, levels)
    np.testing.assert_array_equal(colour.inverse(pyramid.merge(split, map_id, y.shape), lift), x)
    stated = pyramid.ranges(colour.channel_range(x.shape[0], depth, lift), map_id, levels)
    grids = (*pyramid.shapes(*x.shape[1:], levels), x.shape[1:])
    assert split.base.shape[1:] == pyramid.base_shape(*x.shape[1:], levels) == grids[0]
    for bands, spans, grid, finer in zip(split.levels, stated.levels, grids[:-1], grids[1:], strict=True):
        assert lifting.band_shapes(*finer)["ll"] == grid
        for name in BANDS:
            assert bands[name].shape[1:] == lifting.band_shapes(*finer)[name]
            for plane, (lo, hi) in zip(bands[name], spans[name], strict=True):
                assert ((plane >= lo) & (plane <= hi)).all()
    for plane, (lo, hi) in zip(split.base, stated.base, strict=True):
        assert ((plane >= lo) & (plane <= hi)).all()


@pytest.mark.parametrize("map_id", tuple(maps.MAPS))
def test_extremes_of_16_bit_colour_differences_round_trip_through_all_levels(map_id):
    rng = np.random.default_rng(8)
    for shape in [(1, 1), (1, 300), (257, 3), (64, 65), (33, 128)]:
        y = rng.choice(np.array([-65535, 65535], np.int32), (3, *shape))
        split = pyramid.split(y, map_id, pyramid.num_levels(*shape))
        assert max(split.base.shape[1:]) <= 2
        np.testing.assert_array_equal(pyramid.merge(split, map_id, y.shape), y)


def test_num_levels_stops_when_the_long_side_is_at_most_two():
    assert [pyramid.num_levels(1, side) for side in (1, 2, 3, 4, 5, 8, 9, 1024, 1025)] == [0, 0, 1, 1, 2, 2, 3, 9, 10]
    for height in range(1, 40):
        for width in range(1, 40):
            levels, long = 0, max(height, width)
            while long > 2:
                levels, long = levels + 1, (long + 1) // 2
            assert pyramid.num_levels(height, width) == levels
    assert pyramid.num_levels(512, 768, cap=3) == 3
    assert pyramid.num_levels(1 << 30, 1) == pyramid.MAX_LEVELS


def test_shapes_are_listed_coarsest_first():
    assert pyramid.shapes(512, 768, 3) == ((64, 96), (128, 192), (256, 384))
    assert pyramid.shapes(17, 5, 2) == ((5, 2), (9, 3))
    assert pyramid.base_shape(17, 5, 0) == (17, 5)
    split = pyramid.split(np.zeros((1, 17, 5), np.uint8), lifting.HAAR, 2)
    assert [bands["hh"].shape for bands in split.levels] == [(1, 4, 1), (1, 8, 2)]


def test_a_level_is_the_split_of_the_next_finer_low_band():
    x = np.random.default_rng(9).integers(0, 256, (3, 13, 22)).astype(np.int32)
    for map_id in tuple(maps.MAPS):
        finer, fine_bands = lifting.split2d(x, map_id)
        coarse, coarse_bands = lifting.split2d(finer, map_id)
        split = pyramid.split(x, map_id, 2)
        np.testing.assert_array_equal(split.base, coarse)
        for bands, expected in zip(split.levels, (coarse_bands, fine_bands), strict=True):
            assert tuple(bands) == BANDS
            for name in BANDS:
                np.testing.assert_array_equal(bands[name], expected[name])


@pytest.mark.parametrize("map_id", tuple(maps.MAPS))
def test_ranges_of_16_bit_colour_stay_far_inside_int32(map_id):
    stated = pyramid.ranges(colour.channel_range(3, 16, colour.YCOCG_R), map_id, pyramid.MAX_LEVELS)
    widest = max(abs(end) for spans in stated.levels for band in spans.values() for span in band for end in span)
    assert widest <= 1 << 22


@pytest.mark.parametrize("map_id", [lifting.SUBSAMPLE, lifting.HAAR])
def test_ranges_of_averaging_maps_do_not_grow_with_the_levels(map_id):
    stated = pyramid.ranges([(0, 255)], map_id, 10)
    assert stated.base == [(0, 255)]
    assert all(spans == stated.levels[0] for spans in stated.levels)


def negative_sums(length, levels):
    """Over all positions of the low band of 5/3 after each level: the largest sum of sizes of negative filter coefficients, exact."""
    # Impulses of 8**levels never round, and the constants of the stages vanish on multiples of their steps.
    unit = 8**levels
    lines = np.eye(length, dtype=np.int32)[:, None, :] * np.int32(unit)
    found = []
    for _ in range(levels):
        lines, _ = lifting.split2d(lines, lifting.LEGALL53)  # a height of one is left as it is
        found.append(Fraction(int(-np.minimum(lines, 0).sum(axis=0, dtype=np.int64).min(initial=0)), unit))
    return found


def test_the_table_of_filter_sizes_holds_over_all_lengths_and_is_reached():
    """Lengths up to 7 * 2**levels hold every combination of ends and parities. Deeper entries were computed the same way."""
    levels = 4
    reached = [Fraction(0)] * levels
    for length in range(1, 7 * 2**levels + 1):
        for level, negative in enumerate(negative_sums(length, levels)):
            reached[level] = max(reached[level], negative)
    for level, negative in enumerate(reached):
        stated = legall53._LOW53_NEGATIVE[level]
        assert Fraction(stated - 1, 1 << 20) < negative <= Fraction(stated, 1 << 20)


@pytest.mark.parametrize("levels", [1, 2, 3, 5])
def test_an_adversarial_image_comes_close_to_the_stated_range_and_never_passes_it(levels):
    """Each sample follows the sign of the filter of the low band at its middle: the worst input there is."""
    side = 7 << levels
    lines = np.eye(side, dtype=np.int32)[:, None, :] * np.int32(1 << 15)
    for _ in range(levels):
        lines, _ = lifting.split2d(lines, lifting.LEGALL53)
    signs = np.sign(lines[:, 0, 3])
    for top in (255, 65535):
        worst = np.where(np.outer(signs, signs) >= 0, top, 0).astype(np.int32)[None]
        lo, hi = pyramid.ranges([(0, top)], lifting.LEGALL53, levels).base[0]
        for image in (worst, top - worst):
            base = pyramid.split(image, lifting.LEGALL53, levels).base
            assert lo <= base.min()
            assert base.max() <= hi
        assert pyramid.split(worst, lifting.LEGALL53, levels).base.max() > top + Fraction(6, 10) * (hi - top)


def test_wrong_shapes_levels_and_types_are_refused():
    split = pyramid.split(np.zeros((1, 8, 8), np.int32), lifting.HAAR, 2)
    with pytest.raises(ValueError, match="not to"):
        pyramid.merge(split, lifting.HAAR, (1, 8, 9))
    with pytest.raises(ValueError, match="levels"):
        pyramid.split(np.zeros((1, 8, 8), np.int32), lifting.HAAR, 25)
    with pytest.raises(TypeError, match="float"):
        pyramid.split(np.zeros((1, 8, 8)), lifting.HAAR, 0)
    with pytest.raises(ValueError, match="no levels"):
        pyramid.num_levels(0, 5)


def test_merge_without_levels_gives_a_new_array():
    x = np.ones((1, 2, 2), np.int32)
    merged = pyramid.merge(pyramid.split(x, lifting.HAAR, 0), lifting.HAAR, x.shape)
    merged[...] = 5
    assert (x == 1).all()


def ranges_by_the_text(lo: int, hi: int, levels: int) -> list[dict[str, tuple[int, int]]]:
    """docs/format.md, section 7.6, word for word; coarsest level first."""
    text = (Path(__file__).parents[2] / "docs" / "format.md").read_text(encoding="utf-8")
    [found] = re.findall(r"with N = ([\d,\s]+) for 1 to 12", text)
    n = [0, *map(int, found.replace("\n", " ").split(","))]

    def line(lo: int, hi: int) -> tuple[tuple[int, int], tuple[int, int]]:
        m = (lo + hi) >> 1
        return (lo + ((2 * (lo - m) + 2) >> 2), hi + ((2 * (hi - m) + 2) >> 2)), (lo - hi, hi - lo)

    def ceil(a: int, b: int) -> int:
        return -(-a // b)

    r, told = (lo, hi), []
    for k in range(1, levels + 1):
        low, high = line(*r)
        (ll, lh), (hl, hh) = line(*low), line(*high)
        s, left = 1 << 20, k
        while left > 0:
            t = min(left, 12)
            s = ceil(s * ((1 << 20) + 2 * n[t]), 1 << 20)
            left -= t
        s = ceil(s * s, 1 << 20)
        x = ceil((hi - lo) * (s - (1 << 20)), 1 << 21) + ceil(2 * k * s, 1 << 20)
        r = max(ll[0], lo - x), min(ll[1], hi + x)
        told.append({"ll": r, "lh": lh, "hl": hl, "hh": hh})
    return told[::-1]


@pytest.mark.parametrize("span", [(0, 255), (-255, 255), (-65535, 65535)])
def test_ranges_of_5_3_are_those_of_the_format(span):
    found = pyramid.ranges([span], lifting.LEGALL53, 20).levels
    assert [{name: own[0] for name, own in level.items()} for level in found] == ranges_by_the_text(*span, 20)
