"""AUROC and scores."""

import numpy as np
import pytest
from numpy.typing import NDArray

from hvpzip.training.continuous.cascade import DiffusionCascade
from hvpzip.training.continuous.evaluate import continuous_bound
from hvpzip.training.continuous.images import lifted
from hvpzip.training.continuous.ood import auroc, scores, table


def test_auroc_counts_pairs() -> None:
    rng = np.random.default_rng(0)
    inside, outside = rng.integers(0, 9, 40).astype(float), rng.integers(3, 12, 30).astype(float)
    pairs = np.mean((outside[:, None] > inside) + 0.5 * (outside[:, None] == inside))
    assert auroc(inside, outside) == pytest.approx(pairs)
    assert auroc(np.zeros(3), np.ones(4)) == 1.0


def test_noise_is_unlike_smooth_pictures_by_every_bound(cascade: DiffusionCascade, planes: NDArray[np.int32]) -> None:
    noise = lifted(np.random.default_rng(0).integers(0, 256, (16, 8, 8, 3)).astype(np.uint8))
    inside, outside = (continuous_bound(cascade, p, draws=2) for p in (planes[:16], noise))
    found = [scores(b, np.zeros(16), inside.total) for b in (inside, outside)]
    assert auroc(found[0]["bound"], found[1]["bound"]) == 1.0
    assert auroc(found[0]["typicality"], found[1]["typicality"]) == 1.0
    assert np.allclose(sum(v for k, v in found[0].items() if k.startswith("scale")), found[0]["bound"])
    text = table(found[0], {"noise": found[1]})
    assert text.splitlines()[-1].startswith("| noise |")
    assert "| 1.000 |" in text
