"""The exceptions a caller can meet.

HvpzipError
|- FormatError                  the bytes are not a valid .hvz file
|  |- NotHvpzipError            wrong magic: another kind of file
|  |- TruncatedError            the file ends before its contents do
|  |- CorruptError              a checksum or a coder invariant does not hold
|  |- UnsupportedVersionError   made by a newer writer, or uses a feature this reader lacks
|- ModelError                   weights missing, damaged, unknown, or unable to hold the request
|- LibraryError                 a package that the file needs is not installed
|- ImageError                   the picture is unreadable or of an unsupported kind
|- LimitError                   over a pixel or memory limit that the caller set

Untrusted bytes only ever raise ``FormatError``, ``ModelError``, ``LibraryError`` or ``LimitError``. A programmer's mistake stays
``TypeError`` or ``ValueError``. Messages are one line: what was expected, what was found, where, what to do.
"""

__all__ = [
    "CorruptError",
    "FormatError",
    "HvpzipError",
    "ImageError",
    "LibraryError",
    "LimitError",
    "ModelError",
    "NotHvpzipError",
    "TruncatedError",
    "UnsupportedVersionError",
]


class HvpzipError(Exception):
    """Base of every error that hvpzip raises on purpose."""


class FormatError(HvpzipError):
    """The bytes are not a valid ``.hvz`` file."""


class NotHvpzipError(FormatError):
    """The bytes do not begin as a ``.hvz`` file does."""


class TruncatedError(FormatError):
    """The file ends before its contents do."""


class CorruptError(FormatError):
    """A checksum, a field or a coder invariant does not hold."""


class UnsupportedVersionError(FormatError):
    """A newer version, or a feature flag that must be understood and is not."""


class ModelError(HvpzipError):
    """The weights are missing, damaged, unknown, or cannot represent the request."""


class LibraryError(HvpzipError):
    """The file needs a package that is not installed; the message says which."""


class ImageError(HvpzipError):
    """The input picture is unreadable or of an unsupported kind."""


class LimitError(HvpzipError):
    """A limit that the caller set (pixels, memory) would be exceeded."""
