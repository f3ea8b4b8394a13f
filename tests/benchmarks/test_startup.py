"""The benchmark of whole commands: each is run, what came back is compared, and a command that fails is said."""

import json
import sys
from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks import startup
from tests.helpers.pictures import PHOTO


def test_every_command_is_measured_and_the_photo_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = startup.commands
    monkeypatch.setattr(
        startup, "commands", lambda folder, threads: {n: c for n, c in real(folder, threads).items() if n != "compress photo"}
    )
    assert command.main(["startup", str(PHOTO), "--repeats", "1", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "decompress photo" in printed
    assert "compress photo, effort 1" in printed
    rows = json.loads((tmp_path / "results.json").read_text())["rows"]
    assert {row["threads"] for row in rows if row["command"] == "decompress photo"} == {1, 2}
    assert all(row["processor_s"] > 0 and row["peak_mib"] > 5 for row in rows)


def test_a_command_that_fails_is_said() -> None:
    with pytest.raises(RuntimeError, match="status 2"):
        startup.measure(Path(sys.executable), ["nonsense"])


def test_the_table_has_the_release_beside_this_installation() -> None:
    def row(installation: str, threads: int, seconds: float) -> startup.Row:
        return startup.Row(
            installation=installation, command="decompress photo", threads=threads, processor_s=seconds, wall_s=seconds, peak_mib=100.0
        )

    lines = startup.table([row("this", 1, 2.0), row("this", 2, 1.0), row("release", 1, 7.0)]).splitlines()
    assert lines[-1].split() == ["decompress", "photo", "2.00", "7.00", "6.2", "0.29", "100", "100", "0.50"]
    alone = startup.table([row("this", 2, 1.0), row("release", 2, 4.0)]).splitlines()
    assert alone[-1].split() == ["decompress", "photo", "1.00", "4.00", "6.2", "0.25", "100", "100", "-"]


def test_wrong_usage_exits_with_two() -> None:
    with pytest.raises(SystemExit, match="2"):
        command.main(["startup", "no-such-photo.png"])
