"""The bytes of an input that need not be a file, nor end: no more are read than a picture may have.

The invariant: what begins as no file of the wanted kind is refused by its first bytes, whatever follows them.
"""

import contextlib
import io
import os
import stat
from collections.abc import Callable
from typing import IO, Final, NamedTuple

from hvpzip.arguments import checked_place
from hvpzip.errors import LimitError

__all__ = ["SourceFile", "read_source"]

_START_BYTES: Final = 64  # the header of a .hvz file, and what tells the kinds of pictures apart
_PIXEL_BYTES: Final = 16  # twice those of 16-bit RGB with alpha: numbers in letters, as PPM may have them, take up to 12
_MORE_BYTES: Final = 1 << 26  # for metadata and the like
_PIECE_BYTES: Final = 1 << 20


class SourceFile(NamedTuple):
    """What a picture file was, for those who must tell later whether they have the same one.

    Attributes:
        format: the kind of file, such as "JPEG".
        byte_count: its length.
        sha256: the 32 bytes of its SHA-256.
    """

    format: str
    byte_count: int
    sha256: bytes


def read_source(source: str | os.PathLike[str] | IO[bytes], pixels_of: Callable[[bytes], int]) -> bytes:
    """All bytes of a file or stream, from where it stands.

    source: a path, also that of a pipe or a device, or a binary stream. pixels_of: called with the first 64 bytes (fewer if there are no
    more); it refuses what begins as no file of the wanted kind, and gives the most pixels that the file may have.
    Raises: LimitError if there are more bytes than so many pixels take, at once for a file that has a size; what ``pixels_of`` raises;
    OSError.
    """
    checked_place(source, "the source", "read")
    with contextlib.ExitStack() as stack:
        by_path = isinstance(source, str | os.PathLike)
        file = stack.enter_context(open(source, "rb")) if isinstance(source, str | os.PathLike) else source
        start = file.read(_START_BYTES)
        if not isinstance(start, bytes | bytearray | memoryview):
            raise TypeError(f"the source must be a binary stream, not one of {type(start).__name__}")
        pixels = pixels_of(start)
        most = _PIXEL_BYTES * pixels + _MORE_BYTES
        found = os.fstat(file.fileno()) if by_path else None
        if found is not None and stat.S_ISREG(found.st_mode) and found.st_size:  # files of /proc say that they have 0 bytes
            if found.st_size > most:
                raise _too_long(f"{found.st_size}", most, pixels)
            file.seek(0)
            return file.read(found.st_size)
        buffer = io.BytesIO()
        piece = start
        while piece:
            buffer.write(piece)
            if buffer.tell() > most:
                raise _too_long(f"more than {most}", most, pixels)
            piece = file.read(_PIECE_BYTES)
        return buffer.getvalue()


def _too_long(size: str, most: int, pixels: int) -> LimitError:
    return LimitError(f"there are {size} bytes to read; a picture of at most {pixels} pixels has at most {most}")
