"""The state of the process that coding needs: loaded models and torch's thread count.

The invariant: a caller finds torch's thread count as it was, also after operations of several threads that overlapped.
"""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hvpzip.nn.weights import Model

__all__ = ["available_cores", "checked_threads", "give_back_memory", "model_by_id", "model_by_name", "torch_threads"]

_lock = threading.Lock()
_depth = 0
_saved_threads = 0


def available_cores() -> int:
    """The number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def checked_threads(threads: int | None) -> int | None:
    """``threads`` itself. Raises: ValueError if it is negative."""
    if threads is not None and threads < 0:
        raise ValueError(f"threads must be 0 (all cores) or more, not {threads}")
    return threads


@lru_cache(maxsize=4)
def model_by_name(name: str | None) -> "Model":
    """The bundled model of that name, or the default one; loaded once a process. Raises: ModelError."""
    from hvpzip.nn.weights import load_model

    return load_model(name)


@lru_cache(maxsize=4)
def model_by_id(model_id: bytes) -> "Model":
    """The model that a file names; loaded once a process. Raises: ModelError if it is not installed."""
    from hvpzip.nn.weights import find_model

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


@contextmanager
def torch_threads(threads: int | None) -> Iterator[None]:
    """Sets torch's thread count for a while: None leaves it, 0 takes all cores.

    torch keeps a count per thread, and one for threads to come, which every setting changes too. So each use restores what its own thread
    had, and the last one to leave what the first one found.
    Raises: ValueError if ``threads`` is negative.
    """
    global _depth, _saved_threads
    if threads is None:
        yield
        return
    checked_threads(threads)
    import torch

    with _lock:
        before = torch.get_num_threads()
        if _depth == 0:
            _saved_threads = before
        _depth += 1
        torch.set_num_threads(threads or available_cores())
    try:
        yield
    finally:
        with _lock:
            _depth -= 1
            torch.set_num_threads(before if _depth else _saved_threads)
