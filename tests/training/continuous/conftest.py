"""A tiny cascade on small pictures of a known kind."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from hvpzip.training.continuous.cascade import DiffusionCascade
from hvpzip.training.continuous.images import lifted
from tests.training.continuous.tiny import smooth_pictures, tiny_config


@pytest.fixture
def planes() -> NDArray[np.int32]:
    return lifted(smooth_pictures(64))


@pytest.fixture
def cascade(planes: NDArray[np.int32]) -> DiffusionCascade:
    """Preconditioned, untrained: its networks say a mixture that no noisy value changes."""
    torch.manual_seed(0)
    found = DiffusionCascade(tiny_config())
    found.precondition(planes)
    return found.eval().requires_grad_(False)
