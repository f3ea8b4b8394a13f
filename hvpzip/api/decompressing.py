"""One ``.hvz`` file to one picture file, or to the JPEG file that was kept: written, read back and compared before it gets its name.

The invariant: what is written holds the decoded samples and their form, or the JPEG file. Of a large picture, one row of groups is held.
"""

import hashlib
import os
import time
from dataclasses import replace
from functools import partial
from typing import BinaryIO

from hvpzip.api.decoding import Opened, open_bytes, packed_bytes
from hvpzip.api.encoding import GroupProgress
from hvpzip.api.inspect import describe_container
from hvpzip.api.naming import JPEG_SUFFIXES, decompressed_name
from hvpzip.api.options import DecompressOptions
from hvpzip.api.outputs import StrPath, broken, is_device, name_of, refuse_early, target_of, writing
from hvpzip.api.pictures import same_forms, unknown_sections
from hvpzip.api.records import Damage, FileResult, result_of
from hvpzip.errors import CorruptError, ImageError
from hvpzip.threads import using_threads

__all__ = ["decompress_picture"]


def decompress_picture(
    src: StrPath | BinaryIO, dst: StrPath | BinaryIO | None, options: DecompressOptions, on_group: GroupProgress | None = None
) -> FileResult:
    """What ``decompress_file`` does, with its options as an object."""
    import numpy as np

    from hvpzip import image_io

    started = time.perf_counter()
    target = target_of(src, dst, partial(decompressed_name, part=options.part))
    refuse_early(src, target, options.force)
    by_suffix = isinstance(target, str) and not is_device(target)
    wants_jpeg = not by_suffix or os.path.splitext(name_of(target))[1].lower() in JPEG_SUFFIXES
    kind = image_io.format_of(name_of(target)) if by_suffix and not wants_jpeg else "PNG"
    opened = open_bytes(packed_bytes(src, options.max_pixels), options)
    facts = describe_container(opened.container, name_of(src))
    if wants_jpeg and opened.container.header.jpeg and (by_suffix or (opened.is_whole and not options.strip)):
        file, error = _jpeg_of(opened, options, name_of(target))
        with writing(target, options.force, like=src) as out:
            _write_whole(out, file)
        seconds = time.perf_counter() - started
        result = result_of(facts, output=name_of(target), input_bytes=facts.output_bytes, output_bytes=len(file), seconds=seconds)
        return replace(result, error=error)
    if wants_jpeg and by_suffix:
        kind = image_io.format_of(name_of(target))  # which says that it is none for pixels
    form, is_jpeg = opened.form(), opened.container.header.jpeg
    if options.strip:
        form = form._replace(chunks=())
    if not isinstance(target, str) and form.kind is image_io.Kind.CMYK:
        kind = "TIFF"
    groups, lost_sections = len(opened.tiles), opened.lost_sections
    height, width, _ = opened.shape
    damaged: list[Damage] = []
    digest = hashlib.blake2b()
    with using_threads(options.threads), writing(target, options.force, like=src) as out:
        writer = image_io.row_writer(out, kind, width, height, form)
        for rows in opened.rows(on_group=on_group, on_damage=damaged.append if options.salvage else None):
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
            raise broken("the picture as written does not hold the decoded samples")
    seconds = time.perf_counter() - started
    return replace(
        result_of(facts, output=name_of(target), input_bytes=facts.output_bytes, output_bytes=output_bytes, seconds=seconds),
        width=width,
        height=height,
        notices=(*map(_damage_notice, damaged), *([f"{kind} cannot hold {', '.join(left_out)}"] if left_out else [])),
        damaged=tuple(damaged),
        dropped=(*unknown, *left_out, *(["the JPEG file itself"] if is_jpeg else [])),
        error=_salvage_error(len(damaged), groups, lost_sections, name_of(target)),
    )


def _write_whole(out: BinaryIO, file: bytes) -> None:
    """Write the JPEG file and read it back. Raises: CorruptError."""
    out.write(file)
    out.seek(0)
    if out.read() != file:
        raise broken("the file as written is not the JPEG file")


def _jpeg_of(opened: Opened, options: DecompressOptions, output: str) -> tuple[bytes, str | None]:
    """The JPEG file that was kept, and None; or, of a damaged one that is salvaged, what is left of it, and what is to be said of that."""
    from hvpzip import jpeg

    if not opened.is_whole or options.strip:
        part = "a part of a JPEG file cannot be written as JPEG without loss"
        told = "the metadata of a JPEG file is a part of it" if options.strip else part
        raise ImageError(f"{told}: name an output of another kind, such as .png")
    if opened.jpeg_rest is None:
        return opened.jpeg_file(), None
    left = jpeg.left_of(opened.jpeg_rest)
    if left is None:
        raise CorruptError("the JPEG file is damaged, and as it is recompressed nothing of it can be salvaged")
    file, size = left
    return file, f"the JPEG file is damaged: {output} has {len(file)} of its {size} bytes, of which some are wrong or missing"


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
