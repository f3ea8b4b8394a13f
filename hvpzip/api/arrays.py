"""Arrays to ``.hvz`` bytes and back. Layer rank 4.

The invariant: ``decompress(compress(a))`` equals ``a`` sample for sample, or raises; the bytes depend on the array, the model and the
effort only.

::

    array (H, W, C) --tiles--> group (C, h, w) --codec--> payload + checksum of the samples --container--> bytes

Gray and RGB of 8 bits are coded by the model alone, unless a group is smaller without it; then, and for all other kinds of samples, the
groups are made of parts (``hvpzip.codec.parts``), each coded by the model or by a fallback.
"""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from hvpzip.api.runtime import checked_threads, model_by_id, model_by_name, torch_threads
from hvpzip.errors import CorruptError, ModelError, UnsupportedVersionError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from hvpzip.codec.image_codec import GroupReport
    from hvpzip.codec.parts import Parts
    from hvpzip.container import Container, Section
    from hvpzip.nn.weights import Model

    Samples = npt.NDArray[np.unsignedinteger[Any]]  # uint8 or uint16

__all__ = [
    "DEFAULT_MAX_PIXELS",
    "CompressReport",
    "GroupProgress",
    "TermBits",
    "compress",
    "compress_samples",
    "compress_with_report",
    "decode",
    "decompress",
    "samples_crc",
]

DEFAULT_MAX_PIXELS = 1 << 28
NO_MODEL = bytes(8)  # in the header of a file in which the model codes nothing
EFFORTS = (1,)  # what the codec can tell apart so far; the first is the default

GroupProgress = Callable[[int, int], None]  # (groups done, groups in all)


class TermBits(NamedTuple):
    """One named term of the bound and what it was in this picture: level 1 is the finest, 0 the base; ``kind`` is "rate" or "refund"."""

    level: int
    unit: str
    step: int
    kind: str
    bits: float


@dataclass(frozen=True, kw_only=True, slots=True)
class CompressReport:
    """Beside the bytes of the file: ``bound_bits`` by the model, ``coded_bits`` in the payloads, ``header_bytes`` of everything else.

    ``terms`` are the parts of the bound, summed over the groups: rates less refunds give ``bound_bits``. ``level_bits`` says by how much
    the messages grew for each level, as (level, bits), coarsest first; what ``coded_bits`` has beyond their sum are the parameters and ends
    of the messages. What the model did not code counts in ``bound_bits`` as it is. ``model`` is the id in hexadecimal.
    """

    model: str
    effort: int
    groups: int
    header_bytes: int
    coded_bits: int
    bound_bits: float
    terms: tuple[TermBits, ...] = field(repr=False)
    level_bits: tuple[tuple[int, float], ...] = field(repr=False)


def compress(array: "Samples", *, effort: int | None = None, model: str | None = None, threads: int | None = None) -> bytes:
    """The ``.hvz`` file of a picture, as bytes.

    array: uint8 or uint16, (H, W) for gray, (H, W, 3) for RGB, (H, W, 2) or (H, W, 4) for the same with alpha, both sides at least 1; any
    strides; it is not changed. uint16 is coded by plain methods for the most part, as models so far are for 8 bits.
    effort: how much to spend; models so far have one effort, 1, which None means. model: the name of a bundled model, None for the default.
    threads: cores for the network, 0 for all, None to leave torch's setting; the bytes do not depend on it.
    Raises: TypeError or ValueError if the array is of another kind or ``threads`` is negative, ModelError if model or effort is unknown.
    """
    return compress_with_report(array, effort=effort, model=model, threads=threads)[0]


def decompress(data: "bytes | bytearray | memoryview", *, max_pixels: int = DEFAULT_MAX_PIXELS, threads: int | None = None) -> "Samples":
    """The samples in a ``.hvz`` file: a new array, (H, W) or (H, W, C), of uint8 for up to 8 bits a sample, else of uint16.

    For a file made from a picture with a palette, these are the entries' numbers; ``decompress_file`` brings the whole picture back.

    max_pixels: a picture with more (width times height) is refused before anything is allocated. threads: as for ``compress``.
    Raises: FormatError if the bytes are not a whole and sound ``.hvz`` file, LimitError if the picture is over the limit, ModelError if the
    model that the file names is not installed.
    """
    return decode(data, max_pixels=max_pixels, threads=threads)[0]


def compress_with_report(
    array: "Samples",
    *,
    effort: int | None = None,
    model: str | None = None,
    threads: int | None = None,
    on_group: GroupProgress | None = None,
) -> tuple[bytes, CompressReport]:
    """As ``compress``, with the bound and its parts, which only the encoder can know. ``on_group`` is called after each group."""
    _checked_shape(array)
    return compress_samples(
        array, bit_depth=8 * array.itemsize, sections=(), effort=effort, model=model, threads=threads, on_group=on_group
    )


def compress_samples(
    array: "Samples",
    *,
    bit_depth: int,
    sections: "Sequence[Section]",
    effort: int | None = None,
    model: str | None = None,
    threads: int | None = None,
    on_group: GroupProgress | None = None,
) -> tuple[bytes, CompressReport]:
    """As ``compress_with_report``, for samples below ``2**bit_depth`` and with sections that say what they mean."""
    import numpy as np

    from hvpzip import container
    from hvpzip.codec import image_codec, parts
    from hvpzip.transform import tiling

    checked_threads(threads)
    height, width, channels = _checked_shape(array)
    planes = array.reshape(height, width, channels)
    weights = model_by_name(model)
    level = _checked_effort(effort, weights)
    tiles = tiling.group_grid(height, width, image_codec.GROUP_SIZE)
    coded: list[tuple[parts.Parts, parts.Parts]] = []
    checksums: list[int] = []
    with torch_threads(threads):
        for done, (y, x, h, w) in enumerate(tiles, start=1):
            tile = np.ascontiguousarray(planes[y : y + h, x : x + w])
            coded.append(parts.encode_either(tile, bit_depth, weights, level))
            checksums.append(samples_crc(tile))
            if on_group is not None:
                on_group(done, len(tiles))
    # One kind of payload for the whole file: the model's alone, or parts.
    in_parts = bit_depth != 8 or channels not in (1, 3) or _bytes(coded, 1) < _bytes(coded, 0)
    chosen = [both[in_parts] for both in coded]
    groups = [container.Group(payload=group.payload, samples_crc=crc) for group, crc in zip(chosen, checksums, strict=True)]
    reports = [report for group in chosen for report in group.reports]
    header = container.Header(
        width=width,
        height=height,
        channels=channels,
        bit_depth=bit_depth,
        model_id=weights.id if reports else NO_MODEL,
        effort=level,
        group_size_log2=image_codec.GROUP_SIZE.bit_length() - 1,
        parts=in_parts,
        **_map_fields(weights if reports else None, channels, height, width, image_codec.GROUP_SIZE),
    )
    data = container.write(header, groups, sections)
    coded_bytes = sum(len(group.payload) for group in groups)
    return data, CompressReport(
        model=header.model_id.hex(),
        effort=level,
        groups=len(groups),
        header_bytes=len(data) - coded_bytes,
        coded_bits=8 * coded_bytes,
        bound_bits=float(sum(report.bound_bits for report in reports) + sum(group.other_bits for group in chosen)),
        terms=_summed_terms(reports),
        level_bits=_level_bits(reports),
    )


def decode(
    data: "bytes | bytearray | memoryview",
    *,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    threads: int | None = None,
    on_group: GroupProgress | None = None,
    on_report: "Callable[[int, GroupReport], None] | None" = None,
) -> "tuple[Samples, Container]":
    """As ``decompress``, with the parsed container beside the samples.

    ``on_group`` is called after each group. ``on_report`` is called with the number of a group, from 1, and what it cost, or each of its
    parts that the model coded, which takes a little longer to find out.
    """
    from hvpzip import container

    checked_threads(threads)
    parsed = container.read(data, container.Limits(max_pixels=max_pixels))
    header = parsed.header
    if (header.channels not in (1, 3) or header.bit_depth != 8) and not header.parts:
        raise UnsupportedVersionError(
            f"{header.channels} channels of {header.bit_depth} bits, not in parts: this hvpzip decodes that for gray and RGB of 8 bits; "
            "a newer one may do more"
        )
    # Only now, so that what is no sound file is refused without the seconds that torch takes to load.
    import numpy as np

    from hvpzip.codec import image_codec, parts
    from hvpzip.transform import tiling

    weights = None if header.parts and header.model_id == NO_MODEL else model_by_id(header.model_id)
    for name, value in _map_fields(weights, header.channels, header.height, header.width, 1 << header.group_size_log2).items():
        if getattr(header, name) != value:
            raise CorruptError(f"header field {name} is {getattr(header, name)}, but model {header.model_id.hex()} works with {value}")
    tiles = tiling.group_grid(header.height, header.width, 1 << header.group_size_log2)
    if len(tiles) != len(parsed.groups):
        raise CorruptError(f"{len(parsed.groups)} groups, but the header's grid has {len(tiles)}")
    samples = np.empty((header.height, header.width, header.channels), np.uint8 if header.bit_depth <= 8 else np.uint16)
    with torch_threads(threads):
        for done, (group, (y, x, h, w)) in enumerate(zip(parsed.groups, tiles, strict=True), start=1):
            try:
                report = None if on_report is None else partial(on_report, done)
                if header.parts or weights is None:
                    shape = (h, w, header.channels)
                    tile_samples = parts.decode_parts(group.payload, shape, header.bit_depth, weights, on_report=report)
                elif report is None:
                    planes = image_codec.decode_group(group.payload, (header.channels, h, w), header.bit_depth, weights)
                    tile_samples = planes.transpose(1, 2, 0)
                else:
                    planes, found = image_codec.inspect_group(group.payload, (header.channels, h, w), header.bit_depth, weights)
                    tile_samples = planes.transpose(1, 2, 0)
                    report(found)
            except CorruptError as error:
                raise CorruptError(f"group {done} of {len(tiles)}: {error}") from error
            tile = samples[y : y + h, x : x + w]
            tile[...] = tile_samples
            if samples_crc(tile) != group.samples_crc:
                raise CorruptError(f"group {done} of {len(tiles)}: the checksum of the decoded samples does not hold")
            if on_group is not None:
                on_group(done, len(tiles))
    return (samples[:, :, 0] if header.channels == 1 else samples), parsed


def _checked_shape(array: "Samples") -> tuple[int, int, int]:
    """(height, width, channels) of a picture that can be coded."""
    import numpy as np

    if not isinstance(array, np.ndarray) or array.dtype not in (np.uint8, np.uint16):
        found = f"an array of {array.dtype}" if isinstance(array, np.ndarray) else type(array).__name__
        raise TypeError(f"a picture is a numpy array of uint8 or uint16, not {found}")
    if min(array.shape, default=0) < 1 or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (2, 3, 4))):
        raise ValueError(f"a picture has shape (H, W) or (H, W, 2 to 4) with sides of at least 1, not {array.shape}")
    return array.shape[0], array.shape[1], array.shape[2] if array.ndim == 3 else 1


def _checked_effort(effort: int | None, weights: "Model") -> int:
    """The effort as the header stores it. Raises: ModelError if the model has no such effort."""
    if effort is None:
        return EFFORTS[0]
    if effort not in EFFORTS:
        raise ModelError(f"model {weights.name} has no effort {effort}, only {', '.join(map(str, EFFORTS))}")
    return effort


def _map_fields(weights: "Model | None", channels: int, height: int, width: int, group_size: int) -> dict[str, int]:
    """The header's fields for the map, which follow from the model and the shape; levels are those of the largest group. Without a model
    they are 0."""
    from hvpzip.transform import pyramid

    if weights is None:
        return {"colour_lift": 0, "map": 0, "levels": 0}
    return {
        "colour_lift": weights.config.colour_lift if channels == 3 else 0,
        "map": weights.config.transform,
        "levels": pyramid.num_levels(min(height, group_size), min(width, group_size)),
    }


def samples_crc(tile: "Samples") -> int:
    """CRC-32 of the samples of a group in (H, W, C) order, those of 16 bits low byte first."""
    import numpy as np

    return zlib.crc32(np.ascontiguousarray(tile, tile.dtype.newbyteorder("<")).data)


def _bytes(coded: "Sequence[tuple[Parts, Parts]]", which: int) -> int:
    return sum(len(both[which].payload) for both in coded)


def _summed_terms(reports: "Sequence[GroupReport]") -> tuple[TermBits, ...]:
    """The terms of all groups, those of one name added up, in order of first appearance."""
    sums: dict[tuple[int, str, int, str], float] = {}
    for term in (term for report in reports for term in report.terms):
        key = (term.level, term.unit, term.step, term.kind)
        sums[key] = sums.get(key, 0.0) + float(term.bits)
    return tuple(TermBits(*key, bits) for key, bits in sums.items())


def _level_bits(reports: "Sequence[GroupReport]") -> tuple[tuple[int, float], ...]:
    """(level, growth of the messages in bits), the base first, then the levels from coarse to fine."""
    sums: dict[int, float] = {}
    for report in reports:
        before = 0.0
        for label, bits in report.stack_curve:
            level = label.partition(":")[0]  # "start", then "level:unit:step"
            if level.isdecimal():
                sums[int(level)] = sums.get(int(level), 0.0) + bits - before
            before = bits
    return tuple(sorted(sums.items(), key=lambda item: (item[0] != 0, -item[0])))
