"""JPEG files in, JPEG files out: the identical file, or an error; and its pixels where they are asked for."""

import hashlib
import io
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import hvpzip
import hvpzip.pillow
from hvpzip import api, container, errors
from hvpzip.api import decoding
from tests.helpers.damage import flipped

from ..jpeg.conftest import all_kinds


@pytest.fixture(scope="module")
def jpegs() -> Mapping[str, bytes]:
    return all_kinds()


@pytest.fixture(scope="module")
def stored() -> bytes:
    """A CMYK JPEG file, which no library takes, in a ``.hvz``."""
    out = io.BytesIO()
    hvpzip.compress_file(io.BytesIO(all_kinds()["cmyk"]), out)
    return out.getvalue()


@pytest.fixture(scope="module")
def recompressed() -> bytes:
    pytest.importorskip("imagecodecs")
    out = io.BytesIO()
    hvpzip.compress_file(io.BytesIO(all_kinds()["420"]), out)
    return out.getvalue()


def pixels(file: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(file)) as image:
        return np.asarray(image)


def test_every_kind_comes_back_identical_and_is_never_more_than_87_bytes_larger(tmp_path: Path, jpegs: Mapping[str, bytes]) -> None:
    for name, file in jpegs.items():
        source, packed = tmp_path / f"{name}.jpg", tmp_path / f"{name}.hvz"
        source.write_bytes(file)
        result = hvpzip.compress_file(source)
        assert result.output == str(packed)
        assert packed.stat().st_size <= len(file) + 87, name
        assert (result.dropped, result.input_bytes, result.source_sha256) == ((), len(file), hashlib.sha256(file).hexdigest())
        source.unlink()
        back = hvpzip.decompress_file(packed)
        assert (back.output, back.output_bytes) == (str(source), len(file))
        assert source.read_bytes() == file, name
        facts = hvpzip.verify(packed)
        assert (facts.source_format, facts.source_bytes, facts.source_sha256) == ("JPEG", len(file), hashlib.sha256(file).hexdigest())
        assert facts.holds in ("JPEG file, stored", "JPEG file, as JPEG XL")
        damaged = name in ("cut", "cut and closed", "garbage in its scan")
        assert damaged or not result.notices
        assert name != "cut" or "its picture cannot be decoded" in result.notices[0]


def test_the_cost_around_a_large_stored_file_is_at_most_87_bytes() -> None:
    header = container.Header(
        width=65535,
        height=65535,
        channels=4,
        bit_depth=16,
        colour_lift=0,
        map=0,
        levels=0,
        model_id=bytes(8),
        effort=0,
        jpeg=True,
    )
    around = len(container.write(header, [container.Group(b"", 0)])) - 1
    assert around + 6 + 1 + 6 + 32 <= 87  # lengths of up to 42 bits


def test_pixels_at_every_scale_and_crop_are_those_of_the_jpeg(stored: bytes, jpegs: Mapping[str, bytes]) -> None:
    whole = pixels(jpegs["cmyk"])
    assert np.array_equal(hvpzip.decompress(stored), whole)
    assert np.array_equal(hvpzip.decompress(stored, scale=1 / 8), whole[::8, ::8])
    assert np.array_equal(hvpzip.decompress(stored, crop=(5, 7, 60, 50)), whole[7:57, 5:65])
    assert np.array_equal(hvpzip.decompress(stored, crop=(8, 16, 64, 48), scale=1 / 4), whole[16:64:4, 8:72:4])


def test_a_gray_jpeg_gives_a_gray_array(tmp_path: Path, jpegs: Mapping[str, bytes]) -> None:
    out = io.BytesIO()
    hvpzip.compress_file(io.BytesIO(jpegs["gray"]), out)
    assert np.array_equal(hvpzip.decompress(out.getvalue()), pixels(jpegs["gray"]))


def test_other_suffixes_get_the_pixels_and_the_metadata(tmp_path: Path, jpegs: Mapping[str, bytes]) -> None:
    (tmp_path / "a.jpg").write_bytes(jpegs["exif"])
    hvpzip.compress_file(tmp_path / "a.jpg")
    hvpzip.decompress_file(tmp_path / "a.hvz", tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert np.array_equal(np.asarray(image), pixels(jpegs["exif"]))
        assert image.getexif()[271] == "Maker"
    result = hvpzip.decompress_file(tmp_path / "a.hvz", scale=1 / 2, force=True)
    assert result.output == str(tmp_path / "a.png")
    out = io.BytesIO()
    hvpzip.decompress_file(tmp_path / "a.hvz", out)
    assert out.getvalue() == jpegs["exif"]
    for options in ({"scale": 1 / 2}, {"crop": (0, 0, 8, 8)}, {"strip": True}):
        with pytest.raises(errors.ImageError, match=r"name an output of another kind"):
            hvpzip.decompress_file(tmp_path / "a.hvz", tmp_path / "b.jpg", **options)
    assert not (tmp_path / "b.jpg").exists()


def test_a_file_of_pixels_is_not_written_as_jpeg(tmp_path: Path) -> None:
    (tmp_path / "a.hvz").write_bytes(hvpzip.compress(np.zeros((5, 5), np.uint8)))
    with pytest.raises(errors.ImageError, match=r"\.jpg"):
        hvpzip.decompress_file(tmp_path / "a.hvz", tmp_path / "b.jpg")


def test_with_pixels_the_pixels_are_kept_and_a_jpeg_under_another_name_is_a_jpeg(tmp_path: Path, jpegs: Mapping[str, bytes]) -> None:
    (tmp_path / "a.jpg").write_bytes(jpegs["gray"])
    (tmp_path / "named.png").write_bytes(jpegs["gray"])
    result = hvpzip.compress_file(tmp_path / "a.jpg", pixels=True)
    assert (result.holds, result.source_format, result.output) == ("pixels", "JPEG", str(tmp_path / "a.hvz"))
    assert hvpzip.decompress_file(tmp_path / "a.hvz").output == str(tmp_path / "a.png")
    hvpzip.compress_file(tmp_path / "named.png")
    assert hvpzip.decompress_file(tmp_path / "named.hvz").output == str(tmp_path / "named.jpg")
    assert (tmp_path / "named.jpg").read_bytes() == jpegs["gray"]


def test_parts_of_a_jpeg_need_pixels(tmp_path: Path, jpegs: Mapping[str, bytes]) -> None:
    (tmp_path / "a.jpg").write_bytes(jpegs["one pixel"])
    for options in ({"strip": True}, {"frame": 0}):
        with pytest.raises(errors.ImageError, match="--pixels --"):
            hvpzip.compress_file(tmp_path / "a.jpg", **options)
        hvpzip.compress_file(tmp_path / "a.jpg", tmp_path / f"{next(iter(options))}.hvz", pixels=True, **options)


def test_limits_hold_for_jpeg_files(tmp_path: Path, jpegs: Mapping[str, bytes], stored: bytes) -> None:
    with pytest.raises(errors.LimitError, match="over the limit of 100"):
        hvpzip.compress_file(io.BytesIO(jpegs["cmyk"]), io.BytesIO(), max_pixels=100)
    with pytest.raises(errors.LimitError, match="over the limit of 100"):
        hvpzip.decompress(stored, max_pixels=100)


def test_pillow_opens_a_kept_jpeg_as_pillow_opens_the_jpeg(tmp_path: Path, jpegs: Mapping[str, bytes]) -> None:
    for name in ("plain", "gray", "cmyk", "exif", "progressive"):
        (tmp_path / "a.hvz").unlink(missing_ok=True)
        with open(tmp_path / "a.hvz", "wb") as out:
            hvpzip.compress_file(io.BytesIO(jpegs[name]), out)
        with Image.open(tmp_path / "a.hvz") as image, Image.open(io.BytesIO(jpegs[name])) as direct:
            assert (image.format, image.mode, image.size) == ("HVZ", direct.mode, direct.size)
            assert image.getexif() == direct.getexif()
            assert image.info.get("dpi") == direct.info.get("dpi")
            assert np.array_equal(np.asarray(image), np.asarray(direct))


# ---- damage ----


def damages(data: bytes) -> Iterator[bytes]:
    for place in [*range(100), *range(100, len(data), max(1, len(data) // 100))]:
        yield data[:place]
        yield from (flipped(data, 8 * place + bit) for bit in (0, 6))


@pytest.mark.parametrize("name", ["stored", "recompressed"])
def test_damage_is_refused_in_one_line_and_nothing_is_left(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    for number, data in enumerate(damages(request.getfixturevalue(name))):
        packed = tmp_path / "a.hvz"
        packed.write_bytes(data)
        try:
            hvpzip.decompress_file(packed, tmp_path / "a.jpg")
            found = "written"
        except errors.FormatError as error:
            found = str(error)
        assert found != "written", number
        assert "\n" not in found
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a.hvz"]


def test_of_a_damaged_stored_file_what_is_there_is_salvaged(tmp_path: Path, stored: bytes, jpegs: Mapping[str, bytes]) -> None:
    file = jpegs["cmyk"]
    packed = tmp_path / "a.hvz"
    place = stored.index(file) + 1000
    flipped = bytearray(stored)
    flipped[place] ^= 1
    packed.write_bytes(flipped)
    result = hvpzip.decompress_file(packed, salvage=True)
    bytes_left = f"{tmp_path / 'a.jpg'} has {len(file)} of its {len(file)} bytes, of which some are wrong or missing"
    assert result.error == f"the JPEG file is damaged: {bytes_left}"
    expected = bytearray(file)
    expected[1000] ^= 1
    assert (tmp_path / "a.jpg").read_bytes() == expected
    packed.write_bytes(stored[: place + 500])
    result = hvpzip.decompress_file(packed, salvage=True, force=True)
    assert result.error is not None
    assert (tmp_path / "a.jpg").read_bytes() == file[:1500]


def test_of_a_damaged_recompressed_file_nothing_is_salvaged_and_that_is_said(tmp_path: Path, recompressed: bytes) -> None:
    (tmp_path / "a.hvz").write_bytes(recompressed[:-40])
    with pytest.raises(errors.CorruptError, match=r"recompressed nothing of it can be salvaged"):
        hvpzip.decompress_file(tmp_path / "a.hvz", salvage=True)
    with pytest.raises(errors.TruncatedError, match="the file ends"):
        hvpzip.decompress_file(tmp_path / "a.hvz")


def test_a_file_that_does_not_come_back_is_not_kept(tmp_path: Path, jpegs: Mapping[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.jpg").write_bytes(jpegs["plain"])
    monkeypatch.setattr(decoding.Opened, "jpeg_file", lambda self: b"another")
    with pytest.raises(errors.CorruptError, match="does not hold the JPEG file"):
        hvpzip.compress_file(tmp_path / "a.jpg")
    assert [path.name for path in tmp_path.iterdir()] == ["a.jpg"]


# ---- batches ----


def test_a_tree_of_jpegs_comes_back_and_the_second_run_does_nothing(tmp_path: Path, jpegs: Mapping[str, bytes]) -> None:
    names = {"a.jpg": "plain", "a.jpg.png": None, "b/c.JPEG": "gray", "b/d.jfif": "cmyk", "b/e.png": "exif"}
    (tmp_path / "in" / "b").mkdir(parents=True)
    for name, kind in names.items():
        if kind is None:
            Image.new("L", (9, 9), 7).save(tmp_path / "in" / name)
        else:
            (tmp_path / "in" / name).write_bytes(jpegs[kind])

    def run(compressing: bool) -> list[hvpzip.FileResult]:
        options = api.CompressOptions() if compressing else api.DecompressOptions()
        job = api.Job(options=options, mirror=True)
        source, target = (tmp_path / "in", tmp_path / "hvz") if compressing else (tmp_path / "hvz", tmp_path / "back")
        plans = api.plan_tree(source, target, options).plans
        return [job.resume(plan.path, str(plan.output)) for plan in plans]

    for compressing in (True, False):
        assert not any(result.skipped or result.error for result in run(compressing))
        assert all(result.skipped for result in run(compressing))
    for name, kind in names.items():
        back = tmp_path / "back" / (f"{name}.jpg" if name == "b/e.png" else name)
        assert kind is None or back.read_bytes() == jpegs[kind]
    assert np.array_equal(np.asarray(Image.open(tmp_path / "back" / "a.jpg.png")), np.full((9, 9), 7))
    (tmp_path / "in" / "a.jpg").write_bytes(jpegs["420"])
    with pytest.raises(FileExistsError, match="holds something else"):
        run(True)


def test_pixels_and_files_are_not_taken_for_each_other(tmp_path: Path, jpegs: Mapping[str, bytes]) -> None:
    (tmp_path / "a.jpg").write_bytes(jpegs["plain"])
    source, output = str(tmp_path / "a.jpg"), str(tmp_path / "a.jpg.hvz")
    for pixels_first in (True, False):
        hvpzip.compress_file(source, output, pixels=pixels_first, force=True)
        assert api.Job(options=api.CompressOptions(pixels=pixels_first)).resume(source, output).skipped
        with pytest.raises(FileExistsError, match="holds something else"):
            api.Job(options=api.CompressOptions(pixels=not pixels_first)).resume(source, output)
