"""JPEG files kept in ``.hvz`` files made once: later versions must give the identical files, or refuse."""

import csv
import hashlib
import importlib.util
from pathlib import Path

import pytest

import hvpzip
from hvpzip import errors

FOLDER = Path(__file__).parents[1] / "golden" / "jpegs"
ROWS = list(csv.reader((FOLDER / "manifest.csv").read_text(encoding="utf-8").splitlines()))[1:]
HAS_LIBRARY = importlib.util.find_spec("imagecodecs") is not None


def test_the_manifest_lists_every_file() -> None:
    assert sorted(name for name, _, _ in ROWS) == sorted(path.name for path in FOLDER.glob("*.hvz"))


@pytest.mark.parametrize(("name", "digest"), [(name, digest) for name, _, digest in ROWS if digest])
def test_good_file_gives_its_jpeg_file(tmp_path: Path, name: str, digest: str) -> None:
    if "recompressed" in name and not HAS_LIBRARY:
        with pytest.raises(errors.LibraryError, match="pip install imagecodecs"):
            hvpzip.verify(FOLDER / name)
        return
    hvpzip.decompress_file(FOLDER / name, tmp_path / "x.jpg")
    assert hashlib.sha256((tmp_path / "x.jpg").read_bytes()).hexdigest() == digest
    assert hvpzip.verify(FOLDER / name).source_sha256 == digest


@pytest.mark.parametrize("name", [name for name, _, digest in ROWS if not digest])
def test_bad_file_is_refused_and_nothing_is_left(tmp_path: Path, name: str) -> None:
    for act in (lambda: hvpzip.decompress_file(FOLDER / name, tmp_path / "x.jpg"), lambda: hvpzip.verify(FOLDER / name)):
        with pytest.raises(errors.FormatError):
            act()
    assert list(tmp_path.iterdir()) == []
