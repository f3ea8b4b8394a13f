"""One picture file to one ``.hvz`` file: coded, written, read back and compared before it gets its name.

The invariant: what is kept decodes to the samples and the form of the picture, or is the JPEG file. Of a large picture, the samples are
held once at most.
"""

import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from hvpzip.api.decoding import Opened, open_bytes
from hvpzip.api.encoding import Coded, GroupProgress, encode
from hvpzip.api.inspect import describe_container
from hvpzip.api.jpegs import encode_jpeg, jpeg_notices, refuse_parts
from hvpzip.api.naming import compressed_name
from hvpzip.api.options import CompressOptions, DecompressOptions
from hvpzip.api.outputs import StrPath, broken, name_of, refuse_early, target_of, writing
from hvpzip.api.pictures import form_of, sections_of
from hvpzip.api.records import FileInfo, FileResult, result_of
from hvpzip.api.runtime import give_back_memory

if TYPE_CHECKING:
    from hvpzip.image_io import Picture

__all__ = ["compress_picture"]


def compress_picture(
    src: StrPath | BinaryIO, dst: StrPath | BinaryIO | None, options: CompressOptions, on_group: GroupProgress | None = None
) -> FileResult:
    """What ``compress_file`` does, with its options as an object."""
    from hvpzip import image_io

    started = time.perf_counter()
    target = target_of(src, dst, partial(compressed_name, pixels=options.pixels))
    refuse_early(src, target, options.force)
    file = image_io.picture_bytes(src, options.max_pixels)
    input_bytes = len(file)
    source = _read(file, options)
    del file  # of a picture it is not needed any more
    coded = _encode(source, options, on_group)
    with writing(target, options.force, like=src) as out:
        report = coded.write_to(out)
        facts = describe_container(coded.container(report.header_bytes), name_of(src))
        trials = coded.trials
        del coded  # the payloads are read back
        if options.verify:
            give_back_memory()
            out.seek(0)
            reading = DecompressOptions(max_pixels=facts.width * facts.height, threads=options.threads)
            _compare(open_bytes(out.read(), reading), source)
    seconds = time.perf_counter() - started
    return replace(
        result_of(facts, output=name_of(target), input_bytes=input_bytes, output_bytes=facts.output_bytes, seconds=seconds),
        bound_bits=report.bound_bits,
        notices=(*source.notices, *_size_notice(facts, input_bytes)),
        dropped=source.picture.not_kept if isinstance(source, _Pixels) else (),
        trials=trials,
    )


class _Pixels(NamedTuple):
    """A picture of which samples, form and metadata are kept."""

    picture: "Picture"
    notices: tuple[str, ...]


class _Jpeg(NamedTuple):
    """A JPEG file that is kept itself."""

    file: bytes
    notices: tuple[str, ...]


def _read(file: bytes, options: CompressOptions) -> _Pixels | _Jpeg:
    """What is to be kept of the file. Raises: ImageError, LimitError."""
    from hvpzip import image_io, jpeg

    if jpeg.is_jpeg(file) and not options.pixels:
        refuse_parts(frame=options.frame, strip=options.strip)
        return _Jpeg(file, tuple(jpeg_notices(file, options.max_pixels)) if options.verify else ())
    picture = image_io.picture_of(file, options.max_pixels, frame=options.frame, strip=options.strip)
    return _Pixels(picture, picture.notices)


def _encode(source: _Pixels | _Jpeg, options: CompressOptions, on_group: GroupProgress | None) -> Coded:
    if isinstance(source, _Jpeg):
        return encode_jpeg(source.file, options.max_pixels)
    form = source.picture.form
    sections = sections_of(form, None if options.strip else source.picture.file)
    return encode(source.picture.samples, options, bit_depth=form.bit_depth, sections=sections, on_group=on_group)


def _compare(opened: Opened, source: _Pixels | _Jpeg) -> None:
    """Decode the file that was just written, and compare it with what it was made of. Raises: CorruptError."""
    if isinstance(source, _Jpeg):
        if not opened.container.header.jpeg or opened.jpeg_file() != source.file:
            raise broken("the file as written does not hold the JPEG file")
    elif opened.container.header.jpeg or not _holds(opened, source.picture):
        raise broken("the file as written does not decode to the picture")


def _holds(opened: Opened, picture: "Picture") -> bool:
    import numpy as np

    samples = picture.samples
    if opened.shape != (*samples.shape[:2], samples.shape[2] if samples.ndim == 3 else 1) or form_of(opened.container) != picture.form:
        return False
    place = 0
    for rows in opened.rows():
        if not np.array_equal(rows, samples[place : place + len(rows)].reshape(rows.shape)):
            return False
        place += len(rows)
    return True


def _size_notice(facts: FileInfo, before: int) -> Iterator[str]:
    after = facts.output_bytes
    if facts.source_format == "JPEG" and facts.holds == "pixels" and after > before:
        yield f"the .hvz has {after:,} bytes, {after / before:.1f} times the {before:,} of the JPEG: without --pixels it keeps the JPEG"
