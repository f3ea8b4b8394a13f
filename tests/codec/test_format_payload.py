"""A second decoder, written from docs/format.md section 7 alone, one symbol at a time, reads what the codec writes."""

import numpy as np
import pytest

from hvpzip.codec.bitsback import group_codec
from tests.golden import make
from tests.helpers.by_document.payload import decode
from tests.helpers.tiny import at_once_schedule, luma_schedule, tiny_tensors


@pytest.mark.parametrize(
    ("path", "box", "gray", "levels"),
    [
        ("diffusion", (30, 40, 13, 10), False, None),
        ("direct", (80, 40, 11, 14), False, None),
        ("diffusion", (10, 90, 21, 15), True, None),
        ("diffusion", (30, 40, 1, 7), False, None),
        ("direct", (30, 40, 2, 2), False, None),
        ("diffusion", (30, 40, 13, 10), False, luma_schedule()),
        ("diffusion", (10, 90, 21, 15), True, luma_schedule()),
        ("diffusion", (30, 40, 13, 10), False, at_once_schedule()),
        ("direct", (30, 40, 13, 10), False, at_once_schedule()),
        ("diffusion", (10, 90, 30, 24), True, at_once_schedule()),
    ],
)
def test_a_decoder_written_from_the_document_reads_the_payload(tiny_model, tiny_model_on, crop, path, box, gray, levels):
    samples = crop(*box, gray)
    model = tiny_model_on(levels) if levels else tiny_model
    payload, report = group_codec.encode_along(samples, model, model.schedule.path_names.index(path))
    assert max(box[2:]) < 10 or report.lanes > 1
    tensors = tiny_tensors(schedule=model.schedule)
    found = decode(payload, samples.shape, tensors, model.config.to_dict(), model.schedule.to_dict())
    assert np.array_equal(found, samples)


@pytest.mark.parametrize(
    ("path", "levels", "striped"),
    [
        pytest.param("diffusion", None, False, marks=pytest.mark.slow),
        pytest.param("diffusion", None, True, marks=pytest.mark.slow),
        ("diffusion", luma_schedule(), True),
    ],
)
def test_the_same_decoder_reads_colours_learnt(tiny_model, tiny_model_on, crop, path, levels, striped):
    samples = crop(30, 40, 40, 32)
    model = tiny_model_on(levels) if levels else tiny_model
    payload, _ = group_codec.encode_along(samples, model, model.schedule.path_names.index(path), learn_colours=True, striped=striped)
    assert payload[0] == 255
    assert payload[1] & 16
    found = decode(payload, samples.shape, tiny_tensors(schedule=model.schedule), model.config.to_dict(), model.schedule.to_dict())
    assert np.array_equal(found, samples)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tiny-lattice-direct.payload", "tiny-striped-direct.payload", "tiny-striped-diffusion.payload"])
def test_the_same_decoder_reads_golden_payloads_of_several_stripes(name):
    case = make.TINY[name]
    samples, model = make.samples_of(case), make.tiny_model(case.transform, case.levels)
    tensors = tiny_tensors(schedule=model.schedule)
    found = decode((make.FOLDER / name).read_bytes(), samples.shape, tensors, model.config.to_dict(), model.schedule.to_dict())
    assert np.array_equal(found, samples)
