"""A picture file to its samples, exactly as they are in it, and its metadata; or a refusal in one line."""

import hashlib
import importlib
import os
import warnings
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Final, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hvpzip.errors import ImageError, LimitError
from hvpzip.image_io.form import Form, Kind
from hvpzip.image_io.kinds import sniff
from hvpzip.image_io.png import png_strips, read_png
from hvpzip.image_io.refusals import Found
from hvpzip.source import SourceFile, read_source

__all__ = ["MAX_METADATA_BYTES", "MAX_PIXELS", "Picture", "SourceFile", "picture_bytes", "picture_of", "read_again", "read_image"]

MAX_PIXELS: Final = 1 << 28
MAX_METADATA_BYTES: Final = 1 << 24

Samples = NDArray[np.unsignedinteger[Any]]  # uint8 or uint16
_Read = TypeVar("_Read")


class Picture(NamedTuple):
    """A picture file's contents.

    Attributes:
        samples: a new C-contiguous array, (H, W) for one channel, otherwise (H, W, C); uint8, or uint16 for 16 bits.
        notices: one-line remarks on what is not kept.
        form: what the samples mean, and the metadata.
        source: the kind of file, such as "JPEG".
        dropped: names of what the file holds besides and is not kept, sorted; nothing else of it is lost but how it was packed. What
            ``strip`` left out is not among them: the caller knows of it.
        file: what the file was; None where the bytes are not a whole file of a user.
        pictures: how many pictures the file holds.
    """

    samples: Samples
    notices: tuple[str, ...]
    form: Form = Form(Kind.RGB)
    source: str = ""
    dropped: tuple[str, ...] = ()
    file: SourceFile | None = None
    pictures: int = 1

    @property
    def not_kept(self) -> tuple[str, ...]:
        """What a file of samples, form and metadata lacks of the picture's own: ``dropped``, and the coefficients of a JPEG."""
        return (*self.dropped, *(["the JPEG file itself, of which --pixels keeps the decoded pixels"] if self.source == "JPEG" else []))


def read_image(
    source: str | os.PathLike[str] | BinaryIO, max_pixels: int = MAX_PIXELS, *, frame: int | None = None, strip: bool = False
) -> Picture:
    """The picture in a PNG, WebP, TIFF, GIF, BMP, PPM, PGM, PBM or JPEG file: ``picture_of`` its ``picture_bytes``.

    Raises:
        ImageError: also where the system cannot read it.
        LimitError: as for both.
    """
    try:
        data = picture_bytes(source, max_pixels)
    except OSError as error:
        raise ImageError(f"cannot read the picture: {error.strerror or error}") from error
    return picture_of(data, max_pixels, frame=frame, strip=strip)


def picture_bytes(source: str | os.PathLike[str] | BinaryIO, max_pixels: int = MAX_PIXELS) -> bytes:
    """The bytes of a picture file.

    Args:
        source: a path, or a binary stream, which is read to its end.
        max_pixels: as for ``picture_of``.

    Raises:
        ImageError: it is empty, or begins as no picture does that is taken; then no more than its beginning is read.
        LimitError: there are more bytes than a picture of ``max_pixels`` has, sixteen a pixel and 64 MiB.
        OSError: as the system says.
    """

    def pixels_of(start: bytes) -> int:
        _kind_of(start)
        return max_pixels

    return read_source(source, pixels_of)


def picture_of(data: bytes, max_pixels: int = MAX_PIXELS, *, frame: int | None = None, strip: bool = False) -> Picture:
    """The picture in the bytes of a file.

    Gray of 1, 2, 4, 8 and 16 bits, RGB of 8 and 16, both with alpha or not, palettes, CMYK of 8 bits; the samples are those of the file
    (for JPEG and lossy WebP: those it decodes to). An orientation in the metadata is not applied, except that of TIFF.

    Args:
        data: the whole file.
        max_pixels: larger pictures are refused before memory is allocated for them.
        frame: the picture of an animation or of several pages to take, counted from 0; None refuses such files. Frames of an animation
            come as a player would show them.
        strip: leave the metadata out; what the samples mean (palette, transparency) stays.

    Raises:
        ImageError: the file cannot be read, is damaged, or of an unsupported kind; the message is one line that names it.
        LimitError: more than ``max_pixels``, or than 16 MiB of metadata.
    """
    kind = _kind_of(data)
    read = _reader(kind)
    picture = _reading(kind, lambda: read(data, max_pixels, frame))
    form, lost = picture.form, picture.dropped
    dropped = tuple(sorted(lost.content if strip else lost.metadata | lost.content))
    if strip:
        form = form._replace(chunks=())
    elif sum(len(chunk.data) for chunk in form.chunks) > MAX_METADATA_BYTES:
        raise LimitError(f"the picture has more than {MAX_METADATA_BYTES} bytes of metadata; --strip leaves it out")
    notices = [f"not kept: {', '.join(dropped)}"] if dropped else []
    if kind == "JPEG":
        notices.insert(0, "the decoded pixels of the JPEG are kept, not the JPEG file itself")
    file = SourceFile(kind, len(data), hashlib.sha256(data).digest())
    return Picture(picture.samples, tuple(notices), form, kind, dropped, file, picture.pictures)


def read_again(file: BinaryIO, kind: str, pixels: int) -> tuple[Form, Iterator[Samples]]:
    """The form of a picture file that was just written, and its samples from top to bottom, some rows at a time.

    kind: as for ``row_writer``. pixels: how many it has at most. Of PNG, neither the file nor its samples are held, but for
    Pillow's own copy of them.
    Raises: ImageError if it is damaged, here or while the rows are read, or as ``read_image`` does; LimitError if it has more pixels.
    """
    if kind != "PNG" or (parts := read_png(file, pixels)).pictures > 1:
        file.seek(0)
        picture = read_image(file, pixels)
        return picture.form, iter((picture.samples,))
    form = parts.form

    def strips() -> Iterator[Samples]:
        rows = png_strips(file, form)
        while (strip := _reading("PNG", lambda: next(rows, None))) is not None:
            yield strip

    return form, strips()


def _kind_of(start: bytes) -> str:
    """The kind of picture that begins so. Raises: ImageError if it is none that is read."""
    if not start:
        raise ImageError("the file is empty")
    kind = sniff(start)
    if kind not in _READERS:
        raise _foreign(kind, start)
    return kind


def _foreign(kind: str | None, data: bytes) -> ImageError:
    if kind == ".hvz":
        return ImageError("this is a .hvz file already; decompress takes it")
    known = "PNG, WebP, TIFF, GIF, BMP, PPM, PGM, PBM and JPEG are"
    if kind is not None:
        return ImageError(f"{kind} files are not supported; {known}")
    if data[1:4].upper() == b"PNG":
        return ImageError("damaged PNG: its first bytes are changed; was the file sent as text (line ends rewritten)?")
    return ImageError(f"not a picture of a known kind (it begins with {data[:8].hex(' ')}); {known}")


def _reading(kind: str, read: Callable[[], _Read]) -> _Read:
    """What ``read`` gives, with whatever Pillow raises turned into an error of ours."""
    try:
        # Pillow warns of damaged metadata; damaged samples raise.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return read()
    except (ImageError, LimitError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise LimitError(f"the picture is over a limit of Pillow: {error}") from error
    except Exception as error:
        # Plugins raise SyntaxError, OSError, ValueError, struct.error, IndexError and more on bytes that they do not expect.
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(f"this {kind} cannot be read: it is damaged, or of an unusual depth or layout ({reason})") from error


# Modules and functions, loaded when a file of their kind is read: Pillow's plugins are a tenth of a second, and most commands need one.
# Every reader takes (bytes, most pixels, number of the picture or None) and walks over the whole file. Pillow's plugins are called by
# their names, not through Image.open: that warns or fails at a number of pixels of Pillow's own, which only a global changes.
_READERS: Final = {
    "PNG": ("png_reading", "read_png_picture"),
    "JPEG": ("jpeg", "read_jpeg"),
    "TIFF": ("tiff_reading", "read_tiff"),
    "WebP": ("webp", "read_webp"),
    "BMP": ("bmp", "read_bmp"),
    "PNM": ("pnm", "read_pnm"),
    "GIF": ("gif", "read_gif"),
}


def _reader(kind: str) -> Callable[[bytes, int, int | None], Found]:
    module, name = _READERS[kind]
    read: Callable[[bytes, int, int | None], Found] = getattr(importlib.import_module(f"hvpzip.image_io.{module}"), name)
    return read
