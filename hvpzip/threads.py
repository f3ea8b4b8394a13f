"""How many threads an operation of this thread may use.

The count goes with the context (``contextvars``), so operations of several threads do not meet, and no result depends on it.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from hvpzip.arguments import integer

__all__ = ["available_cores", "checked_threads", "current_threads", "using_threads"]

_threads: ContextVar[int] = ContextVar("threads", default=0)


def available_cores() -> int:
    """The number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def current_threads() -> int:
    """Threads to use now, at least 1; all cores where nothing else was asked for."""
    return _threads.get() or available_cores()


def checked_threads(threads: int | None) -> int | None:
    """``threads`` itself. Raises: TypeError if it is no integer, ValueError if it is negative."""
    if threads is not None and integer(threads, "threads") < 0:
        raise ValueError(f"threads must be 0 (all cores) or more, not {threads}")
    return threads


@contextmanager
def using_threads(threads: int | None) -> Iterator[None]:
    """Sets the count for a while: None leaves it, 0 takes all cores. Raises: as ``checked_threads``."""
    if checked_threads(threads) is None:
        yield
        return
    before = _threads.get()
    _threads.set(threads or 0)
    try:
        yield
    finally:
        _threads.set(before)
