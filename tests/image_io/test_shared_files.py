"""Every file of the shared folders comes back equal or is refused by name, as the tables of docs/images-log.md say; nothing in between.

After a change, ``HVPZIP_REWRITE=1 pytest tests/image_io/test_shared_files.py`` writes the tables; look at the difference.
"""

import io
import os
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hvpzip import compress_file, decompress_file
from hvpzip.errors import HvpzipError
from hvpzip.image_io import Kind, read_image, write_image

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "data"
DOC = ROOT / "docs" / "images-log.md"
FOLDERS = ("modes", "pngsuite")
NO_PICTURES = {"manifest.csv", "LICENSE", "PngSuite.README"}
ROW = re.compile(r"^\| `(\w+)/(.*?)` \| (.*?) \| (.*?) \|$", re.MULTILINE)
pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared test pictures are not here")

# What Pillow exposes of metadata, in the words of its ``info``.
KEYS = ("icc_profile", "exif", "xmp", "gamma", "chromaticity", "dpi", "srgb", "transparency", "aspect")


def pictures() -> list[Path]:
    if not SHARED.is_dir():
        return []
    return [path for folder in FOLDERS for path in sorted((SHARED / folder).iterdir()) if path.name not in NO_PICTURES]


def outcome(path: Path) -> tuple[str, str]:
    """("equal", what it is) or ("refused", the reason)."""
    try:
        picture = read_image(path)
    except HvpzipError as error:
        return "refused", str(error).partition(";")[0].removeprefix("unsupported ")
    form = picture.form
    buffer = io.BytesIO()
    write_image(picture.samples, buffer, "TIFF" if form.kind is Kind.CMYK else "PNG", form)
    again = read_image(io.BytesIO(buffer.getvalue()))
    np.testing.assert_array_equal(again.samples, picture.samples, strict=True)
    assert again.form._replace(chunks=()) == form._replace(chunks=())
    compare_as_pillow_sees_them(path, buffer)
    dropped = [notice for notice in picture.notices if "not kept:" in notice]
    return "equal", "; ".join([form.words, *dropped])


def compare_as_pillow_sees_them(path: Path, restored: io.BytesIO) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(path) as before, Image.open(restored) as after:
            before.load()
            after.load()
            assert after.mode.removesuffix("B") == before.mode.removesuffix("B") or "I;16" in before.mode
            if before.format != "TIFF":  # of 16-bit samples in planes it gives other ones; tifffile's are compared below
                np.testing.assert_array_equal(np.asarray(after), np.asarray(before))
            if before.mode == "P":
                assert after.getpalette() == before.getpalette()
            for key in KEYS:
                compare(key, before, after)
            assert [text for text in before.info.items() if isinstance(text[1], str)] == [
                text for text in after.info.items() if isinstance(text[1], str) and text[0] in before.info
            ] or before.format != "PNG"


def compare(key: str, before: Image.Image, after: Image.Image) -> None:
    was, now = before.info.get(key), after.info.get(key)
    if key == "dpi" and before.format != "PNG":
        # Fractions become whole pixels a metre; some readers make one up where the file has none.
        if was and now and before.format != "TIFF":
            np.testing.assert_allclose([float(value) for value in now], [float(value) for value in was], atol=0.0128)
    elif key == "exif" and before.format != "PNG":
        folder = 0x8769
        assert set(before.getexif().get_ifd(folder)) <= set(after.getexif().get_ifd(folder))
    elif key in ("xmp", "icc_profile"):
        assert (was or b"").rstrip(b"\0") == (now or b"").rstrip(b"\0")
    elif before.format == "PNG":
        assert now == was, key


def table(folder: str) -> str:
    lines = [f"<!-- table: {folder} -->", "| file | outcome | what it is, or why not |", "|---|---|---|"]
    lines += [f"| `{folder}/{path.name}` | {' | '.join(outcome(path))} |" for path in pictures() if path.parent.name == folder]
    return "\n".join(lines) + "\n<!-- end -->"


@pytest.fixture(scope="module")
def rows() -> dict[str, tuple[str, str]]:
    if os.environ.get("HVPZIP_REWRITE"):
        page = DOC.read_text(encoding="utf-8")
        for folder in FOLDERS:
            page = re.sub(f"<!-- table: {folder} -->.*?<!-- end -->", lambda _, folder=folder: table(folder), page, flags=re.DOTALL)
        DOC.write_text(page, encoding="utf-8")
    return {f"{folder}/{name}": (result, why) for folder, name, result, why in ROW.findall(DOC.read_text(encoding="utf-8"))}


def test_the_tables_have_every_file_once(rows):
    names = [f"{path.parent.name}/{path.name}" for path in pictures()]
    assert sorted(rows) == sorted(names)


@pytest.mark.parametrize("path", pictures(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_each_file_is_as_its_table_says(rows, path):
    assert outcome(path) == rows[f"{path.parent.name}/{path.name}"]


@pytest.mark.parametrize("path", [path for path in pictures() if path.suffix in (".tif", ".tiff")], ids=lambda path: path.name)
def test_samples_of_tiff_are_those_of_tifffile(path):
    tifffile = pytest.importorskip("tifffile")
    try:
        picture = read_image(path)
    except HvpzipError:
        pytest.skip("refused")
    with tifffile.TiffFile(path) as file:
        other, page = file.asarray(), file.pages[0]
        if page.planarconfig == 2 and other.ndim == 3:
            other = np.moveaxis(other, 0, -1)
        if page.photometric == 0:
            other = np.invert(other)
    np.testing.assert_array_equal(picture.samples, other.astype(picture.samples.dtype))


@pytest.mark.parametrize("path", [path for path in pictures() if "16" in path.name and path.suffix == ".png"], ids=lambda path: path.name)
def test_16_bit_samples_are_those_that_another_library_reads(path):
    """Pillow offers them in 8 bits only, so the trick of ``image_io.png`` is checked against libpng."""
    imagecodecs = pytest.importorskip("imagecodecs")
    if outcome(path)[0] == "refused" or path.read_bytes()[28]:
        pytest.skip("refused, or interlaced")
    samples = read_image(path).samples
    samples = samples.reshape(*samples.shape[:2], -1)
    expected = imagecodecs.png_decode(path.read_bytes()).reshape(*samples.shape[:2], -1)
    np.testing.assert_array_equal(samples, expected[:, :, : samples.shape[2]])  # libpng makes alpha of a transparent colour


def by_size() -> list[object]:
    """All pictures, the smallest file first; every 40th of those under 4,096 bytes is quick, the others are marked as slow."""
    paths = sorted(pictures(), key=lambda path: (path.stat().st_size, path.name))
    quick = {path for path in paths[::40] if path.stat().st_size < 4096}
    return [pytest.param(path, id=f"{path.parent.name}/{path.name}", marks=[] if path in quick else [pytest.mark.slow]) for path in paths]


@pytest.mark.parametrize("path", by_size())
def test_whole_files_come_back_or_are_refused_with_nothing_left(tmp_path, path):
    """Through ``.hvz`` and the default output format, with the metadata."""
    coded = tmp_path / "x.hvz"
    try:
        picture = read_image(path)
    except HvpzipError as error:
        with pytest.raises(type(error)):
            compress_file(path, coded)
        assert list(tmp_path.iterdir()) == []
        return
    compress_file(path, coded, verify=False)
    restored = decompress_file(coded).output
    assert restored is not None
    again = read_image(restored)
    np.testing.assert_array_equal(again.samples, picture.samples, strict=True)
    assert again.form._replace(chunks=()) == picture.form._replace(chunks=())
    compare_as_pillow_sees_them(path, io.BytesIO(Path(restored).read_bytes()))
