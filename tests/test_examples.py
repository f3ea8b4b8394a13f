"""The scripts in examples/ run as they stand, and bring the photo back."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.helpers.children import ran

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
PHOTO = EXAMPLES / "kodim23-crop.png"


def run(script: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return ran([sys.executable, str(EXAMPLES / script), *arguments], cwd=folder, env=environment)


def test_every_script_has_a_test() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == {"batch.py", "compress_array.py"}


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_script_fits_on_a_screen(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 40


def test_photo_is_eight_bit_rgb_without_metadata() -> None:
    with Image.open(PHOTO) as image:
        assert (image.mode, image.size, image.info) == ("RGB", (256, 192), {})


@pytest.mark.slow
def test_compress_array_restores_the_photo(tmp_path: Path) -> None:
    done = run("compress_array.py", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "restored exactly" in done.stdout


@pytest.mark.slow
def test_batch_compresses_the_good_files_and_names_the_broken_one(tmp_path: Path) -> None:
    import hvpzip

    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    with Image.open(PHOTO) as image:
        pieces = {name: np.asarray(image)[y : y + 40, :56] for name, y in {"a": 0, "c": 90}.items()}
    for name, piece in pieces.items():
        Image.fromarray(np.ascontiguousarray(piece)).save(photos / f"{name}.png")
    (photos / "b.png").write_bytes(b"no picture")
    done = run("batch.py", str(photos), str(out), folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "2 of 3 files" in done.stdout
    assert sum("b.png" in line for line in done.stdout.splitlines()) == 1
    assert sorted(path.name for path in out.iterdir()) == ["a.hvz", "c.hvz"]
    for name, piece in pieces.items():
        np.testing.assert_array_equal(hvpzip.decompress((out / f"{name}.hvz").read_bytes()), piece)
