"""A picture's header and coded groups to the bytes of a ``.hvz`` file of version 1."""

import io
from collections.abc import Iterable
from typing import BinaryIO

from hvpzip import varint
from hvpzip.container.checksum import CRC_BYTES, crc32_bytes
from hvpzip.container.layout import FLAG_JPEG, FLAG_PARTS, FORM_SECTION, MAGIC, MAX_SECTIONS, VERSION, Group, Header, Section

__all__ = ["write", "write_to"]


def write(header: Header, groups: Iterable[Group], metadata: Iterable[Section] = ()) -> bytes:
    """The whole file; ``read`` of it gives the arguments back. Arguments and errors are those of ``write_to``."""
    out = io.BytesIO()
    write_to(out, header, groups, metadata)
    return out.getvalue()


def write_to(out: BinaryIO, header: Header, groups: Iterable[Group], metadata: Iterable[Section] = ()) -> int:
    """Write the file into ``out``, group by group as they come, and return its length in bytes.

    Args:
        out: a binary stream; it is left at the end of what was written.
        header: see ``Header``.
        groups: ``header.num_groups`` of them, row by row.
        metadata: sections of even (ignorable) types, and of ``FORM_SECTION``.

    Raises:
        ValueError: the number of groups is not that of the header's grid (known only after the last one), a checksum is not of 32 bits, or
            a section cannot be written.
        OSError: ``out`` cannot be written.
    """
    sections = tuple(metadata)
    if len(sections) > MAX_SECTIONS or any(not _is_known(section.type) for section in sections):
        raise ValueError(f"version {VERSION} takes at most {MAX_SECTIONS} sections, of even types or type {FORM_SECTION}")
    head = _header(header, len(sections))
    size = out.write(head)
    # Each record's checksum begins with that of the header and its own number, so that records of other files or places do not pass.
    file_mark = head[-CRC_BYTES:]
    for number, section in enumerate(sections):
        record = varint.write(section.type) + varint.write(len(section.data)) + section.data
        size += out.write(record) + out.write(crc32_bytes(file_mark, varint.write(number), record))
    count = 0
    for number, group in enumerate(groups):
        if not 0 <= group.samples_crc < 1 << 32:
            raise ValueError(f"the checksum of group {number} is not of 32 bits: {group.samples_crc}")
        start = varint.write(len(group.payload)) + group.samples_crc.to_bytes(CRC_BYTES, "little")
        size += out.write(start) + out.write(group.payload) + out.write(crc32_bytes(file_mark, varint.write(number), start, group.payload))
        count += 1
    if count != header.num_groups:
        raise ValueError(f"the grid has {header.num_groups} groups, got {count}")
    return size


def _is_known(kind: int) -> bool:
    return kind >= 0 and (kind % 2 == 0 or kind == FORM_SECTION)


def _header(header: Header, num_sections: int) -> bytes:
    body = b"".join(
        (
            MAGIC,
            bytes((VERSION,)),
            varint.write(FLAG_JPEG if header.jpeg else FLAG_PARTS if header.parts else 0),
            varint.write(0),  # flags that may be ignored: none yet
            varint.write(header.width),
            varint.write(header.height),
            bytes((header.bit_depth - 1 | header.channels - 1 << 4, header.map | header.colour_lift << 4, header.levels)),
            bytes((header.effort | header.group_size_log2 << 4,)),
            header.model_id,
            varint.write(num_sections),
        )
    )
    return body + crc32_bytes(body)
