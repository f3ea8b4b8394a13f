"""Small files of every form, method and split, made once: later versions must decode them to the same samples, or refuse them."""

import csv
import hashlib
from pathlib import Path

import pytest

import hvpzip
from hvpzip import errors
from hvpzip.image_io import read_image
from tests.helpers.damage import flips, truncations

FOLDER = Path(__file__).parents[1] / "golden" / "pictures"
ROWS = list(csv.reader((FOLDER / "manifest.csv").read_text(encoding="utf-8").splitlines()))[1:]


def test_the_manifest_lists_every_file() -> None:
    assert sorted(name for name, _, _ in ROWS) == sorted(path.name for path in FOLDER.glob("*.hvz"))


@pytest.mark.parametrize(("name", "digest"), [(name, digest) for name, _, digest in ROWS if digest])
def test_good_file_decodes_to_its_samples(tmp_path: Path, name: str, digest: str) -> None:
    samples = hvpzip.decompress((FOLDER / name).read_bytes())
    assert hashlib.sha256(samples.astype(samples.dtype.newbyteorder("<")).tobytes()).hexdigest() == digest
    result = hvpzip.decompress_file(FOLDER / name, tmp_path / ("x.tif" if "cmyk" in name else "x.png"))
    assert result.output is not None
    again = read_image(result.output)
    assert (again.samples == samples).all()
    if "metadata" in name:
        assert [chunk.name for chunk in again.form.chunks] == [b"gAMA", b"tEXt", b"reSo"]


@pytest.mark.parametrize("name", [name for name, _, digest in ROWS if not digest])
def test_bad_file_is_refused_and_nothing_is_left(tmp_path: Path, name: str) -> None:
    with pytest.raises(errors.FormatError):
        hvpzip.decompress_file(FOLDER / name, tmp_path / "x.png")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(errors.FormatError):
        hvpzip.verify(FOLDER / name)


@pytest.mark.parametrize("name", [name for name, _, digest in ROWS if digest][::4])
def test_every_truncation_and_many_flipped_bits_are_refused(name: str) -> None:
    data = (FOLDER / name).read_bytes()
    for cut in truncations(data):
        with pytest.raises(errors.FormatError):
            hvpzip.decompress(cut)
    samples = hvpzip.decompress(data)
    for damaged in flips(data, every=7):
        try:
            assert (hvpzip.decompress(damaged) == samples).all()
        except (errors.FormatError, errors.ModelError, errors.LimitError) as error:
            message = str(error)
        else:
            message = ""
        assert "\n" not in message
