"""Worker processes: the default pool of a batch, and what signals do to it.

A terminal sends Ctrl-C to parent and workers alike; SIGTERM goes to one process, or to all. A worker in the middle of a file must clean up
(KeyboardInterrupt does that); an idle or starting one would only print a traceback, so it leaves silently.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from concurrent.futures import Executor

__all__ = ["interruptible", "pool_of", "quiet_spawn"]

_HEEDED = (signal.SIGINT, signal.SIGTERM)
_own_worker = False  # set in the processes of the default pool only, so that no other process's signal handlers are touched
_ended = False  # by SIGTERM; set in such a process only


@contextmanager
def pool_of(executor: "Executor | None", workers: int | None) -> "Iterator[Executor]":
    """The given executor as it is, or a pool of fresh processes that ends with the block."""
    if executor is not None:
        yield executor
        return
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    others = set(multiprocessing.active_children())
    # spawn: threads do not survive a fork, and the bytes must not depend on what the parent did before.
    pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"), initializer=_start_worker)
    try:
        yield pool
    except KeyboardInterrupt:
        # Whoever sent it may have meant this process alone: its workers would finish their files first.
        for worker in set(multiprocessing.active_children()) - others if os.name == "posix" else ():
            worker.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def quiet_spawn(own: bool) -> Iterator[None]:
    """While the default pool starts its processes, signals wait: here until the block ends, there until ``_start_worker`` has run.

    A new process inherits which signals are blocked. Where signals cannot be blocked, a starting worker may print a traceback.
    """
    if not own or not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HEEDED)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start_worker() -> None:
    global _own_worker
    _own_worker = True
    _heed(_leave)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEEDED)


def _heed(handler: Callable[[int, FrameType | None], None]) -> None:
    for signum in _HEEDED:
        signal.signal(signum, handler)


def _leave(signum: int, frame: FrameType | None) -> None:
    os._exit(128 + signum)


def _interrupt(signum: int, frame: FrameType | None) -> None:
    """Once: a second signal, which the parent sends to be sure, must not stop the cleaning up."""
    _heed(_note)
    _note(signum, frame)
    raise KeyboardInterrupt


def _note(signum: int, frame: FrameType | None) -> None:
    global _ended
    _ended = _ended or signum == signal.SIGTERM


@contextmanager
def interruptible() -> Iterator[None]:
    """In a worker of the default pool, an interrupt inside the block raises KeyboardInterrupt; SIGTERM ends the process after that."""
    if not _own_worker:
        yield
        return
    _heed(_interrupt)
    try:
        yield
    finally:
        _heed(_leave)
        if _ended:
            _leave(signal.SIGTERM, None)
