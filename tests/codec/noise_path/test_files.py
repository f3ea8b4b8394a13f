"""Files by the bundled model that has a noise path: whole, smaller, told of, damaged, and of pictures that the path does not code."""

import io

import numpy as np
import pytest

import hvpzip
from hvpzip import api, errors
from tests.codec.test_golden import make
from tests.helpers.pictures import photo_crop

MODEL = "cifar10-diffusion"


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return np.ascontiguousarray(photo_crop(40, 20, 45, 32).transpose(1, 2, 0))


@pytest.fixture(scope="module")
def data(photo) -> bytes:
    return make.noise_path_file(np.ascontiguousarray(photo.transpose(2, 0, 1)), MODEL)


def test_the_whole_and_parts_of_it(photo, data):
    np.testing.assert_array_equal(hvpzip.decompress(data), photo)
    np.testing.assert_array_equal(hvpzip.decompress(data, crop=(10, 7, 30, 20)), photo[7:27, 10:40])
    np.testing.assert_array_equal(hvpzip.decompress(data, scale=1 / 4), photo[::4, ::4])


def test_what_is_not_known_is_filled_in(photo, data):
    filled = hvpzip.decompress(data, scale=1 / 2, fill="mean")
    assert filled.shape == photo.shape
    np.testing.assert_array_equal(filled[::2, ::2], photo[::2, ::2])


def test_its_account_has_latents_of_coarse_scales(data):
    (account,) = api.account(io.BytesIO(data))
    assert account.path.startswith("noise path")
    borrowed = {scale.level: scale.borrowed_bits for scale in account.scales}
    assert borrowed[1] == 0 < borrowed[0]
    assert len(borrowed) == 7
    assert min(scale.lowest_bits for scale in account.scales) > 0
    assert 0 < account.coded_bits - account.bound_bits < 8 * 40


def test_a_flaw_is_found(data):
    flawed = bytearray(data)
    flawed[-100] ^= 16
    with pytest.raises(errors.CorruptError):
        hvpzip.decompress(bytes(flawed))


def test_any_picture_can_be_compressed_by_that_model(photo):
    rng = np.random.default_rng(0)
    for picture in (photo, photo[:5, :3], photo[:, :, 0], rng.integers(0, 256, (9, 7, 4)).astype(np.uint8)):
        np.testing.assert_array_equal(hvpzip.decompress(hvpzip.compress(picture, model=MODEL)), picture)
