"""The state of the process that coding needs: loaded models, and memory that is given back."""

import sys
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hvpzip.nn.model import Model

__all__ = ["give_back_memory", "model_by_id", "model_by_name"]


@lru_cache(maxsize=4)
def model_by_name(name: str | None) -> "Model":
    """The bundled model of that name, or the default one; loaded once a process. Raises: ModelError."""
    from hvpzip.nn.bundled import load_model

    return load_model(name)


@lru_cache(maxsize=4)
def model_by_id(model_id: bytes) -> "Model":
    """The model that a file names; loaded once a process. Raises: ModelError if it is not installed."""
    from hvpzip.nn.bundled import find_model

    return find_model(model_id)


def give_back_memory() -> None:
    """Gives the system what the C library keeps of freed memory, where that can be asked for (glibc): the holes that the payloads of many
    groups leave are too small for the arrays of the next group.
    """
    if sys.platform == "linux":
        import ctypes

        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
