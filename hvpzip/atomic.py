"""A file that appears under its name whole, or not at all."""

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

__all__ = ["atomic_write"]

# Of files whose permissions the umask decides, and of those that get theirs when they are whole.
_PLAIN: Final = 0o666
_OWNERS_ALONE: Final = 0o600
# What file systems without permissions say to os.chmod.
_NO_MODES: Final = frozenset({errno.EPERM, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})
# What file systems without hard links say to os.link.
_NO_LINKS = frozenset({errno.EPERM, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK})


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str], *, overwrite: bool = False, mode: int | None = None) -> Iterator[BinaryIO]:
    """A context that gives a new binary file, for writing and reading back, which gets the name ``path`` when the block ends well.

    Until then it has no name where the system can do that (Linux, on most file systems): then nothing is left even of a process that is
    killed. Elsewhere it has a hidden name in the same folder, ``.NAME.`` and 16 hexadecimal digits. It is flushed to the disk before it is
    named. On any exception in the block, an interrupt among them, it is removed and ``path`` is as it was. A symbolic link at ``path``
    stays: the file that it leads to is the one that is written, or replaced.

    Args:
        path: the final name, in a folder that exists.
        overwrite: replace what is there; otherwise nothing is ever replaced, not even what appears while the block runs.
        mode: the bits of the permissions, 0 to 0o777, where the file system has them; None: as the umask says. Whoever may not read the
            file then can't read it while it is written either.

    Raises:
        FileExistsError: ``path`` exists, if only as a link that leads nowhere, and ``overwrite`` is not set; raised before the block runs
            where it is so already then.
        OSError: whatever else the system says.
    """
    target = Path(path)
    if not overwrite and os.path.lexists(target):
        raise _exists(target)
    if target.is_symlink():
        target = Path(os.path.realpath(target))
        if target.is_symlink():
            raise OSError(errno.ELOOP, "the output is a symbolic link that leads to itself", str(path))
    hidden = target.with_name(f".{target.name[:40]}.{os.urandom(8).hex()}")
    try:
        created = _PLAIN if mode is None else _OWNERS_ALONE
        with _open_nameless(target.parent, created) or _open_new(hidden, created) as out:
            yield out
            out.flush()
            if mode is not None:
                _set_mode(out, mode)
            os.fsync(out.fileno())
            done = False
            if os.fstat(out.fileno()).st_nlink == 0:
                done = not overwrite and _link_open(out, target)
                if not done and not _link_open(out, hidden):
                    _copy(out, hidden, mode)
        if overwrite:
            os.replace(hidden, target)
        elif not done:
            _rename_to_new(hidden, target)
    except BaseException:
        hidden.unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)


def _open_new(path: Path, mode: int) -> BinaryIO:
    # Not tempfile.mkstemp: it makes files that only their owner may read, whatever the umask.
    return open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_BINARY", 0), mode), "w+b")


def _set_mode(file: BinaryIO, mode: int) -> None:
    if os.chmod in os.supports_fd:
        try:
            os.chmod(file.fileno(), mode & 0o777)
        except OSError as error:
            if error.errno not in _NO_MODES:
                raise


def _open_nameless(folder: Path, mode: int) -> BinaryIO | None:
    """A file in the folder's file system that has no name yet, or None where there is no such thing."""
    if not hasattr(os, "O_TMPFILE"):
        return None
    try:
        descriptor = os.open(folder, os.O_TMPFILE | os.O_RDWR, mode)
    except OSError:
        return None  # opening a named one will say what is wrong, if anything is
    if not os.path.exists(_place_of(descriptor)):
        os.close(descriptor)
        return None
    return open(descriptor, "w+b")


def _place_of(descriptor: int) -> str:
    return f"/proc/self/fd/{descriptor}"


def _link_open(file: BinaryIO, name: Path) -> bool:
    """Give a file without a name its first one; False if the file system has no links. Raises: FileExistsError, OSError."""
    folder = os.open(name.parent, os.O_RDONLY)
    try:
        # Naming a folder, which an absolute path does not need, makes os.link follow the link that /proc shows.
        os.link(_place_of(file.fileno()), name, src_dir_fd=folder)
    except FileExistsError as error:
        raise _exists(name) from error
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return False
    finally:
        os.close(folder)
    return True


def _copy(file: BinaryIO, path: Path, mode: int | None) -> None:
    """The contents and times of an open file in a new one, on the disk."""
    file.seek(0)
    with _open_new(path, _PLAIN if mode is None else _OWNERS_ALONE) as copy:
        shutil.copyfileobj(file, copy)
        copy.flush()
        if mode is not None:
            _set_mode(copy, mode)
        times = os.fstat(file.fileno())
        os.utime(copy.fileno(), ns=(times.st_atime_ns, times.st_mtime_ns))
        os.fsync(copy.fileno())


def _sync_folder(folder: Path) -> None:
    """Put the folder's new entry on the disk, where folders can be opened: a source that is deleted next must not be gone before it."""
    if os.name != "posix":
        return
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


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
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _OWNERS_ALONE))  # the name is ours from here on
    except FileExistsError as error:
        raise _exists(target) from error
    try:
        os.replace(hidden, target)
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _exists(target: Path) -> FileExistsError:
    return FileExistsError(errno.EEXIST, "the output exists already", str(target))
