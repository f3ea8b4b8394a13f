"""What a long computation of this thread is at, for whoever waits for it.

The watcher goes with the context (``contextvars``), so operations of several threads do not meet, and no result depends on it. What it
raises ends the computation.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["Watcher", "told_of", "watched_by"]

# What is on its way, how much of it is done, and all of it, in its own units. Called some ten times a second, not at the end of all.
Watcher = Callable[[str, int, int], None]

_watcher: ContextVar[Watcher | None] = ContextVar("watcher", default=None)


@contextmanager
def watched_by(watcher: Watcher | None) -> Iterator[None]:
    """Sets the watcher for a while; None: nobody watches."""
    token = _watcher.set(watcher)
    try:
        yield
    finally:
        _watcher.reset(token)


def told_of(what: str) -> Callable[[int, int], None] | None:
    """What a kernel is to call with how much is done and how much there is; None where nobody watches."""
    watcher = _watcher.get()
    return None if watcher is None else lambda done, of: watcher(what, done, of)
