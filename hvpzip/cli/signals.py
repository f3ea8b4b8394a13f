"""Signals that end the program as Ctrl-C does: cleaned up, summed up, and told by the exit status."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["terminations"]

_ENDING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


@contextmanager
def terminations() -> Iterator[list[int]]:
    """While the block runs, SIGTERM and SIGHUP raise KeyboardInterrupt in it, once, and are noted in the list; later ones are ignored, so
    that they do not stop the cleaning up.

    Signals that the process ignores (as under nohup) or that somebody heeds already stay as they are; outside the main thread all do.
    """
    received: list[int] = []

    def end(signum: int, frame: FrameType | None) -> None:
        received.append(signum)
        if len(received) == 1:
            raise KeyboardInterrupt

    in_main = threading.current_thread() is threading.main_thread()
    heeded = [signum for signum in _ENDING if in_main and signal.getsignal(signum) is signal.SIG_DFL]
    try:
        for signum in heeded:
            signal.signal(signum, end)
        yield received
    finally:
        for signum in heeded:
            signal.signal(signum, signal.SIG_DFL)
