"""How much processor time the network takes of what a call takes; the rest is the coder (map, tables, mixtures, rANS, container).

The network's calls that ``hvpzip.codec`` makes, and its fit of the heads, are timed where they are defined; on the CPU they return when
they are done. Processor time, of all threads together, hardly depends on what else runs on the machine.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["Clock", "network_clock"]

_CALLS = ("begin", "predict", "corrections", "reveal")


class Clock:
    """Processor seconds since it was made: ``seconds`` in the network's predictions, ``fit_s`` in fitting heads to a picture, predictions
    that it takes not among them. Calls inside calls count once.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self.fit_s = 0.0
        self._depth = 0

    def timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, with its time added to ``seconds``."""

        def call(*arguments: Any, **named: Any) -> Any:
            self._depth += 1
            begin = time.process_time()
            try:
                return function(*arguments, **named)
            finally:
                self._depth -= 1
                if not self._depth:
                    self.seconds += time.process_time() - begin

        return call

    def timed_fit(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, with what of its time is not in ``seconds`` added to ``fit_s``."""

        def call(*arguments: Any, **named: Any) -> Any:
            begin, before = time.process_time(), self.seconds
            try:
                return function(*arguments, **named)
            finally:
                self.fit_s += time.process_time() - begin - (self.seconds - before)

        return call


@contextmanager
def network_clock() -> Iterator[Clock]:
    """A clock that runs whenever a network of this process does, until the context ends."""
    from hvpzip.codec.bitsback import group_codec
    from hvpzip.nn.predictor import IntegerPredictor

    clock = Clock()
    timers = {(IntegerPredictor, name): clock.timed for name in _CALLS} | {(group_codec, "fit_heads"): clock.timed_fit}
    saved = {(owner, name): getattr(owner, name) for owner, name in timers}
    try:
        for (owner, name), timer in timers.items():
            setattr(owner, name, timer(saved[owner, name]))
        yield clock
    finally:
        for (owner, name), function in saved.items():
            setattr(owner, name, function)
