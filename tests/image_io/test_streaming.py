"""Row by row, out and in: the same file as in one go, and the memory of some rows, not of the picture."""

import io
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hvpzip.image_io import Chunk, Form, Kind, read_again, read_image, row_writer
from hvpzip.image_io.rows import array_of, strips_of

FORMS = [
    Form(Kind.GRAY, 1),
    Form(Kind.GRAY, 2),
    Form(Kind.GRAY, 4),
    Form(Kind.GRAY, 8),
    Form(Kind.GRAY, 16),
    Form(Kind.GRAY_ALPHA, 8),
    Form(Kind.GRAY_ALPHA, 16),
    Form(Kind.RGB, 8, transparency=bytes(6)),
    Form(Kind.RGB, 16, chunks=(Chunk(b"gAMA", bytes(4)), Chunk(b"tEXt", b"Comment\0a"))),
    Form(Kind.RGB_ALPHA, 8),
    Form(Kind.RGB_ALPHA, 16),
    Form(Kind.PALETTE, 1, bytes(6)),
    Form(Kind.PALETTE, 4, bytes(range(48)), b"\1\2"),
    Form(Kind.PALETTE, 8, bytes(768)),
]
CHANNELS = {Kind.GRAY: 1, Kind.GRAY_ALPHA: 2, Kind.RGB: 3, Kind.RGB_ALPHA: 4, Kind.PALETTE: 1}


def samples_of(form: Form, height: int, width: int, seed: int) -> np.ndarray:
    channels = CHANNELS[form.kind]
    samples = np.random.default_rng(seed).integers(0, 1 << form.bit_depth, (height, width, channels))
    samples = samples.astype(np.uint16 if form.bit_depth == 16 else np.uint8)
    return samples[:, :, 0] if channels == 1 else samples


def written(samples: np.ndarray, form: Form, kind: str, cuts: list[int]) -> bytes:
    out = io.BytesIO()
    writer = row_writer(out, kind, samples.shape[1], samples.shape[0], form)
    for begin, end in zip([0, *cuts], [*cuts, len(samples)], strict=True):
        writer.write(samples[begin:end])
    writer.close()
    return out.getvalue()


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(FORMS), st.integers(1, 20), st.integers(1, 20), st.lists(st.integers(0, 20), max_size=4), st.integers(0, 9))
def test_rows_written_in_pieces_read_back_equal_with_form_and_metadata(form, height, width, cuts, seed):
    samples = samples_of(form, height, width, seed)
    data = written(samples, form, "PNG", sorted(min(cut, height) for cut in cuts))
    assert data == written(samples, form, "PNG", [])
    picture = read_image(io.BytesIO(data))
    np.testing.assert_array_equal(picture.samples, samples, strict=True)
    assert picture.form == form
    again, strips = read_again(io.BytesIO(data), "PNG", height * width)
    np.testing.assert_array_equal(np.concatenate(list(strips)), samples, strict=True)
    assert again == form


@pytest.mark.parametrize("kind", ["TIFF", "BMP", "WEBP", "PPM"])
def test_other_formats_take_rows_in_pieces_too(kind):
    samples = samples_of(Form(Kind.RGB, 8), 9, 5, 1)
    data = written(samples, Form(Kind.RGB, 8), kind, [2, 2, 7])
    _, strips = read_again(io.BytesIO(data), kind, 45)
    np.testing.assert_array_equal(np.concatenate(list(strips)), samples)


@pytest.mark.parametrize("form", FORMS)
def test_libpng_reads_what_is_written(form):
    imagecodecs = pytest.importorskip("imagecodecs")
    samples = samples_of(form, 13, 17, 3)
    if form.kind is Kind.PALETTE or form.transparency:
        pytest.skip("it gives colours there")
    factor = {2: 85, 4: 17, 1: 255}.get(form.bit_depth, 1)
    np.testing.assert_array_equal(np.squeeze(imagecodecs.png_decode(written(samples, form, "PNG", [5]))), samples * np.uint16(factor))


@pytest.mark.parametrize("shape", [(3, 4, 3), (2, 5, 4), (2, 5), (0, 4, 3)])
def test_rows_that_do_not_go_with_the_picture_are_refused(shape):
    with pytest.raises(ValueError, match="do not go with"):
        row_writer(io.BytesIO(), "PNG", 5, 2, Form(Kind.RGB, 8)).write(np.zeros(shape, np.uint8))


def test_missing_rows_are_noticed():
    writer = row_writer(io.BytesIO(), "PNG", 5, 3, Form(Kind.RGB, 8))
    writer.write(np.zeros((2, 5, 3), np.uint8))
    with pytest.raises(ValueError, match="1 rows are missing"):
        writer.close()


def test_a_photo_is_packed_as_well_as_pillow_packs_it(crop):
    samples = np.ascontiguousarray(crop(0, 0, 384, 256).transpose(1, 2, 0))
    buffer = io.BytesIO()
    Image.fromarray(samples).save(buffer, "PNG", optimize=True)
    assert len(written(samples, Form(Kind.RGB, 8), "PNG", [])) <= 1.01 * len(buffer.getvalue())


def test_writing_and_reading_again_hold_no_second_picture(tmp_path, monkeypatch):
    monkeypatch.setattr("hvpzip.image_io.rows._STRIP", 1 << 17)
    strip = samples_of(Form(Kind.RGB, 8), 100, 1000, 0)
    with open(tmp_path / "x.png", "w+b") as file:
        tracemalloc.start()
        writer = row_writer(file, "PNG", 1000, 8000, Form(Kind.RGB, 8))
        for _ in range(80):
            writer.write(strip)
        writer.close()
        _, rows = read_again(file, "PNG", 8_000_000)
        assert sum(len(part) for part in rows) == 8000
        peak = tracemalloc.get_traced_memory()[1]  # without Pillow's own memory
        tracemalloc.stop()
    assert peak < 24_000_000 // 2


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I;16B"])
def test_strips_are_what_the_whole_picture_gives(mode, monkeypatch):
    monkeypatch.setattr("hvpzip.image_io.rows._STRIP", 16)
    size = {"1": 1, "L": 8, "LA": 16, "P": 8, "RGB": 24, "RGBA": 32, "CMYK": 32, "I;16": 16, "I;16B": 16}[mode]
    image = Image.frombytes(mode, (8, 7), np.random.default_rng(1).bytes(7 * size))
    whole = np.array(image)
    np.testing.assert_array_equal(np.concatenate(list(strips_of(image))), whole)
    np.testing.assert_array_equal(array_of(image, np.uint16 if "I" in mode else np.uint8), whole)
