"""Starts of the mixing coder from training photos: ``python -m hvpzip.training.starts OUT FOLDER ...``.

The middle of some photos of each folder is coded by the cascade, knowing nothing. Weights begin with the mean of what they are at the
end, and scales with the geometric mean, by how often each was learnt from; every photo counts alike for weights.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hvpzip.codec.cascade import learnt_from
from hvpzip.codec.cascade.starts import INPUTS, SETS
from hvpzip.image_io import read_image
from hvpzip.nn.bundled import load_model

__all__ = ["starts_of"]

PHOTOS, SIDE = 14, 256
_USUAL = 8192  # a scale that was never seen
_CLASSES = np.array([(16 + (c & 15)) << (c >> 4) >> 4 for c in range(256)])


def starts_of(photos: list[list[NDArray[np.float64]]]) -> bytes:
    """``codec.cascade.starts`` from what was learnt from each photo, by plane (``learnt_from``)."""
    found = b""
    for planes in zip(*photos, strict=True):
        learnt = np.array(planes)
        weights = learnt[:, : INPUTS + SETS].mean(axis=0)
        scales, counts = learnt[:, INPUTS + SETS :: 2], learnt[:, INPUTS + SETS + 1 :: 2]
        seen = counts.sum(axis=0)
        means = np.exp((counts * np.log(np.maximum(scales, 1))).sum(axis=0) / np.maximum(seen, 1))
        classes = np.searchsorted(_CLASSES, np.where(seen > 0, means, _USUAL), side="right") - 1
        found += np.rint(weights).astype("<i2").tobytes() + classes.astype(np.uint8).tobytes()
    return found


def main(out: str, *folders: str) -> None:
    """Write OUT after the photos of the folders, evenly spaced ones of each."""
    model, photos = load_model(), []
    for folder in folders:
        paths = sorted(path for path in Path(folder).iterdir() if path.suffix in (".webp", ".png"))
        for path in paths[:: max(1, len(paths) // PHOTOS)][:PHOTOS]:
            samples = read_image(path).samples[:, :, :3]
            y, x = ((side - SIDE) // 4 * 2 for side in samples.shape[:2])
            middle = samples[y : y + SIDE, x : x + SIDE].transpose(2, 0, 1)
            photos.append([np.array(plane) for plane in learnt_from(np.ascontiguousarray(middle), model)])
            print(path.name, flush=True)
    Path(out).write_bytes(starts_of(photos))


if __name__ == "__main__":
    main(*sys.argv[1:])
