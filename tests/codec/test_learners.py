"""Photos: the mixing coder where a sample is for it, at efforts 3 and 4 the cascade with mixing in the place of the model."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from hvpzip.codec import mixing, parts, photos, plain, registry, rewrites
from hvpzip.codec.method import Coded, Part
from hvpzip.nn.bundled import load_model
from tests.helpers.pictures import photo_crop

pytestmark = pytest.mark.skipif(not mixing.is_quick(), reason="without the compiled core these coders are not tried")
MODEL = load_model()


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return np.ascontiguousarray(photo_crop(20, 20, 144, 128).transpose(1, 2, 0))


@pytest.mark.parametrize("effort", [3, pytest.param(4, marks=pytest.mark.slow)])
def test_the_model_is_not_asked(photo, monkeypatch, effort):
    smaller_effort = parts.encode_either(Part(photo, 8, MODEL, 2))

    def by_model(*arguments):
        raise AssertionError("the model was asked")

    monkeypatch.setattr(parts, "by_model", by_model)
    monkeypatch.setattr(registry, "by_model", by_model)
    alone, together = parts.encode_either(Part(photo, 8, MODEL, effort))
    assert alone is together
    assert next(trial for trial in alone.trials if trial.what == "model").size_bytes is None
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
    ("effort", "raster", "cascade", "found"),
    [
        (3, 999, 1000, (registry.MIXING,)),
        (3, 1000, 1000, (registry.CASCADE,)),
        (4, 970, 1000, (registry.MIXING,)),
        (4, 1000, 1000, (registry.CASCADE, registry.MIXING)),
        (4, 1040, 1000, (registry.CASCADE,)),
    ],
)
def test_a_sample_decides_between_raster_order_and_the_cascade(photo, monkeypatch, effort, raster, cascade, found):
    monkeypatch.setattr(registry, "SAMPLE_FROM", 0)
    monkeypatch.setattr(registry, "_quickly_mixed", lambda part: bytes(raster if part.samples.shape[0] == registry.SAMPLE_SIDES[0] else 10))
    monkeypatch.setattr(registry, "_by_units", lambda part, coarse: bytes(cascade))
    part = Part(photo, 8, MODEL, effort)
    assert registry.learners(part) == found
    tried = parts.encode_either(part)[0].trials
    for number in {registry.MIXING, registry.CASCADE}.difference(found):
        reasons = [trial.reason for trial in tried if trial.what == registry.BY_NUMBER[number].name]
        assert registry.OTHER_IS_AHEAD in reasons


def test_the_sample_of_a_part_grows_with_it(monkeypatch):
    sides = []

    def quickly_mixed(part):
        sides.append(part.samples.shape[0])
        return bytes(100)

    monkeypatch.setattr(registry, "_quickly_mixed", quickly_mixed)
    monkeypatch.setattr(registry, "_by_units", lambda part, coarse: bytes(100))
    for height, width in ((100, 400), (512, 512), (1024, 1024)):
        registry.learners(Part(np.zeros((height, width, 3), np.uint8), 8, MODEL, 3))
    assert sides[::2] == [64, 85, 128]


@pytest.mark.parametrize("effort", [3, pytest.param(4, marks=pytest.mark.slow)])
def test_a_photo_with_gaps_is_coded_without_them(photo, monkeypatch, effort):
    gaps = (photo.astype(int) * 5 // 4).clip(0, 255).astype(np.uint8)
    monkeypatch.setattr(photos, "WEBP_AT_LEAST", 1)  # it is that much smaller than WebP
    alone, together = parts.encode_either(Part(gaps, 8, MODEL, effort))
    assert alone is together
    assert alone.payload[0] == rewrites.DENSE
    np.testing.assert_array_equal(parts.decode_parts(alone.payload, gaps.shape, 8, MODEL), gaps)
    assert alone.other_bits + sum(cost.coded_bits for cost in alone.costs) == 8 * len(alone.payload)
    assert next(trial.what for trial in alone.trials if trial.size_bytes is None) == "as it is"
    # Where WebP had to be asked, what it makes of the samples with their gaps counts too.
    monkeypatch.setattr(photos, "WEBP_AT_LEAST", 0)
    monkeypatch.setattr(photos, "TOLD_AT_LEAST", 0)
    other, _ = parts.encode_either(Part(gaps, 8, MODEL, effort))
    assert any(trial.what == "as it is" and trial.size_bytes is not None for trial in other.trials)
    assert len(other.payload) <= len(alone.payload)


def test_a_part_that_has_no_room_for_a_sample_is_tried_both_ways(photo):
    assert registry.learners(Part(photo, 8, MODEL, 4)) == (registry.CASCADE, registry.MIXING)


@pytest.mark.parametrize(("by_mixing", "mixes"), [(915, True), (918, False)])
def test_at_the_default_a_sample_decides_whether_mixing_saves_enough(photo, monkeypatch, by_mixing, mixes):
    monkeypatch.setattr(registry, "_quickly_mixed", lambda part: bytes(by_mixing))
    monkeypatch.setattr(registry, "model_guess", lambda part: 1000)
    monkeypatch.setattr(photos, "model_guess", lambda part: 10**6)
    monkeypatch.setattr(photos, "TOLD_AT_LEAST", 0)  # WebP is asked, whatever its sample tells
    part = Part(photo, 8, MODEL, 2)
    assert photos.is_like_a_photo(part)
    alone, together = parts.encode_either(part)
    sizes = {trial.what: trial.size_bytes for trial in alone.trials}
    assert (sizes["mixing"] is not None) == mixes
    assert (sizes["model"] is not None) == (not mixes)
    assert sizes["WebP"] is not None
    found = together or parts.as_part(alone)
    assert found.payload[1] == (registry.MIXING if mixes else registry.MODEL)
    np.testing.assert_array_equal(parts.decode_parts(found.payload, photo.shape, 8, MODEL), photo)


def test_a_sample_that_erred_is_mended(photo, monkeypatch):
    monkeypatch.setattr(registry, "mixing_saves", lambda part: True)
    monkeypatch.setattr(photos, "mixing_saves", lambda part: True)
    monkeypatch.setattr(photos, "model_guess", lambda part: 1)
    alone, together = parts.encode_either(Part(photo, 8, MODEL, 2))
    sizes = {trial.what: trial.size_bytes for trial in alone.trials}
    assert sizes["mixing"] is not None
    assert sizes["model"] is not None
    assert len((together or parts.as_part(alone)).payload) == 1 + min(sizes["mixing"], sizes["model"])


def test_what_is_as_large_as_webp_is_held_against_its_slowest_search(photo, monkeypatch):
    quickest = Coded(bytes((plain.WEBP,)) + bytes(9000))
    monkeypatch.setattr(registry.ByPlain, "encode", lambda method, part: quickest)
    slowest = bytes((plain.WEBP,)) + bytes(8000)
    monkeypatch.setattr(plain, "slowest_webp", lambda picture: slowest)
    found = photos.encode_photo(Part(photo, 8, MODEL, 1), plain.quick_bytes(photo))
    assert found.choice.best.data == slowest
    assert found.known[plain.WEBP].data == slowest
    assert not found.is_settled


def test_what_is_as_large_as_webp_is_tried_every_way(photo, monkeypatch):
    def encode(method, part):
        return Coded(bytes((method.number,)) + bytes(4000 if method.number == plain.WEBP else 3000))

    monkeypatch.setattr(registry.ByPlain, "encode", encode)
    _, together = parts.encode_either(Part(photo, 8, MODEL, 1))
    assert together is not None
    assert len(together.payload) == 1 + 1 + 3000


def test_a_model_that_is_little_ahead_of_webp_is_held_against_png_alone(photo, monkeypatch):
    monkeypatch.setattr(photos, "OTHERS_AT_LEAST", 0)
    monkeypatch.setattr(photos, "TOLD_AT_LEAST", 0)
    group = Part(photo, 8, MODEL, 1)
    found = photos.encode_photo(group, plain.quick_bytes(photo))
    sizes = {trial.what: trial.size_bytes for trial in found.choice.trials if trial.size_bytes is not None and not trial.depth}
    assert set(sizes) == {"model", "WebP", "PNG"}
    assert found.is_settled == (sizes["model"] < min(sizes["WebP"], sizes["PNG"]))
    assert len(found.choice.best.data) == min(sizes.values()) <= 1 + len(plain.encode(photo, 8))


def test_webp_is_told_by_the_middle_of_a_photo(monkeypatch):
    samples = np.ascontiguousarray(photo_crop(0, 0, 256, 192).transpose(1, 2, 0))
    group, quick = Part(samples, 8, MODEL, 1), plain.quick_bytes(samples)
    told = float(photos._webp_told(group, quick))
    coded = registry.BY_NUMBER[plain.WEBP].encode(group)
    assert coded is not None
    assert 0.85 * told < len(coded.data) - 1 < 1.15 * told
    size = len(photos.encode_photo(group, quick).choice.best.data)
    for share, names in ((Fraction(size + 1) / Fraction(told), {"model"}), (Fraction(0), {"model", "WebP"})):
        monkeypatch.setattr(photos, "TOLD_AT_LEAST", share)
        monkeypatch.setattr(photos, "WEBP_AT_LEAST", 0)
        trials = photos.encode_photo(group, quick).choice.trials
        assert names <= {trial.what for trial in trials if trial.size_bytes is not None and not trial.depth}
        assert ("WebP" in {trial.what for trial in trials if trial.size_bytes is not None}) == ("WebP" in names)
