"""The command line: one module per command. Layer rank 5; click is used only here.

Importing this package imports nothing else, so that an interrupt is quiet from the first moment and ``--help`` is quick.
"""

from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status of ``hvpzip ARGUMENTS`` (None: those of the process): 0 all done, 1 a file failed, 2 usage, 130 interrupted."""
    try:
        from hvpzip.cli.app import run

        return run(arguments)
    except KeyboardInterrupt:
        return 130
