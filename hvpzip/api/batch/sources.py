"""Sources that are deleted.

The invariant: a source is deleted only if its output was decoded and found equal, and only as long as it is the file that was read.
"""

import errno
import os
import stat
from typing import NamedTuple

from hvpzip.api.inspect import info
from hvpzip.api.outputs import is_device
from hvpzip.api.records import FileResult
from hvpzip.errors import ImageError, NotHvpzipError

__all__ = ["SourceState", "delete_source", "refuse_to_remove", "source_state"]

_ANY_PIXELS = 1 << 60  # nothing is decoded to tell what an output is of


class SourceState(NamedTuple):
    """What tells whether a file is still the one that was read."""

    device: int
    inode: int
    size_bytes: int
    changed_ns: int


def source_state(path: str) -> SourceState:
    """The state of a source that is to be deleted, to be taken before it is read. Raises: ImageError if it is no regular file, OSError."""
    found = os.lstat(path)
    if stat.S_ISLNK(found.st_mode):
        raise ImageError("it is a symbolic link: deleting it would leave the file that it leads to, so --rm takes that file alone")
    if not stat.S_ISREG(found.st_mode):
        raise ImageError("it is no regular file, and so not one to delete")
    return SourceState(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def refuse_to_remove(output: str) -> None:
    """Says before the work that a source cannot be deleted for an output that is written to, and not read back: a device, a pipe, an open
    file by its number. Raises: ImageError."""
    if is_device(output):
        raise ImageError(f"{output} is a device or a stream, which cannot be read back: --rm needs a regular file as output")


def _is_still(output: str, result: FileResult) -> bool:
    """Whether the output is what was written, and not what another process put there: by its size, and by what a ``.hvz`` file says of its
    source."""
    if os.path.getsize(output) != result.output_bytes:
        return False
    try:
        return info(output, max_pixels=_ANY_PIXELS).source_sha256 == result.source_sha256
    except NotHvpzipError:
        return True


def delete_source(path: str, before: SourceState, result: FileResult) -> None:
    """Deletes a source whose output is in place.

    Raises: ImageError if the output lacks anything that the source holds, or is no regular file; OSError if the source has changed since
    ``before``, or cannot be deleted.
    """
    if result.dropped:
        raise ImageError(
            f"{result.output} {'was there already' if result.skipped else 'was written'}, but the source is not deleted, "
            f"as this of it is not kept: {', '.join(result.dropped)}"
        )
    if result.output is None or not os.path.isfile(result.output):
        raise ImageError(f"the source is not deleted, as its output is no regular file: {result.output}")
    if not _is_still(result.output, result):
        raise OSError(errno.EBUSY, "the output has changed since it was compared, so its source was not deleted", result.output)
    if source_state(path) != before:
        raise OSError(errno.EBUSY, "it was changed while it was read, so it was not deleted", path)
    os.unlink(path)
