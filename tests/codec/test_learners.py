"""Efforts 3 and 4 on photos: the cascade with mixing in the place of the model, and raster order where a sample is for it."""

from __future__ import annotations

import numpy as np
import pytest

from hvpzip.codec import mixing, parts, registry
from hvpzip.codec.method import Part
from hvpzip.nn.bundled import load_model
from tests.helpers.pictures import photo_crop

pytestmark = pytest.mark.skipif(not mixing.is_quick(), reason="without the compiled core these coders are not tried")
MODEL = load_model()


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return np.ascontiguousarray(photo_crop(20, 20, 144, 128).transpose(1, 2, 0))


@pytest.mark.parametrize("effort", [3, 4])
def test_the_model_is_asked_for_a_guess_alone(photo, monkeypatch, effort):
    smaller_effort = parts.encode_either(Part(photo, 8, MODEL, 2))

    def by_model(*arguments):
        raise AssertionError("the model was asked")

    monkeypatch.setattr(parts, "by_model", by_model)
    monkeypatch.setattr(registry, "by_model", by_model)
    alone, together = parts.encode_either(Part(photo, 8, MODEL, effort))
    assert alone is together
    assert alone.trials[0].what == "model alone"
    assert alone.trials[0].size_bytes is None
    np.testing.assert_array_equal(parts.decode_parts(alone.payload, photo.shape, 8, MODEL), photo)
    assert len(alone.payload) < min(len(one.payload) for one in smaller_effort if one is not None)
    assert alone.other_bits + sum(cost.coded_bits for cost in alone.costs) == 8 * len(alone.payload)


def test_small_parts_are_tried_every_way(photo):
    small = Part(np.ascontiguousarray(photo[:100, :100]), 8, MODEL, 3)
    assert not registry.cascade_learns_more(small)
    assert registry.cascade_learns_more(Part(photo, 8, MODEL, 3))
    assert not registry.cascade_learns_more(Part(photo, 8, MODEL, 2))
    assert not registry.cascade_learns_more(Part(photo[:, :, :2], 8, MODEL, 3))


@pytest.mark.parametrize(
    ("raster", "cascade", "found"),
    [
        (970, 1000, (registry.MIXING,)),
        (1000, 1000, (registry.CASCADE, registry.MIXING)),
        (1040, 1000, (registry.CASCADE,)),
    ],
)
def test_a_sample_decides_between_raster_order_and_the_cascade(photo, monkeypatch, raster, cascade, found):
    monkeypatch.setattr(registry, "SAMPLE_SIDE", 64)
    monkeypatch.setattr(registry, "_quickly_mixed", lambda part: bytes(raster if part.samples.shape[0] == 64 else 10))
    monkeypatch.setattr(registry, "_by_units", lambda part, coarse: bytes(cascade))
    part = Part(photo, 8, MODEL, 4)
    assert registry.learners(part) == found
    tried = parts.encode_either(part)[0].trials
    for number in {registry.MIXING, registry.CASCADE}.difference(found):
        reasons = [trial.reason for trial in tried if trial.what == registry.BY_NUMBER[number].name]
        assert registry.OTHER_IS_AHEAD in reasons


def test_a_part_that_has_no_room_for_a_sample_is_tried_both_ways(photo):
    assert registry.learners(Part(photo, 8, MODEL, 4)) == (registry.CASCADE, registry.MIXING)
