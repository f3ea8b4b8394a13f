"""A picture to a lossless file that holds all of it, or a refusal that names what the format lacks."""

import io
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hvpzip.errors import ImageError
from hvpzip.image_io.form import CHANNELS, Chunk, Form, Kind, plain_form
from hvpzip.image_io.metadata import icc_of, named, physical, resolution_of, text_of
from hvpzip.image_io.png_writing import PngWriter
from hvpzip.image_io.rows import packed_bits

__all__ = ["SUFFIXES", "RowWriter", "format_of", "row_writer", "write_image"]

SUFFIXES: Final = {
    ".png": "PNG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
    ".ppm": "PPM",
    ".pgm": "PPM",
    ".pnm": "PPM",
}
_LOSSY: Final = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".gif", ".avif", ".heic", ".heif", ".jp2", ".j2k", ".jxl"})

Samples = NDArray[np.unsignedinteger[Any]]  # uint8 or uint16
_Written = tuple[bytes, tuple[str, ...]]  # a file, and names of what had to be left out


def format_of(path: str | os.PathLike[str]) -> str:
    """The format that a path's suffix asks for: PNG, WEBP (lossless), TIFF, BMP or PPM (which is PGM for gray).

    Raises:
        ImageError: the suffix is unknown, or of a format that may lose samples.
    """
    suffix = Path(path).suffix.lower()
    if suffix in SUFFIXES:
        return SUFFIXES[suffix]
    choice = f"choose one of {', '.join(SUFFIXES)}"
    if suffix in _LOSSY:
        raise ImageError(f"{suffix} files may lose samples: {choice}")
    raise ImageError(f"unknown picture suffix {suffix!r}: {choice}")


def write_image(samples: Samples, target: str | os.PathLike[str] | BinaryIO, format: str | None = None, form: Form | None = None) -> None:
    """Write the picture so that ``read_image`` gives it back, in one go.

    Args:
        samples: uint8 or uint16, (H, W) or (H, W, C) with 2 to 4 channels, any strides.
        target: a binary stream, or a path, which is overwritten, and not atomically (give the stream of ``hvpzip.atomic.atomic_write``
            for that).
        format: PNG, WEBP, TIFF, BMP or PPM in any case; None for ``format_of`` the path, PNG for a stream.
        form: what the samples mean, and the metadata; None for what their shape and type say, without metadata.

    Raises:
        ImageError: another format, or one that cannot hold this picture or its metadata.
        TypeError: samples of another type.
        ValueError: samples of another shape, or that do not go with the form.
        OSError: the target cannot be written.
    """
    if samples.dtype not in (np.uint8, np.uint16):
        raise TypeError(f"expected samples of uint8 or uint16, got {samples.dtype}")
    if min(samples.shape, default=0) < 1 or not (samples.ndim == 2 or (samples.ndim == 3 and samples.shape[2] in (2, 3, 4))):
        raise ValueError(f"expected samples (H, W) or (H, W, 2 to 4), got shape {samples.shape}")
    channels = 1 if samples.ndim == 2 else samples.shape[2]
    if form is None:
        form = plain_form(channels, 8 * samples.itemsize)
    if CHANNELS[form.kind] != channels or (form.bit_depth == 16) != (samples.dtype == np.uint16):
        raise ValueError(f"samples {samples.shape} of {samples.dtype} are no {form.words}")
    if format is None:
        format = format_of(target) if isinstance(target, str | os.PathLike) else "PNG"
    buffer = io.BytesIO()
    writer = row_writer(buffer, format, samples.shape[1], samples.shape[0], form)
    writer.write(samples)
    writer.close()
    if isinstance(target, str | os.PathLike):
        Path(target).write_bytes(buffer.getbuffer())
    else:
        target.write(buffer.getvalue())


class RowWriter(Protocol):
    """A picture file that is made from top to bottom."""

    def write(self, samples: Samples, /) -> None:
        """The next rows, (h, W) or (h, W, C)."""

    def close(self) -> tuple[str, ...]:
        """The end of the file, after the last row. Returns names of what of the metadata had to be left out.

        Raises: ImageError if the format cannot hold the picture, OSError.
        """


def row_writer(out: BinaryIO, format: str, width: int, height: int, form: Form) -> RowWriter:
    """A writer of a picture into ``out``. PNG is written as the rows come; the others hold all samples until the end.

    Raises:
        ImageError: an unknown format, or PNG, which cannot hold this form.
        OSError: ``out`` cannot be written.
    """
    kind = format.upper()
    if kind == "PNG":
        return PngWriter(out, width, height, _png_form(form))
    if kind not in _WRITERS:
        raise ImageError(f"{format} is not a format that keeps every sample: choose one of {', '.join(('PNG', *_WRITERS))}")
    return _WholeWriter(out, kind, width, height, form)


class _WholeWriter:
    """Collects the rows for the formats that are written in one go."""

    def __init__(self, out: BinaryIO, kind: str, width: int, height: int, form: Form) -> None:
        self._out, self._kind, self._form, self._filled = out, kind, form, 0
        channels = CHANNELS[form.kind]
        self._samples: Samples = np.empty(
            (height, width) if channels == 1 else (height, width, channels), np.uint16 if form.bit_depth == 16 else np.uint8
        )

    def write(self, samples: Samples) -> None:
        rows = self._samples[self._filled : self._filled + len(samples)]
        rows[...] = samples.reshape(rows.shape)
        self._filled += len(samples)

    def close(self) -> tuple[str, ...]:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", UserWarning)  # so Pillow tells of damaged metadata that it leaves out
                data, lost = _WRITERS[self._kind](self._samples, self._form)
        except (ImageError, MemoryError):
            raise
        except Exception as error:
            # Pillow's writers raise OSError, ValueError, struct.error, and on damaged EXIF SyntaxError, RuntimeError and more.
            reason = " ".join(str(error).split()) or type(error).__name__
            height, width = self._samples.shape[:2]
            held = f"this picture of {width} x {height} pixels{' with its metadata' if self._form.chunks else ''}"
            raise ImageError(f"{self._kind} cannot hold {held}: {reason}") from error
        self._out.write(data)
        return lost


def _png_form(form: Form) -> Form:
    if form.kind is Kind.CMYK:
        raise ImageError("PNG has no CMYK: choose TIFF")
    # What other programs read is the nearest resolution in whole pixels a metre, beside the exact one.
    exact = next((found for chunk in form.chunks if chunk.name == b"reSo" and (found := resolution_of(chunk))), None)
    near = physical(exact) if exact else None
    if near:
        form = form._replace(chunks=(*(chunk for chunk in form.chunks if chunk.name != b"pHYs"), near))
    return form


def _webp(samples: Samples, form: Form) -> _Written:
    if form.kind in (Kind.GRAY, Kind.GRAY_ALPHA):
        raise ImageError("WebP has no gray: choose another format, such as PNG")
    _require(form, "WebP", form.kind in (Kind.RGB, Kind.RGB_ALPHA) and form.bit_depth == 8)
    options: dict[str, bytes] = {}
    lost: list[Chunk] = []
    for chunk in form.chunks:
        text = text_of(chunk)
        if chunk.name == b"iCCP" and (profile := icc_of(chunk)):
            options["icc_profile"] = profile
        elif chunk.name == b"eXIf":
            options["exif"] = chunk.data
        elif text and text[0] == "XML:com.adobe.xmp":
            options["xmp"] = text[1]
        else:
            lost.append(chunk)
    _require_metadata(lost, "WebP")
    buffer = io.BytesIO()
    image = Image.fromarray(samples)
    image.save(buffer, format="WEBP", lossless=True, exact=True, quality=80, method=4, **options)
    return buffer.getvalue(), ()


def _ppm(samples: Samples, form: Form) -> _Written:
    _require(form, "PPM", form.kind in (Kind.GRAY, Kind.RGB) and form.bit_depth in ((1, 8, 16) if form.kind is Kind.GRAY else (8, 16)))
    comments, lost = [], []
    for chunk in form.chunks:
        text = text_of(chunk)
        if text and text[0] == "Comment" and not {*b"\n\r"} & {*text[1]}:
            comments.append(b"# " + text[1] + b"\n")
        else:
            lost.append(chunk)
    _require_metadata(lost, "PPM")
    height, width = samples.shape[:2]
    letter = b"6" if form.kind is Kind.RGB else b"4" if form.bit_depth == 1 else b"5"
    most = b"" if form.bit_depth == 1 else b"%d\n" % ((1 << form.bit_depth) - 1)
    rows = packed_bits(samples ^ np.uint8(1), 1) if form.bit_depth == 1 else samples.astype(">u2" if form.bit_depth == 16 else np.uint8)
    return b"P%b\n%b%d %d\n%b" % (letter, b"".join(comments), width, height, most) + rows.tobytes(), ()


def _require(form: Form, name: str, holds: bool) -> None:
    if not holds or form.transparency:
        raise ImageError(f"{name} cannot hold {form.words}: choose {'TIFF' if form.kind is Kind.CMYK else 'PNG'}")


def _require_metadata(lost: list[Chunk], name: str) -> None:
    if lost:
        raise ImageError(f"{name} cannot hold this metadata: {', '.join(named(lost))}; choose PNG, or leave it out with --strip")


def _tiff(samples: Samples, form: Form) -> _Written:
    from hvpzip.image_io.tiff_writing import tiff_file

    return tiff_file(samples, form)


def _bmp(samples: Samples, form: Form) -> _Written:
    from hvpzip.image_io.bmp_writing import bmp_file

    return bmp_file(samples, form), ()


_WRITERS: Final[dict[str, Callable[[Samples, Form], _Written]]] = {
    "WEBP": _webp,
    "TIFF": _tiff,
    "BMP": _bmp,
    "PPM": _ppm,
}
