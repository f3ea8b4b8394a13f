"""Small pictures, and what the shipped model makes of them (once for all tests of this folder)."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image

import hvpzip

Samples = npt.NDArray[np.uint8]

PHOTO = Path(__file__).parents[2] / "examples" / "kodim23-crop.png"


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """The pictures are too small for more, and threads that wait for each other are slow where the cores have other work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def pictures() -> Mapping[str, Samples]:
    """A crop of a photo in RGB and in gray, and the smallest picture."""
    with Image.open(PHOTO) as photo:
        crop = photo.convert("RGB").crop((150, 100, 198, 140))  # which the model codes, in colour and in gray
        return {"rgb": np.asarray(crop), "gray": np.asarray(crop.convert("L")), "dot": np.full((1, 1, 3), (10, 200, 30), np.uint8)}


@pytest.fixture(scope="session")
def packed(pictures: Mapping[str, Samples]) -> Mapping[str, bytes]:
    """The pictures as ``.hvz`` bytes."""
    return {name: hvpzip.compress(array) for name, array in pictures.items()}


@pytest.fixture
def folder(tmp_path: Path, pictures: Mapping[str, Samples], packed: Mapping[str, bytes]) -> Path:
    """A folder with rgb.png, gray.png, and the same as rgb.hvz and gray.hvz in ``packed/``."""
    (tmp_path / "packed").mkdir()
    for name in ("rgb", "gray"):
        Image.fromarray(pictures[name]).save(tmp_path / f"{name}.png")
        (tmp_path / "packed" / f"{name}.hvz").write_bytes(packed[name])
    return tmp_path
