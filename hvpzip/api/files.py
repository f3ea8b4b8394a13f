"""One picture file to one ``.hvz`` file and back: verified, then renamed into place. Layer rank 4.

The invariant: a file appears under its name only when it is whole, on the disk, read back and decoded to the same samples; on any failure,
an interrupt among them, nothing is left behind. Sources are never changed.
"""

import errno
import io
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from hvpzip.api.arrays import DEFAULT_MAX_PIXELS, GroupProgress, compress_samples, decode
from hvpzip.api.inspect import describe
from hvpzip.api.naming import compressed_name, decompressed_name
from hvpzip.api.pictures import form_of, sections_of
from hvpzip.api.records import FileInfo, FileResult, result_of
from hvpzip.atomic import atomic_write
from hvpzip.errors import CorruptError

if TYPE_CHECKING:
    from hvpzip.api.arrays import Samples
    from hvpzip.image_io import Chunk, Form

__all__ = ["StrPath", "compress_file", "decompress_file", "refuse_early", "same_forms", "verify"]

StrPath = str | os.PathLike[str]

_STREAM = "-"  # the name of a stream in records, as on the command line


def compress_file(
    src: StrPath | BinaryIO,
    dst: StrPath | BinaryIO | None = None,
    *,
    force: bool = False,
    verify: bool = True,
    effort: int | None = None,
    model: str | None = None,
    threads: int | None = None,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    on_group: GroupProgress | None = None,
    frame: int | None = None,
    strip: bool = False,
) -> FileResult:
    """Compresses a picture into a ``.hvz`` file and returns the figures.

    src: the picture, a path or a binary stream. dst: a path or a binary stream; None for ``src`` with ``.hvz`` added.
    force: replace an existing ``dst``. verify: decode what was written and compare it with the samples before the file gets its name.
    effort, model, threads: as for ``compress``. max_pixels: larger pictures are refused.
    on_group: called with (done, all) after each group. frame: the picture of an animation or of several pages, counted from 0; None refuses
    such files. strip: leave the metadata out.
    Raises: ImageError if the picture is unreadable or of an unsupported kind, LimitError, ModelError, OSError (FileExistsError if ``dst``
    exists or is ``src``), ValueError if an option is out of range.
    """
    from hvpzip import image_io

    started = time.perf_counter()
    target = _target(src, dst, compressed_name)
    refuse_early(src, target, force)
    source = _read_bytes(src)
    picture = image_io.read_image(io.BytesIO(source), max_pixels, frame=frame, strip=strip)
    data, report = compress_samples(
        picture.samples,
        bit_depth=picture.form.bit_depth,
        sections=sections_of(picture.form),
        effort=effort,
        model=model,
        threads=threads,
        on_group=on_group,
    )

    def check(written: bytes) -> None:
        decoded, parsed = decode(written, max_pixels=picture.samples.size, threads=threads)
        message = "the file as written does not decode to the picture"
        _compare(decoded, picture.samples, message)
        if form_of(parsed) != picture.form:
            raise _broken(message)

    _write(target, data, force, check if verify else None, times_of=src)
    facts = describe(data, _name(src), max_pixels=max_pixels)
    return result_of(
        facts,
        output=_name(target),
        input_bytes=len(source),
        output_bytes=len(data),
        bound_bits=report.bound_bits,
        seconds=time.perf_counter() - started,
        notices=(*picture.notices, *_jpeg_notice(picture.source, len(source), len(data))),
    )


def decompress_file(
    src: StrPath | BinaryIO,
    dst: StrPath | BinaryIO | None = None,
    *,
    force: bool = False,
    threads: int | None = None,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    on_group: GroupProgress | None = None,
    strip: bool = False,
) -> FileResult:
    """Decompresses a ``.hvz`` file into a lossless picture file and returns the figures.

    src, force, threads, max_pixels, on_group: as for ``compress_file``. dst: a path, whose suffix chooses the kind of picture, or a binary
    stream, which gets PNG; None for ``src`` without ``.hvz`` (and with ``.png``, or ``.tif`` for CMYK, where no picture suffix is left).
    strip: leave the metadata out, so that formats that cannot hold it will do.
    The picture is read back and compared with the decoded samples before it gets its name.
    Raises: FormatError, LimitError, ModelError, ImageError if the suffix is of no lossless kind, or of one that
    cannot hold all of the picture, OSError.
    """
    from hvpzip import image_io

    started = time.perf_counter()
    target = _target(src, dst, decompressed_name)
    refuse_early(src, target, force)
    kind = image_io.format_of(target) if isinstance(target, str) and not _is_device(target) else "PNG"
    data = _read_bytes(src)
    samples, parsed = decode(data, max_pixels=max_pixels, threads=threads, on_group=on_group)
    form = form_of(parsed)
    if strip:
        form = form._replace(chunks=())
    if not isinstance(target, str) and form.kind is image_io.Kind.CMYK:
        kind = "TIFF"
    buffer = io.BytesIO()
    image_io.write_image(samples, buffer, format=kind, form=form)

    def check(written: bytes) -> None:
        again = image_io.read_image(io.BytesIO(written), samples.size)
        message = "the picture as written does not hold the decoded samples"
        _compare(again.samples, samples, message)
        if not same_forms(again.form, form, kind):
            raise _broken(message)

    _write(target, buffer.getvalue(), force, check, times_of=src)
    return result_of(
        describe(data, _name(src), max_pixels=max_pixels),
        output=_name(target),
        input_bytes=len(data),
        output_bytes=buffer.tell(),
        seconds=time.perf_counter() - started,
    )


def verify(
    src: StrPath | BinaryIO,
    *,
    threads: int | None = None,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    on_group: GroupProgress | None = None,
) -> FileInfo:
    """Decodes a ``.hvz`` file, checks every checksum, writes nothing, and returns what the file says about itself.

    Raises: as ``decompress`` does, and OSError.
    """
    data = _read_bytes(src)
    decode(data, max_pixels=max_pixels, threads=threads, on_group=on_group)
    return describe(data, _name(src), max_pixels=max_pixels)


# ---- where the bytes come from and go to ----


def _name(place: StrPath | BinaryIO) -> str:
    return os.fspath(place) if isinstance(place, str | os.PathLike) else _STREAM


def _target(src: StrPath | BinaryIO, dst: StrPath | BinaryIO | None, default: Callable[[str], str]) -> str | BinaryIO:
    """The output: as given, or named after the source. Raises: ValueError if a stream has no name to go by."""
    if dst is None:
        if not isinstance(src, str | os.PathLike):
            raise ValueError("dst is needed where src is a stream")
        return default(os.fspath(src))
    return os.fspath(dst) if isinstance(dst, str | os.PathLike) else dst


def refuse_early(src: StrPath | BinaryIO, target: str | BinaryIO, force: bool) -> None:
    """Says before the work what the writing would say after it; only the rename itself decides, so a race changes the moment alone."""
    if not isinstance(target, str):
        return
    if isinstance(src, str | os.PathLike) and os.path.exists(target) and os.path.exists(src) and os.path.samefile(src, target):
        raise FileExistsError(errno.EEXIST, "output and input are the same file", target)
    if os.path.isdir(target):
        raise IsADirectoryError(errno.EISDIR, "the output is a folder", target)
    if not force and os.path.lexists(target) and not _is_device(target):
        raise FileExistsError(errno.EEXIST, "the output exists already (force replaces it)", target)
    folder = os.path.dirname(target) or "."
    if not os.path.isdir(folder):
        raise FileNotFoundError(errno.ENOENT, "no such folder", folder)


def _write(
    target: str | BinaryIO, data: bytes, force: bool, check: Callable[[bytes], None] | None, *, times_of: StrPath | BinaryIO
) -> None:
    """Writes the bytes and has ``check`` look at what can be read back, before a file gets its name; a stream gets them after the check."""
    if not isinstance(target, str) or _is_device(target):
        if check is not None:
            check(data)
        if isinstance(target, str):
            with open(target, "wb") as device:
                device.write(data)
        else:
            target.write(data)
            target.flush()
        return
    try:
        with atomic_write(target, overwrite=force) as out:
            out.write(data)
            out.flush()
            if check is not None:
                out.seek(0)
                check(out.read())
            if isinstance(times_of, str | os.PathLike) and os.utime in os.supports_fd:
                times = os.stat(times_of)
                os.utime(out.fileno(), ns=(times.st_atime_ns, times.st_mtime_ns))
    except OSError as error:
        # The system may name the hidden file, which tells nobody anything.
        raise OSError(error.errno, error.strerror, target) from error


def _is_device(path: str) -> bool:
    """Whether the path is there and neither file nor folder: such a thing (a pipe, /dev/null) is written to, never replaced."""
    return os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)


def _read_bytes(src: StrPath | BinaryIO) -> bytes:
    return Path(src).read_bytes() if isinstance(src, str | os.PathLike) else src.read()


def _compare(again: "Samples", samples: "Samples", message: str) -> None:
    import numpy as np

    if not np.array_equal(again, samples):
        raise _broken(message)


def _broken(message: str) -> CorruptError:
    return CorruptError(f"{message}; nothing was kept. This is a bug or a fault of the machine")


def same_forms(again: "Form", form: "Form", kind: str) -> bool:
    """Whether a picture of that kind holds the form. What PNG holds comes back to the byte; others say the same in their own words, and pad
    palettes."""
    same = (again.kind, again.transparency, again.palette[: len(form.palette)]) == (form.kind, form.transparency, form.palette)
    if kind == "PNG":
        same = same and again.bit_depth == form.bit_depth and _comparable(again) == _comparable(form)
    return same


def _comparable(form: "Form") -> "list[Chunk]":
    """The metadata in one order, without the resolution that is only the nearest to another."""
    exact = any(chunk.name == b"reSo" for chunk in form.chunks)
    return sorted(chunk for chunk in form.chunks if not (exact and chunk.name == b"pHYs"))


def _jpeg_notice(kind: str, before: int, after: int) -> Iterator[str]:
    if kind == "JPEG" and after > before:
        yield f"the .hvz has {after:,} bytes, {after / before:.1f} times the {before:,} of the JPEG: to save room, keep the JPEG"
