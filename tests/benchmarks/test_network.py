"""The benchmark of the network alone: every arithmetic says the same, every multiply-add is counted, and what differs is reported."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks import __main__ as command
from benchmarks import network
from hvpzip.nn import reference

STARTING = {"import numpy": 1.5, "load": 0.25}


@pytest.fixture
def pictures(tmp_path: Path, crop: Callable[..., np.ndarray], tiny_model: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A colour and a gray picture; commands find the tiny model, and a process starts at once."""
    from hvpzip.api import runtime

    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.fromarray(crop(0, 0, 41, 36).transpose(1, 2, 0)).save(folder / "colour.png")
    Image.fromarray(crop(20, 20, 24, 20, True)[0]).save(folder / "gray.png")
    monkeypatch.setattr(runtime, "model_by_name", lambda name: tiny_model)
    monkeypatch.setattr(network, "start_seconds", lambda name: STARTING)
    return folder


class WrongOperations:
    """``reference`` with one correction in many off by one."""

    def __getattr__(self, name: str) -> Any:
        return getattr(reference, name)

    def head(self, *arguments: Any) -> np.ndarray:
        found = reference.head(*arguments)
        found[0, 0, 0] += 1
        return found


def test_network_command(pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert command.main(["network", str(pictures), "--arithmetic", "numpy", "--threads", "1", "--out", str(out)]) == 0
    printed = capsys.readouterr()
    assert "| tiny | numpy | all |" in printed.out
    assert "import numpy 1.50 s, load 0.25 s" in printed.out
    document = json.loads((out / "results.json").read_text())
    assert document["starting"] == {"tiny": STARTING}
    assert {row["photo"] for row in document["rows"]} == {"colour.png", "gray.png"}
    assert all(row["seconds"] >= 0 for row in document["rows"])


def test_arithmetics_that_differ_are_a_failure(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(network, "arithmetics", lambda wanted: {"numpy": reference, "other": WrongOperations()})
    assert command.main(["network", str(pictures), "--threads", "1", "--out", str(tmp_path)]) == 1
    assert "colour.png tiny: FAILED: the arithmetics differ" in capsys.readouterr().err


def test_multiply_adds_are_those_of_every_convolution_on_the_path(tiny_model: Any, crop: Callable[..., np.ndarray]) -> None:
    """One level of 2x2 positions: each convolution that the path needs runs once."""
    operations = network.ClockedOperations(reference)
    network.evaluate(crop(0, 0, 4, 4), tiny_model, operations)
    level = tiny_model.levels[0]
    unused = [f"heads.{index}." for index in range(5) if index not in tiny_model.schedule.level(1).paths["diffusion"]]
    weights = [layer.weight.size for name, layer in level.named_layers() if not name.startswith(tuple(unused))]
    assert operations.multiply_adds["branches"] + operations.multiply_adds["heads"] == 4 * sum(weights)


def test_starting_is_timed_in_a_process_of_its_own() -> None:
    parts = network.start_seconds("small")
    assert list(parts) == ["import numpy", "import hvpzip.codec.bitsback.group_codec", "load_model"]
    assert all(seconds > 0 for seconds in parts.values())


@pytest.mark.parametrize("arguments", [["--arithmetic", "int4"], ["--threads", "0"]])
def test_wrong_usage_exits_with_two(pictures: Path, arguments: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        command.main(["network", str(pictures), *arguments])
