"""Processes killed (SIGKILL) at random moments while they compress and decompress: every output must be the old one or the new one, whole.

Each run is a process forked from one that has everything loaded, so that the moments fall on the work and not on the start-up. It replaces
two files and makes two new ones, by ``hvpzip compress -f`` and ``hvpzip decompress -f``.
"""

import argparse
import collections
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks import specimens
from hvpzip import atomic
from hvpzip.cli import main as hvpzip

__all__ = ["main", "state_of"]

OLD = b"what was there before"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the trials; returns 0 if every output was the old one or the new one, 1 if not."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks kills", description=__doc__)
    parser.add_argument("--runs", type=int, default=100, help="(default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the moments (default: %(default)s)")
    parser.add_argument("--hidden", action="store_true", help="have outputs under hidden names, as where files need a name from the start")
    options = parser.parse_args(arguments)
    if options.hidden:
        atomic._open_nameless = lambda folder: None
    chance = random.Random(options.seed)
    outputs: collections.Counter[str] = collections.Counter()
    runs: collections.Counter[str] = collections.Counter()
    with tempfile.TemporaryDirectory(prefix="kills-") as scratch:
        start = Path(scratch) / "start"
        _prepare(start)
        expected, whole_s = _finished(start, Path(scratch) / "finished")
        for number in range(options.runs):
            folder = Path(scratch) / f"run-{number}"
            shutil.copytree(start, folder)
            moment_s = chance.uniform(0, 1.05 * whole_s)
            killed = _run(folder, moment_s)
            found = [state_of(folder / name, contents, OLD if name in _replaced() else None) for name, contents in expected.items()]
            outputs.update(found)
            left = [path.name for path in folder.iterdir() if path.name.startswith(".")]
            news = found.count("new")
            runs["not killed in time" if not killed else "before any output" if not news else "between outputs"] += 1
            outputs["hidden file left"] += len(left)
            shutil.rmtree(folder)
    print(f"{options.runs} runs of {whole_s:.2f} s, killed at a random moment: {_counts(runs)}")
    print(f"their {len(expected) * options.runs} outputs: {_counts(outputs)}")
    return 1 if outputs["half-written"] else 0


def state_of(path: Path, new: bytes, old: bytes | None) -> str:
    """ "new", "old" (``old`` None: not there), or "half-written"."""
    found = path.read_bytes() if path.exists() else None
    return "new" if found == new else "old" if found == old else "half-written"


def _replaced() -> tuple[str, str]:
    return "a.hvz", "d.png"


def _prepare(folder: Path) -> None:
    """a.png and b.png, which the model codes, c.hvz and d.hvz, and old files in the place of two of their outputs."""
    folder.mkdir()
    with Image.open(specimens.PHOTO) as image:
        photo = np.asarray(image.convert("RGB"))
    Image.fromarray(photo[40:72, 60:92]).save(folder / "a.png")
    Image.fromarray(photo[80:112, 60:92, 1]).save(folder / "b.png")
    for name in "cd":
        (folder / f"{name}.hvz").write_bytes(specimens.make("palette-128"))
    for name in _replaced():
        (folder / name).write_bytes(OLD)


def _work(folder: Path) -> None:
    os.chdir(folder)
    hvpzip(["compress", "-qf", "a.png", "b.png"])
    hvpzip(["decompress", "-qf", "c.hvz", "d.hvz"])


def _finished(start: Path, folder: Path) -> tuple[Mapping[str, bytes], float]:
    """The outputs of a run that is not killed, and how long it takes where everything is loaded."""
    here = os.getcwd()
    for _ in range(2):  # the first one loads model and kernels
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(start, folder)
        started = time.monotonic()
        _work(folder)
        whole_s = time.monotonic() - started
        os.chdir(here)
    return {name: (folder / name).read_bytes() for name in ("a.hvz", "b.hvz", "c.png", "d.png")}, whole_s


def _run(folder: Path, moment_s: float) -> bool:
    """Whether the process was still there when it was killed."""
    process = os.fork()
    if process == 0:
        try:
            _work(folder)
        finally:
            os._exit(0)
    time.sleep(moment_s)
    os.kill(process, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(process, 0)[1])


def _counts(counter: "collections.Counter[str]") -> str:
    return ", ".join(f"{count} {word}" for word, count in sorted(counter.items()))


if __name__ == "__main__":
    sys.exit(main())
