"""Parts by a noise path that were written once stay readable for ever, and are written again as they were."""

import numpy as np
import pytest

from hvpzip.codec.noise_path import decode_part
from tests.codec.test_golden import GOLDEN, make
from tests.helpers.pictures import photo_crop
from tests.helpers.tiny import make_tiny_path_model


@pytest.mark.parametrize("name", make.NOISE_PATHS)
def test_golden_parts_are_read_and_written(name):
    map_name, depth, box = make.NOISE_PATHS[name]
    model, data = make_tiny_path_model(map_name, depth), (GOLDEN / name).read_bytes()
    samples = photo_crop(*box)
    assert np.array_equal(decode_part(data, samples.shape, model.noise_path).samples, samples)
    assert make.encode_noise_path(name) == data
