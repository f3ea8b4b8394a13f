"""Files of every mode through the whole path, and form and metadata as sections."""

import io
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import hvpzip
from hvpzip import container, errors
from hvpzip.api.pictures import form_of, sections_of
from hvpzip.codec.bitsback import group_codec
from hvpzip.image_io import Chunk, Form, Kind, plain_form, read_image, write_image
from tests.helpers.coded import coded

FORMS = [
    Form(Kind.GRAY, 1),
    Form(Kind.GRAY, 4, b"", b"\0\3"),
    Form(Kind.GRAY, 16),
    Form(Kind.GRAY_ALPHA, 8),
    Form(Kind.GRAY_ALPHA, 16),
    Form(Kind.RGB, 8, b"", bytes(6)),
    Form(Kind.RGB, 16),
    Form(Kind.RGB_ALPHA, 8, chunks=(Chunk(b"tEXt", b"Title\0a title"), Chunk(b"eXIf", b"II*\0\x08\0\0\0\0\0"))),
    Form(Kind.RGB_ALPHA, 16),
    Form(Kind.PALETTE, 2, bytes(range(12)), b"\xff\0"),
    Form(Kind.PALETTE, 8, bytes(range(256)) * 3),
    Form(Kind.CMYK, 8),
]
CHANNELS = {Kind.GRAY: 1, Kind.GRAY_ALPHA: 2, Kind.RGB: 3, Kind.RGB_ALPHA: 4, Kind.PALETTE: 1, Kind.CMYK: 4}


def samples_of(form: Form, height: int = 9, width: int = 7) -> np.ndarray:
    shape = (height, width) if CHANNELS[form.kind] == 1 else (height, width, CHANNELS[form.kind])
    return (np.indices(shape).sum(axis=0) * 1237 % (1 << form.bit_depth)).astype(np.uint16 if form.bit_depth == 16 else np.uint8)


def header(form: Form) -> container.Header:
    return container.Header(
        width=1,
        height=1,
        channels=CHANNELS[form.kind],
        bit_depth=form.bit_depth,
        colour_lift=0,
        map=0,
        levels=0,
        model_id=bytes(8),
        effort=1,
        parts=True,
    )


def parsed(form: Form, sections: tuple[container.Section, ...]) -> container.Container:
    return container.read(container.write(header(form), [container.Group(b"", 0)], sections))


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.words)
def test_every_form_comes_back_from_its_sections(form: Form) -> None:
    assert form_of(parsed(form, sections_of(form))) == form


def test_plain_pictures_have_no_sections() -> None:
    assert sections_of(plain_form(1, 8)) == sections_of(plain_form(3, 8)) == ()


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.words)
def test_picture_of_every_form_comes_back_through_a_file(tmp_path: Path, form: Form) -> None:
    samples = samples_of(form)
    suffix = ".tif" if form.kind is Kind.CMYK else ".png"
    write_image(samples, tmp_path / f"a{suffix}", form=form)
    result = hvpzip.compress_file(tmp_path / f"a{suffix}", tmp_path / "b.hvz")
    assert result.output_bytes == (tmp_path / "b.hvz").stat().st_size
    back = hvpzip.decompress_file(tmp_path / "b.hvz")
    assert back.output == str(tmp_path / f"b{suffix}")
    picture = read_image(back.output)
    np.testing.assert_array_equal(picture.samples, samples)
    assert picture.form == form
    stream = io.BytesIO()
    hvpzip.decompress_file(tmp_path / "b.hvz", stream)
    assert stream.getvalue() == (tmp_path / f"b{suffix}").read_bytes()


@pytest.mark.parametrize(
    "form", [Form(Kind.GRAY, 8), Form(Kind.GRAY, 16), Form(Kind.GRAY_ALPHA, 8), Form(Kind.RGB, 16), Form(Kind.RGB_ALPHA, 16)]
)
def test_arrays_of_every_kind_come_back(form: Form) -> None:
    samples = samples_of(form)
    np.testing.assert_array_equal(hvpzip.decompress(hvpzip.compress(samples)), samples, strict=True)


def test_file_without_a_model_part_needs_no_model() -> None:
    data = hvpzip.compress(np.zeros((3, 4, 4), np.uint16))
    assert hvpzip.info(data).model == "0" * 16


def test_file_is_never_larger_than_a_fallback_and_its_header(monkeypatch: pytest.MonkeyPatch) -> None:
    """Text of two colours, at which the model is not good."""
    samples = np.kron(np.random.default_rng(1).integers(0, 2, (12, 12)), np.full((4, 4), 255)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(samples).save(buffer, format="PNG", optimize=True)
    assert len(hvpzip.compress(samples)) < len(buffer.getvalue())
    coded: list[int] = []
    real = group_codec.encode_group

    def counted(*arguments: object) -> object:
        found = real(*arguments)  # type: ignore[arg-type]
        coded.append(len(found[0]))
        return found

    monkeypatch.setattr(group_codec, "encode_group", counted)
    assert len(hvpzip.compress(samples)) < coded[0]


def test_metadata_is_left_out_on_request_on_both_ways(tmp_path: Path) -> None:
    form = Form(Kind.GRAY, 8, chunks=(Chunk(b"tEXt", b"Title\0a title"),))
    write_image(samples_of(form), tmp_path / "a.png", form=form)
    hvpzip.compress_file(tmp_path / "a.png", tmp_path / "kept.hvz")
    hvpzip.compress_file(tmp_path / "a.png", tmp_path / "left.hvz", strip=True)
    assert coded((tmp_path / "left.hvz").read_bytes()) == coded(hvpzip.compress(samples_of(form)))
    with pytest.raises(errors.ImageError, match=r"BMP cannot hold this metadata: text; .*--strip"):
        hvpzip.decompress_file(tmp_path / "kept.hvz", tmp_path / "b.bmp")
    assert not (tmp_path / "b.bmp").exists()
    hvpzip.decompress_file(tmp_path / "kept.hvz", tmp_path / "b.bmp", strip=True)
    np.testing.assert_array_equal(read_image(tmp_path / "b.bmp").samples, samples_of(form))


@pytest.mark.parametrize(
    ("form", "suffix", "words"),
    [
        (Form(Kind.CMYK, 8), ".png", "PNG has no CMYK"),
        (Form(Kind.RGB, 16), ".webp", "WebP cannot hold 16-bit RGB"),
        (Form(Kind.GRAY, 16), ".bmp", "BMP cannot hold 16-bit gray"),
        (Form(Kind.RGB_ALPHA, 8), ".ppm", "PPM cannot hold 8-bit RGB with alpha"),
        (Form(Kind.PALETTE, 2, bytes(12), b"\0"), ".tif", "TIFF cannot hold 2-bit palette with transparency"),
    ],
)
def test_formats_that_would_lose_something_are_refused(tmp_path: Path, form: Form, suffix: str, words: str) -> None:
    with pytest.raises(errors.ImageError, match=words):
        write_image(samples_of(form), tmp_path / f"a{suffix}", form=form)


def test_jpeg_says_how_much_larger_the_file_is(tmp_path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 24), np.uint8)).save(tmp_path / "a.jpg", quality=20)
    result = hvpzip.compress_file(tmp_path / "a.jpg", pixels=True)
    assert result.input_bytes is not None
    assert result.output_bytes is not None
    assert any(f"{result.output_bytes / result.input_bytes:.1f} times" in notice for notice in result.notices)


@pytest.mark.parametrize(
    ("kind", "data", "error"),
    [
        (container.FORM_SECTION, b"", errors.UnsupportedVersionError),
        (container.FORM_SECTION, b"\x63\0", errors.UnsupportedVersionError),
        (container.FORM_SECTION, b"\x03\0", errors.CorruptError),
        (container.FORM_SECTION, b"\x04\0", errors.CorruptError),
        (container.FORM_SECTION, b"\x04\x04abcd", errors.CorruptError),
        (container.FORM_SECTION, b"\x04\x06abc", errors.CorruptError),
        (container.FORM_SECTION, b"\x00\x00abc", errors.CorruptError),
        (container.FORM_SECTION, b"\x84\xff", errors.CorruptError),
        (container.FORM_SECTION, b"\x84" + zlib.compress(bytes(2000), wbits=-15), errors.LimitError),
        (container.METADATA_SECTION, b"", errors.CorruptError),
        (container.METADATA_SECTION, b"\x02", errors.CorruptError),
        (container.METADATA_SECTION, b"\x01\xff\xff", errors.CorruptError),
        (container.METADATA_SECTION, b"\x01", errors.CorruptError),
        (container.METADATA_SECTION, b"\x00tEXt\x05abc", errors.CorruptError),
        (container.METADATA_SECTION, b"\x00tEX", errors.FormatError),
    ],
)
def test_sections_that_are_not_valid_are_refused(kind: int, data: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        form_of(parsed(plain_form(1, 8), (container.Section(kind, data),)))


def test_unknown_records_of_metadata_are_left_out() -> None:
    section = container.Section(container.METADATA_SECTION, b"\x00zzzz\x01atEXt\x03a\0b")
    assert form_of(parsed(plain_form(1, 8), (section,))).chunks == (Chunk(b"tEXt", b"a\0b"),)


def test_frame_of_an_animation_is_taken_by_number(tmp_path: Path) -> None:
    frames = [Image.fromarray(np.full((5, 6, 3), value, np.uint8)) for value in (10, 200)]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:])
    frames[0].save(tmp_path / "a.tif", save_all=True, append_images=frames[1:])
    for name in ("a.png", "a.tif"):
        with pytest.raises(errors.ImageError, match="--frame N"):
            hvpzip.compress_file(tmp_path / name)
        hvpzip.compress_file(tmp_path / name, tmp_path / "x.hvz", frame=1, force=True)
        samples = hvpzip.decompress((tmp_path / "x.hvz").read_bytes())
        assert (samples[:, :, :3] == 200).all()
        with pytest.raises(errors.ImageError, match="no picture 2"):
            hvpzip.compress_file(tmp_path / name, tmp_path / "y.hvz", frame=2)
