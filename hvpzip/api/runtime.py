"""The state of the process that coding needs: loaded models, and memory that is given back."""

import sys
from functools import lru_cache
from typing import TYPE_CHECKING

from hvpzip.device import current_device

if TYPE_CHECKING:
    from hvpzip.nn.model import Model

__all__ = ["give_back_memory", "model_by_id", "model_by_name"]


def model_by_name(name: str | None) -> "Model":
    """The bundled model of that name, or the default one, on the current device; loaded once a process. Raises: ModelError."""
    return _named(name, current_device())


def model_by_id(model_id: bytes) -> "Model":
    """The model that a file names, on the current device; loaded once a process. Raises: ModelError if it is not installed."""
    return _found(model_id, current_device())


@lru_cache(maxsize=4)
def _named(name: str | None, device: str) -> "Model":
    from hvpzip.nn.bundled import load_model

    return load_model(name, device)


@lru_cache(maxsize=4)
def _found(model_id: bytes, device: str) -> "Model":
    from hvpzip.nn.bundled import find_model

    return find_model(model_id, device)


def give_back_memory() -> None:
    """Gives the system what the C library keeps of freed memory, where that can be asked for (glibc): the holes that the payloads of many
    groups leave are too small for the arrays of the next group.
    """
    if sys.platform == "linux":
        import ctypes

        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
