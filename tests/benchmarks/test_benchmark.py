"""The benchmark itself: adapters round-trip, failures are counted, sums are right, and the command writes what it promises."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks import __main__ as command
from benchmarks import report, runner
from benchmarks.codecs import Adapter, Encoded, UnknownCodecError, adapter_for
from benchmarks.runner import Row, find_photos, measure, summarise
from benchmarks.scales import ScaleBits, scales_of_report, summed, total
from benchmarks.worker import measure_decode, measure_encode
from tests.helpers.pictures import PHOTO

OTHERS = ["png", "webp", "jpeg2000", "jxl-e7"]


def adapter(name: str) -> Adapter:
    if name not in ("png", "webp"):
        pytest.importorskip("imagecodecs")
    return adapter_for(name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two small pictures that every codec holds, and two files that are left out."""
    rng = np.random.default_rng(7)
    ramp = np.add.outer(np.arange(24), 2 * np.arange(32))[..., None] + np.array([0, 30, 60])
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    Image.fromarray((ramp + rng.integers(0, 4, ramp.shape)).astype(np.uint8)).save(pictures / "a.png")
    Image.fromarray(rng.integers(0, 256, (5, 7), dtype=np.uint8)).save(pictures / "b.png")
    Image.new("RGBA", (4, 4)).save(pictures / "c.png")
    (pictures / "d.png").write_bytes(b"no picture")
    (pictures / "notes.txt").write_text("no picture either")
    return pictures


def row(codec: str, photo: str, size_bytes: int | None, error: str | None = None, **more: Any) -> Row:
    figures = {"encode_s": 1.0, "decode_s": 2.0, "encode_peak_bytes": 10, "decode_peak_bytes": 20} | more
    figures |= {"size_bytes": size_bytes, "bits_per_dim": None if size_bytes is None else 8 * size_bytes / 300}
    return Row(codec=codec, photo=photo, width=10, height=10, channels=3, samples=300, error=error, **figures)


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("shape", [(1, 1), (17, 9), (17, 9, 3)])
def test_adapter_brings_the_samples_back(name: str, shape: tuple[int, ...]) -> None:
    samples = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    codec = adapter(name)
    decoded = codec.decode(codec.encode(samples, 1).data, 1 if len(shape) == 2 else 3, 2)
    assert decoded.dtype == np.uint8
    np.testing.assert_array_equal(decoded, samples)


@pytest.mark.parametrize("name", OTHERS)
def test_adapter_names_its_library_and_version(name: str) -> None:
    version = adapter(name).version()
    assert any(character.isdigit() for character in version)
    assert "None" not in version


@pytest.mark.parametrize("name", ["jxl", "gif", "jxl-efast", "hvpzip-e", "hvpzip-ehigh", ""])
def test_unknown_codec_is_refused(name: str) -> None:
    with pytest.raises(UnknownCodecError, match="unknown codec"):
        adapter_for(name)


def test_photos_are_found_in_order_and_others_left_out_by_name(folder: Path) -> None:
    photos, left_out = find_photos(folder)
    assert [(p.path.name, p.width, p.height, p.channels, p.samples) for p in photos] == [("a.png", 32, 24, 3, 2304), ("b.png", 7, 5, 1, 35)]
    assert ["RGBA" in left_out[0], "d.png" in left_out[1], len(left_out)] == [True, True, 2]
    assert [p.path.name for p in find_photos(folder, limit=1)[0]] == ["a.png"]


def test_measurement_in_new_processes_has_every_figure(folder: Path) -> None:
    photo = find_photos(folder, limit=1)[0][0]
    result = measure(adapter_for("png"), photo, threads=1, check_threads=2)
    assert result.error is None
    assert result.size_bytes is not None
    assert result.bits_per_dim == 8 * result.size_bytes / 2304
    assert None not in (result.encode_s, result.decode_s, result.check_s, result.start_s)
    assert (result.encode_peak_bytes or 0) > 1 << 20
    assert (result.decode_peak_bytes or 0) > 1 << 20


def test_codec_that_crashes_is_a_row_with_one_line(folder: Path) -> None:
    photo = find_photos(folder, limit=1)[0][0]
    gone = replace(photo, path=photo.path.with_name("gone.png"))
    result = measure(adapter_for("png"), gone, threads=1, check_threads=None)
    assert result.size_bytes is None
    assert result.error is not None
    assert result.error.startswith("encode: exit status 1: FileNotFoundError")


def test_measurement_that_takes_too_long_is_a_failure(folder: Path) -> None:
    photo = find_photos(folder, limit=1)[0][0]
    assert measure(adapter_for("png"), photo, threads=1, check_threads=None, timeout_s=0.01).error == "encode: no result after 0.01 s"


@pytest.mark.parametrize("change", ["value", "shape", "type"])
def test_codec_that_loses_something_is_found_out(folder: Path, tmp_path: Path, change: str) -> None:
    def decode(data: bytes, channels: int, threads: int) -> Any:
        samples = np.frombuffer(data, np.uint8).reshape(24, 32, 3) if len(data) == 2304 else np.zeros((1, 1, 3), np.uint8)
        return {"value": samples ^ np.uint8(1), "shape": samples[:1], "type": samples.astype(np.int16)}[change]

    raw = Adapter(name="raw", flags="", version=lambda: "1", encode=lambda samples, threads: Encoded(samples.tobytes()), decode=decode)
    image, coded = folder / "a.png", tmp_path / "a.raw"
    assert measure_encode(raw, image, coded, 1)["size_bytes"] == 2304
    assert measure_decode(raw, image, coded, 1)["equal"] is False
    same = replace(raw, decode=lambda data, channels, threads: decode(data, channels, threads) ^ 1 if change == "value" else None)
    if change == "value":
        assert measure_decode(same, image, coded, 1)["equal"] is True


def test_unequal_samples_count_as_failure(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photo = find_photos(folder, limit=1)[0][0]
    answers: dict[tuple[str, int], dict[str, Any]] = {
        ("encode", 2): {"size_bytes": 5, "seconds": 1, "start_s": 1, "peak_bytes": 1, "scales": []}
        | dict.fromkeys(["header_bytes", "coded_bits", "bound_bits"]),
        ("decode", 2): {"seconds": 1, "peak_bytes": 1, "equal": True},
        ("decode", 1): {"seconds": 1, "peak_bytes": 1, "equal": False},
    }
    monkeypatch.setattr(runner, "_child", lambda action, codec, image, coded, threads, timeout_s: answers[action, threads])
    assert measure(adapter_for("png"), photo, threads=2, check_threads=None).error is None
    error = measure(adapter_for("png"), photo, threads=2, check_threads=1).error
    assert error == "decoded with 1 threads in a new process, the samples differ from the photo's"


def test_summary_adds_bytes_and_counts_failures() -> None:
    png, jxl = adapter_for("png"), adapter_for("jxl-e7")
    rows = [
        row("png", "a", 100, encode_s=3.0),
        row("png", "b", 300, encode_s=5.0),
        row("png", "c", 50, error="differs"),
        row("jxl-e7", "a", 50),
        row("jxl-e7", "b", None, error="crashed"),
        row("jxl-e7", "c", 50),
    ]
    first, second = summarise([png, jxl], rows, {"png": "1", "jxl-e7": "2"})
    assert (first.photos, first.failures, first.size_bytes, first.samples) == (3, 1, 400, 600)
    assert first.bits_per_dim == 8 * 400 / 600
    assert first.bits_per_dim_mean == (800 / 300 + 2400 / 300) / 2
    assert first.ratio_to_reference == 2.0  # over photo a alone: the only one that both brought back
    assert (first.encode_s_mean, first.encode_s_max, first.decode_s_max) == (4.0, 5.0, 2.0)
    assert (second.failures, second.ratio_to_reference) == (1, 1.0)


def test_codec_without_a_single_success_has_no_rate() -> None:
    (only,) = summarise([adapter_for("png")], [row("png", "a", None, error="crashed")], {"png": "1"})
    assert (only.failures, only.bits_per_dim, only.ratio_to_reference, only.encode_s_max) == (1, None, None, None)
    assert "1 of 1" in report.codec_table([only])


def compress_report(**changes: Any) -> Any:
    from hvpzip.api import CompressReport, Term

    fields: dict[str, Any] = {
        "model": "00",
        "effort": 1,
        "groups": 1,
        "header_bytes": 10,
        "coded_bits": 1000,
        "bound_bits": 930.0,
        "terms": (
            Term(1, "hh", 0, "rate", 700.0),
            Term(1, "hh", 0, "refund", 100.0),
            Term(2, "hl", 0, "rate", 300.0),
            Term(0, "base", 0, "rate", 30.0),
        ),
        "level_bits": ((0, 31.0), (2, 302.0), (1, 604.0)),
    }
    return CompressReport(**(fields | changes))


def test_scales_of_a_report_add_up_to_the_file() -> None:
    rows = scales_of_report(compress_report())
    assert [(r.scale, r.bound_bits, r.coded_bits) for r in rows] == [
        ("base", 30.0, 31.0),
        ("level 2", 300.0, 302.0),
        ("level 1", 600.0, 604.0),
        ("flush", 0.0, 63.0),
        ("container", 0.0, 80.0),
    ]
    whole = total(rows)
    assert (whole.bound_bits, whole.coded_bits) == (930.0, 1000 + 8 * 10)


def test_report_whose_levels_disagree_is_refused() -> None:
    with pytest.raises(ValueError, match=r"terms for levels \[0, 1, 2\] but coded bits for levels \[1, 2\]"):
        scales_of_report(compress_report(level_bits=((2, 1.0), (1, 1.0))))


def test_scales_of_photos_with_other_depths_are_added_by_name() -> None:
    small = [ScaleBits(scale="base", bound_bits=1, coded_bits=2), ScaleBits(scale="level 1", bound_bits=3, coded_bits=4)]
    large = [*small, ScaleBits(scale="container", bound_bits=0, coded_bits=8), ScaleBits(scale="level 10", bound_bits=5, coded_bits=6)]
    added = summed([small, large])
    assert [(r.scale, r.bound_bits, r.coded_bits) for r in added] == [
        ("base", 2, 4),
        ("level 10", 5, 6),
        ("level 1", 6, 8),
        ("container", 0, 8),
    ]
    assert "+20.00 %" in report.scale_table(added, 100)
    assert report.scale_table(added, 100).splitlines()[-1].split() == ["total", "0.13000", "0.26000", "+100.00", "%"]


def test_command_writes_table_files_and_plot(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("imagecodecs")
    pytest.importorskip("matplotlib")
    out = tmp_path / "out"
    options = ["--codecs", "png,jxl-e7", "--out", str(out), "--keep", "--threads", "1", "--fresh-process", "all"]
    assert command.main([str(folder), *options]) == 0
    printed = capsys.readouterr()
    assert "2 photos of pictures" in printed.out
    assert "left out" in printed.err
    lines = list(csv.DictReader((out / "results.csv").read_text(encoding="utf-8").splitlines()))
    assert [(line["codec"], line["photo"]) for line in lines] == [(c, p) for p in ("a.png", "b.png") for c in ("png", "jxl-e7")]
    for line in lines:
        assert int(line["size_bytes"]) == (out / "files" / f"{Path(line['photo']).stem}.{line['codec']}").stat().st_size
        assert float(line["check_s"]) > 0
    assert [line["ratio_to_reference"] for line in lines if line["codec"] == "jxl-e7"] == ["1.0", "1.0"]
    document = json.loads((out / "results.json").read_text())
    assert document["machine"]["command"][:3] == ["python", "-m", "benchmarks"]
    assert {codec["codec"]: codec["failures"] for codec in document["codecs"]} == {"png": 0, "jxl-e7": 0}
    assert all(codec["flags"] and codec["version"] for codec in document["codecs"])
    with Image.open(out / "results.png") as image:
        assert image.format == "PNG"


def test_command_fails_when_a_photo_does_not_come_back(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([str(folder), "--codecs", "png", "--out", str(tmp_path), "--limit", "1", "--timeout", "0.01"]) == 1
    printed = capsys.readouterr()
    assert "FAILED" in printed.err
    assert "1 of 1" in printed.out


@pytest.mark.parametrize("arguments", [["--codecs", "gif"], ["--threads", "0"], ["--limit", "0"]])
def test_usage_error_exits_with_two(folder: Path, arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        command.main([str(folder), "--codecs", "png", *arguments])
    assert caught.value.code == 2


def test_plot_shows_scales(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    scales = scales_of_report(compress_report())
    rows = [row("hvpzip", "a", 135, scales=scales)]
    summaries = summarise([adapter_for("hvpzip")], rows, {"hvpzip": "0"})
    report.plot(tmp_path / "one.png", summaries, rows, {}, "one photo")
    report.plot(tmp_path / "two.png", summaries, rows, {"hvpzip": scales}, "one photo")
    with Image.open(tmp_path / "one.png") as one, Image.open(tmp_path / "two.png") as two:
        assert two.width == 2 * one.width


@pytest.mark.slow
def test_hvpzip_on_a_small_photo(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    with Image.open(PHOTO) as photo:
        photo.crop((40, 40, 120, 100)).save(folder / "a.png")  # a real one: the model codes it, no fallback
    assert command.main([str(folder), "--codecs", "hvpzip,png", "--out", str(tmp_path), "--limit", "1"]) == 0
    document = json.loads((tmp_path / "results.json").read_text())
    (coded,) = (r for r in document["rows"] if r["codec"] == "hvpzip")
    assert coded["check_s"] is not None
    assert 8 * coded["size_bytes"] == coded["coded_bits"] + 8 * coded["header_bytes"]
    scales = document["scales"]["hvpzip"]
    assert scales[-1]["scale"] == "total"
    assert scales[-1]["coded_bits"] == pytest.approx(8 * coded["size_bytes"], abs=1e-6)
    assert scales[-1]["bound_bits"] == pytest.approx(coded["bound_bits"], rel=1e-9)
