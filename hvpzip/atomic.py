"""A file that appears under its name whole, or not at all."""

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

__all__ = ["atomic_write"]

# What file systems without hard links say to os.link.
_NO_LINKS = frozenset({errno.EPERM, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK})


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str], *, overwrite: bool = False) -> Iterator[BinaryIO]:
    """A context that gives a new binary file, for writing and reading back, which gets the name ``path`` when the block ends well.

    Until then it has a hidden name in the same folder; it is flushed to the disk before the rename. On any exception in the block, an
    interrupt among them, it is removed and ``path`` is as it was. Permissions follow the umask. A symbolic link at ``path`` is replaced,
    not followed.

    Args:
        path: the final name, in a folder that exists.
        overwrite: replace what is there; otherwise nothing is ever replaced, not even what appears while the block runs.

    Raises:
        FileExistsError: ``path`` exists and ``overwrite`` is not set; raised before the block runs where it is so already then.
        OSError: whatever else the system says.
    """
    target = Path(path)
    if not overwrite and os.path.lexists(target):
        raise _exists(target)
    # Not tempfile.mkstemp: it makes files that only their owner may read, whatever the umask.
    hidden = target.with_name(f".{target.name[:40]}.{secrets.token_hex(8)}")
    with open(os.open(hidden, os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_BINARY", 0), 0o666), "w+b") as out:
        try:
            yield out
            out.flush()
            os.fsync(out.fileno())
        except BaseException:
            out.close()  # an open file cannot be removed everywhere
            hidden.unlink(missing_ok=True)
            raise
    try:
        if overwrite:
            os.replace(hidden, target)
        else:
            _rename_to_new(hidden, target)
    except BaseException:
        hidden.unlink(missing_ok=True)
        raise


def _rename_to_new(hidden: Path, target: Path) -> None:
    """Give ``hidden`` the name ``target`` unless that exists: ``os.replace`` would overwrite a file that came in between."""
    try:
        os.link(hidden, target)
    except FileExistsError as error:
        raise _exists(target) from error
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
    else:
        hidden.unlink()
        return
    try:
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))  # the name is ours from here on
    except FileExistsError as error:
        raise _exists(target) from error
    try:
        os.replace(hidden, target)
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _exists(target: Path) -> FileExistsError:
    return FileExistsError(errno.EEXIST, "the output exists already", str(target))
