"""Samples to a lossless picture file."""

import io
import os
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hvpzip.errors import ImageError

__all__ = ["SUFFIXES", "format_of", "write_image"]

SUFFIXES: Final = {
    ".png": "PNG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
    ".ppm": "PPM",
    ".pgm": "PPM",
    ".pnm": "PPM",
}
_LOSSY: Final = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".gif", ".avif", ".heic", ".heif", ".jp2", ".j2k", ".jxl"})
_OPTIONS: Final[dict[str, dict[str, object]]] = {
    "PNG": {},
    "WEBP": {"lossless": True, "quality": 80, "method": 4},
    "TIFF": {"compression": "tiff_adobe_deflate"},
    "BMP": {},
    "PPM": {},
}


def format_of(path: str | os.PathLike[str]) -> str:
    """The format that a path's suffix asks for: PNG, WEBP (lossless), TIFF, BMP or PPM (which is PGM for gray).

    Raises:
        ImageError: the suffix is unknown, or of a format that may lose samples.
    """
    suffix = Path(path).suffix.lower()
    if suffix in SUFFIXES:
        return SUFFIXES[suffix]
    choice = f"choose one of {', '.join(SUFFIXES)}"
    if suffix in _LOSSY:
        raise ImageError(f"{suffix} files may lose samples: {choice}")
    raise ImageError(f"unknown picture suffix {suffix!r}: {choice}")


def write_image(samples: NDArray[np.uint8], target: str | os.PathLike[str] | BinaryIO, format: str | None = None) -> None:
    """Write the samples so that ``read_image`` gives them back, in one go; no metadata is added.

    Args:
        samples: uint8 (H, W) gray or (H, W, 3) RGB, any strides.
        target: a binary stream, or a path, which is overwritten, and not atomically (give the stream of ``hvpzip.atomic.atomic_write``
            for that).
        format: PNG, WEBP, TIFF, BMP or PPM in any case; None for ``format_of`` the path, PNG for a stream.

    Raises:
        ImageError: another format, or one that cannot hold this picture (gray WebP, sides too long).
        TypeError: samples of another type.
        ValueError: samples of another shape.
        OSError: the target cannot be written.
    """
    if samples.dtype != np.uint8:
        raise TypeError(f"expected samples of uint8, got {samples.dtype}")
    if min(samples.shape, default=0) < 1 or not (samples.ndim == 2 or (samples.ndim == 3 and samples.shape[2] == 3)):
        raise ValueError(f"expected samples (H, W) or (H, W, 3), got shape {samples.shape}")
    if format is None:
        format = format_of(target) if isinstance(target, str | os.PathLike) else "PNG"
    kind = format.upper()
    if kind not in _OPTIONS:
        raise ImageError(f"{format} is not a format that keeps every sample: choose one of {', '.join(_OPTIONS)}")
    if kind == "WEBP" and samples.ndim == 2:
        raise ImageError("WebP has no gray: choose another format, such as PNG")
    buffer = io.BytesIO()
    try:
        Image.fromarray(np.ascontiguousarray(samples)).save(buffer, format=kind, **_OPTIONS[kind])
    except (OSError, ValueError, OverflowError) as error:
        raise ImageError(f"{kind} cannot hold this picture of {samples.shape[1]} x {samples.shape[0]} pixels: {error}") from error
    if isinstance(target, str | os.PathLike):
        Path(target).write_bytes(buffer.getvalue())
    else:
        target.write(buffer.getvalue())
