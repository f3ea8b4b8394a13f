"""Damaged files: whatever group is whole is found, at its own place, and nothing else is."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hvpzip import container
from hvpzip.container import Group, Header, Limits, Section
from hvpzip.errors import FormatError, LimitError, UnsupportedVersionError
from tests.helpers.damage import flipped

SIZES = (5, 127, 128, 300, 16383, 16384, 0, 20000, 1, 700, 90, 40)  # lengths of one byte, two and three


def small_header(width=128, height=96):
    return Header(
        width=width,
        height=height,
        channels=3,
        bit_depth=8,
        colour_lift=1,
        map=0,
        levels=4,
        model_id=bytes(range(8)),
        effort=1,
        group_size_log2=5,
    )


@pytest.fixture(scope="module")
def groups():
    generator = random.Random(1)
    return tuple(Group(generator.randbytes(size), number) for number, size in enumerate(SIZES))


@pytest.fixture(scope="module")
def sections():
    return (Section(2, b"a text"), Section(4, b"another"))


@pytest.fixture(scope="module")
def whole(groups, sections):
    return container.write(small_header(), groups, sections)


@pytest.fixture(scope="module")
def places(whole, groups):
    """(begin, end) of each group."""
    found, end = [], len(whole)
    for group in reversed(groups):
        begin = end - 8 - len(group.payload) - (1 if len(group.payload) < 128 else 2 if len(group.payload) < 16384 else 3)
        found.append((begin, end))
        end = begin
    return found[::-1]


def numbers(found):
    return {number for number, group in enumerate(found.groups) if group is not None}


def test_a_whole_file_is_given_as_read_gives_it(whole):
    found, read = container.salvage(whole), container.read(whole)
    assert (found.header, found.metadata, found.groups, found.lost_sections) == (read.header, read.metadata, read.groups, 0)


def test_a_flipped_bit_in_any_byte_of_a_group_loses_that_group_alone(whole, groups, places):
    for lost, (begin, end) in enumerate(places):
        for place in {*range(begin, min(begin + 9, end)), (begin + end) // 2, *range(end - 5, end)}:
            found = container.salvage(flipped(whole, 8 * place + place % 8))
            assert found.groups == (*groups[:lost], None, *groups[lost + 1 :])
            assert found.lost_sections == 0


def test_missing_and_added_bytes_lose_the_groups_that_they_are_in(whole, groups, places):
    for lost, (begin, end) in enumerate(places):
        for place in (begin, (begin + end) // 2, end - 1):
            assert container.salvage(whole[:place] + whole[place + 1 :]).groups == (*groups[:lost], None, *groups[lost + 1 :])
            if place > begin:  # what is put between two groups damages neither
                assert container.salvage(whole[:place] + b"\x55" + whole[place:]).groups == (*groups[:lost], None, *groups[lost + 1 :])


def test_a_run_of_zeros_across_a_border_loses_the_two_groups_beside_it(whole, places):
    for number in range(len(places) - 1):
        border = places[number][1]
        damaged = whole[: border - 2] + bytes(4) + whole[border + 2 :]
        assert numbers(container.salvage(damaged)) == set(range(len(places))) - {number, number + 1}


def test_a_truncated_file_has_the_groups_that_are_there(whole, groups, places):
    for number, (begin, end) in enumerate(places):
        for size in (begin, (begin + end) // 2, end - 1):
            assert container.salvage(whole[:size]).groups == groups[:number] + (None,) * (len(groups) - number)


def test_a_lost_length_and_a_damaged_group_after_it_lose_no_third_one(whole, places):
    damaged = bytearray(whole)
    damaged[places[1][0]] ^= 0xFF
    damaged[places[4][0] + 100] ^= 1
    damaged[places[5][0] + 100] ^= 1
    assert numbers(container.salvage(damaged)) == set(range(len(places))) - {1, 4, 5}


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_damage_gives_a_group_that_was_not_in_the_file(whole, groups, sections, data):
    damaged = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 5))):
        place = data.draw(st.integers(0, len(damaged)))
        damaged[place : place + data.draw(st.integers(0, 40))] = data.draw(st.binary(max_size=40))
    try:
        found = container.salvage(damaged)
    except (FormatError, LimitError):
        return  # the header is damaged
    assert found.header == small_header()
    assert all(group in (None, groups[number]) for number, group in enumerate(found.groups))
    assert set(found.metadata) <= set(sections)


def test_a_damaged_section_is_left_out_and_counted(whole, groups, sections, places):
    for place in range(31, places[0][0]):
        damaged = bytearray(whole)
        damaged[place] ^= 2
        found = container.salvage(damaged)
        assert found.groups == groups
        assert found.lost_sections == len(sections) - len(found.metadata) > 0


def test_a_damaged_header_is_refused(whole):
    for place in range(8 * 31):
        damaged = bytearray(whole)
        damaged[place // 8] ^= 1 << place % 8
        with pytest.raises(FormatError):
            container.salvage(damaged)


def test_limits_and_unknown_sections_hold_as_for_sound_files(whole, groups):
    with pytest.raises(LimitError):
        container.salvage(whole, Limits(max_pixels=100))
    kind = 3  # must be understood
    head = container.write(small_header(), groups, [Section(1, b"")])
    start = head.index(b"\x01\x00", 29)
    record = bytes((kind, 0))
    mark = head[start - 4 : start]
    sealed = head[:start] + record + container.crc32(mark, b"\0", record).to_bytes(4, "little") + head[start + 6 :]
    with pytest.raises(UnsupportedVersionError):
        container.salvage(sealed)
