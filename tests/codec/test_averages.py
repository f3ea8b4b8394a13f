"""Pictures that were interpolated from a mosaic are told from others, and the coders that learn are tried on them."""

import numpy as np
import pytest

from benchmarks.edits import EDITS
from hvpzip.codec import mixing
from hvpzip.codec.averages import PHASES_DIFFER, phase_spread
from hvpzip.codec.method import Part
from hvpzip.codec.registry import BY_NUMBER, MIXING
from hvpzip.nn.bundled import load_model


def interpolated(samples: np.ndarray) -> np.ndarray:
    """(h, w, 3) with odd columns of red as rounded averages of left and right."""
    found = samples.copy()
    left, right = samples[:, 0:-2:2, 0].astype(int), samples[:, 2::2, 0].astype(int)
    found[:, 1 : 2 * left.shape[1] : 2, 0] = (left + right + 1) // 2
    return found


@pytest.mark.parametrize("floor", [False, True])
def test_averages_on_a_phase_are_seen(crop, floor):
    samples = np.ascontiguousarray(crop(0, 0, 120, 100).transpose(1, 2, 0))
    assert phase_spread(samples) < PHASES_DIFFER
    mosaic = interpolated(samples)
    if floor:
        left, right = samples[:, 0:-2:2, 0].astype(int), samples[:, 2::2, 0].astype(int)
        mosaic[:, 1 : 2 * left.shape[1] : 2, 0] = (left + right) // 2
    assert phase_spread(mosaic) > 0.5


@pytest.mark.parametrize("axis", [0, 1])
def test_copies_on_a_phase_are_seen(crop, axis):
    samples = np.ascontiguousarray(crop(0, 0, 60, 50).transpose(1, 2, 0))
    assert phase_spread(np.repeat(samples, 2, axis)) > 0.5


@pytest.mark.parametrize("shape", [(3, 50, 3), (50, 1, 1), (1, 1, 3)])
def test_narrow_pictures_say_nothing(shape):
    assert phase_spread(np.zeros(shape, np.uint8)) == 0


def test_flat_pictures_are_averages_everywhere_and_so_not_by_phase():
    assert phase_spread(np.full((20, 21, 3), 7, np.uint8)) == 0


def test_a_mosaic_is_coded_by_what_its_averages_imply(crop):
    samples = EDITS["mosaic"](np.ascontiguousarray(crop(0, 0, 96, 80).transpose(1, 2, 0)))
    coded = BY_NUMBER[MIXING].encode(Part(samples, 8, load_model(), 2))
    assert coded.data[1] == 3
    assert len(coded.data) < 0.95 * len(mixing.encode(samples, 1))
