"""The bytes of a ``.hvz`` file to its header, metadata and coded groups. The bytes are not trusted."""

from typing import IO

from hvpzip import varint
from hvpzip.container.checksum import CRC_BYTES, crc32
from hvpzip.container.layout import (
    COLOUR_LIFTS,
    FLAG_JPEG,
    FLAG_PARTS,
    FORM_SECTION,
    MAGIC,
    MAPS,
    MAX_SECTIONS,
    MAX_SIDE,
    MODEL_ID_BYTES,
    VERSION,
    Container,
    Group,
    Header,
    Limits,
    Section,
)
from hvpzip.errors import CorruptError, LimitError, NotHvpzipError, TruncatedError, UnsupportedVersionError

__all__ = ["LARGEST_LENGTH", "Cursor", "read", "read_group", "read_head", "read_header", "read_section", "read_start"]

_LARGEST_FLAGS = (1 << 28) - 1
LARGEST_LENGTH = (1 << 42) - 1
_SMALLEST_SECTION = 1 + 1 + CRC_BYTES
_SMALLEST_GROUP = 1 + CRC_BYTES + CRC_BYTES


def read(data: bytes | bytearray | memoryview, limits: Limits | None = None) -> Container:
    """The parsed file, all checksums of coded bytes verified; those of the samples are for whoever decodes the groups.

    Raises:
        NotHvpzipError: another kind of file.
        TruncatedError: the file ends too early, or is empty.
        CorruptError: a checksum or a field is wrong, or bytes follow the last group.
        UnsupportedVersionError: made by a newer writer, in a way that this one cannot skip.
        LimitError: more pixels, groups or metadata than ``limits`` (default: ``Limits()``) allow; nothing has been allocated for them then.
    """
    limits = limits or Limits()
    cursor = Cursor(memoryview(data).cast("B"))
    header, num_sections = read_start(cursor, limits)
    file_mark = bytes(cursor.data[cursor.offset - CRC_BYTES : cursor.offset])
    cursor.expect(num_sections * _SMALLEST_SECTION + header.num_groups * _SMALLEST_GROUP, "the groups")
    metadata = _read_sections(cursor, num_sections, limits, file_mark)
    groups = tuple(read_group(cursor, number, header.num_groups, file_mark) for number in range(header.num_groups))
    if cursor.offset != len(cursor.data):
        raise CorruptError(f"{len(cursor.data) - cursor.offset} bytes follow the end of the file's contents at byte {cursor.offset}")
    payload_bytes = sum(len(group.payload) for group in groups)
    return Container(header=header, metadata=metadata, groups=groups, header_bytes=len(cursor.data) - payload_bytes)


def read_header(data: bytes | bytearray | memoryview, limits: Limits | None = None) -> Header:
    """The header alone, from a whole file or its beginning (64 bytes are always enough). Raises as ``read`` does for what lies in it."""
    return read_start(Cursor(memoryview(data).cast("B")), limits or Limits())[0]


def read_head(file: IO[bytes], limits: Limits | None = None) -> Container:
    """The header and the metadata at the beginning of a file, without its groups; what comes behind them is not read beyond a few KiB.

    Raises: as ``read`` does for what lies in them, OSError.
    """
    limits = limits or Limits()
    data, step = b"", 4096
    while True:
        more = file.read(step)
        data += more
        cursor = Cursor(memoryview(data))
        try:
            header, num_sections = read_start(cursor, limits)
            metadata = _read_sections(cursor, num_sections, limits, data[cursor.offset - CRC_BYTES : cursor.offset])
        except TruncatedError:
            if not more:
                raise
            step = len(data)  # so that no byte is parsed more than a few times
        else:
            return Container(header=header, metadata=metadata, groups=(), header_bytes=cursor.offset)


def _read_sections(cursor: "Cursor", count: int, limits: Limits, file_mark: bytes) -> tuple[Section, ...]:
    sections: list[Section] = []
    budget = limits.max_metadata_bytes
    for number in range(count):
        section = read_section(cursor, number, count, limits, budget, file_mark)
        budget -= len(section.data)
        sections.append(section)
    return tuple(sections)


class Cursor:
    """A place in the bytes; each step names what it reads, for messages."""

    def __init__(self, data: memoryview) -> None:
        self.data = data
        self.offset = 0

    def expect(self, size: int, what: str) -> None:
        """Raise TruncatedError unless ``size`` bytes are left."""
        left = len(self.data) - self.offset
        if size > left:
            raise TruncatedError(f"the file ends after {len(self.data)} bytes: {what} at byte {self.offset} needs {size}, {left} are left")

    def take(self, size: int, what: str) -> memoryview:
        """The next bytes, a view. Raises TruncatedError."""
        self.expect(size, what)
        self.offset += size
        return self.data[self.offset - size : self.offset]

    def byte(self, what: str) -> int:
        """The next byte. Raises TruncatedError."""
        return self.take(1, what)[0]

    def varint(self, largest: int, what: str) -> int:
        """The next number of variable length. Raises TruncatedError, CorruptError if it is larger than ``largest`` or not the shortest."""
        value, self.offset = varint.read(self.data, self.offset, largest, what)
        return value

    def crc(self, what: str) -> int:
        """The next checksum. Raises TruncatedError."""
        return int.from_bytes(self.take(CRC_BYTES, what), "little")


def read_start(cursor: Cursor, limits: Limits) -> tuple[Header, int]:
    """The header and the number of sections; the cursor then stands behind the header's checksum."""
    _read_magic(cursor)
    version = cursor.byte("the version")
    if version != VERSION:
        raise UnsupportedVersionError(f"the file is of format version {version}, this hvpzip reads {VERSION}; a newer one may read it")
    flags = cursor.varint(_LARGEST_FLAGS, "the flags that must be understood")
    if flags not in (0, FLAG_PARTS, FLAG_JPEG):
        raise UnsupportedVersionError(f"the file uses features (flags {flags:#x}) that this hvpzip lacks; a newer one may read it")
    cursor.varint(_LARGEST_FLAGS, "the flags that may be ignored")
    width = cursor.varint(MAX_SIDE, "the width")
    height = cursor.varint(MAX_SIDE, "the height")
    samples, maps, levels, coding = (cursor.byte(what) for what in ("the sample format", "the map", "the levels", "the effort"))
    model_id = bytes(cursor.take(MODEL_ID_BYTES, "the model id"))
    num_sections = cursor.varint(MAX_SECTIONS, "the number of sections")
    end = cursor.offset
    if cursor.crc("the header's checksum") != crc32(cursor.data[:end]):
        raise CorruptError(f"the header (bytes 0 to {end - 1}) does not match its checksum: the file is damaged")
    if samples >> 6:
        raise CorruptError(f"reserved bits are set in the sample format ({samples:#04x})")
    colour_lift, map_id = maps >> 4, maps & 15
    if colour_lift not in COLOUR_LIFTS or map_id not in MAPS:
        raise UnsupportedVersionError(f"colour lift {colour_lift} or map {map_id} is unknown to this hvpzip; a newer one may read it")
    try:
        header = Header(
            width=width,
            height=height,
            channels=(samples >> 4) + 1,
            bit_depth=(samples & 15) + 1,
            colour_lift=colour_lift,
            map=map_id,
            levels=levels,
            model_id=model_id,
            effort=coding & 15,
            group_size_log2=coding >> 4,
            parts=flags == FLAG_PARTS,
            jpeg=flags == FLAG_JPEG,
        )
    except ValueError as error:
        raise CorruptError(f"the header is not valid: {error}") from error
    if width * height > limits.max_pixels:
        raise LimitError(f"the picture has {width} x {height} = {width * height} pixels, over the limit of {limits.max_pixels}")
    if header.jpeg:
        return header, num_sections
    side = 1 << header.group_size_log2
    tile = (min(width, side), min(height, side))
    if tile[0] * tile[1] > limits.max_group_pixels:
        raise LimitError(f"the picture has groups of {tile[0]} x {tile[1]} pixels, over the limit of {limits.max_group_pixels}")
    if header.num_groups > limits.max_groups:
        raise LimitError(f"the picture has {header.num_groups} groups, over the limit of {limits.max_groups}")
    return header, num_sections


def _read_magic(cursor: Cursor) -> None:
    if len(cursor.data) == 0:
        raise TruncatedError("the file is empty")
    start = bytes(cursor.data[: len(MAGIC)])
    if start != MAGIC:
        if MAGIC.startswith(start):
            raise TruncatedError(f"the file ends after {len(start)} bytes, inside its first field")
        if start[:4] == MAGIC[:4]:
            raise CorruptError("the first bytes are damaged; was the .hvz file sent as text (line ends rewritten)?")
        raise NotHvpzipError(f"not a .hvz file: it begins with {start.hex(' ')}, not with {MAGIC.hex(' ')}")
    cursor.offset = len(MAGIC)


def read_section(cursor: Cursor, number: int, count: int, limits: Limits, budget: int, file_mark: bytes) -> Section:
    """Section ``number``, counted from 0, of at most ``budget`` bytes. Raises as ``read`` does; where the checksum does not hold, the
    cursor has passed the section."""
    start, what = cursor.offset, f"metadata section {number + 1} of {count}"
    kind = cursor.varint(_LARGEST_FLAGS, what)
    length = cursor.varint(LARGEST_LENGTH, what)
    if length > budget:
        raise LimitError(f"{what} takes the metadata over the limit of {limits.max_metadata_bytes} bytes")
    data = cursor.take(length, what)
    _check_record(cursor, start, number, what, file_mark)
    if kind % 2 and kind != FORM_SECTION:
        raise UnsupportedVersionError(f"{what} is of type {kind}, which must be understood; a newer hvpzip may read the file")
    return Section(kind, bytes(data))


def read_group(cursor: Cursor, number: int, count: int, file_mark: bytes) -> Group:
    """Group ``number``, counted from 0. Raises as ``read`` does; where the checksum does not hold, the cursor has passed the group."""
    start, what = cursor.offset, f"group {number + 1} of {count}"
    length = cursor.varint(LARGEST_LENGTH, what)
    samples_crc = cursor.crc(what)
    payload = cursor.take(length, what)
    _check_record(cursor, start, number, what, file_mark)
    return Group(bytes(payload), samples_crc)


def _check_record(cursor: Cursor, start: int, number: int, what: str, file_mark: bytes) -> None:
    """Compare the checksum that follows with that of the bytes from ``start`` to here, in this file, at this number."""
    record = cursor.data[start : cursor.offset]
    if cursor.crc(what) != crc32(file_mark, varint.write(number), record):
        raise CorruptError(f"{what} (bytes {start} to {cursor.offset - 1}) does not match its checksum: the file is damaged")
