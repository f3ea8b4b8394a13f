"""The code blocks of docs/python.md run, one after the other, as they stand."""

import re
from pathlib import Path

import pytest

DOC = Path(__file__).parents[2] / "docs" / "python.md"


def test_code_blocks_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", DOC.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 7
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {}
    for block in blocks:
        exec(block, namespace)
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == [
        "again.png",
        "back.jpg",
        "kept.hvz",
        "photo.hvz",
        "photo.hvz",
        "photo.jpg",
        "photo.png",
        "turned.hvz",
    ]
