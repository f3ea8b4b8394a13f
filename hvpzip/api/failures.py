"""One line for any failure, the same in the library's batches and on the command line."""

import os
import traceback

from hvpzip.api.records import FileResult
from hvpzip.errors import HvpzipError

__all__ = ["describe_failure", "failed"]

# Where memory is limited, libraries fail with errors of their own kinds: the dynamic linker, the C++ runtime, torch, numpy, OpenBLAS.
_NO_MEMORY = (
    "failed to map segment",
    "cannot allocate memory",
    "Cannot allocate memory",
    "bad_alloc",
    "can't allocate memory",
    "Unable to allocate",
)


def describe_failure(error: BaseException, path: str) -> str:
    """What went wrong with ``path``, as one line that does not repeat the path itself."""
    if isinstance(error, HvpzipError):
        text = str(error) or type(error).__name__
    elif isinstance(error, OSError):
        text = error.strerror or str(error) or type(error).__name__
        # The system names the file it stumbled over; that helps only where it is not the one the line is about.
        if error.filename is not None and os.fsdecode(error.filename) != path:
            text = f"{os.fsdecode(error.filename)}: {text}"
    elif isinstance(error, MemoryError) or any(words in str(error) for words in _NO_MEMORY):
        text = "not enough memory"
    elif isinstance(error, ImportError):
        text = f"a library cannot be loaded: {error}; is the installation whole?"
    else:
        text = f"internal error: {type(error).__name__}: {error}"
    line = " ".join(text.split())
    return line.removeprefix(f"{path}: ")


def failed(path: str, error: BaseException) -> FileResult:
    """The result of a file that failed, with the traceback of the error."""
    return FileResult(path=path, error=describe_failure(error, path), trace="".join(traceback.format_exception(error)))
