"""The command line: one module per command. click is used only here.

Importing this package imports nothing else, so that an interrupt is quiet from the first moment and ``--help`` is quick.
"""

import atexit
import gc
from collections.abc import Sequence

__all__ = ["main"]

_INTERRUPTED = 130
_FEW_COLLECTIONS = 10_000  # new objects: with Python's own 700, looking for cycles among a command's modules takes a twentieth of a second


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status of ``hvpzip ARGUMENTS`` (None: those of the process): 0 all done, 1 a file failed, 2 usage, 130 interrupted, or 128
    and the number of the signal that ended it."""
    received: list[int] = []
    thresholds = gc.get_threshold()
    gc.set_threshold(_FEW_COLLECTIONS, *thresholds[1:])
    atexit.unregister(gc.freeze)
    atexit.register(gc.freeze)  # or Python looks for cycles once more among all that it has, before the process ends: as long again
    try:
        from hvpzip.cli.signals import terminations

        with terminations() as received:
            from hvpzip.cli.app import run

            status = run(arguments)
    except KeyboardInterrupt:
        status = _INTERRUPTED
    finally:
        gc.set_threshold(*thresholds)
    return 128 + received[0] if received and status == _INTERRUPTED else status
