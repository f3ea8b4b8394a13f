"""Files that every version must refuse, each with its reason: the class of the error and words of its message."""

import csv
from pathlib import Path

import pytest

import hvpzip
from hvpzip import errors

FOLDER = Path(__file__).parents[1] / "golden" / "refused"
ROWS = list(csv.reader((FOLDER / "manifest.csv").read_text(encoding="utf-8").splitlines()))[1:]


def test_the_manifest_lists_every_file() -> None:
    assert sorted(row[0] for row in ROWS) == sorted(path.name for path in FOLDER.glob("*.hvz"))


@pytest.mark.parametrize(("name", "why", "error", "words"), ROWS, ids=[row[0] for row in ROWS])
def test_file_is_refused_for_its_reason_and_nothing_is_left(tmp_path: Path, name: str, why: str, error: str, words: str) -> None:
    for act in (lambda path: hvpzip.decompress_file(path, tmp_path / "x.png"), hvpzip.verify):
        with pytest.raises(errors.HvpzipError) as caught:
            act(FOLDER / name)
        assert type(caught.value).__name__ == error, why
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
