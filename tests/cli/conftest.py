"""Small pictures in a folder of their own, and the command run in this process."""

import io
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pytest

from hvpzip.cli import main
from tests.helpers.pictures import fill, small_packed, small_pictures

Samples = npt.NDArray[np.uint8]


class Outcome(NamedTuple):
    status: int
    out: bytes
    err: str


Run = Callable[..., Outcome]


@pytest.fixture(scope="session")
def pictures() -> Mapping[str, Samples]:
    """A crop of a photo in RGB and in gray, and the smallest picture."""
    return small_pictures()


@pytest.fixture(scope="session")
def packed() -> Mapping[str, bytes]:
    """The pictures as ``.hvz`` bytes."""
    return small_packed()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with rgb.png and gray.png, and the same as rgb.hvz and gray.hvz in ``packed/``."""
    monkeypatch.chdir(fill(tmp_path))
    for name in ("HVPZIP_THREADS", "HVPZIP_MAX_PIXELS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def run(folder: Path, capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs ``hvpzip ARGUMENTS`` in ``folder``, with the given standard input, and gives status, output and messages."""

    def run(*arguments: str, stdin: bytes = b"") -> Outcome:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capsysbinary.readouterr()
        status = main(arguments)
        out, err = capsysbinary.readouterr()
        return Outcome(status, out, err.decode())

    return run
