"""Files beside what plain methods make of the same picture."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import __main__ as command
from benchmarks import larger


def test_a_larger_file_is_told_and_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (24, 20, 3)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    Image.fromarray(noise[:, :, [0, 1, 2, 0]]).save(tmp_path / "alpha.png")
    Image.fromarray(256 * noise[:, :, 0].astype(np.uint16)).save(tmp_path / "wide.png")
    (tmp_path / "notes.txt").write_text("no picture")
    assert command.main(["larger", str(tmp_path), "--efforts", "4,1"]) == 0
    out, err = capsys.readouterr()
    assert "0 of 6 files of 3 pictures" in out
    assert out.endswith("\n0 larger than those of a lower effort\n")
    assert "left out: notes.txt" in err
    monkeypatch.setattr(larger, "FILE_BYTES", -999)
    assert command.main(["larger", str(tmp_path), "--efforts", "1"]) == 1
    assert "noise.png" in capsys.readouterr().out
