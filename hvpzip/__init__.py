"""Lossless image compression by a hierarchical diffusion model and bits-back coding.

The names in ``__all__`` are the public interface; everything else may change between releases. They are loaded on first use, so that
``import hvpzip`` is quick: numpy waits until a picture has to be coded.

    >>> data = hvpzip.compress(array)       # uint8 array, (H, W) or (H, W, 3)
    >>> array = hvpzip.decompress(data)
"""

from typing import TYPE_CHECKING

from hvpzip import errors
from hvpzip.errors import HvpzipError

if TYPE_CHECKING:
    from hvpzip.api import (
        CompressOptions,
        DecompressOptions,
        FileInfo,
        FileResult,
        compress,
        compress_file,
        compress_files,
        decompress,
        decompress_file,
        decompress_files,
        info,
        verify,
    )

__version__ = "0.1.0"

__all__ = [
    "CompressOptions",
    "DecompressOptions",
    "FileInfo",
    "FileResult",
    "HvpzipError",
    "__version__",
    "compress",
    "compress_file",
    "compress_files",
    "decompress",
    "decompress_file",
    "decompress_files",
    "errors",
    "info",
    "verify",
]


def __getattr__(name: str) -> object:
    """The public name, taken from ``hvpzip.api`` on first use."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from hvpzip import api

    value: object = getattr(api, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
