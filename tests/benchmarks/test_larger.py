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
    assert command.main(["larger", str(tmp_path), "--efforts", "1,4"]) == 0
    assert "0 of 2 files of 1 pictures" in capsys.readouterr().out
    monkeypatch.setattr(larger, "FILE_BYTES", -999)
    assert command.main(["larger", str(tmp_path), "--efforts", "1"]) == 1
    assert "noise.png" in capsys.readouterr().out
