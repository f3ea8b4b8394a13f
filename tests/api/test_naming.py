"""Which file is written for which."""

import os
from pathlib import Path

import pytest

from hvpzip import image_io
from hvpzip.api import CompressOptions, DecompressOptions, compressed_name, decompressed_name, describe_failure, naming, plan_outputs
from hvpzip.errors import CorruptError, HvpzipError, NotHvpzipError


@pytest.mark.parametrize("path", ["photo", ".hidden", "x.hvz", ".png", "a.png/photo", "scan.2024", "photo.xyz"])
def test_suffix_is_added_to_a_name_without_a_picture_suffix(path: str) -> None:
    assert compressed_name(path) == path + ".hvz"


@pytest.mark.parametrize(("path", "expected"), [("photo.png", "photo.hvz"), ("a/b.TIF", "a/b.hvz"), ("photo.jpg", "photo.hvz")])
def test_suffix_of_a_picture_is_replaced(path: str, expected: str) -> None:
    assert compressed_name(path) == expected


def test_suffixes_of_jpeg_other_than_jpg_stay_as_the_file_gets_them_back() -> None:
    for name in ("photo.JPG", "photo.jpeg", "photo.jfif", "a.b.jpe"):
        assert compressed_name(name) == f"{name}.hvz"
        assert compressed_name(name, pixels=True) == f"{name.rpartition('.')[0]}.hvz"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("photo.png.hvz", "photo.png"),
        ("a.b/photo.TIF.hvz", "a.b/photo.TIF"),
        ("photo.pgm.HVZ", "photo.pgm"),
        ("photo.hvz", "photo.png"),
        ("photo.jpg.hvz", "photo.jpg.png"),
        ("a.png/photo.hvz", "a.png/photo.png"),
        ("v1.2.hvz", "v1.2.png"),
    ],
)
def test_suffix_is_taken_away_and_a_lossless_one_is_left(path: str, expected: str) -> None:
    assert decompressed_name(path) == expected


@pytest.mark.parametrize("path", ["photo.png", "photo", ".hvz", "a/.hvz", "photo.hvz/", "photo.hvz.bak"])
def test_other_suffixes_are_refused(path: str) -> None:
    with pytest.raises(NotHvpzipError, match=r"\.hvz"):
        decompressed_name(path)


def test_suffixes_are_those_that_can_be_written() -> None:
    assert set(image_io.SUFFIXES) == naming._PICTURE_SUFFIXES


def test_outputs_lie_beside_their_inputs_or_in_the_folder() -> None:
    paths: list[str | Path] = ["a/x.png", Path("b/y.png")]
    assert [plan.output for plan in plan_outputs(paths, None, CompressOptions())] == ["a/x.hvz", str(Path("b/y.hvz"))]
    assert [plan.output for plan in plan_outputs(paths, "out", CompressOptions())] == ["out/x.hvz", "out/y.hvz"]
    assert [plan.output for plan in plan_outputs(["a/x.hvz"], Path("out"), DecompressOptions())] == [os.path.join("out", "x.png")]


def test_the_same_input_twice_shares_no_output() -> None:
    path = "a/x.png"
    first, second = plan_outputs([path, path], None, CompressOptions())
    assert first == (path, "a/x.hvz", None)
    assert second.error is not None


def test_two_inputs_never_share_an_output() -> None:
    first, second, third = plan_outputs(["a/x.png", "b/x.png", "./a/../a/x.png"], "out", CompressOptions())
    assert first == ("a/x.png", "out/x.hvz", None)
    for plan in (second, third):
        assert plan.output is None
        assert "already that of a/x.png" in str(plan.error)
    same, again = plan_outputs(["x.png.hvz", "x.hvz"], None, DecompressOptions())
    assert same.output == "x.png"
    assert isinstance(again.error, HvpzipError)


def test_unknown_suffix_becomes_the_error_of_its_own_plan() -> None:
    bad, good = plan_outputs(["x.zip", "y.hvz"], None, DecompressOptions())
    assert isinstance(bad.error, NotHvpzipError)
    assert good == ("y.hvz", "y.png", None)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (CorruptError("bad\nthings  happened"), "bad things happened"),
        (CorruptError("x.hvz: bad"), "bad"),
        (CorruptError(), "CorruptError"),
        (FileNotFoundError(2, "No such file or directory", "x.hvz"), "No such file or directory"),
        (FileNotFoundError(2, "No such file or directory", b"x.hvz"), "No such file or directory"),
        (PermissionError(13, "Permission denied", "y.png"), "y.png: Permission denied"),
        (OSError("standard input is closed"), "standard input is closed"),
        (MemoryError(), "not enough memory"),
        (ImportError("libtorch_cpu.so: failed to map segment from shared object"), "not enough memory"),
        (RuntimeError("std::bad_alloc"), "not enough memory"),
        (ImportError("No module named 'PIL'"), "a library cannot be loaded: No module named 'PIL'; is the installation whole?"),
        (KeyError("k"), "internal error: KeyError: 'k'"),
    ],
)
def test_failures_are_one_line_without_the_path(error: Exception, expected: str) -> None:
    assert describe_failure(error, "x.hvz") == expected
