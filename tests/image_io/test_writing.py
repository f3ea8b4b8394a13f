"""What is written reads back equal, in every format offered; the rest is refused."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from hvpzip.errors import ImageError
from hvpzip.image_io import SUFFIXES, Chunk, Form, Kind, format_of, read_image, write_image

FORMATS = sorted(set(SUFFIXES.values()))

pictures = st.one_of(
    hnp.arrays(np.uint8, st.tuples(st.integers(1, 20), st.integers(1, 20))),
    hnp.arrays(np.uint8, st.tuples(st.integers(1, 20), st.integers(1, 20), st.just(3))),
)


@settings(deadline=None)
@given(pictures, st.sampled_from(FORMATS))
def test_what_is_written_reads_back_equal(samples, kind):
    buffer = io.BytesIO()
    if kind == "WEBP" and samples.ndim == 2:
        with pytest.raises(ImageError, match="no gray"):
            write_image(samples, buffer, kind)
        return
    write_image(samples, buffer, kind)
    picture = read_image(io.BytesIO(buffer.getvalue()))
    np.testing.assert_array_equal(picture.samples, samples)
    assert picture.notices == ()


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".PNG"])
def test_the_suffix_of_a_path_chooses_the_format(tmp_path, suffix):
    samples = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    path = tmp_path / f"picture{suffix}"
    write_image(samples, path)
    starts = {"PNG": b"\x89PNG", "WEBP": b"RIFF", "TIFF": b"II*\0", "BMP": b"BM", "PPM": b"P6"}
    assert path.read_bytes().startswith(starts[format_of(path)])
    np.testing.assert_array_equal(read_image(path).samples, samples)


def test_a_stream_gets_png_unless_told_otherwise():
    buffer = io.BytesIO()
    write_image(np.zeros((2, 2), np.uint8), buffer)
    assert buffer.getvalue().startswith(b"\x89PNG")


def test_any_strides_are_written_as_they_look():
    samples = np.random.default_rng(0).integers(0, 256, (6, 8, 3)).astype(np.uint8)[::-2, 1::3]
    buffer = io.BytesIO()
    write_image(samples, buffer)
    np.testing.assert_array_equal(read_image(io.BytesIO(buffer.getvalue())).samples, samples)


def test_the_same_samples_give_the_same_bytes():
    samples = np.random.default_rng(1).integers(0, 256, (6, 8, 3)).astype(np.uint8)
    for kind in FORMATS:
        first, second = io.BytesIO(), io.BytesIO()
        write_image(samples, first, kind)
        write_image(samples, second, kind)
        assert first.getvalue() == second.getvalue()


@pytest.mark.parametrize("name", ["a.jpg", "a.JPEG", "a.gif", "a.avif", "a.jxl"])
def test_formats_that_may_lose_samples_are_refused_and_nothing_is_written(tmp_path, name):
    with pytest.raises(ImageError, match=r"may lose samples: choose one of \.png"):
        write_image(np.zeros((2, 2), np.uint8), tmp_path / name)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ImageError, match="JPEG is not a format that keeps every sample"):
        write_image(np.zeros((2, 2), np.uint8), io.BytesIO(), "JPEG")


@pytest.mark.parametrize("name", ["a", "a.xyz", ".png"])
def test_unknown_suffixes_are_refused(name):
    with pytest.raises(ImageError, match="unknown picture suffix"):
        format_of(name)


def test_a_picture_too_long_for_its_format_is_refused():
    with pytest.raises(ImageError, match="WEBP cannot hold this picture of 20000 x 1"):
        write_image(np.zeros((1, 20000, 3), np.uint8), io.BytesIO(), "WEBP")


def test_a_programmers_mistakes_are_type_and_value_errors():
    with pytest.raises(TypeError, match="int32"):
        write_image(np.zeros((2, 2), np.int32), io.BytesIO())  # type: ignore[arg-type]
    for shape in [(2,), (0, 2), (2, 2, 5), (2, 2, 2, 3)]:
        with pytest.raises(ValueError, match="shape"):
            write_image(np.zeros(shape, np.uint8), io.BytesIO())
    with pytest.raises(ValueError, match="are no 8-bit RGB"):
        write_image(np.zeros((2, 2), np.uint8), io.BytesIO(), form=Form(Kind.RGB))


def test_a_folder_that_is_missing_is_the_systems_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_image(np.zeros((2, 2), np.uint8), tmp_path / "none" / "a.png")


def test_tiff_of_16_bits_and_several_channels_comes_back_with_its_metadata():
    chunks = (Chunk(b"tEXt", b"Software\0ours"), Chunk(b"reSo", bytes([72, 0, 0, 0, 1, 0, 0, 0] * 2 + [2])))
    for channels, kind in ((3, Kind.RGB), (4, Kind.RGB_ALPHA)):
        samples = np.random.default_rng(2).integers(0, 1 << 16, (5, 6, channels)).astype(np.uint16)
        form = Form(kind, 16, chunks=chunks)
        buffer = io.BytesIO()
        write_image(samples, buffer, "TIFF", form)
        picture = read_image(io.BytesIO(buffer.getvalue()))
        np.testing.assert_array_equal(picture.samples, samples)
        assert picture.form == form


def test_exact_resolution_and_the_nearest_one_both_stand_in_a_png():
    chunk = Chunk(b"reSo", bytes([44, 1, 0, 0, 1, 0, 0, 0] * 2 + [2]))
    buffer = io.BytesIO()
    write_image(np.zeros((2, 2), np.uint8), buffer, "PNG", Form(Kind.GRAY, chunks=(chunk,)))
    assert read_image(io.BytesIO(buffer.getvalue())).form.chunks == (chunk,)
    with Image.open(buffer) as image:
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.013)
