"""The grid of groups covers each pixel once, in a fixed order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hvpzip.transform import tiling


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 45))
def test_tiles_cover_each_pixel_once_and_none_is_larger_than_asked(height, width, size):
    seen = np.zeros((height, width), int)
    tiles = tiling.group_grid(height, width, size)
    for tile in tiles:
        seen[tile.y : tile.y + tile.height, tile.x : tile.x + tile.width] += 1
        assert max(tile.height, tile.width) <= size
    assert (seen == 1).all()
    assert len(tiles) == tiling.num_groups(height, width, size)
    assert tiles == sorted(tiles)


def test_tiles_go_row_by_row_and_the_last_ones_are_smaller():
    assert tiling.group_grid(5, 7, 4) == [(0, 0, 4, 4), (0, 4, 4, 3), (4, 0, 1, 4), (4, 4, 1, 3)]


@pytest.mark.parametrize(("height", "width", "size"), [(0, 1, 1), (1, 0, 1), (1, 1, 0)])
def test_empty_sides_are_refused(height, width, size):
    with pytest.raises(ValueError, match="no grid"):
        tiling.group_grid(height, width, size)
    with pytest.raises(ValueError, match="no grid"):
        tiling.num_groups(height, width, size)


@given(st.integers(1, 200), st.integers(1, 200), st.integers(2, 5), st.integers(0, 3))
def test_groups_of_narrow_images_are_longer_and_never_of_more_pixels(height, width, log2, more):
    size, longest = 1 << log2, 1 << log2 + more
    side = tiling.group_side(height, width, size, longest)
    assert size <= side <= longest
    assert side & side - 1 == 0
    assert all(tile.height * tile.width <= size * size for tile in tiling.group_grid(height, width, side))
    assert tiling.num_groups(height, width, side) <= tiling.num_groups(height, width, size)
    if min(height, width) > size:
        assert side == size


def test_a_row_of_70000_pixels_has_9_groups_and_a_photo_those_that_it_had():
    assert tiling.group_side(1, 70_000, 1024, 8192) == 8192
    assert tiling.num_groups(1, 70_000, 8192) == 9
    assert tiling.group_side(512, 768, 1024, 8192) == 1024
    assert tiling.group_side(3000, 4000, 1024, 8192) == 1024
    assert tiling.group_side(100, 5000, 1024, 8192) == 8192
