"""Picture files come in exactly or are refused in one line; nothing in between."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hvpzip.errors import HvpzipError, ImageError, LimitError
from hvpzip.image_io import Form, Kind, read_image, write_image
from tests.helpers.damage import flips, patched
from tests.image_io.builders import encoded, photo, png, refusal

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared test pictures are not here")


def folder(name):
    return sorted((SHARED / name).iterdir()) if SHARED.is_dir() else []


def decoded_png(data):
    """An independent decoder: samples of a plain 8-bit gray or RGB PNG, with nothing but zlib."""
    offset, pixels = 8, b""
    while offset < len(data):
        length, kind = struct.unpack_from(">I4s", data, offset)
        body = data[offset + 8 : offset + 8 + length]
        if kind == b"IHDR":
            width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", body)
            assert depth == 8
            assert colour in (0, 2)
            assert not interlaced
        pixels += body if kind == b"IDAT" else b""
        offset += length + 12
    step = 3 if colour == 2 else 1
    raw, rows, above = zlib.decompress(pixels), [], [0] * (width * step)
    for y in range(height):
        method, *row = raw[y * (width * step + 1) : (y + 1) * (width * step + 1)]
        for x in range(width * step):
            a, b, c = (row[x - step] if x >= step else 0), above[x], (above[x - step] if x >= step else 0)
            distances = {a: abs(b - c), b: abs(a - c), c: abs(a + b - 2 * c)}
            paeth = a if distances[a] <= distances[b] and distances[a] <= distances[c] else b if distances[b] <= distances[c] else c
            row[x] = (row[x] + (0, a, b, (a + b) // 2, paeth)[method]) & 255
        rows.append(row)
        above = row
    return np.array(rows, np.uint8).reshape((height, width, 3) if step == 3 else (height, width))


# ---- the shared folders; test_shared_files.py goes through all of them ----


@needs_shared
def test_interlaced_pictures_equal_their_plain_twins():
    for kind in ("0g08", "2c08"):
        twins = [read_image(SHARED / "pngsuite" / f"bas{interlace}{kind}.png").samples for interlace in "in"]
        np.testing.assert_array_equal(*twins)


@needs_shared
def test_plain_pictures_are_those_of_an_independent_decoder():
    for name in ("odd_17x13.png", "noise_rgb.png", "gray8_page.png"):
        path = SHARED / "modes" / name
        np.testing.assert_array_equal(read_image(path).samples, decoded_png(path.read_bytes()))


@needs_shared
def test_metadata_comes_as_chunks_and_what_is_not_kept_is_named():
    assert [chunk.name for chunk in read_image(SHARED / "modes" / "paris_icc_exif_xmp.png").form.chunks] == [b"iCCP", b"zTXt", b"zTXt"]
    picture = read_image(SHARED / "modes" / "exif_orientation_6.jpg")
    assert [chunk.name for chunk in picture.form.chunks] == [b"iCCP", b"reSo", b"eXIf"]
    (notice,) = picture.notices
    assert notice.startswith("the decoded pixels of the JPEG are kept")
    assert read_image(SHARED / "modes" / "exif_orientation_6.jpg", strip=True).form.chunks == ()
    assert read_image(SHARED / "modes" / "rgba_icon.png").notices == ("not kept: chunk 'iDOT'",)


# ---- kinds made here ----


@pytest.mark.parametrize("shape", [(1, 1), (5, 7), (5, 7, 3), (1, 300, 3), (300, 1)])
@pytest.mark.parametrize(
    "options", [{"format": "PNG"}, {"format": "TIFF"}, {"format": "BMP"}, {"format": "PPM"}, {"format": "TIFF", "compression": "tiff_lzw"}]
)
def test_plain_pictures_come_in_exactly(shape, options):
    samples = photo(*shape)
    picture = read_image(io.BytesIO(encoded(Image.fromarray(samples), **options)))
    np.testing.assert_array_equal(picture.samples, samples)
    assert picture.notices == ()


def test_jpeg_comes_in_as_it_decodes_with_a_notice():
    for samples in (photo(24, 16, 3), photo(9, 9)):
        data = encoded(Image.fromarray(samples), format="JPEG", quality=90)
        picture = read_image(io.BytesIO(data))
        np.testing.assert_array_equal(picture.samples, np.asarray(Image.open(io.BytesIO(data))))
        assert len(picture.notices) == 1


def test_a_tiff_with_an_orientation_comes_in_upright():
    samples = photo(4, 6, 3)
    data = encoded(Image.fromarray(samples), format="TIFF", tiffinfo={274: 6})
    np.testing.assert_array_equal(read_image(io.BytesIO(data)).samples, np.rot90(samples, -1))


def test_plain_ppm_text_and_its_comments_are_read():
    picture = read_image(io.BytesIO(b"P3 # a comment\n2 1\n# another\n255\n1 2 3  4 5 255\n"))
    assert picture.samples.tolist() == [[[1, 2, 3], [4, 5, 255]]]


ANIMATED = encoded(Image.new("RGB", (2, 2)), format="PNG", save_all=True, append_images=[Image.new("RGB", (2, 2), "red")])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (ANIMATED, "PNG: 8-bit RGB, animated; --frame N"),
        (b"P5 2 1 100 " + bytes(2), "PNM: a maximum of 100"),
        (b"P6 1 1 255 " + bytes(3) + b"P6 1 1 255 " + bytes(3), "PNM: more than one picture"),
        (b"PF 1 1 -1.0 " + bytes(12), "PNM: floating-point"),
        (b"P7\nWIDTH 1\n", "PNM: PAM"),
        (encoded(Image.new("RGB", (4, 4)), format="TIFF", save_all=True, append_images=[Image.new("RGB", (4, 4))]), "more than one page"),
        (encoded(Image.new("RGB", (16, 16)), format="MPO", save_all=True, append_images=[Image.new("RGB", (16, 16))]), "JPEG: 2 pictures"),
        (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "JPEG 2000 files are not supported"),
        (b"\xff\x0a..", "JPEG XL files are not supported"),
        (b"\x00\x00\x00\x1cftypavif", "AVIF files are not supported"),
        (b"\x89HVZ\r\n\x1a\n", "a .hvz file already"),
        (b"hello", "not a picture of a known kind"),
        (b"", "empty"),
    ],
)
def test_other_kinds_are_refused_by_name(data, words):
    assert words in refusal(io.BytesIO(data))


def test_a_palette_bmp_comes_with_its_palette_and_one_of_grays_as_gray():
    gray = Image.fromarray(photo(4, 4))
    assert read_image(io.BytesIO(encoded(gray, format="BMP"))).form._replace(chunks=()) == Form(Kind.GRAY)
    palette = Image.new("P", (4, 4))
    palette.putpalette([5, 6, 7] * 256)
    form = read_image(io.BytesIO(encoded(palette, format="BMP"))).form
    assert form._replace(chunks=()) == Form(Kind.PALETTE, 8, bytes([5, 6, 7] * 256))
    assert [chunk.name for chunk in form.chunks] == [b"pHYs"]


@pytest.mark.parametrize(
    ("mode", "kind", "options"),
    [
        ("1", "BMP", {}),
        ("1", "TIFF", {}),
        ("1", "PPM", {}),
        ("LA", "TIFF", {}),
        ("P", "GIF", {}),
        ("P", "TIFF", {}),
        ("RGBA", "TIFF", {}),
        ("RGBA", "WEBP", {"lossless": True}),
        ("CMYK", "TIFF", {}),
        ("CMYK", "JPEG", {}),
        ("I;16", "TIFF", {}),
    ],
)
def test_every_mode_of_pillow_comes_in_as_pillow_gives_it(mode, kind, options):
    image = Image.new(mode, (5, 4))
    image.putpixel((2, 1), (1,) * len(image.getbands()) if len(image.getbands()) > 1 else 1)
    if mode == "P":
        image.putpalette(range(256), "RGB")
    data = encoded(image, format=kind, **options)
    picture = read_image(io.BytesIO(data))
    with Image.open(io.BytesIO(data)) as again:
        assert again.mode == mode
        np.testing.assert_array_equal(picture.samples, np.asarray(again))
        assert picture.form.palette == (bytes(again.getpalette()) if mode == "P" else b"")
    assert not [notice for notice in picture.notices if "not kept:" in notice]


def test_metadata_of_every_kind_of_file_is_taken():
    image = Image.fromarray(photo(4, 4, 3))
    exif = Image.Exif()
    exif[274] = 3
    cases = {
        "PNG": {"exif": exif, "icc_profile": b"profile", "dpi": (72, 72)},
        "WEBP": {"exif": exif, "icc_profile": b"profile", "lossless": True},
        "TIFF": {"icc_profile": b"profile", "dpi": (72, 72), "description": "text"},
        "JPEG": {"exif": exif, "icc_profile": b"profile", "dpi": (72, 72), "comment": b"text"},
        "BMP": {"dpi": (72, 72)},
    }
    found = {kind: read_image(io.BytesIO(encoded(image, format=kind, **options))).form.chunks for kind, options in cases.items()}
    assert {kind: sorted(chunk.name.decode() for chunk in chunks) for kind, chunks in found.items()} == {
        "PNG": ["eXIf", "iCCP", "pHYs"],
        "WEBP": ["eXIf", "iCCP"],
        "TIFF": ["iCCP", "reSo", "tEXt"],
        "JPEG": ["eXIf", "iCCP", "reSo", "tEXt"],
        "BMP": ["pHYs"],
    }


# ---- damage and limits ----

SMALL = {kind: encoded(Image.fromarray(photo(6, 5, 3)), format=kind) for kind in ("PNG", "TIFF", "BMP", "PPM", "JPEG")}
SMALL["WEBP"] = encoded(Image.fromarray(photo(6, 5, 3)), format="WEBP", lossless=True)


@pytest.mark.parametrize("kind", ["PNG", "PPM", "WEBP"])
def test_every_truncation_of_a_file_is_refused(kind):
    for size in range(len(SMALL[kind])):
        refusal(io.BytesIO(SMALL[kind][:size]))


@pytest.mark.parametrize("kind", ["BMP", "TIFF"])
def test_a_truncation_that_costs_samples_is_refused(kind):
    """The padding at the end of a BMP, and tags at the end of a TIFF that say nothing of the samples, may be missing."""
    refused = 0
    for size in range(len(SMALL[kind])):
        try:
            samples = read_image(io.BytesIO(SMALL[kind][:size])).samples
        except ImageError:
            refused += 1
        else:
            np.testing.assert_array_equal(samples, photo(6, 5, 3))
    assert refused >= len(SMALL[kind]) - 8


def test_every_flipped_bit_of_a_png_is_refused():
    data = SMALL["PNG"]
    for damaged in flips(data):
        refusal(io.BytesIO(damaged))


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(sorted(SMALL)), st.data())
def test_random_damage_gives_a_picture_or_an_error_of_ours(kind, data):
    damaged = data.draw(patched(SMALL[kind], most=4, within=200))
    try:
        samples = read_image(io.BytesIO(damaged), max_pixels=10_000).samples
    except HvpzipError as error:
        message = str(error)
    else:
        message = f"{samples.dtype} of {samples.ndim} axes"
        assert message in {f"{kind} of {axes} axes" for kind in ("uint8", "uint16") for axes in (2, 3)}
    assert "\n" not in message


@pytest.mark.parametrize("kind", sorted(SMALL))
def test_the_limit_on_pixels_is_exact(kind):
    read_image(io.BytesIO(SMALL[kind]), max_pixels=30)
    with pytest.raises(LimitError, match="5 x 6 = 30 pixels, over the limit of 29"):
        read_image(io.BytesIO(SMALL[kind]), max_pixels=29)


def test_pictures_over_the_warning_of_pillow_are_read_up_to_our_own_limit(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert read_image(io.BytesIO(SMALL["PNG"])).samples.shape == (6, 5, 3)


def test_a_bomb_is_refused_before_it_is_unpacked():
    bomb = png(1 << 15, 1 << 15, raw=b"\0")
    with pytest.raises(LimitError, match="1073741824 pixels"):
        read_image(io.BytesIO(bomb))


def test_a_missing_file_and_a_folder_give_the_systems_message(tmp_path):
    assert "No such file" in refusal(tmp_path / "none.png")
    assert "cannot read the picture" in refusal(tmp_path)


def test_the_samples_are_the_callers_own(tmp_path):
    write_image(photo(3, 4), tmp_path / "a.png")
    samples = read_image(tmp_path / "a.png").samples
    samples[...] = 0
    assert read_image(str(tmp_path / "a.png")).samples.any()
