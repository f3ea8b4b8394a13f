"""What a ``.hvz`` file says about itself, and what this installation can read; nothing is decoded. Layer rank 4."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from hvpzip.api.arrays import DEFAULT_MAX_PIXELS
from hvpzip.api.records import FileInfo, Section

if TYPE_CHECKING:
    from hvpzip.container import Container

__all__ = ["Versions", "describe", "describe_container", "info", "versions"]

_COLOUR_NAMES = {0: "none", 1: "YCoCg-R"}
_MAP_NAMES = {0: "subsampling", 1: "Haar", 2: "LeGall 5/3"}


class Versions(NamedTuple):
    """The version of the files that are written, and the bundled models as (name, id in hexadecimal)."""

    container: int
    models: tuple[tuple[str, str], ...]


def info(source: str | os.PathLike[str] | bytes | bytearray | memoryview, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> FileInfo:
    """What a ``.hvz`` file, given by path or as bytes, says about itself; checksums of coded bytes are verified, nothing is decoded.

    Raises: FormatError if it is not a whole and sound ``.hvz`` file, LimitError if its picture has more than ``max_pixels``, OSError.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        return describe(source, "-", max_pixels=max_pixels)
    return describe(Path(source).read_bytes(), os.fspath(source), max_pixels=max_pixels)


def describe(data: bytes | bytearray | memoryview, path: str, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> FileInfo:
    """As ``info``, for bytes that were read from ``path``."""
    from hvpzip import container

    return describe_container(container.read(data, container.Limits(max_pixels=max_pixels)), path)


def describe_container(parsed: "Container", path: str) -> FileInfo:
    """The facts in a parsed file."""
    header = parsed.header
    coded_bytes = sum(len(group.payload) for group in parsed.groups)
    size = parsed.header_bytes + coded_bytes
    return FileInfo(
        path=path,
        width=header.width,
        height=header.height,
        channels=header.channels,
        bit_depth=header.bit_depth,
        output_bytes=size,
        header_bytes=parsed.header_bytes,
        coded_bits=8 * coded_bytes,
        bits_per_dim=8 * size / (header.width * header.height * header.channels),
        model=header.model_id.hex(),
        effort=header.effort,
        groups=len(parsed.groups),
        group_side=1 << header.group_size_log2,
        levels=header.levels,
        transform=_MAP_NAMES.get(header.map, f"map {header.map}"),
        colour=_COLOUR_NAMES.get(header.colour_lift, f"lift {header.colour_lift}"),
        sections=tuple(_sections(parsed, size)),
    )


def versions() -> Versions:
    """What this installation is. Raises: ModelError if a bundled model is damaged."""
    from hvpzip import container
    from hvpzip.nn import weights

    return Versions(container.VERSION, tuple((name, weights.model_id(name).hex()) for name in weights.list_models()))


def _sections(parsed: "Container", size: int) -> Iterator[Section]:
    """The parts of the file in order, without gaps."""
    tails: list[tuple[str, int]] = []
    for number, section in enumerate(parsed.metadata, start=1):
        tails.append(
            (
                f"metadata {number}, type {section.type}",
                _varint_bytes(section.type) + _varint_bytes(len(section.data)) + len(section.data) + 4,
            )
        )
    for number, group in enumerate(parsed.groups, start=1):
        tails.append((f"group {number}, length and checksum", _varint_bytes(len(group.payload)) + 4))
        tails.append((f"group {number}, payload", len(group.payload)))
        tails.append((f"group {number}, checksum", 4))
    offset = size - sum(length for _, length in tails)
    yield Section(name="header", offset=0, size_bytes=offset)
    for name, length in tails:
        yield Section(name=name, offset=offset, size_bytes=length)
        offset += length


def _varint_bytes(value: int) -> int:
    """The length of a whole number in the file: seven bits a byte."""
    return max(1, -(-value.bit_length() // 7))
