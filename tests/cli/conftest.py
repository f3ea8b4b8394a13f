"""Small pictures in a folder of their own, and the command run in this process."""

import io
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image

import hvpzip
from hvpzip.cli import main

Samples = npt.NDArray[np.uint8]

PHOTO = Path(__file__).parents[2] / "examples" / "kodim23-crop.png"


class Outcome(NamedTuple):
    status: int
    out: bytes
    err: str


Run = Callable[..., Outcome]


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """The pictures are too small for more, and threads that wait for each other are slow where the cores have other work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def pictures() -> Mapping[str, Samples]:
    """A crop of a photo in RGB and in gray."""
    with Image.open(PHOTO) as photo:
        crop = photo.convert("RGB").crop((150, 100, 198, 140))  # which the model codes, in colour and in gray
        return {"rgb": np.asarray(crop), "gray": np.asarray(crop.convert("L"))}


@pytest.fixture(scope="session")
def packed(pictures: Mapping[str, Samples]) -> Mapping[str, bytes]:
    """The pictures as ``.hvz`` bytes."""
    return {name: hvpzip.compress(array) for name, array in pictures.items()}


@pytest.fixture
def folder(tmp_path: Path, pictures: Mapping[str, Samples], packed: Mapping[str, bytes], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with rgb.png and gray.png, and the same as rgb.hvz and gray.hvz in ``packed/``."""
    (tmp_path / "packed").mkdir()
    for name in ("rgb", "gray"):
        Image.fromarray(pictures[name]).save(tmp_path / f"{name}.png")
        (tmp_path / "packed" / f"{name}.hvz").write_bytes(packed[name])
    monkeypatch.chdir(tmp_path)
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
