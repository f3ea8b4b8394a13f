"""Processes killed (SIGKILL) at random moments while they compress and decompress: every output must be the old one or the new one, whole.

Each run replaces two files and makes two new ones, by ``hvpzip compress -f`` and ``hvpzip decompress -f``. Every other run is a new
process, so that the moments are spread over its whole life, start-up and loading among it; the others are forked from one that has
everything loaded, so that the moments fall on the work.
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
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from PIL import Image

from benchmarks import specimens
from hvpzip import atomic
from hvpzip.cli import main as hvpzip

__all__ = ["main", "state_of"]

OLD: Final = b"what was there before"
REPLACED: Final = ("a.hvz", "d.png")
COMMANDS: Final = (["compress", "-qf", "a.png", "b.png"], ["decompress", "-qf", "c.hvz", "d.hvz"])
# What a new process runs: nothing of this module, as that would be loaded first.
PROGRAM: Final = f"""
import os, sys
folder, hidden = sys.argv[1:]
os.chdir(folder)
if hidden == "hidden":
    from hvpzip import atomic
    atomic._open_nameless = lambda folder, mode: None
from hvpzip.cli import main
sys.exit(max(main(command) for command in {COMMANDS}))
"""


class Way(NamedTuple):
    """A way to start a run: what is said of it, ``start(folder)`` gives the process id, and how long a run takes that is not killed."""

    name: str
    start: Callable[[Path], int]
    whole_s: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the trials; returns 0 if every output was the old one or the new one, 1 if not."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks kills", description=__doc__)
    parser.add_argument("--runs", type=int, default=100, help="(default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the moments (default: %(default)s)")
    parser.add_argument("--hidden", action="store_true", help="have outputs under hidden names, as where files need a name from the start")
    parser.add_argument("--plain", action="store_true", help="take pictures that no model codes: quick")
    options = parser.parse_args(arguments)
    if options.hidden:
        atomic._open_nameless = lambda folder, mode: None
    chance = random.Random(options.seed)
    outputs: collections.Counter[str] = collections.Counter()
    with tempfile.TemporaryDirectory(prefix="kills-") as scratch:
        start = Path(scratch) / "start"
        _prepare(start, options.plain)
        expected = _loaded(start, Path(scratch) / "loading")
        ways = [
            Way(name, begin, _time_of(start, Path(scratch) / "timed", begin, expected))
            for name, begin in (("new processes", partial(_spawn, hidden=options.hidden)), ("forks that have all loaded", _fork))
        ]
        runs: list[collections.Counter[str]] = [collections.Counter() for _ in ways]
        for number in range(options.runs):
            way = ways[number % 2]
            folder = Path(scratch) / f"run-{number}"
            shutil.copytree(start, folder)
            killed = _killed(way.start(folder), chance.uniform(0, 1.05 * way.whole_s))
            found = [state_of(folder / name, contents, OLD if name in REPLACED else None) for name, contents in expected.items()]
            outputs.update(found)
            news = found.count("new")
            runs[number % 2]["not killed in time" if not killed else "before any output" if not news else "between outputs"] += 1
            outputs["hidden file left"] += sum(path.name.startswith(".") for path in folder.iterdir())
            shutil.rmtree(folder)
    for way, counts in zip(ways, runs, strict=True):
        print(f"{counts.total()} runs of {way.whole_s:.2f} s, {way.name}, killed at a random moment: {_counts(counts)}")
    print(f"their {len(expected) * options.runs} outputs: {_counts(outputs)}")
    return 1 if outputs["half-written"] else 0


def state_of(path: Path, new: bytes, old: bytes | None) -> str:
    """ "new", "old" (``old`` None: not there), or "half-written"."""
    found = path.read_bytes() if path.exists() else None
    return "new" if found == new else "old" if found == old else "half-written"


def _prepare(folder: Path, plain: bool) -> None:
    """a.png and b.png, which the model codes unless ``plain``, c.hvz and d.hvz, and old files in the place of two of their outputs."""
    folder.mkdir()
    with Image.open(specimens.PHOTO) as image:
        photo = np.asarray(image.convert("RGB"))
    for name, picture in (("a", photo[40:72, 60:92]), ("b", photo[80:112, 60:92, 1])):
        (Image.fromarray(picture).quantize(16) if plain else Image.fromarray(picture)).save(folder / f"{name}.png")
    for name in "cd":
        (folder / f"{name}.hvz").write_bytes(specimens.make("palette-128"))
    for name in REPLACED:
        (folder / name).write_bytes(OLD)


# ---- runs ----


def _loaded(start: Path, folder: Path) -> Mapping[str, bytes]:
    """The outputs of a run in this process, which has model and kernels loaded then."""
    here = os.getcwd()
    shutil.copytree(start, folder)
    os.chdir(folder)
    try:
        if any([hvpzip(command) for command in COMMANDS]):
            raise RuntimeError("the run that loads everything failed")
    finally:
        os.chdir(here)
    return _outputs(folder)


def _fork(folder: Path) -> int:
    process = os.fork()
    if process == 0:
        try:
            os.chdir(folder)
            status = max(hvpzip(command) for command in COMMANDS)
        except BaseException:
            status = 1
        os._exit(status)
    return process


def _spawn(folder: Path, hidden: bool) -> int:
    path = os.pathsep.join(filter(None, [str(Path(__file__).resolve().parents[1]), os.environ.get("PYTHONPATH", "")]))
    command = [sys.executable, "-c", PROGRAM, str(folder), "hidden" if hidden else "nameless"]
    return os.posix_spawn(sys.executable, command, os.environ | {"PYTHONPATH": path})


def _outputs(folder: Path) -> Mapping[str, bytes]:
    return {name: (folder / name).read_bytes() for name in ("a.hvz", "b.hvz", "c.png", "d.png")}


def _time_of(start: Path, folder: Path, begin: Callable[[Path], int], expected: Mapping[str, bytes]) -> float:
    """Seconds that a run takes which is not killed; its outputs must be the expected ones."""
    shutil.copytree(start, folder)
    started = time.monotonic()
    _, status = os.waitpid(begin(folder), 0)
    whole_s = time.monotonic() - started
    if status or _outputs(folder) != expected:
        raise RuntimeError(f"a run that was not killed ended with status {os.waitstatus_to_exitcode(status)}, or wrote other files")
    shutil.rmtree(folder)
    return whole_s


def _killed(process: int, moment_s: float) -> bool:
    """Whether the process was still there when it was killed."""
    time.sleep(moment_s)
    os.kill(process, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(process, 0)[1])


def _counts(counter: "collections.Counter[str]") -> str:
    return ", ".join(f"{count} {word}" for word, count in sorted(counter.items()))


if __name__ == "__main__":
    sys.exit(main())
