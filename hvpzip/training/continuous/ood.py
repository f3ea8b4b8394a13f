"""Scores that tell pictures unlike those a model was trained on, and how well they do (AUROC).

bound        bits of the continuous bound (Nalisnick et al. 2019 show why this alone fails)
scale i      a scale's part of it
typicality   distance of the bits from their mean on pictures of the kind (Nalisnick et al. 2019b, one picture)
complexity   bound less the bits of a general codec (Serra et al. 2020)
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from hvpzip.training.continuous.evaluate import Bound

__all__ = ["auroc", "codec_bits", "scores", "table"]

EFFORT = 7  # of JPEG XL

FloatArray = NDArray[np.float64]


def auroc(inside: FloatArray, outside: FloatArray) -> float:
    """Chance that a picture from outside scores higher than one from inside, ties counted half."""
    both = np.concatenate([inside, outside])
    _, inverse, counts = np.unique(both, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]  # of equal scores, their mean
    n, m = len(inside), len(outside)
    return float((ranks[n:].sum() - m * (m + 1) / 2) / (n * m))


def codec_bits(pictures: NDArray[np.uint8]) -> FloatArray:
    """(N,) bits per dimension of lossless JPEG XL files. Needs imagecodecs (extra ``bench``)."""
    import imagecodecs

    return np.array([8 * len(imagecodecs.jpegxl_encode(p, lossless=True, effort=EFFORT)) / p.size for p in pictures])


def scores(bound: Bound, codec: FloatArray, typical: float) -> dict[str, FloatArray]:
    """Name to (N,) scores, high for what is unlike. ``typical``: mean bits of pictures of the kind."""
    each = bound.each
    found = {"bound": each, "typicality": np.abs(each - typical), "complexity": each - codec}
    return found | {f"scale {number}": scale.each for number, scale in enumerate(bound.scales)}


def table(inside: Mapping[str, FloatArray], outside: Mapping[str, Mapping[str, FloatArray]]) -> str:
    """Markdown: a row a set, the AUROC of each score, and the set's mean bits."""
    names = list(inside)
    lines = [f"| against | mean bits/dim | {' | '.join(names)} |", f"|{' --- |' * (len(names) + 2)}"]
    lines.append(f"| (test) | {inside['bound'].mean():.3f} |{' |' * len(names)}")
    for name, found in outside.items():
        cells = " | ".join(f"{auroc(inside[score], found[score]):.3f}" for score in names)
        lines.append(f"| {name} | {found['bound'].mean():.3f} | {cells} |")
    return "\n".join(lines)
