"""Whole files: round trip, every truncation, every flipped bit, caps before allocation, the two kinds of spare bits."""

import dataclasses
import tracemalloc
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hvpzip import container, varint
from hvpzip.container import Group, Header, Limits, Section
from hvpzip.errors import CorruptError, FormatError, LimitError, NotHvpzipError, TruncatedError, UnsupportedVersionError
from tests.helpers.damage import flips, patched

crcs = st.integers(0, (1 << 32) - 1)


@st.composite
def headers(draw):
    channels = draw(st.integers(1, 4))
    side = st.one_of(st.integers(1, 64), st.integers(1, 1 << 30))
    return Header(
        width=draw(side),
        height=draw(side),
        channels=channels,
        bit_depth=draw(st.integers(1, 16)),
        colour_lift=draw(st.integers(0, 1)) if channels == 3 else 0,
        map=draw(st.integers(0, 2)),
        levels=draw(st.integers(0, 24)),
        model_id=draw(st.binary(min_size=8, max_size=8)),
        effort=draw(st.integers(0, 15)),
        group_size_log2=draw(st.integers(4, 15)),
    )


@st.composite
def files(draw):
    header = draw(headers())
    size = 1 << header.group_size_log2
    columns, rows = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    width, height = (draw(st.integers((tiles - 1) * size + 1, tiles * size)) for tiles in (columns, rows))
    header = dataclasses.replace(header, width=width, height=height)
    groups = tuple(Group(draw(st.binary(max_size=300)), draw(crcs)) for _ in range(columns * rows))
    metadata = tuple(Section(2 * draw(st.integers(0, 1 << 20)), draw(st.binary(max_size=200))) for _ in range(draw(st.integers(0, 3))))
    return header, groups, metadata


def small_header(**changes):
    fields = {"width": 40, "height": 20, "channels": 3, "bit_depth": 8, "colour_lift": 1, "map": 0, "levels": 4}
    return Header(**{**fields, "model_id": bytes(range(1, 9)), "effort": 3, "group_size_log2": 5, **changes})


def small_file():
    groups = (Group(b"\x05payload one", 0x12345678), Group(b"two", 0xFEDCBA98))
    return container.write(small_header(), groups, [Section(4, b"text"), Section(300, b"")])


def resealed(data, offset, new, size):
    """The file with the bytes at ``offset`` replaced and the header's checksum made right again; ``size`` is the header's, CRC included."""
    head = bytearray(data[: size - 4])
    head[offset : offset + len(new)] = new
    return bytes(head) + zlib.crc32(head).to_bytes(4, "little") + data[size:]


HEADER_SIZE = 30  # of the small files here: all varints of the header take one byte


@given(files())
def test_read_gives_back_what_write_was_given(parts):
    header, groups, metadata = parts
    data = container.write(header, groups, metadata)
    found = container.read(data, Limits(max_pixels=1 << 60, max_group_pixels=1 << 60))
    assert (found.header, found.groups, found.metadata) == (header, groups, metadata)
    assert found.header_bytes == len(data) - sum(len(group.payload) for group in groups)


@given(headers())
def test_the_header_alone_can_be_read_from_the_first_64_bytes(header):
    one = dataclasses.replace(header, width=min(header.width, 16), height=min(header.height, 16))
    data = container.write(one, [Group(bytes(200), 0)])
    assert container.read_header(data[:64]) == one


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, lambda data: memoryview(data).cast("b")])
def test_any_bytes_like_object_is_read(kind):
    assert container.read(kind(small_file())).groups[1].payload == b"two"


def test_a_small_picture_costs_39_bytes_around_its_payload_and_a_photo_at_most_48():
    tiny = container.write(small_header(width=16, height=16), [Group(bytes(10), 0)])
    assert len(tiny) - 10 == 39
    photo = container.write(small_header(width=768, height=512, group_size_log2=10), [Group(bytes(400_000), 0)])
    assert len(photo) - 400_000 <= 48


def test_every_truncation_is_refused_as_truncated():
    data = small_file()
    for size in range(len(data)):
        with pytest.raises(TruncatedError, match=r"the file (ends after|is empty)"):
            container.read(data[:size])


def test_every_flipped_bit_is_refused():
    data = small_file()
    for damaged in flips(data):
        with pytest.raises(FormatError):
            container.read(damaged)


@settings(max_examples=300)
@given(st.data())
def test_random_damage_raises_format_or_limit_errors_only(data):
    damaged = data.draw(patched(small_file()))
    try:
        found = container.read(damaged)
    except (FormatError, LimitError):
        return
    assert found == container.read(small_file())


@given(st.binary(max_size=80))
def test_any_bytes_after_a_sound_header_raise_format_or_limit_errors_only(tail):
    with pytest.raises((FormatError, LimitError)):
        container.read(small_file()[:HEADER_SIZE] + tail)


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (b"", TruncatedError, "empty"),
        (b"\x89HVZ\r\n", TruncatedError, "ends after 6 bytes"),
        (b"\x89PNG\r\n\x1a\n and so on", NotHvpzipError, r"not a .hvz file: it begins with 89 50 4e 47"),
        (b"x", NotHvpzipError, "begins with 78"),
        (b"\x89HVZ\n\x1a\n\x01\x00", CorruptError, "sent as text"),
        (b"\x89HVZ\r\n\x1a\n\x02", UnsupportedVersionError, "version 2"),
        (b"\x89HVZ\r\n\x1a\n\x01\x04", UnsupportedVersionError, "flags 0x4"),
    ],
)
def test_foreign_and_newer_files_are_named(data, error, message):
    with pytest.raises(error, match=message):
        container.read(data)


def test_bytes_after_the_end_are_refused():
    with pytest.raises(CorruptError, match="1 bytes follow"):
        container.read(small_file() + b"\x00")


def test_flags_that_must_be_understood_are_refused_and_ignorable_ones_skipped():
    data = container.write(small_header(width=16, height=16), [Group(b"abc", 1)])
    for flags in (3, 4, 64):
        with pytest.raises(UnsupportedVersionError, match=f"flags {flags:#x}"):
            container.read(resealed(data, 9, bytes((flags,)), HEADER_SIZE))
    header = container.read_header(resealed(data, 10, b"\x7f", HEADER_SIZE))
    assert header == container.read_header(data)


def test_a_jpeg_file_is_one_group_whatever_its_sides():
    header = small_header(width=60_000, height=40_000, colour_lift=0, levels=0, group_size_log2=4, jpeg=True)
    data = container.write(header, [Group(b"payload", 5)])
    found = container.read(data, Limits(max_pixels=1 << 32))
    assert (found.header, found.groups) == (header, (Group(b"payload", 5),))
    with pytest.raises(LimitError, match="2400000000 pixels"):
        container.read(data)
    with pytest.raises(ValueError, match="not made of parts"):
        small_header(parts=True, jpeg=True)


def test_metadata_of_unknown_odd_type_is_refused():
    groups = [Group(b"abc", 1)]
    data = container.write(small_header(width=16, height=16), groups, [Section(6, b"hi")])
    mark = data[HEADER_SIZE - 4 : HEADER_SIZE]
    for kind, refused in ((5, True), (8, False)):
        record = bytes((kind, 2)) + b"hi"
        changed = data[:HEADER_SIZE] + record + zlib.crc32(mark + b"\x00" + record).to_bytes(4, "little") + data[HEADER_SIZE + 8 :]
        if refused:
            with pytest.raises(UnsupportedVersionError, match="type 5"):
                container.read(changed)
        else:
            assert container.read(changed).metadata == (Section(8, b"hi"),)


@pytest.mark.parametrize(
    ("offset", "new", "error", "message"),
    [
        (11, b"\x00", CorruptError, "width"),
        (13, b"\xc7", CorruptError, "reserved"),
        (14, b"\x20", UnsupportedVersionError, "colour lift 2"),
        (14, b"\x03", UnsupportedVersionError, "map 3"),
        (14, b"\x10", CorruptError, "colour lift 1"),
        (15, b"\x19", CorruptError, "levels"),
        (16, b"\x30", CorruptError, "group_size_log2"),
    ],
)
def test_fields_outside_the_format_are_refused_even_with_a_right_checksum(offset, new, error, message):
    data = container.write(small_header(width=16, height=16, channels=1, colour_lift=0), [Group(b"abc", 1)])
    with pytest.raises(error, match=message):
        container.read(resealed(data, offset, new, HEADER_SIZE))


def test_groups_that_changed_places_or_files_are_refused():
    header = small_header()
    data = container.write(header, [Group(b"one", 1), Group(b"two", 2)])
    head, first, second = data[:HEADER_SIZE], data[HEADER_SIZE : HEADER_SIZE + 12], data[HEADER_SIZE + 12 :]
    with pytest.raises(CorruptError, match="group 1 of 2"):
        container.read(head + second + first)
    other = container.write(dataclasses.replace(header, effort=4), [Group(b"one", 1), Group(b"two", 2)])
    with pytest.raises(CorruptError, match="group 2 of 2"):
        container.read(other[: HEADER_SIZE + 12] + second)


def test_damage_is_reported_with_its_place():
    data = bytearray(small_file())
    data[-6] ^= 1
    with pytest.raises(CorruptError, match=rf"group 2 of 2 \(bytes {len(data) - 12} to {len(data) - 1}\)"):
        container.read(data)


def test_caps_are_checked_before_anything_is_allocated():
    huge = container.write(small_header(width=16, height=16), [Group(b"", 0)])
    wide = varint.write(1 << 30)
    head = huge[:11] + wide + wide + huge[13 : HEADER_SIZE - 4]
    data = head + zlib.crc32(head).to_bytes(4, "little") + huge[HEADER_SIZE:]
    tracemalloc.start()
    with pytest.raises(LimitError, match="over the limit of 268435456"):
        container.read(data)
    with pytest.raises(LimitError, match=r"groups, over the limit of 65536"):
        container.read(data, Limits(max_pixels=1 << 60))
    with pytest.raises(LimitError, match="groups of 32 x 32 pixels, over the limit of 1023"):
        container.read(data, Limits(max_pixels=1 << 60, max_group_pixels=1023))
    with pytest.raises(TruncatedError, match="the groups"):
        container.read(data, Limits(max_pixels=1 << 60, max_groups=1 << 60))
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def test_each_limit_admits_what_it_names_and_nothing_more():
    data = small_file()
    exact = {"max_pixels": 800, "max_groups": 2, "max_metadata_bytes": 4}
    container.read(data, Limits(**exact))
    for name, value in exact.items():
        with pytest.raises(LimitError, match="limit"):
            container.read(data, Limits(**{**exact, name: value - 1}))
    with pytest.raises(LimitError, match="pixels"):
        container.read_header(data, Limits(max_pixels=799))


def test_a_group_that_claims_more_bytes_than_there_are_is_truncated():
    data = container.write(small_header(width=16, height=16), [Group(b"abc", 1)])
    with pytest.raises(TruncatedError, match="group 1 of 1"):
        container.read(data[:HEADER_SIZE] + varint.write((1 << 42) - 1) + data[HEADER_SIZE + 1 :])


def test_a_programmers_mistakes_are_value_errors():
    header = small_header()
    with pytest.raises(ValueError, match="2 groups, got 1"):
        container.write(header, [Group(b"", 0)])
    with pytest.raises(ValueError, match="even types"):
        container.write(header, [Group(b"", 0)] * 2, [Section(3, b"")])
    with pytest.raises(ValueError, match="32 bits"):
        container.write(header, [Group(b"", 1 << 32)] * 2)
    for field, value in {"width": 0, "bit_depth": 17, "channels": 5, "effort": 16, "model_id": b"123", "map": 3, "levels": 25}.items():
        with pytest.raises(ValueError, match=r"must be|has 8 bytes"):
            dataclasses.replace(small_header(colour_lift=0), **{field: value})
