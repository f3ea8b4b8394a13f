"""Pictures for tests: crops of the example photo, and samples of every kind from a seed."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
from hypothesis import strategies as st
from PIL import Image

import hvpzip

__all__ = ["KINDS", "PHOTO", "SEEDS", "fill", "photo_crop", "samples", "shapes", "small_packed", "small_pictures"]

PHOTO = Path(__file__).resolve().parents[2] / "examples" / "kodim23-crop.png"
SEEDS = st.integers(0, 2**32 - 1)
KINDS = ("noise", "slope", "sparse")  # of samples


def shapes(most: int) -> st.SearchStrategy[tuple[int, int, int]]:
    """(height, width, channels) with sides up to ``most``."""
    return st.tuples(st.integers(1, most), st.integers(1, most), st.integers(1, 4))


def samples(seed: int, shape: tuple[int, int, int], depth: int, kind: str) -> np.ndarray:
    """Samples below ``2**depth``, uint8 or uint16 ``(height, width, channels)``: noise, a slope with a little of it, or zeros with some."""
    generator = np.random.default_rng(seed)
    if kind == "slope":
        found = np.indices(shape).sum(axis=0) * (1 << depth) // (4 * sum(shape)) + generator.integers(0, 2, shape)
    else:
        found = generator.integers(0, 1 << depth, shape)
        if kind == "sparse":
            found = found * (generator.random(shape) < 0.1)
    return np.clip(found, 0, (1 << depth) - 1).astype(np.uint8 if depth <= 8 else np.uint16)


def photo_crop(left: int, top: int, width: int, height: int, gray: bool = False) -> np.ndarray:
    """A crop of the example photo: uint8 ``(C, height, width)``."""
    with Image.open(PHOTO) as photo:
        crop = np.asarray(photo.convert("RGB"))[top : top + height, left : left + width]
    return np.ascontiguousarray(crop[:, :, 1][None] if gray else crop.transpose(2, 0, 1))


@cache
def small_pictures() -> Mapping[str, np.ndarray]:
    """A crop of the photo, which the model codes, in RGB and in gray, and the smallest picture."""
    rgb = photo_crop(150, 100, 48, 40).transpose(1, 2, 0)
    gray = np.asarray(Image.fromarray(rgb).convert("L"))
    return {"rgb": rgb, "gray": gray, "dot": np.full((1, 1, 3), (10, 200, 30), np.uint8)}


@cache
def small_packed() -> Mapping[str, bytes]:
    """What the shipped model makes of ``small_pictures``."""
    return {name: hvpzip.compress(array, threads=1) for name, array in small_pictures().items()}


def fill(folder: Path) -> Path:
    """The folder, with rgb.png and gray.png, and the same as rgb.hvz and gray.hvz in ``packed/``."""
    (folder / "packed").mkdir()
    for name in ("rgb", "gray"):
        Image.fromarray(small_pictures()[name]).save(folder / f"{name}.png")
        (folder / "packed" / f"{name}.hvz").write_bytes(small_packed()[name])
    return folder
