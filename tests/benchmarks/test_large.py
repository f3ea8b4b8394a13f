"""The benchmark of one large picture; the full size is for long runs."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import __main__ as command
from benchmarks import large
from tests.helpers.pictures import PHOTO


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    with Image.open(PHOTO) as photo:
        photo.convert("RGB").crop((0, 0, 70, 50)).save(folder / "a.png")
        photo.convert("L").crop((90, 60, 160, 110)).save(folder / "b.png")
    return folder


def test_a_mosaic_is_the_same_every_time_and_made_of_its_photos(photos: Path) -> None:
    paths = sorted(photos.iterdir())
    picture = large.mosaic(paths, 150)
    np.testing.assert_array_equal(picture, large.mosaic(paths, 150))
    assert picture.shape == (150, 150, 3)
    with Image.open(paths[0]) as photo:
        colours = {tuple(colour) for colour in np.asarray(photo).reshape(-1, 3).tolist()}
    assert {tuple(colour) for colour in picture[:50, :70].reshape(-1, 3).tolist()} == colours


def test_every_action_is_measured_and_compared(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(large, "measure", partial(large.measure, scales=(8,)))  # each takes a process that loads the model
    arguments = ["large", str(photos), "--megapixels", "0.0064", "--threads", "1", "--out", str(tmp_path)]
    assert command.main(arguments) == 0
    rows = json.loads((tmp_path / "results.json").read_text())["rows"]
    assert [row["action"] for row in rows] == ["compress and verify", "decompress", "decompress 1/8", "decompress 40 x 40"]
    assert all(row["equal"] and row["peak_bytes"] > 0 and row["size_bytes"] > 0 for row in rows)
    assert "80 x 80 pixels of 2 photos" in capsys.readouterr().out


def test_too_much_memory_and_wrong_samples_fail(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for peak, equal, status in ((1 << 20, True, 0), (1 << 20, False, 1), (2 << 30, True, 1)):
        row = large.Row(action="x", seconds=1, processor_s=1, peak_bytes=peak, size_bytes=1, equal=equal)
        monkeypatch.setattr(large, "measure", lambda picture, folder, threads, row=row, **_: [row])
        assert command.main(["large", str(photos), "--megapixels", "0.001", "--out", str(tmp_path)]) == status


@pytest.mark.slow
def test_100_megapixels_take_at_most_one_and_a_half_gigabytes(photos: Path, tmp_path: Path) -> None:
    kodak = Path(__file__).parents[2] / ".." / "shared" / "data" / "kodak"
    folder = kodak if kodak.is_dir() else photos
    assert command.main(["large", str(folder), "--megapixels", "100", "--out", str(tmp_path)]) == 0
