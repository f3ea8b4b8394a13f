"""Writes files that must be refused, and their manifest: file, why, the error, words that its message holds.

Run ``python -m tests.golden.refused.make`` from the repository's root only to add files: those that are here stay as they are.
"""

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks.damage import cut, seal
from hvpzip import container

HERE = Path(__file__).parent
PICTURES = HERE.parent / "pictures"


def refused() -> Iterator[tuple[str, str, str, str, bytes]]:
    data = (PICTURES / "good-rgb8-transparent.hvz").read_bytes()
    pieces = cut(data)
    header, (section,), ((crc, payload),) = pieces
    parsed = container.read(data)

    def with_header(at: int, new: bytes) -> bytes:
        return seal(pieces._replace(header=header[:at] + new + header[at + 1 :]))

    def with_payload(new: bytes) -> bytes:
        return seal(pieces._replace(groups=((crc, new),)))

    yield "empty", "no bytes at all", "TruncatedError", "the file is empty", b""
    yield "png", "another kind of file", "NotHvpzipError", "not a .hvz file", b"\x89PNG\r\n\x1a\n" + bytes(20)
    yield "as-text", "line ends rewritten", "CorruptError", "sent as text", data.replace(b"\r\n", b"\n")
    yield "version", "a version to come", "UnsupportedVersionError", "format version 2", with_header(8, b"\2")
    yield "flag", "a must-understand flag to come", "UnsupportedVersionError", "flags 0x3", with_header(9, b"\3")
    yield "side", "a side of 0 pixels", "CorruptError", "width", with_header(11, b"\0")
    yield "overlong", "a number not in its shortest form", "CorruptError", "shortest form", with_header(11, b"\x8d\0")
    yield "reserved", "reserved bits of the sample format", "CorruptError", "reserved bits", with_header(13, b"\xe7")
    yield "lift", "a colour lift to come", "UnsupportedVersionError", "colour lift 2", with_header(14, b"\x20")
    yield "map", "a map to come", "UnsupportedVersionError", "map 3", with_header(14, b"\x03")
    yield "levels", "more levels than there are", "CorruptError", "levels", with_header(15, b"\x19")
    yield "group-size", "groups too small", "CorruptError", "group_size_log2", with_header(16, b"\x31")
    wide = container.Header(
        **{**{name: getattr(parsed.header, name) for name in parsed.header.__slots__}, "width": 1 << 20, "height": 1 << 20}
    )
    start = container.write(replace(wide, width=16, height=16), [container.Group(b"", 0)])
    sides = b"\x80\x80\x40" * 2
    yield (
        "pixels",
        "more pixels than the limit",
        "LimitError",
        "over the limit",
        seal(cut(start)._replace(header=start[:11] + sides + header[13:])),
    )
    yield "header-checksum", "a header that is damaged", "CorruptError", "the header", data[:12] + b"\x0c" + data[13:]
    yield "section-checksum", "a section that is damaged", "CorruptError", "metadata section 1 of 1", data[:33] + b"\x7f" + data[34:]
    yield "group-checksum", "a group that is damaged", "CorruptError", "group 1 of 1", data[:-1] + bytes([data[-1] ^ 1])
    yield "cut", "the end is missing", "TruncatedError", "the file ends after", data[:-1]
    yield "longer", "bytes after the end", "CorruptError", "1 bytes follow", data + b"\0"
    yield (
        "odd-section",
        "a section to come that must be understood",
        "UnsupportedVersionError",
        "type 5",
        seal(pieces._replace(sections=((5, section[1]),))),
    )
    two = header[:-1] + b"\2"
    yield (
        "two-forms",
        "said twice what the samples mean",
        "CorruptError",
        "2 times",
        seal(pieces._replace(header=two, sections=(section, section))),
    )
    yield (
        "samples-checksum",
        "samples of another checksum",
        "CorruptError",
        "checksum of the decoded samples",
        seal(pieces._replace(groups=((bytes(4), payload),))),
    )
    yield (
        "model",
        "a model that is not installed",
        "ModelError",
        "0102030405060708",
        container.write(replace(parsed.header, model_id=bytes(range(1, 9))), parsed.groups, parsed.metadata),
    )
    yield "part-length", "a part beyond the end of its group", "CorruptError", "", with_payload(b"\1" + b"\x7f\1")
    yield "constant", "a constant of another number of channels", "CorruptError", "constant of another number", with_payload(b"\0\1\5")
    yield "deflate-rows", "rows of another length", "CorruptError", "rows of another filter or length", with_payload(b"\0\2\0\3\0")
    yield "lzma", "an LZMA stream that is none", "CorruptError", "rows of another filter or length", with_payload(b"\0\3\0\xff\xff\xff")
    yield "webp-sides", "a WebP picture of other sides", "CorruptError", "WebP picture of other sides", with_payload(b"\0\4\x2f\5\0\0\0\0")
    yield "webp", "a WebP picture that is none", "CorruptError", "WebP is damaged", with_payload(b"\0\4\x2f\x0c\x80\2\0\0")
    yield "png-rows", "image data of PNG that is none", "CorruptError", "PNG is damaged", with_payload(b"\0\5\x78\x9c\1")
    ten = replace(parsed.header, bit_depth=10)
    yield (
        "depth",
        "10 bits, which no picture file has",
        "UnsupportedVersionError",
        "10-bit RGB",
        container.write(
            ten, [container.Group(b"\0\1" + bytes(6), container.crc32(bytes(2 * 3 * parsed.header.width * parsed.header.height)))]
        ),
    )


if __name__ == "__main__":
    rows = []
    for name, why, error, words, made in refused():
        path = HERE / f"{name}.hvz"
        if not path.exists():
            path.write_bytes(made)
        rows.append((path.name, why, error, words))
    with open(HERE / "manifest.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([("file", "why", "error", "words of the message"), *rows])
