"""The benchmark of JPEG files on one small picture."""

import re
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.jpegs import made_of, main, tried


def test_every_kind_comes_back_or_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = Image.linear_gradient("L").resize((40, 32)).convert("RGB")
    picture.save(tmp_path / "slope.png")
    (tmp_path / "ready.jpeg").write_bytes(next(file for kind, file in made_of(picture) if kind == "gray"))
    assert main([str(tmp_path)]) == 0
    table = capsys.readouterr().out
    assert re.search(r"^all +26 ", table, re.MULTILINE)
    assert "0 differ" in table


def test_what_is_no_jpeg_file_is_counted_as_refused() -> None:
    outcome = tried("x", b"\xff\xd8\xff\xd9")
    assert (outcome.holds, outcome.same) == ("refused", True)
    assert "no frame header" in outcome.notices[0]
