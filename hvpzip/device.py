"""Which device runs the network: the CPU, unless something else is asked for.

What is asked for goes with the context, or with the environment variable ``HVPZIP_DEVICE``, which worker processes inherit. Files do not
depend on it.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

__all__ = ["VARIABLE", "current_device", "using_device"]

VARIABLE: Final = "HVPZIP_DEVICE"
_device: ContextVar[str | None] = ContextVar("device", default=None)


def current_device() -> str:
    """Its name, as torch has it: ``cpu``, ``cuda``, ``cuda:1``."""
    return _device.get() or os.environ.get(VARIABLE) or "cpu"


@contextmanager
def using_device(device: str | None) -> Iterator[None]:
    """Sets it for a while; None leaves it as it is."""
    before = _device.get()
    _device.set(device or before)
    try:
        yield
    finally:
        _device.set(before)
