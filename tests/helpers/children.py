"""Child processes of tests: signals as in a terminal, however the tests were started; a deadline; always reaped.

A shell starts background jobs with SIGINT ignored, ``nohup`` ignores SIGHUP, a supervisor may ignore SIGTERM, and children inherit that. A
child that waits for a signal that it ignores would wait for ever, and what it leaves behind would fail another test.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["COMMAND", "DEADLINE_S", "ENDING_SIGNALS", "ENVIRONMENT", "ROOT", "child", "heed", "ran"]

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "hvpzip"]
ENVIRONMENT: Mapping[str, str] = os.environ | {
    "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")])),
    "HVPZIP_THREADS": "1",  # quicker for small pictures where the cores have other work
}
DEADLINE_S = 300.0
ENDING_SIGNALS = tuple(name for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


def heed() -> None:
    """In a child before its program starts: the signals that end a program end it."""
    for name in ENDING_SIGNALS:
        signal.signal(getattr(signal, name), signal.SIG_DFL)


@contextlib.contextmanager
def child(command: Sequence[str], *, deadline_s: float = DEADLINE_S, **options: Any) -> Iterator["subprocess.Popen[Any]"]:
    """A process in a session of its own, so that signals can go to all that it starts. Whatever is left of it at the end of the block, or
    after ``deadline_s``, is killed and reaped: a test that waits for it then fails, instead of waiting for ever.
    """
    if os.name == "posix":
        options.setdefault("preexec_fn", heed)
    process = subprocess.Popen(command, start_new_session=True, **options)

    def kill() -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.name == "posix":
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()

    timer = threading.Timer(deadline_s, kill)
    timer.start()
    try:
        with process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    kill()
    finally:
        timer.cancel()
        timer.join()
        kill()  # of its session: the process itself is gone


def ran(
    command: Sequence[str | os.PathLike[str]],
    *,
    deadline_s: float = DEADLINE_S,
    feed: "bytes | str | None" = None,
    check: bool = False,
    **options: Any,
) -> "subprocess.CompletedProcess[Any]":
    """How a command ended and what it printed, as text unless ``text=False``; it reads ``feed``, or nothing. ``check``: it must succeed."""
    source = subprocess.DEVNULL if feed is None else subprocess.PIPE
    options = {"text": True, "stdin": source, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    with child([os.fspath(part) for part in command], deadline_s=deadline_s, **options) as process:
        out, err = process.communicate(feed)
    assert process.returncode == 0 or not check, err
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)
