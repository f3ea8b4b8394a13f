"""Rows of samples as PNG stores them, and pictures of Pillow row by row, without a second copy of the whole picture."""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hvpzip.core import kernels

__all__ = ["array_of", "filtered", "packed_bits", "strips_of", "unpacked_bits"]

Samples = NDArray[np.unsignedinteger[Any]]  # uint8 or uint16
Bytes = NDArray[np.uint8]

_STRIP: Final = 1 << 20  # bytes, or pixels, worked on at once


def packed_bits(samples: Samples, bit_depth: int) -> Bytes:
    """Rows (h, w) of samples of 1, 2 or 4 bits as whole bytes, the first sample in the high bits, rows padded with zeros."""
    bits = np.unpackbits(samples.astype(np.uint8)[:, :, None], axis=2)[:, :, 8 - bit_depth :]
    return np.packbits(bits.reshape(samples.shape[0], -1), axis=1)


def unpacked_bits(rows: Bytes, bit_depth: int) -> Bytes:
    """Inverse of ``packed_bits``: rows (h, n) of bytes to (h, 8 * n / bit_depth) samples, those that fill up among them."""
    if bit_depth == 1:
        return np.unpackbits(rows, axis=1)
    shifts = np.arange(8 - bit_depth, -1, -bit_depth, dtype=np.uint8)
    return (rows[:, :, None] >> shifts & np.uint8((1 << bit_depth) - 1)).reshape(len(rows), -1)


def filtered(rows: Bytes, above: Bytes, step: int) -> Iterator[bytes]:
    """The rows with PNG's filters, each with the one that gives the smallest sum of differences, some rows at a time.

    Args:
        rows: (h, n) bytes of the rows.
        above: (n,) the row before the first one; zeros where there is none.
        step: bytes a pixel.
    """
    height, size = rows.shape
    count = max(1, _STRIP // size)
    for begin in range(0, height, count):
        part = np.ascontiguousarray(rows[begin : begin + count])
        lines = np.empty((len(part), 1 + size), np.uint8)
        kernels().filter_rows(part, above if begin == 0 else rows[begin - 1], step, lines)
        yield lines.tobytes()


def strips_of(image: Image.Image) -> Iterator[NDArray[Any]]:
    """What ``np.array(image)`` gives, from top to bottom, some rows at a time."""
    width, height = image.size
    count = max(1, _STRIP // width)
    for top in range(0, height, count):
        yield np.asarray(image.crop((0, top, width, min(top + count, height))))


def array_of(image: Image.Image, dtype: "type[np.uint8 | np.uint16]") -> Samples:
    """The samples of a picture, (H, W) or (H, W, C), as a new array of that type."""
    image.load()
    samples: Samples | None = None
    place = 0
    for strip in strips_of(image):
        if samples is None:
            samples = np.empty((image.size[1], *strip.shape[1:]), dtype)
        samples[place : place + len(strip)] = strip
        place += len(strip)
    assert samples is not None, "a picture has rows"
    return samples
