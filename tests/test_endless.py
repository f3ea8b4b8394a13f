"""Inputs that are no files, or have no end: one line, within bounds of time and memory, in every command that reads."""

import contextlib
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO

import pytest

from hvpzip.errors import LimitError
from hvpzip.source import read_source
from tests.helpers.children import ran

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = ROOT / "tests" / "golden" / "pictures"
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
SOUND = {".hvz": (GOLDEN / "good-gray8.hvz").read_bytes(), ".png": (ROOT / "examples" / "kodim23-crop.png").read_bytes()}
MOST_PIXELS = 1 << 20
MOST_MEMORY = 400 << 20
HUGE = 10 << 30
MOST_BYTES = 16 * 1000 + (64 << 20)  # of a picture of 1,000 pixels
# Runs a command and prints its peak memory, in KiB. The process between is small: a child's figure starts at its parent's.
WITH_PEAK = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(done.returncode)
"""

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /dev/zero, pipes with names, and sparse files")


def flood(path: Path, start: bytes) -> None:
    """Writes the start and zeros to a pipe until nobody reads it any more."""
    with contextlib.suppress(BrokenPipeError), open(path, "wb", buffering=0) as pipe:
        pipe.write(start)
        while True:
            pipe.write(bytes(1 << 16))


def inputs(folder: Path, suffix: str) -> dict[str, str]:
    """Names of inputs, and words of their errors."""
    kind = "not a .hvz file" if suffix == ".hvz" else "not a picture of a known kind"
    (folder / f"device{suffix}").symlink_to("/dev/zero")
    (folder / f"folder{suffix}").mkdir()
    for name, start in (("sparse", b""), ("long", SOUND[suffix])):
        with open(folder / f"{name}{suffix}", "wb") as file:
            file.write(start)
            file.truncate(HUGE)
    for name, start in (("zeros", b""), ("endless", SOUND[suffix])):
        os.mkfifo(folder / f"{name}{suffix}")
        threading.Thread(target=flood, args=(folder / f"{name}{suffix}", start), daemon=True).start()
    words = {"device": kind, "folder": "Is a directory", "sparse": kind, "long": f"{HUGE} bytes", "zeros": kind, "endless": "more than"}
    return {f"{name}{suffix}": word for name, word in words.items()}


def messages(folder: Path, *arguments: str, stdin: IO[bytes] | int = subprocess.DEVNULL) -> list[str]:
    """The lines that a command prints to standard error, which must fail, print nothing else, and take little memory."""
    command = [sys.executable, "-c", WITH_PEAK, sys.executable, "-m", "hvpzip", *arguments]
    done = ran(command, env=ENVIRONMENT, cwd=folder, stdin=stdin, text=False)
    assert done.returncode == 1
    assert int(done.stdout) << 10 < MOST_MEMORY
    return done.stderr.decode().splitlines()


@pytest.mark.parametrize("command", ["compress", "decompress", "test", "info"])
def test_inputs_without_an_end_are_refused_in_one_line_each(tmp_path: Path, command: str) -> None:
    suffix = ".png" if command == "compress" else ".hvz"
    expected = inputs(tmp_path, suffix)
    before = sorted(path.name for path in tmp_path.iterdir())
    found = messages(tmp_path, command, "--max-pixels", str(MOST_PIXELS), *expected)
    assert len(found) == len(expected)
    for line, (name, words) in zip(found, expected.items(), strict=True):
        assert line.startswith(f"hvpzip: {name}: ")
        assert words in line
    assert sorted(path.name for path in tmp_path.iterdir()) == before


@pytest.mark.parametrize("command", ["compress", "decompress", "test", "info"])
def test_standard_input_without_an_end_is_refused(tmp_path: Path, command: str) -> None:
    with open("/dev/zero", "rb") as zeros:
        (line,) = messages(tmp_path, command, stdin=zeros)
    assert line.startswith("hvpzip: -: not a ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("by_pipe", [False, True])
@pytest.mark.parametrize("size", [0, 1, 64, 65, MOST_BYTES, MOST_BYTES + 1])
def test_source_is_whole_up_to_its_limit_and_refused_beyond_it(tmp_path: Path, size: int, by_pipe: bool) -> None:
    """A pipe has no size of its own."""
    place = tmp_path / "place"
    data = (os.urandom(1 << 10) * (size // 1024 + 1))[:size]
    starts: list[bytes] = []

    def pixels_of(start: bytes) -> int:
        starts.append(start)
        return 1000

    if by_pipe:
        os.mkfifo(place)
        threading.Thread(target=write_to, args=(place, data), daemon=True).start()
    else:
        place.write_bytes(data)
    if size > MOST_BYTES:
        with pytest.raises(LimitError, match=f"a picture of at most 1000 pixels has at most {MOST_BYTES}$"):
            read_source(place, pixels_of)
    else:
        assert read_source(place, pixels_of) == data
    assert starts == [data[:64]]


def write_to(pipe: Path, data: bytes) -> None:
    with contextlib.suppress(BrokenPipeError), open(pipe, "wb") as out:
        out.write(data)
