"""How many threads an operation of this thread may use, and work shared out to them.

The count goes with the context (``contextvars``), so operations of several threads do not meet, and no result depends on it.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import Context, ContextVar, copy_context
from functools import cache
from threading import Condition, Thread
from typing import Any, TypeVar

from hvpzip.arguments import integer

__all__ = ["available_cores", "beside", "checked_threads", "current_threads", "side_by_side", "using_threads"]

T = TypeVar("T")

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


def beside(work: Callable[[], T]) -> Callable[[], T]:
    """A function that returns what ``work`` does, or raises what it raises: with two threads or more ``work`` begins at once, beside what
    the caller does next, else when it is first asked for.
    """
    if current_threads() == 1:
        return cache(work)
    shared = _Shared(1)
    shared.give(work)
    shared.close()
    return cache(lambda: shared.results()[0])


def side_by_side(works: Iterable[Callable[[], T]]) -> list[T]:
    """What each of ``works`` returns, in their order. While they are drawn, one after the other, the first ones begin on other threads;
    once all are drawn, the caller takes part. Raises what the first of those that fail raises, after all have ended.
    """
    others = current_threads() - 1
    if not others:
        return [work() for work in works]
    shared = _Shared(others)
    try:
        for work in works:
            shared.give(work)
    finally:
        shared.close()
        found = shared.results()
    return found


class _Shared:
    """Works on their way to at most ``others`` threads and to whoever asks for the results.

    Not an executor of ``concurrent.futures``: a command would wait 7 to 9 ms for that module, most of it for ``logging``
    (``python -X importtime``), and whoever asks for the results of one does not take part.
    """

    def __init__(self, others: int) -> None:
        self._others, self._closed, self._changed = others, False, Condition()
        self._given: list[tuple[Context, Callable[[], Any]]] = []
        self._waiting: deque[int] = deque()
        self._found: dict[int, Any] = {}
        self._failed: dict[int, BaseException] = {}

    def give(self, work: Callable[[], Any]) -> None:
        """Let a thread begin with it, in the caller's context."""
        with self._changed:
            self._waiting.append(len(self._given))
            self._given.append((copy_context(), work))
            self._changed.notify()
        if len(self._given) <= self._others:
            with suppress(RuntimeError):  # the system has no more threads: those that there are do it
                Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """Nothing more is given."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def results(self) -> list[Any]:
        """Take part until all are done: what they returned, in order."""
        self._serve()
        with self._changed:
            while len(self._found) + len(self._failed) < len(self._given):
                self._changed.wait()
        if self._failed:
            raise self._failed[min(self._failed)]
        return [self._found[number] for number in range(len(self._given))]

    def _serve(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._closed:
                    self._changed.wait()
                if not self._waiting:
                    return
                number = self._waiting.popleft()
            context, work = self._given[number]
            try:
                outcome, kept = context.run(work), self._found
            except BaseException as error:
                outcome, kept = error, self._failed
            with self._changed:
                kept[number] = outcome
                self._changed.notify_all()
