"""How long the network takes of what a call takes; the rest is the coder (map, tables, mixtures, rANS, container).

The three calls of the network that ``hvpzip.codec`` makes are timed where they are defined; on the CPU they return when they are done.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["Clock", "network_clock"]

_CALLS = ("begin", "linear_mean", "predict", "reveal")


class Clock:
    """Seconds in the network since it was made; calls inside calls count once."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._depth = 0

    def timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, with its time added to ``seconds``."""

        def call(*arguments: Any, **named: Any) -> Any:
            self._depth += 1
            begin = time.perf_counter()
            try:
                return function(*arguments, **named)
            finally:
                self._depth -= 1
                if not self._depth:
                    self.seconds += time.perf_counter() - begin

        return call


@contextmanager
def network_clock() -> Iterator[Clock]:
    """A clock that runs whenever a network of this process does, until the context ends."""
    from hvpzip.nn.network import LevelNetwork

    clock, saved = Clock(), {name: getattr(LevelNetwork, name) for name in _CALLS}
    try:
        for name, function in saved.items():
            setattr(LevelNetwork, name, clock.timed(function))
        yield clock
    finally:
        for name, function in saved.items():
            setattr(LevelNetwork, name, function)
