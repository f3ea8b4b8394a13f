"""The plugin for Pillow: what goes in comes out, or is refused."""

import io
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin, UnidentifiedImageError

import hvpzip
import hvpzip.pillow
from hvpzip import container
from tests.helpers.children import ran

ROOT = Path(__file__).parents[1]


def drawn(mode: str) -> Image.Image:
    """A small picture in that mode."""
    ramp = np.add.outer(np.arange(5), 20 * np.arange(7)).astype(np.uint8)
    if mode == "I;16":
        return Image.fromarray(ramp.astype(np.uint16) * 257)
    if mode == "P":
        image = Image.fromarray(ramp % 11)
        image.putpalette(bytes(range(33)))
        return image
    bands = Image.merge("RGBA", [Image.fromarray(ramp + np.uint8(shift)) for shift in (0, 40, 80, 120)])
    return bands.convert(mode) if mode != "CMYK" else Image.frombytes("CMYK", bands.size, bands.tobytes())


def again(image: Image.Image, **options: object) -> Image.Image:
    """The image through a ``.hvz`` file in memory."""
    file = io.BytesIO()
    image.save(file, format="HVZ", **options)
    file.seek(0)
    return Image.open(file)


def assert_same(one: Image.Image, other: Image.Image) -> None:
    assert (one.mode, one.size) == (other.mode, other.size)
    np.testing.assert_array_equal(np.asarray(one), np.asarray(other), strict=True)
    assert one.getpalette() == other.getpalette()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])
def test_every_mode_that_is_held_comes_back(tmp_path: Path, mode: str) -> None:
    image = drawn(mode)
    image.save(tmp_path / "x.hvz")
    with Image.open(tmp_path / "x.hvz") as back:
        assert (back.format, back.info) == ("HVZ", {})
        assert_same(back, image)
    hvpzip.verify(tmp_path / "x.hvz")


@pytest.mark.parametrize(
    ("mode", "clear"), [("L", 7), ("1", 255), ("1", 0), ("RGB", (0, 40, 80)), ("P", b"\x00\x80\xff"), ("P", 3), ("I;16", 300)]
)
def test_transparency_comes_back(mode: str, clear: object) -> None:
    image = drawn(mode)
    image.info["transparency"] = clear
    back = again(image)
    assert_same(back, image)
    if mode != "I;16":  # Pillow gives no alpha for that
        np.testing.assert_array_equal(np.asarray(back.convert("RGBA")), np.asarray(image.convert("RGBA")))
    assert back.info["transparency"] == clear
    assert again(drawn(mode), transparency=clear).info["transparency"] == clear


def test_palette_with_alpha_comes_back_as_colours_and_transparency() -> None:
    image = drawn("P")
    image.putpalette(bytes(range(44)), "RGBA")
    expected = np.asarray(image.convert("RGBA"))
    np.testing.assert_array_equal(np.asarray(again(image).convert("RGBA")), expected)


@pytest.mark.parametrize("mode", ["F", "I", "LAB", "HSV", "YCbCr", "PA", "La", "RGBa", "RGBX"])
def test_other_modes_are_refused_and_leave_no_file(tmp_path: Path, mode: str) -> None:
    with pytest.raises(hvpzip.errors.ImageError, match=f"mode {mode}: convert the image to 1, L, LA, P, RGB, RGBA, CMYK, I;16 first"):
        Image.new(mode, (3, 2)).save(tmp_path / "x.hvz")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_more_bits_than_pillow_holds_are_refused_when_the_file_is_opened(channels: int) -> None:
    data = hvpzip.compress(np.full((2, 2, channels), 999, np.uint16))
    with pytest.raises(hvpzip.errors.ImageError, match="Pillow cannot hold 16-bit"):
        Image.open(io.BytesIO(data))


def test_picture_is_that_of_the_png_which_decompress_writes(tmp_path: Path) -> None:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Title", "A ramp")
    texts.add_itxt("Beschreibung", "Größe", lang="de", tkey="Größe")
    texts.add(b"gAMA", struct.pack(">I", 45455))
    texts.add(b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000))
    texts.add(b"sRGB", b"\0")
    exif = Image.Exif()
    exif[271] = "a camera"
    drawn("RGB").save(tmp_path / "rgb.png", pnginfo=texts, exif=exif, dpi=(300, 200), icc_profile=b"a profile")
    drawn("P").save(tmp_path / "p.png", transparency=b"\1\2\3", bits=4)
    drawn("L").save(tmp_path / "l.tif", dpi=(72, 72))
    (tmp_path / "gray4.png").write_bytes(gray4())
    for name in ("rgb.png", "p.png", "l.tif", "gray4.png"):
        hvpzip.compress_file(tmp_path / name, tmp_path / "x.hvz", force=True)
        hvpzip.decompress_file(tmp_path / "x.hvz", tmp_path / "x.png", force=True)
        with Image.open(tmp_path / "x.hvz") as ours, Image.open(tmp_path / "x.png") as png:
            assert isinstance(ours, hvpzip.pillow.HvzImageFile)
            assert isinstance(png, PngImagePlugin.PngImageFile)
            assert ours.info == png.info
            assert_same(ours, png)
            assert ours.text == png.text
            assert dict(ours.getexif()) == dict(png.getexif())
            twice = again(ours)  # what Pillow holds survives another trip
            assert isinstance(twice, hvpzip.pillow.HvzImageFile)
            assert twice.info == png.info
            assert twice.text == png.text
            assert_same(twice, png)


def gray4() -> bytes:
    """A PNG of 4-bit gray, which Pillow stretches to 8 bits."""
    from hvpzip.image_io import Form, Kind, write_image

    file = io.BytesIO()
    write_image(np.arange(12, dtype=np.uint8).reshape(3, 4), file, "PNG", Form(Kind.GRAY, 4))
    return file.getvalue()


def test_transparent_gray_is_stretched_with_its_samples() -> None:
    from hvpzip.image_io import Form, Kind, write_image

    file, packed = io.BytesIO(), io.BytesIO()
    write_image(np.arange(12, dtype=np.uint8).reshape(3, 4), file, "PNG", Form(Kind.GRAY, 4, transparency=b"\0\5"))
    file.seek(0)
    hvpzip.compress_file(file, packed)
    packed.seek(0)
    image = Image.open(packed)
    assert (image.mode, image.info["transparency"]) == ("L", 85)
    np.testing.assert_array_equal(np.asarray(image), 17 * np.arange(12, dtype=np.uint8).reshape(3, 4))


def test_opening_reads_the_beginning_only_and_damage_behind_it_shows_when_the_samples_are_wanted(tmp_path: Path) -> None:
    samples = np.random.default_rng(1).integers(0, 256, (60, 50, 3), np.uint8)
    data = hvpzip.compress(samples)
    assert len(data) > 8192 + 512
    (tmp_path / "cut.hvz").write_bytes(data[:8192])
    with Image.open(tmp_path / "cut.hvz") as image:
        assert (image.mode, image.size) == ("RGB", (50, 60))
        with pytest.raises(hvpzip.errors.TruncatedError):
            image.load()
    with Image.open(tmp_path / "cut.hvz") as image, pytest.raises(hvpzip.errors.TruncatedError):
        image.verify()
    with Image.open(io.BytesIO(data)) as image:
        image.verify()
    with Image.open(io.BytesIO(data)) as image:
        np.testing.assert_array_equal(np.asarray(image), samples)


def test_metadata_longer_than_one_read_is_read_to_its_end_and_no_further() -> None:
    profile = np.random.default_rng(2).bytes(50_000)
    file = io.BytesIO()
    drawn("RGB").save(file, format="HVZ", icc_profile=profile)
    head = len(file.getvalue())
    file.write(bytes(1 << 20))
    file.seek(0)
    assert Image.open(file).info["icc_profile"] == profile
    assert file.tell() <= 2 * head
    parsed = container.read_head(io.BytesIO(file.getvalue()))
    assert parsed.groups == ()
    for size in (0, 20, 60, 30_000):
        with pytest.raises(hvpzip.errors.FormatError):
            container.read_head(io.BytesIO(file.getvalue()[:size]))


def test_image_that_would_not_come_back_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = hvpzip.pillow.decode

    def wrong(*arguments: object, **options: object) -> object:
        samples, parsed = real(*arguments, **options)
        return samples ^ np.uint8(1), parsed

    monkeypatch.setattr(hvpzip.pillow, "decode", wrong)
    with pytest.raises(hvpzip.errors.CorruptError, match="does not decode"):
        drawn("L").save(tmp_path / "x.hvz")
    assert list(tmp_path.iterdir()) == []
    drawn("L").save(tmp_path / "x.hvz", verify=False)


@pytest.mark.parametrize("options", [{"transparency": (1, 2)}, {"transparency": -1}, {"dpi": "high"}, {"xmp": 5}, {"gamma": -1.0}])
def test_metadata_of_another_kind_is_refused_in_one_line(options: dict[str, object]) -> None:
    with pytest.raises(hvpzip.errors.ImageError) as caught:
        again(drawn("L"), **options)
    assert "\n" not in str(caught.value)


def test_plugin_is_there_only_after_its_import() -> None:
    data = hvpzip.compress(np.zeros((1, 2), np.uint8))
    code = f"""
import io
from PIL import Image, UnidentifiedImageError
import hvpzip
try:
    Image.open(io.BytesIO({data!r}))
except UnidentifiedImageError:
    import hvpzip.pillow
    print(Image.open(io.BytesIO({data!r})).size)
"""
    done = ran([sys.executable, "-c", code], check=True, cwd=ROOT)
    assert done.stdout == "(2, 1)\n"
    with pytest.raises(UnidentifiedImageError):
        Image.open(io.BytesIO(b"\x89HVX" + data[4:]))
