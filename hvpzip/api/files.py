"""One picture file to one ``.hvz`` file and back: verified, then renamed into place.

The invariant: a file appears under its name only when it is whole, on the disk, read back and decoded to the same samples; on any failure,
an interrupt among them, nothing is left behind. Sources are never changed. Of a large picture, the samples are held once at most.
"""

import contextlib
import errno
import hashlib
import io
import os
import re
import stat
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

from hvpzip.api.decoding import DEFAULT_MAX_PIXELS, Opened, open_bytes, packed_bytes
from hvpzip.api.encoding import GroupProgress, encode
from hvpzip.api.inspect import describe_container
from hvpzip.api.jpegs import encode_jpeg, jpeg_notices, refuse_parts
from hvpzip.api.naming import JPEG_SUFFIXES, compressed_name, decompressed_name
from hvpzip.api.pictures import form_of, sections_of, unknown_sections
from hvpzip.api.records import Damage, FileInfo, FileResult, result_of
from hvpzip.api.runtime import give_back_memory
from hvpzip.api.view import Crop
from hvpzip.atomic import atomic_write
from hvpzip.errors import CorruptError, ImageError

if TYPE_CHECKING:
    from hvpzip.api.encoding import Samples
    from hvpzip.image_io import Chunk, Form, Picture

__all__ = ["StrPath", "compress_file", "decompress_file", "is_device", "refuse_early", "same_forms", "verify"]

StrPath = str | os.PathLike[str]

_MAX_LINKS = 40  # as Linux
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
    pixels: bool = False,
) -> FileResult:
    """Compresses a picture into a ``.hvz`` file and returns the figures.

    A JPEG file is kept itself, byte for byte: recompressed without loss where the package imagecodecs is installed, else stored; ``effort``
    and ``model`` have no bearing on it.

    src: the picture, a path or a binary stream. dst: a path or a binary stream; None for ``src`` with ``.hvz`` added.
    force: replace an existing ``dst``. verify: decode what was written and compare it with the samples before the file gets its name.
    effort, model, threads: as for ``compress``. max_pixels: larger pictures are refused.
    on_group: called with (done, all) after each group. frame: the picture of an animation or of several pages, counted from 0; None refuses
    such files. strip: leave the metadata out. pixels: keep the pixels and the metadata of a JPEG file in the place of the file itself,
    which takes more room; ``frame`` and ``strip`` need it there.
    Raises: ImageError if the picture is unreadable or of an unsupported kind, LimitError, ModelError, OSError (FileExistsError if ``dst``
    exists or is ``src``), ValueError if an option is out of range.
    """
    from hvpzip import image_io, jpeg

    started = time.perf_counter()
    target = _target(src, dst, partial(compressed_name, pixels=pixels))
    refuse_early(src, target, force)
    source = image_io.picture_bytes(src, max_pixels)
    input_bytes = len(source)
    picture: Picture | None = None
    dropped: tuple[str, ...] = ()
    if jpeg.is_jpeg(source) and not pixels:
        refuse_parts(frame=frame, strip=strip)
        coded = encode_jpeg(source, max_pixels)
        notices = tuple(jpeg_notices(source, max_pixels)) if verify else ()
    else:
        picture = image_io.picture_of(source, max_pixels, frame=frame, strip=strip)
        source = b""  # it is not needed any more
        coded = encode(
            picture.samples,
            bit_depth=picture.form.bit_depth,
            sections=sections_of(picture.form, None if strip else picture.file),
            effort=effort,
            model=model,
            threads=threads,
            on_group=on_group,
        )
        notices, dropped = picture.notices, picture.dropped

    with _output(target, force, like=src) as out:
        report = coded.write_to(out)
        facts = describe_container(coded.container(report.header_bytes), _name(src))
        trials = coded.trials
        del coded  # the payloads are read back
        if verify:
            give_back_memory()
            out.seek(0)
            opened = open_bytes(out.read(), max_pixels=facts.width * facts.height, threads=threads)
            if picture is not None:
                _compare(opened, picture.samples, picture.form)
            elif not opened.container.header.jpeg or opened.jpeg_file() != source:
                raise _broken("the file as written does not hold the JPEG file")
    return result_of(
        facts,
        output=_name(target),
        input_bytes=input_bytes,
        output_bytes=facts.output_bytes,
        bound_bits=report.bound_bits,
        seconds=time.perf_counter() - started,
        notices=(*notices, *_jpeg_notice(facts, input_bytes)),
        dropped=dropped,
        trials=trials,
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
    crop: Crop | None = None,
    scale: float = 1,
    fill: str | None = None,
    salvage: bool = False,
) -> FileResult:
    """Decompresses a ``.hvz`` file into a lossless picture file and returns the figures.

    src, force, threads, max_pixels, on_group: as for ``compress_file``. dst: a path, whose suffix chooses the kind of picture, or a binary
    stream, which gets PNG; None for ``src`` without ``.hvz`` (and with ``.png``, or ``.tif`` for CMYK, where no picture suffix is left). Of
    a JPEG file that was kept, a stream and a path that ends in .jpg, .jpeg, .jpe or .jfif get the identical file, and None ends in one of
    these; other suffixes, ``crop`` and ``scale`` get its pixels.
    strip: leave the metadata out, so that formats that cannot hold it will do. crop, scale: a part of the picture, or a smaller one, as for
    ``decompress``, and fill; the figures but ``output_bytes`` stay those of the whole.
    salvage: take a damaged file if its header is whole. Groups that are damaged or missing are 0 in the output (black, and transparent
    where there is alpha), and are listed in ``damaged``; a section that is damaged is left out. Then ``error`` says so, beside an output.
    The picture is read back and compared with the decoded samples before it gets its name.
    Raises: FormatError, LimitError, ModelError, ImageError if the suffix is of no lossless kind, or of one that
    cannot hold all of the picture, LibraryError if a JPEG file was recompressed by a package that is not installed, OSError.
    """
    import numpy as np

    from hvpzip import image_io

    started = time.perf_counter()
    target = _target(src, dst, partial(decompressed_name, part=crop is not None or scale != 1))
    refuse_early(src, target, force)
    by_suffix = isinstance(target, str) and not is_device(target)
    wants_jpeg = not by_suffix or os.path.splitext(_name(target))[1].lower() in JPEG_SUFFIXES
    kind = image_io.format_of(_name(target)) if by_suffix and not wants_jpeg else "PNG"
    opened = open_bytes(
        packed_bytes(src, max_pixels), max_pixels=max_pixels, threads=threads, crop=crop, scale=scale, fill=fill, salvage=salvage
    )
    facts = describe_container(opened.container, _name(src))
    if wants_jpeg and opened.container.header.jpeg and (by_suffix or (opened.is_whole and not strip)):
        return _jpeg_back(opened, target, facts, strip=strip, force=force, src=src, started=started)
    if wants_jpeg and by_suffix:
        kind = image_io.format_of(_name(target))  # which says that it is none for pixels
    form = opened.form()
    if strip:
        form = form._replace(chunks=())
    if not isinstance(target, str) and form.kind is image_io.Kind.CMYK:
        kind = "TIFF"
    groups, lost_sections = len(opened.tiles), opened.lost_sections
    height, width, _ = opened.shape
    damaged: list[Damage] = []
    digest = hashlib.blake2b()
    with _output(target, force, like=src) as out:
        writer = image_io.row_writer(out, kind, width, height, form)
        for rows in opened.rows(on_group=on_group, on_damage=damaged.append if salvage else None):
            writer.write(rows)
            digest.update(rows.data)
        left_out = writer.close()
        output_bytes = out.tell()
        unknown = unknown_sections(opened.container)
        del opened, rows, writer
        again, strips = image_io.read_again(out, kind, width * height)
        found = hashlib.blake2b()
        for rows in strips:
            found.update(np.ascontiguousarray(rows).data)
        if found.digest() != digest.digest() or not same_forms(again, form, kind):
            raise _broken("the picture as written does not hold the decoded samples")
    return result_of(
        facts,
        output=_name(target),
        input_bytes=facts.output_bytes,
        output_bytes=output_bytes,
        seconds=time.perf_counter() - started,
        notices=(*map(_damage_notice, damaged), *([f"{kind} cannot hold {', '.join(left_out)}"] if left_out else [])),
        damaged=tuple(damaged),
        dropped=unknown,
        error=_salvage_error(len(damaged), groups, lost_sections, _name(target)),
    )


def _jpeg_back(
    opened: Opened, target: str | BinaryIO, facts: FileInfo, *, strip: bool, force: bool, src: StrPath | BinaryIO, started: float
) -> FileResult:
    """Writes the JPEG file that was kept; of one that is damaged, and salvaged, the bytes that are left."""
    if not opened.is_whole or strip:
        what = "the metadata of a JPEG file is a part of it" if strip else "a part of a JPEG file cannot be written as JPEG without loss"
        raise ImageError(f"{what}: name an output of another kind, such as .png")
    file, error = _jpeg_left(opened, _name(target))
    with _output(target, force, like=src) as out:
        out.write(file)
        out.seek(0)
        if out.read() != file:
            raise _broken("the file as written is not the JPEG file")
    seconds = time.perf_counter() - started
    return result_of(facts, output=_name(target), input_bytes=facts.output_bytes, output_bytes=len(file), seconds=seconds, error=error)


def _jpeg_left(opened: Opened, output: str) -> tuple[bytes, str | None]:
    """The JPEG file and None; or, of a damaged one that is salvaged, what is left of it, and what is to be said of that."""
    from hvpzip import jpeg

    if opened.jpeg_rest is None:
        return opened.jpeg_file(), None
    left = jpeg.left_of(opened.jpeg_rest)
    if left is None:
        raise CorruptError("the JPEG file is damaged, and as it is recompressed nothing of it can be salvaged")
    file, size = left
    return file, f"the JPEG file is damaged: {output} has {len(file)} of its {size} bytes, of which some are wrong or missing"


def verify(
    src: StrPath | BinaryIO,
    *,
    threads: int | None = None,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    on_group: GroupProgress | None = None,
) -> FileInfo:
    """Decodes a ``.hvz`` file, checks every checksum and its metadata, writes nothing, and returns what the file says about itself.

    Raises: as ``decompress`` does, and OSError.
    """
    opened = open_bytes(packed_bytes(src, max_pixels), max_pixels=max_pixels, threads=threads)
    if opened.container.header.jpeg:
        opened.jpeg_file()  # its pixels are not asked for: a damaged JPEG file may be kept as well
        return describe_container(opened.container, _name(src))
    form_of(opened.container)
    for _ in opened.rows(on_group=on_group):
        pass  # one row of groups at a time
    return describe_container(opened.container, _name(src))


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
    if not force and os.path.lexists(target) and not is_device(target):
        raise FileExistsError(errno.EEXIST, "the output exists already (force replaces it)", target)
    folder = os.path.dirname(target) or "."
    if not os.path.isdir(folder):
        raise FileNotFoundError(errno.ENOENT, "no such folder", folder)


@contextlib.contextmanager
def _output(target: str | BinaryIO, force: bool, *, like: StrPath | BinaryIO) -> Iterator[BinaryIO]:
    """A context that gives a file to write to and to read back from. When the block ends well, a file gets its name, with the times and the
    permissions of the source ``like``, and a stream its bytes; otherwise nothing is left."""
    if not isinstance(target, str) or is_device(target):
        buffer = io.BytesIO()
        yield buffer
        if isinstance(target, str):
            with open(target, "wb") as device:
                device.write(buffer.getbuffer())
        else:
            target.write(buffer.getbuffer())
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


def _compare(opened: Opened, samples: "Samples", form: "Form") -> None:
    """Decode the file that was just written, and compare it with the picture. Raises: CorruptError."""
    import numpy as np

    place = 0
    same = (
        not opened.container.header.jpeg
        and opened.shape == (*samples.shape[:2], samples.shape[2] if samples.ndim == 3 else 1)
        and form_of(opened.container) == form
    )
    if same:
        for rows in opened.rows():
            same = same and np.array_equal(rows, samples[place : place + len(rows)].reshape(rows.shape))
            place += len(rows)
    if not same:
        raise _broken("the file as written does not decode to the picture")


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


def _jpeg_notice(facts: FileInfo, before: int) -> Iterator[str]:
    after = facts.output_bytes
    if facts.source_format == "JPEG" and facts.holds == "pixels" and after > before:
        yield f"the .hvz has {after:,} bytes, {after / before:.1f} times the {before:,} of the JPEG: without --pixels it keeps the JPEG"


def _damage_notice(damage: Damage) -> str:
    return f"group {damage.group}, {damage.width} x {damage.height} pixels at {damage.x},{damage.y}, is filled with 0: {damage.reason}"


def _salvage_error(damaged: int, groups: int, lost_sections: int, output: str) -> str | None:
    """What a salvaged file lacks; None if nothing."""
    lost = []
    if damaged:
        lost.append(f"{damaged} of {groups} groups")
    if lost_sections:
        lost.append("its metadata, perhaps with palette and transparency,")
    return f"{' and '.join(lost)} could not be salvaged; {output} has the rest" if lost else None
