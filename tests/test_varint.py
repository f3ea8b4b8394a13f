"""Numbers of variable length: one form each, bounded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hvpzip import varint
from hvpzip.errors import CorruptError, TruncatedError


@given(st.integers(0, 1 << 64), st.binary(max_size=3), st.binary(max_size=3))
def test_decode_gives_back_what_encode_wrote_and_where_it_ends(value, before, after):
    coded = varint.write(value)
    found = varint.read(memoryview(before + coded + after), len(before), 1 << 64, "it")
    assert found == (value, len(before) + len(coded))


@pytest.mark.parametrize(("value", "coded"), [(0, "00"), (127, "7f"), (128, "80 01"), (300, "ac 02"), (16384, "80 80 01")])
def test_known_numbers_have_these_bytes(value, coded):
    assert varint.write(value) == bytes.fromhex(coded)


@given(st.integers(0, 1 << 40))
def test_every_proper_beginning_is_truncated(value):
    coded = varint.write(value)
    for size in range(len(coded)):
        with pytest.raises(TruncatedError, match="inside the field"):
            varint.read(memoryview(coded[:size]), 0, 1 << 40, "the field")


@pytest.mark.parametrize("coded", ["80 00", "ff 00", "81 80 00"])
def test_a_longer_form_than_needed_is_refused(coded):
    with pytest.raises(CorruptError, match="shortest"):
        varint.read(memoryview(bytes.fromhex(coded)), 0, 1 << 40, "the field")


def test_a_number_over_its_limit_is_refused_without_reading_on():
    assert varint.read(memoryview(varint.write(1000)), 0, 1000, "the field") == (1000, 2)
    for data in (varint.write(1001), b"\xff" * 1000, b"\x80" * 1000):
        with pytest.raises(CorruptError, match="limit of 1000"):
            varint.read(memoryview(data), 0, 1000, "the field")


def test_negative_numbers_cannot_be_written():
    with pytest.raises(ValueError, match="-1"):
        varint.write(-1)
