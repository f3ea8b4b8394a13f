"""The benchmark of killed processes, on pictures that need no model; all hundred runs are for by hand."""

import os
import re
import sys
from pathlib import Path

import pytest

from benchmarks.kills import state_of
from tests.helpers.children import ran

ROOT = Path(__file__).resolve().parents[2]

posix = pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL and fork")


@posix
@pytest.mark.parametrize("name", ["nameless", "hidden"])
def test_killed_runs_leave_the_old_state_or_the_new(name: str) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "benchmarks", "kills", "--runs", "4", "--plain", *(["--hidden"] if name == "hidden" else [])]
    done = ran(command, env=environment, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")
    new, forked, outputs = done.stdout.splitlines()
    assert re.match(r"2 runs of \d+\.\d\d s, new processes, killed at a random moment: ", new)
    assert re.match(r"2 runs of \d+\.\d\d s, forks that have all loaded, killed at a random moment: ", forked)
    counts = {word: int(count) for count, word in re.findall(r"(\d+) ([a-z -]+)", outputs.partition(": ")[2])}
    left = counts.pop("hidden file left")
    assert left == 0 or name == "hidden"
    assert set(counts) <= {"new", "old"}
    assert sum(counts.values()) == 16


def test_half_of_an_output_and_a_missing_old_one_are_found(tmp_path: Path) -> None:
    path = tmp_path / "x"
    assert (state_of(path, b"new", None), state_of(path, b"new", b"old")) == ("old", "half-written")
    for contents, state in ((b"new", "new"), (b"old", "old"), (b"ne", "half-written"), (b"", "half-written")):
        path.write_bytes(contents)
        assert state_of(path, b"new", b"old") == state
    assert state_of(path, b"new", None) == "half-written"
