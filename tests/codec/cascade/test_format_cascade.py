"""A second decoder, written from docs/format.md section 13 alone (over sections 7.10 and 12), reads the units that the engine writes.

Files have sides of at least 32; most of these are smaller, so that plain Python is done in seconds.
"""

import numpy as np
import pytest

from hvpzip.codec import cascade
from tests.helpers.by_document import units
from tests.helpers.pictures import photo_crop
from tests.helpers.tiny import tiny_tensors


@pytest.mark.parametrize(
    ("box", "gray", "profile", "matrix"),
    [
        ((40, 20, 19, 18), True, 1, 0),
        ((40, 20, 9, 8), True, 2, 0),
        ((40, 20, 12, 10), False, 1, 0),
        ((140, 20, 7, 8), False, 1, 1),
        ((40, 20, 9, 10), False, 2, 0),
        ((90, 40, 8, 7), False, 2, 5),
        ((90, 40, 7, 8), False, 3, 5),
        ((40, 20, 9, 8), True, 4, 0),
        ((40, 20, 9, 10), False, 4, 0),
        ((90, 40, 7, 8), False, 5, 5),
        pytest.param((40, 20, 32, 32), True, 1, 0, marks=pytest.mark.slow),
        pytest.param((40, 20, 19, 18), False, 2, 5, marks=pytest.mark.slow),
    ],
)
def test_a_decoder_written_from_the_document_reads_the_units(tiny_model, monkeypatch, box, gray, profile, matrix):
    monkeypatch.setattr("hvpzip.codec.cascade.coder.LEAST_SIDE", 1)
    monkeypatch.setattr("hvpzip.codec.cascade.coder.choose_matrix", lambda _: matrix)  # so few pixels would not name one
    samples = np.ascontiguousarray(photo_crop(*box)[1:2] if gray else photo_crop(*box))
    data = cascade.encode_units(samples, tiny_model, profile).data
    assert tuple(data[:2]) == (profile, 0 if gray else matrix)
    model = tiny_tensors(), tiny_model.config.to_dict(), tiny_model.schedule.to_dict()
    np.testing.assert_array_equal(units.decode(data, samples[:, ::2, ::2], samples.shape, model), samples)
