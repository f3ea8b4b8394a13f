"""What a ``.hvz`` file says about itself, and what this installation can read.

Only ``account``, ``bit_map`` and ``likeness`` decode: what was on the coder's stack after each step is not written in the file.
"""

import io
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from hvpzip.api.decoding import decode, packed_bytes
from hvpzip.api.options import DEFAULT_MAX_PIXELS, DecompressOptions
from hvpzip.api.outputs import refuse_early
from hvpzip.api.pictures import source_of
from hvpzip.api.records import FileInfo, GroupAccount, Likeness, ScaleAccount, Section, StackPoint
from hvpzip.errors import ImageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hvpzip.codec.report import Report
    from hvpzip.container import Container

__all__ = ["Versions", "account", "bit_map", "describe_container", "draw_bit_map", "info", "likeness", "versions"]

_COLOUR_NAMES = {0: "none", 1: "YCoCg-R"}
_GRAY_LEVELS = 10  # for a bit


class Versions(NamedTuple):
    """The version of the files that are written, and the bundled models as (name, id in hexadecimal; None of a damaged one)."""

    container: int
    models: tuple[tuple[str, str | None], ...]


Source = str | os.PathLike[str] | BinaryIO | bytes | bytearray | memoryview


def info(source: Source, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> FileInfo:
    """What a ``.hvz`` file, given by path, as a binary stream or as bytes, says about itself; checksums of coded bytes are verified,
    nothing is decoded.

    Raises: FormatError if it is not a whole and sound ``.hvz`` file, LimitError if its picture has more than ``max_pixels``, OSError.
    """
    from hvpzip import container

    path = os.fspath(source) if isinstance(source, str | os.PathLike) else "-"
    return describe_container(container.read(_bytes_of(source, max_pixels), container.Limits(max_pixels=max_pixels)), path)


def _bytes_of(source: Source, max_pixels: int) -> bytes | bytearray | memoryview:
    return source if isinstance(source, bytes | bytearray | memoryview) else packed_bytes(source, max_pixels)


def describe_container(parsed: "Container", path: str) -> FileInfo:
    """The facts in a parsed file."""
    from hvpzip.transform.maps import map_of

    header = parsed.header
    coded_bytes = sum(len(group.payload) for group in parsed.groups)
    size = parsed.header_bytes + coded_bytes
    source = source_of(parsed)
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
        transform=map_of(header.map).name,
        colour=_COLOUR_NAMES.get(header.colour_lift, f"lift {header.colour_lift}"),
        holds=_holds(parsed),
        source_format=None if source is None else source.format,
        source_bytes=None if source is None else source.byte_count,
        source_sha256=None if source is None else source.sha256.hex(),
        sections=tuple(_sections(parsed, size)),
    )


def _holds(parsed: "Container") -> str:
    from hvpzip import jpeg

    if not parsed.header.jpeg:
        return "pixels"
    if not parsed.groups:
        return "JPEG file"  # of a damaged one no more is known
    return f"JPEG file, {('stored', 'as JPEG XL')[jpeg.kept(parsed.groups[0].payload).packing]}"


def account(source: Source, *, max_pixels: int = DEFAULT_MAX_PIXELS, threads: int | None = None) -> tuple[GroupAccount, ...]:
    """Where the bits of each group of a ``.hvz`` file went, and what the encoder's stack held meanwhile; the file is decoded for it.

    Only what the model coded has an account: of a file in parts, each part that the model coded has one, and other parts have none.

    Raises: as ``decompress``, and OSError.
    """
    data = _bytes_of(source, max_pixels)
    found: list[GroupAccount] = []

    def add(group: int, report: "Report") -> None:
        found.append(_group_account(group, report))

    decode(data, DecompressOptions(max_pixels=max_pixels, threads=threads), on_report=add)
    return tuple(found)


def likeness(source: Source, *, max_pixels: int = DEFAULT_MAX_PIXELS, threads: int | None = None) -> Likeness:
    """Whether the picture of a ``.hvz`` file is like those that its model was trained on, by the bits that the model needs for it (effort
    1) against the plain coder's, whatever coded the file; by the default model where it names none. It is decoded, and coded once more.

    Raises: as ``decompress``, and OSError; ImageError for a picture that the model does not code (a JPEG file kept whole, transparency,
    more than 8 bits) and for a flat one.
    """
    from hvpzip import container
    from hvpzip.api.runtime import model_by_id, model_by_name
    from hvpzip.codec.likeness import share_of_plain
    from hvpzip.threads import using_threads

    data = _bytes_of(source, max_pixels)
    header = container.read(data, container.Limits(max_pixels=max_pixels)).header
    if header.jpeg or header.bit_depth != 8 or header.channels not in (1, 3):
        raise ImageError("no model knows such pictures: likeness is of 1 or 3 channels of 8 bits")
    with using_threads(threads):
        model = model_by_id(header.model_id) if any(header.model_id) else model_by_name(None)
        samples = decode(data, DecompressOptions(max_pixels=max_pixels, threads=threads))[0]
        share = share_of_plain(samples.reshape(header.height, header.width, header.channels), model)
    if share is None:
        raise ImageError("the picture is too flat to be like or unlike any other")
    return Likeness(float(share), model.usual_share)


def choices(source: Source, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> tuple[str, ...]:
    """What the encoder chose for each group of a ``.hvz`` file, in words, as far as the file itself says; nothing is decoded. Raises as
    ``info``.
    """
    from hvpzip import container
    from hvpzip.codec import parts
    from hvpzip.transform import tiling

    parsed = container.read(_bytes_of(source, max_pixels), container.Limits(max_pixels=max_pixels))
    header = parsed.header
    if header.jpeg:
        return ()
    tiles = tiling.group_grid(header.height, header.width, 1 << header.group_size_log2)

    def words(payload: bytes, shape: tuple[int, int, int]) -> str:
        return parts.told(payload, shape, header.bit_depth) if header.parts else f"model, {parts.group_told(payload)}"

    return tuple(words(group.payload, (h, w, header.channels)) for group, (_, _, h, w) in zip(parsed.groups, tiles, strict=True))


def bit_map(source: Source, *, max_pixels: int = DEFAULT_MAX_PIXELS, threads: int | None = None) -> "NDArray[np.float32]":
    """Where the bits of a ``.hvz`` file went, by position and scale: float32 (H, W), bits of a position with all channels.

    In every group (tiles of 1024 pixels a side) coarse scales are in the upper left corner, and beside each its finer bands; a position
    that a latent helped has what it gave back taken off. The file is decoded for it.

    Raises: FormatError, ModelError or LimitError as ``decompress``; ImageError where not the model alone coded the file.
    """
    import numpy as np

    from hvpzip import container
    from hvpzip.api.runtime import model_by_id
    from hvpzip.codec.bitsback.group_codec import map_group
    from hvpzip.threads import using_threads
    from hvpzip.transform import tiling

    data = _bytes_of(source, max_pixels)
    parsed = container.read(data, container.Limits(max_pixels=max_pixels))
    header = parsed.header
    if header.parts or header.jpeg:
        raise ImageError("there is no map of this file: not the model alone coded it")
    found = np.zeros((header.height, header.width), np.float32)
    with using_threads(threads):
        model = model_by_id(header.model_id)
        tiles = tiling.group_grid(header.height, header.width, 1 << header.group_size_log2)
        for group, (y, x, h, w) in zip(parsed.groups, tiles, strict=True):
            found[y : y + h, x : x + w] = map_group(group.payload, (header.channels, h, w), header.bit_depth, model)
    return found


def draw_bit_map(
    source: Source,
    target: str | os.PathLike[str],
    *,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    threads: int | None = None,
) -> None:
    """Write ``bit_map`` as a gray PNG picture, a tenth of a bit for each gray level, white from 25.5 bits on. Raises as ``bit_map``, and
    OSError: nothing is ever replaced.
    """
    import numpy as np

    from hvpzip.atomic import atomic_write
    from hvpzip.image_io import write_image

    refuse_early(io.BytesIO() if isinstance(source, bytes | bytearray | memoryview) else source, os.fspath(target), force=False)
    bits = bit_map(source, max_pixels=max_pixels, threads=threads)
    with atomic_write(target) as out:
        write_image(np.rint(_GRAY_LEVELS * bits).clip(0, 255).astype(np.uint8), out, "PNG")


def _group_account(group: int, report: "Report") -> GroupAccount:
    latents = {(term.level, term.step) for term in report.terms if term.kind == "refund"}
    stack = tuple(
        StackPoint(
            level=term.level,
            unit=term.unit,
            step=term.step,
            kind=term.kind,
            latent=(term.level, term.step) in latents,
            moved_bits=term.bits,
            stack_bits=bits,
        )
        for term, (_, bits) in zip(report.terms, report.stack_curve[1:], strict=True)
    )
    scales = []
    for level in dict.fromkeys(point.level for point in stack):
        own = [point for point in stack if point.level == level]
        scales.append(
            ScaleAccount(
                level=level,
                exact_bits=sum(point.moved_bits for point in own if not point.latent),
                returned_bits=sum(point.moved_bits for point in own if point.latent and point.kind == "rate"),
                borrowed_bits=sum(point.moved_bits for point in own if point.kind == "refund"),
                lowest_bits=min(point.stack_bits for point in own),
            )
        )
    return GroupAccount(
        group=group,
        path=report.path,
        lanes=report.lanes,
        coded_bits=report.coded_bits,
        bound_bits=report.bound_bits,
        stack=stack,
        scales=tuple(scales),
    )


def versions() -> Versions:
    """What this installation is. Raises: ModelError if there is no list of models, or a damaged one."""
    from hvpzip import container
    from hvpzip.nn import bundled

    return Versions(
        container.VERSION, tuple((name, None if found is None else found.hex()) for name, found in bundled.stated_ids().items())
    )


def _sections(parsed: "Container", size: int) -> Iterator[Section]:
    """The parts of the file in order, without gaps."""
    from hvpzip import jpeg, varint
    from hvpzip.codec.payload import Header
    from hvpzip.container.checksum import CRC_BYTES
    from hvpzip.container.layout import MODEL_ID_BYTES

    def varint_bytes(value: int) -> int:
        return len(varint.write(value))

    parts = [
        ("header, model id", MODEL_ID_BYTES, "model id"),
        ("header, number of sections", varint_bytes(len(parsed.metadata)), "header"),
        ("header, checksum", CRC_BYTES, "checksum"),
    ]
    for number, section in enumerate(parsed.metadata, start=1):
        about = varint_bytes(section.type) + varint_bytes(len(section.data))
        parts.append((f"metadata {number}, type {section.type}", about + len(section.data), "metadata"))
        parts.append((f"metadata {number}, checksum", CRC_BYTES, "checksum"))
    for number, group in enumerate(parsed.groups, start=1):
        parts.append((f"group {number}, length", varint_bytes(len(group.payload)), "length"))
        parts.append((f"group {number}, checksum of the samples", CRC_BYTES, "checksum"))
        if parsed.header.jpeg:
            data = len(jpeg.kept(group.payload).data)
            parts.append((f"group {number}, size and SHA-256 of the JPEG file", len(group.payload) - data, "checksum"))
            parts.append((f"group {number}, JPEG file", data, "JPEG file"))
        elif parsed.header.parts:
            parts.append((f"group {number}, parts", len(group.payload), "parts"))
        else:
            parameters = Header.size_of(group.payload)
            parts.append((f"group {number}, coding parameters", parameters, "parameters"))
            parts.append((f"group {number}, message", len(group.payload) - parameters, "message"))
        parts.append((f"group {number}, checksum", CRC_BYTES, "checksum"))
    # What comes before the model id is of several lengths (sides and flags are varints), so it is what the rest leaves.
    offset = size - sum(length for _, length, _ in parts)
    yield Section(name="header, up to the effort", offset=0, size_bytes=offset, purpose="header")
    for name, length, purpose in parts:
        yield Section(name=name, offset=offset, size_bytes=length, purpose=purpose)
        offset += length
