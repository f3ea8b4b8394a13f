"""What the engine begins with: of the file that ships, and made anew from what was learnt."""

import numpy as np
import pytest

from hvpzip.codec import cascade
from hvpzip.codec.cascade import coder, starts
from hvpzip.errors import ModelError
from hvpzip.training.starts import starts_of
from tests.helpers.pictures import photo_crop


@pytest.fixture
def anew():
    starts.starts.cache_clear()
    yield
    starts.starts.cache_clear()


def test_a_damaged_file_is_not_believed(monkeypatch, tmp_path, anew):
    damaged = bytearray(starts.PATH.read_bytes())
    damaged[100] ^= 1
    monkeypatch.setattr(starts, "PATH", tmp_path / "starts.bin")
    with pytest.raises(ModelError, match="cannot be read"):
        starts.starts()
    starts.PATH.write_bytes(damaged)
    with pytest.raises(ModelError, match="damaged"):
        starts.starts()


def test_what_one_photo_taught_makes_another_smaller(monkeypatch, tiny_model):
    learnt = cascade.learnt_from(photo_crop(0, 0, 96, 96), tiny_model)
    found = starts_of([[np.array(plane) for plane in learnt]])
    assert len(found) == 3 * starts.SIZE
    samples = photo_crop(120, 60, 48, 48)
    without, with_those_that_ship = (len(cascade.encode_units(samples, tiny_model, profile).data) for profile in (2, 4))
    monkeypatch.setattr(coder, "starts", lambda: found)
    assert len(cascade.encode_units(samples, tiny_model, 4).data) < without
    assert with_those_that_ship < without


def test_starts_are_means():
    plane = np.zeros(starts.INPUTS + starts.SETS + 2 * starts.SCALES)
    one, other = plane.copy(), plane.copy()
    one[0], other[0] = 100, 300
    scales = starts.INPUTS + starts.SETS
    one[scales : scales + 2] = 1100, 1  # a scale, and how often it was learnt from
    other[scales : scales + 2] = 16384, 3
    found = starts_of([[one] * 3, [other] * 3])
    assert np.frombuffer(found, "<i2", 1)[0] == 200
    classes = found[2 * scales : 2 * scales + 2]
    assert list(classes) == [16 * 13, 16 * 13]  # the geometric mean is 8,340, and where nothing was seen 8,192
