"""What is written reads back equal, in every format offered; the rest is refused."""

import io
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from hvpzip.errors import ImageError
from hvpzip.image_io import CHANNELS, SUFFIXES, Chunk, Form, Kind, format_of, read_image, row_writer, write_image

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


FORMS = [
    Form(Kind.GRAY, 1),
    Form(Kind.GRAY, 2),
    Form(Kind.GRAY, 4),
    Form(Kind.GRAY, 8),
    Form(Kind.GRAY, 16),
    Form(Kind.GRAY_ALPHA, 8),
    Form(Kind.GRAY_ALPHA, 16),
    Form(Kind.RGB, 8),
    Form(Kind.RGB, 16),
    Form(Kind.RGB_ALPHA, 8),
    Form(Kind.RGB_ALPHA, 16),
    Form(Kind.PALETTE, 1, bytes(range(6))),
    Form(Kind.PALETTE, 2, bytes(range(12))),
    Form(Kind.PALETTE, 4, bytes(range(48))),
    Form(Kind.PALETTE, 8, bytes(range(256)) * 3),
    Form(Kind.CMYK, 8),
]


RGB = ("8-bit RGB", "8-bit gray", "1-bit gray")
HELD = {
    "BMP": (*RGB, "8-bit RGB with alpha", "4-bit gray", "1-bit palette", "4-bit palette", "8-bit palette"),
    "PPM": (*RGB, "16-bit gray", "16-bit RGB"),
}


def written(form, kind, height=13, width=11):
    """(samples, file), or None where the format does not hold the form."""
    channels = CHANNELS[form.kind]
    samples = np.random.default_rng(5).integers(0, 1 << form.bit_depth, (height, width, channels))
    samples = samples.astype(np.uint16 if form.bit_depth == 16 else np.uint8)
    samples = samples[:, :, 0] if channels == 1 else samples
    buffer = io.BytesIO()
    if kind != "TIFF" and form.words not in HELD[kind]:
        with pytest.raises(ImageError, match="cannot hold"):
            write_image(samples, buffer, kind, form)
        return None
    write_image(samples, buffer, kind, form)
    return samples, buffer.getvalue()


@pytest.mark.parametrize("kind", ["TIFF", "BMP", "PPM"])
def test_pillow_reads_what_is_written(kind):
    for form in FORMS:
        if (found := written(form, kind)) is None:
            continue
        samples, data = found
        if form.bit_depth == 16 and (form.kind is not Kind.GRAY or kind == "PPM"):
            continue  # it gives 8 bits of them, or 32, or none; tifffile is asked below, and netpbm's layout is tested by hand
        with Image.open(io.BytesIO(data)) as image:
            seen = np.asarray(image)
            stretch = 255 // ((1 << form.bit_depth) - 1) if image.mode == "L" else 1
            np.testing.assert_array_equal(seen, samples * np.uint8(stretch) if stretch > 1 else samples, str(form))
            if form.kind is Kind.PALETTE:
                assert bytes(image.getpalette("RGB"))[: len(form.palette)] == form.palette


def test_16_bits_of_a_ppm_have_their_high_byte_first():
    buffer = io.BytesIO()
    write_image(np.array([[1, 258]], np.uint16), buffer, "PPM")
    assert buffer.getvalue() == b"P5\n2 1\n65535\n\0\1\1\2"


def test_tifffile_reads_what_is_written():
    tifffile = pytest.importorskip("tifffile")
    for form in FORMS:
        samples, data = written(form, "TIFF")
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            np.testing.assert_array_equal(file.asarray().astype(samples.dtype), samples, str(form))
            if form.kind is Kind.PALETTE:
                palette = np.frombuffer(form.palette, np.uint8).reshape(-1, 3)
                np.testing.assert_array_equal(file.pages[0].colormap.T, palette * np.uint16(257))


def test_what_a_tiff_cannot_hold_of_exif_is_told():
    """The thumbnail: a second picture in the file would make it one of two pages."""
    directory = struct.pack("<HHHI4sI", 1, 0x8827, 3, 1, b"d\0\0\0", 26) + struct.pack("<HHHIII", 1, 513, 4, 1, 44, 0)
    block = b"II*\0\x08\0\0\0" + directory
    buffer = io.BytesIO()
    writer = row_writer(buffer, "TIFF", 2, 2, Form(Kind.GRAY, 8, chunks=(Chunk(b"eXIf", block),)))
    writer.write(np.zeros((2, 2), np.uint8))
    assert writer.close() == ("EXIF's thumbnail",)
    assert read_image(io.BytesIO(buffer.getvalue())).pictures == 1


def test_chunks_for_which_tiff_has_no_tag_come_back_from_a_tag_of_ours():
    chunks = (
        Chunk(b"gAMA", (45455).to_bytes(4, "big")),
        Chunk(b"tEXt", b"Comment\0one"),
        Chunk(b"tEXt", b"Comment\0two"),
        Chunk(b"zTXt", b"Title\0\0packed"),
        Chunk(b"tEXt", b"Software\0ours"),
    )
    buffer = io.BytesIO()
    write_image(np.zeros((2, 2, 4), np.uint8), buffer, "TIFF", Form(Kind.CMYK, 8, chunks=chunks))
    picture = read_image(io.BytesIO(buffer.getvalue()))
    assert sorted(picture.form.chunks) == sorted(chunks)
    assert picture.dropped == ()


def test_exif_that_would_turn_the_picture_is_kept_from_others():
    block = b"II*\0\x08\0\0\0" + struct.pack("<HHHII", 1, 274, 3, 1, 6) + bytes(4)
    chunk = Chunk(b"eXIf", block)
    buffer = io.BytesIO()
    writer = row_writer(buffer, "TIFF", 3, 2, Form(Kind.GRAY, 8, chunks=(chunk,)))
    writer.write(np.arange(6, dtype=np.uint8).reshape(2, 3))
    assert "would turn the picture" in writer.close()[0]
    picture = read_image(io.BytesIO(buffer.getvalue()))
    assert picture.samples.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert picture.form.chunks == (chunk,)
