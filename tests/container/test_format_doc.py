"""The worked example of docs/format.md is the file that the code writes."""

import re
from pathlib import Path

import pytest

from hvpzip import container
from hvpzip.container import Group, Header
from hvpzip.transform import pyramid

DOC = Path(__file__).parents[2] / "docs" / "format.md"


def documented_bytes():
    if not DOC.exists():
        pytest.skip("docs/format.md is only in a checkout")
    [dump] = re.findall(r"```hexdump\n(.*?)```", DOC.read_text(encoding="utf-8"), re.DOTALL)
    data = b""
    for line in dump.splitlines():
        offset, coded, meaning = re.fullmatch(r"([0-9a-f]{4})  ((?:[0-9a-f]{2} )*[0-9a-f]{2}) {2,}(\S.*)", line).groups()
        assert int(offset, 16) == len(data), f"wrong offset before {meaning}"
        data += bytes.fromhex(coded)
    return data


HEADER = Header(
    width=200,
    height=3,
    channels=1,
    bit_depth=8,
    colour_lift=0,
    map=0,
    levels=7,
    model_id=bytes.fromhex("0123456789abcdef"),
    effort=2,
    group_size_log2=10,
)
GROUP = Group(bytes.fromhex("c0ffee0042"), container.crc32(bytes([7]) * 600))


def test_the_example_reads_as_the_text_says():
    found = container.read(documented_bytes())
    assert (found.header, found.groups, found.metadata, found.header_bytes) == (HEADER, (GROUP,), (), 40)
    assert pyramid.num_levels(HEADER.height, HEADER.width) == HEADER.levels


def test_the_writer_writes_the_example():
    assert container.write(HEADER, [GROUP]) == documented_bytes()
