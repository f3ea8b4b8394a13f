"""Files whose finest level the mixing engine coded: whole, smaller, in part, and told of."""

from __future__ import annotations

import io

import numpy as np
import pytest

import hvpzip
from hvpzip import api, container, errors
from hvpzip.api.encoding import map_fields, samples_crc
from hvpzip.codec.bitsback import group_codec
from hvpzip.codec.efforts import EFFORTS
from hvpzip.codec.method import Part, Tried
from hvpzip.codec.part import encode_part
from hvpzip.codec.registry import BY_NUMBER, CASCADE
from hvpzip.nn.bundled import load_model
from tests.helpers.pictures import photo_crop

MODEL = load_model()


def cascade_file(samples: np.ndarray) -> bytes:
    """A file of one group (h, w, C) by method 8, whether or not another one is smaller."""
    height, width, channels = samples.shape
    coded = BY_NUMBER[CASCADE].encode(Part(samples, 8, MODEL, 3))
    assert coded is not None
    header = container.Header(
        width=width,
        height=height,
        channels=channels,
        bit_depth=8,
        model_id=MODEL.id,
        effort=3,
        group_size_log2=10,
        parts=True,
        jpeg=False,
        **map_fields(MODEL, channels, height, width, group_codec.GROUP_SIZE),
    )
    return container.write(header, [container.Group(b"\0" + coded.data, samples_crc(samples))])


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return np.ascontiguousarray(photo_crop(40, 20, 83, 64).transpose(1, 2, 0))


@pytest.fixture(scope="module")
def data(photo) -> bytes:
    return cascade_file(photo)


def test_the_whole_and_parts_of_it(photo, data):
    np.testing.assert_array_equal(hvpzip.decompress(data), photo)
    np.testing.assert_array_equal(hvpzip.decompress(data, crop=(10, 7, 30, 20)), photo[7:27, 10:40])
    for scale, step in ((1 / 2, 2), (1 / 4, 4), (1 / 16, 16)):
        np.testing.assert_array_equal(hvpzip.decompress(data, scale=scale), photo[::step, ::step])


def test_its_account_names_the_units(data):
    (account,) = api.account(io.BytesIO(data))
    assert (account.path, account.lanes) == ("mixing", 1)
    assert [(point.level, point.unit) for point in account.stack] == [(1, "lh"), (1, "hl"), (1, "hh"), (0, "base")]
    assert account.stack[-1].stack_bits == pytest.approx(account.bound_bits)
    assert 0 < account.coded_bits - account.bound_bits < 8 * 16


def test_a_flaw_is_found_and_named(data):
    flawed = bytearray(data)
    flawed[-200] ^= 16
    with pytest.raises(errors.CorruptError):
        hvpzip.decompress(bytes(flawed))


def test_efforts_3_and_4_try_it(photo):
    assert [EFFORTS[effort].cascade for effort in EFFORTS] == [False, False, True, True]
    method = BY_NUMBER[CASCADE]
    tried = Tried(10**6, 10**6, modelled=True)
    for effort, reason in ((2, "not at this effort"), (3, None), (4, None)):
        assert method.skip(Part(photo, 8, MODEL, effort), tried) == reason
    assert "sides of at least" in str(method.skip(Part(photo[:20], 8, MODEL, 3), tried))
    assert "channels" in str(method.skip(Part(photo[:, :, :2], 8, MODEL, 3), tried))
    trials = encode_part(Part(photo, 8, MODEL, 3)).trials
    assert [trial.size_bytes is not None for trial in trials if trial.what == method.name] == [True]
