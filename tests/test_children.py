"""Child processes of tests have a deadline, heed signals and are reaped; and no test starts one in another way."""

import ast
import os
import signal
import sys
from pathlib import Path

import pytest

from tests.helpers.children import ENDING_SIGNALS, ROOT, child, ran

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
HELPER = Path("tests/helpers/children.py")
STARTERS = {"Popen", "call", "check_call", "check_output", "getoutput", "run", "system", "fork", "posix_spawn", "popen"}


def started_in(source: str) -> list[int]:
    """The lines that start a process."""
    attributes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute) and node.attr in STARTERS]
    return [node.lineno for node in attributes if isinstance(node.value, ast.Name) and node.value.id in ("subprocess", "os")]


def test_processes_are_started_with_a_deadline_alone() -> None:
    files = [path.relative_to(ROOT) for path in sorted((ROOT / "tests").rglob("*.py"))]
    found = [f"{path}:{line}" for path in files if path != HELPER for line in started_in((ROOT / path).read_text(encoding="utf-8"))]
    assert found == []
    assert started_in("import subprocess\nsubprocess.run([])\nx = os.fork()\n") == [2, 3]


@posix
@pytest.mark.parametrize("name", ENDING_SIGNALS)
def test_a_child_heeds_what_its_parent_ignores(name: str) -> None:
    signum = signal.Signals[name]
    before = signal.signal(signum, signal.SIG_IGN)
    try:
        done = ran([sys.executable, "-c", f"import os, signal; os.kill(os.getpid(), signal.{name}); signal.pause()"])
    finally:
        signal.signal(signum, before)
    assert done.returncode in (-signum, 1)  # Python tells of SIGINT itself
    assert name != "SIGINT" or "KeyboardInterrupt" in done.stderr


@posix
def test_a_child_past_its_deadline_is_killed() -> None:
    with child([sys.executable, "-c", "import signal; signal.pause()"], deadline_s=0.0) as process:
        process.wait()
    assert process.returncode == -signal.SIGKILL


@posix
def test_what_a_block_leaves_is_killed_and_reaped_with_what_it_started() -> None:
    code = "import os, signal; os.fork(); print(flush=True); signal.pause()"
    ours, theirs = os.pipe()
    with child([sys.executable, "-c", code], stdout=theirs) as process:
        os.close(theirs)
        assert os.read(ours, 1) + os.read(ours, 1) == b"\n\n"  # both are there
        assert process.poll() is None
    assert process.returncode == -signal.SIGKILL
    assert os.read(ours, 1) == b""  # nobody is left who could write
    os.close(ours)
