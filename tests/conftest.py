"""What tests of several folders are given: tiny models, crops of the example photo, an order without chance or with it."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.helpers.pictures import photo_crop
from tests.helpers.tiny import make_tiny_model, make_tiny_path_model

if TYPE_CHECKING:
    from hvpzip.diffusion.schedule import Schedule
    from hvpzip.nn.model import Model


@pytest.fixture(scope="session")
def tiny_model() -> Model:
    """The tiny model on the map of plain subsampling."""
    return make_tiny_model()


@pytest.fixture(scope="session")
def tiny_path_model() -> Model:
    """The tiny model with a noise path on the 5/3 map."""
    return make_tiny_path_model()


@pytest.fixture(scope="session")
def tiny_models() -> Callable[[int], Model]:
    """``tiny_models(transform)``: the tiny model on that map."""
    made: dict[int, Model] = {}
    return lambda transform: made.setdefault(transform, made.get(transform) or make_tiny_model(transform))


@pytest.fixture(scope="session")
def tiny_model_on() -> Callable[[Schedule], Model]:
    """``tiny_model_on(schedule)``: a tiny model with that schedule."""
    return lambda schedule: make_tiny_model(schedule=schedule)


@pytest.fixture(scope="session")
def crop() -> Callable[..., np.ndarray]:
    """``crop(left, top, width, height, gray=False)`` of the example photo: uint8 ``(C, height, width)``."""
    return photo_crop


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--shuffled SEED``: no test may depend on those before it."""
    parser.addoption("--shuffled", type=int, metavar="SEED", help="run files, and the tests in each file, in the random order of this seed")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Shuffle files and the tests in each. Tests of a file stay together, so that what they share is made once."""
    seed = config.getoption("--shuffled")
    if seed is not None:
        numbers = random.Random(seed)
        files: dict[Path, list[pytest.Item]] = {}
        for item in items:
            files.setdefault(item.path, []).append(item)
        groups = list(files.values())
        numbers.shuffle(groups)
        for group in groups:
            numbers.shuffle(group)
        items[:] = [item for group in groups for item in group]
