"""The mosaic among the edits is bilinear demosaicing, rounded."""

import numpy as np

from benchmarks.edits import EDITS


def test_a_mosaic_keeps_one_colour_a_pixel_and_averages_the_others() -> None:
    samples = np.random.default_rng(0).integers(0, 256, (8, 11, 3)).astype(np.uint8)
    found, a = EDITS["mosaic"](samples).astype(int), samples.astype(int)
    assert found.shape == (8, 10, 3)
    assert (found[::2, ::2, 0] == a[::2, :10:2, 0]).all()
    assert (found[1::2, 1::2, 2] == a[1::2, 1:10:2, 2]).all()
    assert (found[::2, 1::2, 1] == a[::2, 1:10:2, 1]).all()
    assert found[2, 3, 0] == (a[2, 2, 0] + a[2, 4, 0] + 1) // 2
    assert found[3, 3, 0] == (a[2, 2, 0] + a[4, 2, 0] + a[2, 4, 0] + a[4, 4, 0] + 2) // 4
    assert found[2, 2, 1] == (a[1, 2, 1] + a[3, 2, 1] + a[2, 1, 1] + a[2, 3, 1] + 2) // 4
