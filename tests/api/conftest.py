"""Small pictures, and what the shipped model makes of them (once for all tests)."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from tests.helpers.pictures import fill, small_packed, small_pictures

Samples = npt.NDArray[np.uint8]


@pytest.fixture(scope="session")
def pictures() -> Mapping[str, Samples]:
    """A crop of a photo in RGB and in gray, and the smallest picture."""
    return small_pictures()


@pytest.fixture(scope="session")
def packed() -> Mapping[str, bytes]:
    """The pictures as ``.hvz`` bytes."""
    return small_packed()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with rgb.png, gray.png, and the same as rgb.hvz and gray.hvz in ``packed/``."""
    return fill(tmp_path)
