"""Small pictures in, from mosaics or arrays, as the integers of the reversible colour lift."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hvpzip.transform import colour

__all__ = ["lifted", "read_pictures", "unlifted"]

SIDE = 32  # of the pictures in a mosaic

UInt8Array = NDArray[np.uint8]
Int32Array = NDArray[np.int32]


def read_pictures(path: str | Path, side: int = SIDE) -> UInt8Array:
    """Pictures (N, side, side, 3) of a mosaic, of a folder of mosaics in the order of their names, or of ``images`` in an ``.npz`` file.

    Raises ValueError for a mosaic whose sides are no multiples of ``side``, OSError for a file that cannot be read.
    """
    path = Path(path)
    if path.is_dir():
        parts = [read_pictures(file, side) for file in sorted(path.iterdir()) if file.suffix in (".webp", ".png")]
        if not parts:
            raise ValueError(f"{path} holds no mosaics (.webp, .png)")
        return np.concatenate(parts)
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            images: UInt8Array = arrays["images"]
        return images
    mosaic = np.asarray(Image.open(path).convert("RGB"))
    rows, columns = mosaic.shape[0] // side, mosaic.shape[1] // side
    if (rows * side, columns * side) != mosaic.shape[:2]:
        raise ValueError(f"{path} is {mosaic.shape[1]}x{mosaic.shape[0]}, which is no mosaic of pictures of {side}x{side}")
    return mosaic.reshape(rows, side, columns, side, 3).transpose(0, 2, 1, 3, 4).reshape(-1, side, side, 3)


def lifted(pictures: UInt8Array) -> Int32Array:
    """RGB pictures (N, H, W, 3) as Y, Co, Cg planes (N, 3, H, W)."""
    return colour.forward(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2)), colour.YCOCG_R)


def unlifted(planes: Int32Array) -> UInt8Array:
    """RGB pictures (N, H, W, 3) of Y, Co, Cg planes, values outside 0 to 255 moved to the nearest end."""
    return np.clip(colour.inverse(planes, colour.YCOCG_R), 0, 255).astype(np.uint8).transpose(0, 2, 3, 1)
