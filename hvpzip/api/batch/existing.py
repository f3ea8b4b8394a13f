"""Whether an output that is there already holds what its source does.

The invariant: it is called done only if its checksums and those of the source's samples agree, and, where the source will be deleted, only
after it was decoded and found equal.
"""

import errno
import hashlib
import os
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from hvpzip.api.decoding import open_bytes, packed_bytes
from hvpzip.api.encoding import NO_MODEL, samples_crc
from hvpzip.api.inspect import describe_container
from hvpzip.api.jpegs import refuse_parts
from hvpzip.api.options import CompressOptions, DecompressOptions
from hvpzip.api.pictures import form_of, same_forms
from hvpzip.api.records import FileInfo, FileResult, result_of
from hvpzip.errors import CorruptError, HvpzipError, LimitError, NotHvpzipError, TruncatedError, UnsupportedVersionError

if TYPE_CHECKING:
    from hvpzip.api.encoding import Samples
    from hvpzip.container import Header
    from hvpzip.image_io import Form

__all__ = ["held_already"]


def held_already(src: str, output: str, options: CompressOptions | DecompressOptions, *, decoding: bool) -> FileResult | None:
    """The result for an output that holds what its source does; None for a damaged ``.hvz``, which is worth nothing.

    decoding: take nothing for granted; decode the ``.hvz``, as its source or its picture will be deleted.
    Raises: FileExistsError if it holds something else, and as reading source and output does.
    """
    from hvpzip import container
    from hvpzip.nn import bundled

    started = time.perf_counter()
    compressing = isinstance(options, CompressOptions)
    if not os.path.isfile(output):
        raise _other(output)
    packed_path, picture_path = (output, src) if compressing else (src, output)
    try:
        packed = packed_bytes(packed_path, options.max_pixels)
        parsed = container.read(packed, container.Limits(max_pixels=options.max_pixels))
        form = form_of(parsed)
    except (TruncatedError, CorruptError):
        if compressing:
            return None
        raise
    except (NotHvpzipError, LimitError) as error:
        if compressing:
            raise _other(output) from error
        raise
    except UnsupportedVersionError as error:
        raise UnsupportedVersionError(f"{packed_path} is there already: {error}" if compressing else str(error)) from error
    facts, header = describe_container(parsed, src), parsed.header
    checksums = [group.samples_crc for group in parsed.groups]
    del packed, parsed  # the picture needs the room
    found: _Traits | None = None
    dropped: tuple[str, ...] = ()
    try:
        if header.jpeg:
            same = _is_jpeg_of(facts, picture_path, options)
        else:
            found, dropped = _picture(src, output, form, header, options)
            same = found is not None and found.checksums == checksums
    except (HvpzipError, OSError) as error:
        if compressing:
            raise
        raise _other(output) from error
    if not same:
        raise _other(output)
    if not decoding:
        if found is not None and header.model_id != NO_MODEL:
            bundled.name_of(header.model_id)
    elif not _decodes_to(packed_path, options, picture_path if found is None else found.digest, header):
        if compressing:
            return None
        raise _other(output)
    sizes = (os.path.getsize(picture_path), facts.output_bytes)
    seconds = time.perf_counter() - started
    input_bytes, output_bytes = sizes if compressing else sizes[::-1]
    result = result_of(facts, output=output, input_bytes=input_bytes, output_bytes=output_bytes, seconds=seconds)
    return replace(result, skipped=True, dropped=dropped)


def _is_jpeg_of(facts: FileInfo, path: str, options: CompressOptions | DecompressOptions) -> bool:
    """Whether the file at ``path`` is the JPEG file that was kept, and is to be."""
    if isinstance(options, CompressOptions):
        if options.pixels:
            return False
        refuse_parts(frame=options.frame, strip=options.strip)
    if os.path.getsize(path) != facts.source_bytes:
        return False
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest() == facts.source_sha256


def _picture(
    src: str, output: str, form: "Form", header: "Header", options: CompressOptions | DecompressOptions
) -> "tuple[_Traits | None, tuple[str, ...]]":
    """What tells the samples of the picture, read as coding it would read it, from others (None if its form or shape is not that of the
    ``.hvz`` file), and what of its file is not kept. Raises: as reading it does."""
    from hvpzip import image_io, jpeg

    if isinstance(options, CompressOptions):
        source = image_io.picture_bytes(src, options.max_pixels)
        if jpeg.is_jpeg(source) and not options.pixels:
            return None, ()
        picture = image_io.picture_of(source, options.max_pixels, frame=options.frame, strip=options.strip)
        return _traits([picture.samples], header) if picture.form == form else None, picture.not_kept
    kind = image_io.format_of(output)
    with open(output, "rb") as file:
        again, strips = image_io.read_again(file, kind, header.width * header.height)
        if not same_forms(again, form._replace(chunks=()) if options.strip else form, kind):
            return None, ()
        return _traits(strips, header), ()


def _decodes_to(packed_path: str, options: CompressOptions | DecompressOptions, wanted: str | bytes, header: "Header") -> bool:
    """Whether the ``.hvz`` file decodes to the samples of the digest that is wanted, or to the JPEG file of that path. Raises: ModelError,
    LibraryError, OSError."""
    reading = DecompressOptions(max_pixels=options.max_pixels, threads=options.threads)
    try:
        opened = open_bytes(packed_bytes(packed_path, options.max_pixels), reading)
        if isinstance(wanted, str):
            file = opened.jpeg_file()
        else:
            found = _traits(opened.rows(), header)
            return found is not None and found.digest == wanted
    except CorruptError:
        return False
    with open(wanted, "rb") as other:
        return other.read() == file


class _Traits(NamedTuple):
    """Of samples: the checksum of each group that they make, and a digest of all of them in the order (row, column, channel)."""

    checksums: list[int]
    digest: bytes


def _traits(strips: "Iterable[Samples]", header: "Header") -> _Traits | None:
    """The traits of a picture that comes some rows at a time; None if it has not the shape that the header tells of."""
    import numpy as np

    side = 1 << header.group_size_log2
    left = range(0, header.width, side)
    digest = hashlib.blake2b()
    checksums: list[int] = []
    row = 0
    for strip in strips:
        planes = np.ascontiguousarray(strip.reshape(*strip.shape[:2], -1))
        if planes.shape[1:] != (header.width, header.channels):
            return None
        digest.update(planes.data)
        while len(planes):
            rows, planes = planes[: side - row % side], planes[side - row % side :]
            if row % side == 0:
                checksums += [0] * len(left)
            for number, x in enumerate(left, start=len(checksums) - len(left)):
                checksums[number] = samples_crc(rows[:, x : x + side], checksums[number])
            row += len(rows)
    return _Traits(checksums, digest.digest()) if row == header.height else None


def _other(output: str) -> FileExistsError:
    return FileExistsError(errno.EEXIST, "the output exists already and holds something else (force replaces it)", output)
