"""A picture's form and metadata as sections of a ``.hvz`` file, and back.

::

    form      =  kind (1 byte)  length (varint)  palette  transparency      where the header does not say it all; after the kind, which
                                                                            then has its high bit set, it may be packed by deflate
    metadata  =  packing (1 byte: 0 none, 1 deflate)  records
    record    =  name (4 bytes)  length (varint)  data
    source    =  length in bytes (varint)  SHA-256 (32 bytes)  format (UTF-8, the rest)
"""

import zlib
from typing import TYPE_CHECKING

from hvpzip.errors import CorruptError, FormatError, LimitError, UnsupportedVersionError

if TYPE_CHECKING:
    from hvpzip.container import Container, Section
    from hvpzip.image_io import Chunk, Form
    from hvpzip.source import SourceFile

__all__ = ["form_of", "same_forms", "sections_of", "source_of", "source_section", "unknown_sections"]

_PACKED = 0x80  # in the byte of the kind
_DIGEST_BYTES = 32
_MAX_FORMAT_NAME = 32
_MAX_SOURCE_BYTES = (1 << 42) - 1
_MAX_FORM = 2 + 768 + 256


def sections_of(form: "Form", source: "SourceFile | None" = None) -> "tuple[Section, ...]":
    """The sections that hold the form (none for 8-bit gray and RGB without metadata) and say what the picture was read from."""
    from hvpzip import varint
    from hvpzip.container import FORM_SECTION, METADATA_SECTION, Section
    from hvpzip.image_io import CHANNELS, plain_form

    sections = []
    if form._replace(chunks=()) != plain_form(CHANNELS[form.kind], form.bit_depth):
        rest = varint.write(len(form.palette)) + form.palette + form.transparency
        packed = _deflated(rest)
        is_packed = len(packed) < len(rest)
        sections.append(Section(FORM_SECTION, bytes((form.kind | _PACKED * is_packed,)) + (packed if is_packed else rest)))
    if form.chunks:
        records = b"".join(chunk.name + varint.write(len(chunk.data)) + chunk.data for chunk in form.chunks)
        packed = _deflated(records)
        sections.append(Section(METADATA_SECTION, b"\1" + packed if len(packed) < len(records) else b"\0" + records))
    if source is not None:
        sections.append(source_section(source))
    return tuple(sections)


def form_of(parsed: "Container") -> "Form":
    """Inverse of ``sections_of``.

    Raises: CorruptError if a section is not valid, LimitError if the metadata unpacks to more than 16 MiB, UnsupportedVersionError if the
    samples are of an unknown kind.
    """
    from hvpzip import varint
    from hvpzip.container import FORM_SECTION, METADATA_SECTION
    from hvpzip.image_io import CHANNELS, Kind, plain_form

    header = parsed.header
    form = plain_form(header.channels, header.bit_depth)
    kinds = [section.data for section in parsed.metadata if section.type == FORM_SECTION]
    if len(kinds) > 1:
        raise CorruptError(f"the file says {len(kinds)} times what its samples mean")
    if kinds:
        (data,) = kinds
        if not data or data[0] & ~_PACKED not in set(Kind):
            kind = data[:1].hex() or "missing"
            raise UnsupportedVersionError(f"samples of kind {kind} are unknown to this hvpzip; a newer one may do more")
        if data[0] & _PACKED:
            data = bytes((data[0] & ~_PACKED,)) + _inflated(data[1:], _MAX_FORM, "what the samples mean")
        size, start = varint.read(memoryview(data), 1, 768, "the palette's length")
        if size > len(data) - start:
            raise CorruptError("the palette goes beyond the end of its section")
        form = form._replace(kind=Kind(data[0]), palette=data[start : start + size], transparency=data[start + size :])
    _check(form, CHANNELS[form.kind], header.channels)
    for section in parsed.metadata:
        if section.type == METADATA_SECTION:
            form = form._replace(chunks=form.chunks + tuple(_records(section.data)))
    return form


def unknown_sections(parsed: "Container") -> tuple[str, ...]:
    """Names of what a newer hvpzip wrote and this one skips."""
    from hvpzip.container import FORM_SECTION, METADATA_SECTION, SOURCE_SECTION

    kinds = {section.type for section in parsed.metadata} - {FORM_SECTION, METADATA_SECTION, SOURCE_SECTION}
    return tuple(f"section of type {kind}" for kind in sorted(kinds))


def source_section(file: "SourceFile") -> "Section":
    """The section that says what the picture was read from."""
    from hvpzip import varint
    from hvpzip.container import SOURCE_SECTION, Section

    return Section(SOURCE_SECTION, varint.write(file.byte_count) + file.sha256 + file.format.encode())


def source_of(parsed: "Container") -> "SourceFile | None":
    """What the picture was read from, or the JPEG file that is kept; None if the file does not say it, or not in a way that is known."""
    from hvpzip import jpeg, varint
    from hvpzip.container import SOURCE_SECTION
    from hvpzip.source import SourceFile

    if parsed.header.jpeg and parsed.groups:
        found = jpeg.kept(parsed.groups[0].payload)
        return SourceFile("JPEG", found.size_bytes, found.sha256)
    for data in (section.data for section in parsed.metadata if section.type == SOURCE_SECTION):
        try:
            size, start = varint.read(memoryview(data), 0, _MAX_SOURCE_BYTES, "the length of the source")
            name = data[start + _DIGEST_BYTES :].decode()
        except (FormatError, UnicodeDecodeError):
            continue
        if 0 < len(name) <= _MAX_FORMAT_NAME and name.isprintable():
            return SourceFile(name, size, data[start : start + _DIGEST_BYTES])
    return None


def _deflated(data: bytes) -> bytes:
    deflate = zlib.compressobj(9, wbits=-15)
    return deflate.compress(data) + deflate.flush()


def _inflated(data: bytes, limit: int, what: str) -> bytes:
    """Inverse of ``_deflated``. Raises: LimitError beyond ``limit`` bytes, CorruptError."""
    unpack = zlib.decompressobj(-15)
    try:
        found = unpack.decompress(data, limit)
    except zlib.error as error:
        raise CorruptError(f"{what} cannot be unpacked: {error}") from error
    if unpack.unconsumed_tail:
        raise LimitError(f"{what} unpacks to more than {limit} bytes")
    if not unpack.eof or unpack.unused_data:
        raise CorruptError(f"{what} ends too early, or not at its end")
    return found


def _check(form: "Form", channels: int, found: int) -> None:
    from hvpzip.image_io import DEPTHS, Kind

    if channels != found:
        raise CorruptError(f"{form.words} has {channels} channels, not {found}")
    if form.bit_depth not in DEPTHS[form.kind]:
        raise UnsupportedVersionError(f"{form.words} is more than this hvpzip decodes; a newer one may do more")
    if len(form.palette) % 3 or bool(form.palette) != (form.kind is Kind.PALETTE):
        raise CorruptError(f"a palette of {len(form.palette)} bytes does not go with {form.words}")
    largest = {Kind.GRAY: 2, Kind.RGB: 6, Kind.PALETTE: len(form.palette) // 3}.get(form.kind, 0)
    if len(form.transparency) > largest or (form.kind is not Kind.PALETTE and len(form.transparency) not in (0, largest)):
        raise CorruptError(f"{len(form.transparency)} bytes of transparency do not go with {form.words}")


def _records(data: bytes) -> "list[Chunk]":
    from hvpzip import varint
    from hvpzip.image_io import MAX_METADATA_BYTES, Chunk, is_metadata

    records = data[1:]
    if data[:1] == b"\1":
        records = _inflated(records, 2 * MAX_METADATA_BYTES, "the metadata")
    elif data[:1] != b"\0":
        raise CorruptError(f"metadata packed in the way {data[:1].hex() or 'missing'}")
    found = []
    offset = 0
    while offset < len(records):
        name = bytes(records[offset : offset + 4])
        size, start = varint.read(memoryview(records), offset + len(name), MAX_METADATA_BYTES, "the length of a metadata record")
        if len(name) < 4 or size > len(records) - start:
            raise CorruptError("a metadata record goes beyond the end of its section")
        if is_metadata(name):  # others are of a later version, and may be left out
            found.append(Chunk(name, bytes(records[start : start + size])))
        offset = start + size
    return found


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
