"""One file to another: verified, atomic, nothing lost."""

import io
import json
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, PngImagePlugin

import hvpzip
from hvpzip import api, errors, image_io
from hvpzip.api import decoding
from hvpzip.codec.bitsback import group_codec
from hvpzip.image_io.png_writing import PngWriter
from tests.helpers.coded import coded

Samples = npt.NDArray[np.uint8]


def samples(path: str | Path) -> Samples:
    with Image.open(path) as image:
        return np.asarray(image)


def listing(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_picture_file_comes_back_sample_for_sample(folder: Path, pictures: Mapping[str, Samples], packed: Mapping[str, bytes]) -> None:
    for name in ("rgb", "gray"):
        result = hvpzip.compress_file(folder / f"{name}.png")
        assert result.output == str(folder / f"{name}.hvz")
        assert coded(Path(result.output).read_bytes()) == coded(packed[name])
        back = hvpzip.decompress_file(result.output, folder / f"{name}-again.png")
        assert back.output is not None
        np.testing.assert_array_equal(samples(back.output), pictures[name], strict=True)


def test_result_holds_the_figures_of_the_files(folder: Path) -> None:
    result = hvpzip.compress_file(folder / "rgb.png", folder / "x.hvz")
    size = (folder / "x.hvz").stat().st_size
    assert (result.path, result.output) == (str(folder / "rgb.png"), str(folder / "x.hvz"))
    assert (result.width, result.height, result.channels, result.bit_depth) == (48, 40, 3, 8)
    assert result.input_bytes == (folder / "rgb.png").stat().st_size
    assert result.output_bytes == size
    assert result.header_bytes is not None
    assert result.coded_bits is not None
    assert 8 * size == 8 * result.header_bytes + result.coded_bits
    assert result.bits_per_dim == 8 * size / (48 * 40 * 3)
    assert result.bound_bits is not None
    assert result.bound_bits > 0
    assert result.groups == 1
    assert result.seconds is not None
    assert result.seconds > 0
    assert result.error is None
    back = hvpzip.decompress_file(folder / "x.hvz", folder / "x.png")
    assert (back.input_bytes, back.output_bytes) == (size, (folder / "x.png").stat().st_size)
    assert (back.bits_per_dim, back.model, back.effort, back.bound_bits) == (result.bits_per_dim, result.model, result.effort, None)


def test_record_has_every_key_in_order_and_is_json(folder: Path) -> None:
    result = hvpzip.compress_file(folder / "gray.png")
    record = json.loads(json.dumps(api.as_record(result)))
    assert tuple(record) == api.JSON_KEYS
    assert [key for key, value in record.items() if value is None] == ["error"]
    known = api.as_record(hvpzip.info(folder / "gray.hvz"))
    assert tuple(known) == api.JSON_KEYS
    unknown = {"output", "input_bytes", "bound_bits", "seconds", "error", "skipped", "dropped"}
    assert {key for key, value in known.items() if value is None} == unknown
    for key in set(api.JSON_KEYS) - unknown - {"path"}:
        assert known[key] == record[key]


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif", ".tiff", ".bmp", ".ppm"])
def test_suffix_chooses_the_kind_of_picture(folder: Path, pictures: Mapping[str, Samples], suffix: str) -> None:
    target = folder / f"out{suffix}"
    hvpzip.decompress_file(folder / "packed" / "rgb.hvz", target)
    with Image.open(target) as image:
        assert image.format == image_io.format_of(target)
        np.testing.assert_array_equal(np.asarray(image), pictures["rgb"])


@pytest.mark.parametrize("suffix", [".jpg", ".txt", ""])
def test_lossy_and_unknown_suffixes_are_refused_before_decoding(folder: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    monkeypatch.setattr(group_codec, "decode_group", None)
    with pytest.raises(errors.ImageError):
        hvpzip.decompress_file(folder / "packed" / "rgb.hvz", folder / f"out{suffix}")
    assert not (folder / f"out{suffix}").exists()


def test_streams_are_taken_on_both_sides(folder: Path, pictures: Mapping[str, Samples], packed: Mapping[str, bytes]) -> None:
    out = io.BytesIO()
    with open(folder / "rgb.png", "rb") as source:
        result = hvpzip.compress_file(source, out)
    assert coded(out.getvalue()) == coded(packed["rgb"])
    assert (result.path, result.output, result.input_bytes) == ("-", "-", (folder / "rgb.png").stat().st_size)
    picture = io.BytesIO()
    hvpzip.decompress_file(io.BytesIO(packed["rgb"]), picture)
    with Image.open(picture) as image:
        assert image.format == "PNG"
        np.testing.assert_array_equal(np.asarray(image), pictures["rgb"])
    with pytest.raises(ValueError, match="dst"):
        hvpzip.compress_file(io.BytesIO(b""))


def test_existing_output_is_kept_unless_forced(folder: Path, packed: Mapping[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    target = folder / "rgb.hvz"
    target.write_bytes(b"precious")
    with monkeypatch.context() as patch:
        patch.setattr(group_codec, "encode_group", None)  # refused before any work
        with pytest.raises(FileExistsError, match="exists already"):
            hvpzip.compress_file(folder / "rgb.png")
    assert target.read_bytes() == b"precious"
    hvpzip.compress_file(folder / "rgb.png", force=True)
    assert coded(target.read_bytes()) == coded(packed["rgb"])


def test_output_that_is_the_input_is_refused_even_if_forced(folder: Path) -> None:
    before = (folder / "rgb.png").read_bytes()
    os.link(folder / "rgb.png", folder / "linked.png")
    for target in (folder / "rgb.png", folder / "linked.png", folder / "packed" / ".." / "rgb.png"):
        with pytest.raises(FileExistsError, match="same file"):
            hvpzip.compress_file(folder / "rgb.png", target, force=True)
    assert (folder / "rgb.png").read_bytes() == before


def test_output_that_appears_meanwhile_is_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = group_codec.encode_group
    target = folder / "x.hvz"

    def slow(*arguments: object) -> object:
        target.write_bytes(b"theirs")
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(group_codec, "encode_group", slow)
    before = listing(folder)
    with pytest.raises(FileExistsError):
        hvpzip.compress_file(folder / "gray.png", target)
    assert target.read_bytes() == b"theirs"
    assert listing(folder) == sorted([*before, "x.hvz"])


@pytest.mark.parametrize("target", ["packed", "nowhere/x.hvz"])
def test_folder_and_missing_folder_are_refused(folder: Path, target: str) -> None:
    with pytest.raises(OSError, match="folder"):
        hvpzip.compress_file(folder / "gray.png", folder / target)


@pytest.mark.parametrize("failure", [KeyboardInterrupt, MemoryError, errors.CorruptError])
def test_nothing_is_left_after_a_failure_or_an_interrupt(
    folder: Path, monkeypatch: pytest.MonkeyPatch, failure: type[BaseException]
) -> None:
    seen: list[list[str]] = []
    before = listing(folder)
    monkeypatch.setattr("hvpzip.atomic._open_nameless", lambda folder, mode: None)  # as on systems where a file needs a name

    def interrupted(*arguments: object, **options: object) -> object:
        seen.append(listing(folder))
        raise failure

    monkeypatch.setattr(group_codec, "decode_group", interrupted)
    with pytest.raises(failure):
        hvpzip.compress_file(folder / "gray.png", folder / "x.hvz")
    ((*while_writing,),) = seen
    assert len(while_writing) == len(before) + 1  # it failed while the hidden file was there
    assert listing(folder) == before


def test_file_that_does_not_decode_to_the_picture_is_not_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = group_codec.decode_group

    def wrong(*arguments: object, **options: object) -> Samples:
        return real(*arguments, **options) ^ np.uint8(1)  # type: ignore[arg-type]

    before = listing(folder)
    monkeypatch.setattr(group_codec, "decode_group", wrong)
    for module in ("encoding", "decoding"):  # both directions agree on the checksum, so the samples decide
        monkeypatch.setattr(f"hvpzip.api.{module}.samples_crc", lambda tile: 0)
    with pytest.raises(errors.CorruptError, match="does not decode"):
        hvpzip.compress_file(folder / "gray.png", folder / "x.hvz")
    assert listing(folder) == before
    stream = io.BytesIO()
    with pytest.raises(errors.CorruptError, match="does not decode"):
        hvpzip.compress_file(folder / "gray.png", stream)
    assert stream.getvalue() == b""


def test_bytes_that_change_on_the_disk_are_noticed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hvpzip.api.compressing.open_bytes", lambda data, options: decoding.open_bytes(data[:-1], options))
    with pytest.raises(errors.TruncatedError):
        hvpzip.compress_file(folder / "gray.png", folder / "x.hvz")
    assert not (folder / "x.hvz").exists()


def test_no_verify_does_not_decode(folder: Path, packed: Mapping[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_codec, "decode_group", None)
    hvpzip.compress_file(folder / "gray.png", folder / "x.hvz", verify=False)
    assert coded((folder / "x.hvz").read_bytes()) == coded(packed["gray"])


def test_picture_that_was_written_wrong_is_not_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = PngWriter.write
    monkeypatch.setattr(PngWriter, "write", lambda self, samples: real(self, samples ^ np.uint8(1)))
    with pytest.raises(errors.CorruptError, match="does not hold"):
        hvpzip.decompress_file(folder / "packed" / "gray.hvz", folder / "x.png")
    assert not (folder / "x.png").exists()


def test_permissions_and_time_are_those_of_the_input_and_of_a_stream_those_of_the_umask(folder: Path) -> None:
    os.chmod(folder / "gray.png", 0o604)
    os.utime(folder / "gray.png", (1_000_000_000, 1_100_000_000))
    before = os.umask(0o027)
    try:
        hvpzip.compress_file(folder / "gray.png", folder / "x.hvz")
        with open(folder / "gray.png", "rb") as stream:
            hvpzip.compress_file(stream, folder / "y.hvz")
    finally:
        os.umask(before)
    status = (folder / "x.hvz").stat()
    assert stat.S_IMODE(status.st_mode) == 0o604
    assert status.st_mtime == 1_100_000_000
    assert stat.S_IMODE((folder / "y.hvz").stat().st_mode) == 0o640


@pytest.mark.skipif(not Path("/dev/null").exists(), reason="needs /dev/null")
def test_device_is_written_to_and_stays_a_device(folder: Path) -> None:
    hvpzip.compress_file(folder / "gray.png", "/dev/null")
    hvpzip.decompress_file(folder / "packed" / "gray.hvz", "/dev/null", force=True)
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_pictures_over_the_limit_are_refused_on_both_ways(folder: Path) -> None:
    with pytest.raises(errors.LimitError):
        hvpzip.compress_file(folder / "gray.png", max_pixels=48 * 40 - 1)
    with pytest.raises(errors.LimitError):
        hvpzip.decompress_file(folder / "packed" / "gray.hvz", max_pixels=48 * 40 - 1)
    hvpzip.compress_file(folder / "gray.png", max_pixels=48 * 40)


def test_metadata_is_kept_and_what_is_not_is_in_the_notices(folder: Path, pictures: Mapping[str, Samples]) -> None:
    assert hvpzip.compress_file(folder / "gray.png").notices == ()
    exif = Image.Exif()
    exif[0x010E] = "a caption"
    extra = PngImagePlugin.PngInfo()
    extra.add(b"prVT", b"private")
    Image.fromarray(pictures["gray"]).save(folder / "caption.png", exif=exif, pnginfo=extra)
    (notice,) = hvpzip.compress_file(folder / "caption.png").notices
    assert notice == "not kept: chunk 'prVT'"
    hvpzip.decompress_file(folder / "caption.hvz", folder / "again.png")
    with Image.open(folder / "again.png") as image:
        assert image.getexif()[0x010E] == "a caption"


def test_verify_says_what_the_file_is_or_raises(folder: Path) -> None:
    good = folder / "packed" / "rgb.hvz"
    before = listing(folder)
    assert hvpzip.verify(good) == hvpzip.info(good)
    assert listing(folder) == before
    data = good.read_bytes()
    good.write_bytes(data[:-1])
    with pytest.raises(errors.TruncatedError):
        hvpzip.verify(good)


def test_missing_and_empty_inputs_raise_what_they_are(folder: Path) -> None:
    (folder / "empty").write_bytes(b"")
    with pytest.raises(FileNotFoundError):
        hvpzip.compress_file(folder / "missing.png")
    with pytest.raises(FileNotFoundError):
        hvpzip.decompress_file(folder / "missing.hvz")
    with pytest.raises(errors.ImageError):
        hvpzip.compress_file(folder / "empty")
    with pytest.raises(errors.TruncatedError):
        hvpzip.decompress_file(folder / "empty", folder / "x.png")


class Sparing(io.RawIOBase):
    """A stream without a buffer that takes some bytes of each write, or would have to wait."""

    def __init__(self, most: int | None) -> None:
        self.most, self.taken = most, b""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int | None:
        if self.most is None:
            return None
        self.taken += bytes(data[: self.most])
        return min(len(data), self.most)


def test_a_stream_that_takes_little_of_each_write_gets_all(folder: Path) -> None:
    png = folder / "gray.png"
    stream = Sparing(100)
    result = hvpzip.compress_file(png, stream)
    assert len(stream.taken) == result.output_bytes > 100
    picture = Sparing(100)
    hvpzip.decompress_file(io.BytesIO(stream.taken), picture)
    np.testing.assert_array_equal(image_io.read_image(io.BytesIO(picture.taken)).samples, samples(png))
    with pytest.raises(BlockingIOError, match="does not wait"):
        hvpzip.compress_file(png, Sparing(None))


def test_an_output_that_is_the_file_of_its_source_stream_is_refused(folder: Path) -> None:
    png = folder / "gray.png"
    before = png.read_bytes()
    with open(png, "rb") as file, pytest.raises(FileExistsError, match="same file"):
        hvpzip.compress_file(file, png, force=True)
    assert png.read_bytes() == before


@pytest.mark.parametrize(
    ("call", "error", "told"),
    [
        (lambda path: hvpzip.compress_file(path, frame=-1), ValueError, "frame must be 0 or more"),
        (lambda path: hvpzip.compress_file(path, frame="0"), TypeError, "frame must be an integer"),
        (lambda path: hvpzip.compress_file(path, max_pixels=-3), ValueError, "max_pixels must be at least 1"),
        (lambda path: hvpzip.decompress(b"", max_pixels=None), TypeError, "max_pixels must be an integer"),
        (lambda path: hvpzip.compress_files([path], effort="x"), TypeError, "effort must be an integer"),
        (lambda path: hvpzip.compress_files(str(path)), TypeError, "paths must be several"),
        (lambda path: hvpzip.compress_file(io.StringIO("text"), "out.hvz"), TypeError, "must be a binary stream, not one of str"),
    ],
)
def test_wrong_arguments_are_named(folder: Path, call: Callable[[Path], object], error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        call(folder / "gray.png")
