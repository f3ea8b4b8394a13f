"""Directories of tags come back as they were written, in both byte orders, wherever they lie."""

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hvpzip.errors import ImageError
from hvpzip.image_io.exif import Folders, exif_block, read_block
from hvpzip.image_io.form import Chunk
from hvpzip.image_io.tiff_metadata import is_carried, tag_chunk, tag_of
from hvpzip.image_io.tiff_tags import ITEM_BYTES, Entry, Tags, directory_bytes, reordered

CLASSIC = sorted(set(ITEM_BYTES) - {13, 16, 17, 18})


@st.composite
def entries(draw, most=8):
    numbers = draw(st.lists(st.integers(1, 65535).filter(lambda tag: tag not in (34665, 34853, 40965, 37500)), max_size=most, unique=True))
    found = []
    for tag in numbers:
        kind, count = draw(st.sampled_from(CLASSIC)), draw(st.integers(0, 5))
        size = ITEM_BYTES[kind] * count
        found.append(Entry(tag, kind, count, draw(st.binary(min_size=size, max_size=size))))
    return found


@given(entries(), st.sampled_from("<>"), st.integers(0, 20))
def test_a_directory_comes_back_from_where_it_lies(listed, order, gap):
    place = 8 + 2 * gap
    data = (
        (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", place) + bytes(2 * gap) + directory_bytes(order, listed, place)
    )
    tags = Tags(data)
    (page,) = tags.pages()
    assert sorted(page.entries.values()) == sorted(listed)
    assert page.unreadable == ()
    assert tags.unused() == 0
    for size in range(8, len(data)):
        with contextlib.suppress(ImageError):  # nothing else is raised, whatever is missing
            Tags(data[:size]).pages()


@given(entries(), st.sampled_from("<>"))
def test_the_other_byte_order_says_the_same_and_back_again_the_same_bytes(listed, order):
    other = {"<": ">", ">": "<"}[order]
    for entry in listed:
        turned = reordered(entry, order, other)
        assert turned.numbers(other) == entry.numbers(order)
        assert reordered(turned, other, order) == entry


@given(entries(4), entries(4), entries(4), st.sampled_from("<>"), st.booleans())
def test_folders_of_exif_come_back_from_a_block(exif, gps, interop, order, alone):
    folders = Folders(tuple(sorted(exif)), None if alone else tuple(sorted(gps)), None if alone else tuple(sorted(interop)))
    assert read_block(exif_block(order, folders)) == (order, {}, folders, set())


@given(entries(), st.sampled_from("<>"))
def test_a_tag_comes_back_from_its_chunk_or_is_not_carried(listed, order):
    for entry in listed:
        assert tag_of(tag_chunk(order, entry)) == ((order, entry) if is_carried(entry) else None)


@pytest.mark.parametrize("data", [b"", b"II", b"II\x0e\x83\x07\0\1\0\0\0", b"XX\x0e\x83\x07\0\0\0\0\0", b"II\x0e\x83\x63\0\0\0\0\0"])
def test_damaged_chunks_of_tags_are_none(data):
    assert tag_of(Chunk(b"tiTg", data)) is None
