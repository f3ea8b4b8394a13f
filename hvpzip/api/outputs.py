"""Where the bytes of one file come from and go to.

The invariant: a file appears under its name only when it is whole and on the disk; on any failure, an interrupt among them, nothing is
left.
"""

import contextlib
import errno
import io
import os
import re
import stat
from collections.abc import Callable, Iterator
from typing import IO, BinaryIO, Final, cast

from hvpzip.arguments import checked_place
from hvpzip.atomic import atomic_write
from hvpzip.errors import CorruptError

__all__ = ["StrPath", "broken", "is_device", "name_of", "refuse_early", "target_of", "write_all", "writing"]

StrPath = str | os.PathLike[str]

_MAX_LINKS = 40  # as Linux
_STREAM = "-"  # the name of a stream in records, as on the command line
_PIECE: Final = 1 << 20  # bytes of one write to a stream


def name_of(place: StrPath | BinaryIO) -> str:
    """The path, or - for a stream, as records have it."""
    return os.fspath(place) if isinstance(place, str | os.PathLike) else _STREAM


def target_of(src: StrPath | BinaryIO, dst: StrPath | BinaryIO | None, default: Callable[[str], str]) -> str | BinaryIO:
    """The output: as given, or named after the source. Raises: ValueError if a stream has no name to go by; TypeError if it is
    no place to write to."""
    if dst is None:
        if not isinstance(src, str | os.PathLike):
            raise ValueError("dst is needed where src is a stream")
        return default(os.fspath(src))
    checked_place(dst, "dst", "write")
    return os.fspath(dst) if isinstance(dst, str | os.PathLike) else dst


def refuse_early(src: StrPath | BinaryIO, target: str | BinaryIO, force: bool) -> None:
    """Says before the work what the writing would say after it; only the rename itself decides, so a race changes the moment alone."""
    if not isinstance(target, str):
        return
    if _is_same_file(src, target):
        raise FileExistsError(errno.EEXIST, "output and input are the same file", target)
    if os.path.isdir(target):
        raise IsADirectoryError(errno.EISDIR, "the output is a folder", target)
    if not force and os.path.lexists(target) and not is_device(target):
        raise FileExistsError(errno.EEXIST, "the output exists already (force replaces it)", target)
    folder = os.path.dirname(target) or "."
    if not os.path.isdir(folder):
        raise FileNotFoundError(errno.ENOENT, "no such folder", folder)


def _is_same_file(src: StrPath | BinaryIO, target: str) -> bool:
    try:
        source = os.stat(src) if isinstance(src, str | os.PathLike) else os.fstat(src.fileno())
        return os.path.samestat(source, os.stat(target))
    except (AttributeError, OSError, ValueError):  # one of them is not there, or a stream without a file
        return False


@contextlib.contextmanager
def writing(target: str | BinaryIO, force: bool, *, like: StrPath | BinaryIO) -> Iterator[BinaryIO]:
    """A context that gives a file to write to and to read back from. When the block ends well, a file gets its name, with the times and the
    permissions of the source ``like``, and a stream its bytes; otherwise nothing is left."""
    if not isinstance(target, str) or is_device(target):
        buffer = io.BytesIO()
        yield buffer
        if isinstance(target, str):
            with open(target, "wb") as device:
                write_all(device, buffer.getbuffer())
        else:
            write_all(target, buffer.getbuffer())
            target.flush()
        return
    try:
        source = os.stat(like) if isinstance(like, str | os.PathLike) else None
        mode = stat.S_IMODE(source.st_mode) & 0o777 if source is not None and stat.S_ISREG(source.st_mode) else None
        with atomic_write(target, overwrite=force, mode=mode) as out:
            yield out
            out.flush()
            if source is not None and os.utime in os.supports_fd:
                os.utime(out.fileno(), ns=(source.st_atime_ns, source.st_mtime_ns))
    except OSError as error:
        # The system may name the hidden file, which tells nobody anything.
        raise OSError(error.errno, error.strerror, target) from error


def write_all(stream: IO[bytes], data: bytes | memoryview) -> None:
    """Write all of it: a stream without a buffer, as standard output is with PYTHONUNBUFFERED, takes what it likes of each write.

    Raises: OSError, BlockingIOError from a stream that does not wait among them.
    """
    left = memoryview(data)
    while left:
        piece = left[:_PIECE]
        count = cast("int | None", stream.write(piece))
        if count is None:  # a raw stream that would have to wait; of others, some do not say what they took
            if isinstance(stream, io.RawIOBase):
                raise BlockingIOError(errno.EAGAIN, "the output does not wait until it can be written to")
            count = len(piece)
        left = left[count:]


def is_device(path: str) -> bool:
    """Whether the path is there and neither file nor folder, or an open file by its number, as /dev/stdout is: such a thing is written to,
    never replaced."""
    for _ in range(_MAX_LINKS):
        if re.fullmatch(r"/(proc/[^/]+/(task/[^/]+/)?fd|dev/fd)/\d+", path):
            return os.path.exists(path) and not os.path.isdir(path)
        if not os.path.islink(path):
            break
        path = os.path.join(os.path.dirname(path), os.readlink(path))
    return os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)


def broken(message: str) -> CorruptError:
    """The error for an output that is not what was to be written."""
    return CorruptError(f"{message}; nothing was kept. This is a bug or a fault of the machine")
