"""Samples to coded groups, and these to the bytes of a file.

The invariant: the bytes depend on the samples, the model and the effort only.

::

    array (H, W, C) --tiles--> group (h, w, C) --codec--> payload + checksum of the samples --container--> bytes

Gray and RGB of 8 bits are coded by the model alone, unless a group is smaller without it; then, and for all other kinds of samples, the
groups are made of parts (``hvpzip.codec.parts``), each coded by the smallest of all methods. One group is coded at a time; until the last
one, their payloads are held, because the header, which every checksum covers, says which of the two it is.
"""

import sys
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO

from hvpzip.api.options import CompressOptions
from hvpzip.api.runtime import give_back_memory, model_by_name
from hvpzip.diffusion.bound import Term
from hvpzip.errors import ModelError
from hvpzip.threads import using_threads

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from hvpzip.codec.choice import Trial
    from hvpzip.codec.parts import Parts
    from hvpzip.codec.report import GroupCost
    from hvpzip.container import Container, Group, Header, Section
    from hvpzip.nn.model import Model

    Samples = npt.NDArray[np.unsignedinteger[Any]]  # uint8 or uint16

__all__ = ["NO_MODEL", "Coded", "CompressReport", "GroupProgress", "checked_shape", "encode", "map_fields", "samples_crc"]

NO_MODEL = bytes(8)  # in the header of a file in which the model codes nothing

GroupProgress = Callable[[int, int], None]  # (groups done, groups in all)


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
    terms: tuple[Term, ...] = field(repr=False)
    level_bits: tuple[tuple[int, float], ...] = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Coded:
    """A picture whose groups are all coded, ready to be written."""

    header: "Header"
    sections: "tuple[Section, ...]"
    groups: "tuple[Group, ...]" = field(repr=False)
    costs: "tuple[GroupCost, ...]" = field(repr=False)
    other_bits: int  # of what the model did not code
    trials: "tuple[tuple[Trial, ...], ...]" = field(default=(), repr=False)  # what was weighed, by group

    def container(self, header_bytes: int) -> "Container":
        """The file as it will be read; ``header_bytes`` is what the report says."""
        from hvpzip import container

        return container.Container(header=self.header, metadata=self.sections, groups=self.groups, header_bytes=header_bytes)

    def write_to(self, out: BinaryIO) -> CompressReport:
        """Write the file, group by group, and return the figures. Raises: OSError if ``out`` cannot be written."""
        from hvpzip import container

        size = container.write_to(out, self.header, self.groups, self.sections)
        coded_bytes = sum(len(group.payload) for group in self.groups)
        return CompressReport(
            model=self.header.model_id.hex(),
            effort=self.header.effort,
            groups=len(self.groups),
            header_bytes=size - coded_bytes,
            coded_bits=8 * coded_bytes,
            bound_bits=float(sum(cost.bound_bits for cost in self.costs) + self.other_bits),
            terms=_summed_terms(self.costs),
            level_bits=_level_bits(self.costs),
        )


def encode(
    array: "Samples",
    options: CompressOptions,
    *,
    bit_depth: int,
    sections: "Sequence[Section]",
    on_group: GroupProgress | None = None,
) -> Coded:
    """The coded groups of a picture whose samples are below ``2**bit_depth``, with sections that say what they mean. Of the options,
    effort, model and threads have a bearing.

    Raises: as ``compress`` does.
    """
    import numpy as np

    from hvpzip import container
    from hvpzip.codec import parts
    from hvpzip.codec.bitsback import group_codec
    from hvpzip.codec.method import Part
    from hvpzip.transform import tiling

    height, width, channels = checked_shape(array)
    planes = array.reshape(height, width, channels)
    with using_threads(options.threads):
        weights = model_by_name(options.model)
    level = _checked_effort(options.effort, weights)
    side = tiling.group_side(height, width, group_codec.GROUP_SIZE, group_codec.LONGEST_GROUP)
    tiles = tiling.group_grid(height, width, side)
    coded: list[tuple[Parts, Parts | None]] = []
    checksums: list[int] = []
    with using_threads(options.threads):
        for done, (y, x, h, w) in enumerate(tiles, start=1):
            tile = np.ascontiguousarray(planes[y : y + h, x : x + w])
            coded.append(parts.encode_either(Part(tile, bit_depth, weights, level)))
            checksums.append(samples_crc(tile))
            if done < len(tiles):
                give_back_memory()
            if on_group is not None:
                on_group(done, len(tiles))
    # One kind of payload for the whole file: the model's alone, or parts.
    alone, together = 0, 0
    for group, other in coded:
        alone += len(group.payload)
        together += len(group.payload) + parts.AS_PART_BYTES if other is None else len(other.payload)
    in_parts = any(group is other for group, other in coded) or together < alone
    groups: list[Group] = []
    costs: list[GroupCost] = []
    other_bits = 0
    trials: list[tuple[Trial, ...]] = []
    checksums.reverse()
    coded.reverse()
    while coded:  # of each group only what is written is kept
        group, other = coded.pop()
        found = (other or parts.as_part(group)) if in_parts else group
        groups.append(container.Group(found.payload, checksums.pop()))
        costs += found.costs
        other_bits += found.other_bits
        trials.append(found.trials)
    by_model = weights if costs else None
    header = container.Header(
        width=width,
        height=height,
        channels=channels,
        bit_depth=bit_depth,
        model_id=weights.id if by_model else NO_MODEL,
        effort=level,
        group_size_log2=side.bit_length() - 1,
        parts=in_parts,
        jpeg=False,
        **map_fields(by_model, channels, height, width, side),
    )
    return Coded(
        header=header,
        sections=tuple(sections),
        groups=tuple(groups),
        costs=tuple(costs),
        other_bits=other_bits,
        trials=tuple(trials),
    )


def checked_shape(array: "Samples") -> tuple[int, int, int]:
    """(height, width, channels) of a picture that can be coded."""
    import numpy as np

    if not isinstance(array, np.ndarray) or array.dtype not in (np.uint8, np.uint16):
        found = f"an array of {array.dtype}" if isinstance(array, np.ndarray) else type(array).__name__
        raise TypeError(f"a picture is a numpy array of uint8 or uint16, not {found}")
    # A matrix never has fewer than two dimensions, and the mask of a masked array would be lost. Whoever has one has imported numpy.ma,
    # which takes 30 ms.
    masked = sys.modules.get("numpy.ma")
    if isinstance(array, np.matrix) or (masked is not None and isinstance(array, masked.MaskedArray)):
        raise TypeError(f"a picture is a plain numpy array, not a {type(array).__name__}; numpy.asarray makes one")
    if min(array.shape, default=0) < 1 or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (2, 3, 4))):
        raise ValueError(f"a picture has shape (H, W) or (H, W, 2 to 4) with sides of at least 1, not {array.shape}")
    return array.shape[0], array.shape[1], array.shape[2] if array.ndim == 3 else 1


def _checked_effort(effort: int | None, weights: "Model") -> int:
    """The effort as the header stores it. Raises: ModelError if the model has no such effort."""
    from hvpzip.codec.efforts import DEFAULT_EFFORT, EFFORTS

    if effort is None:
        return DEFAULT_EFFORT
    if effort not in EFFORTS:
        raise ModelError(f"model {weights.name} has no effort {effort}, only {', '.join(map(str, EFFORTS))}")
    return effort


def map_fields(weights: "Model | None", channels: int, height: int, width: int, group_size: int) -> dict[str, int]:
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


def samples_crc(tile: "Samples", before: int = 0) -> int:
    """CRC-32 of the samples of a group in (H, W, C) order, those of 16 bits low byte first; ``before``: of the rows above."""
    import numpy as np

    return zlib.crc32(np.ascontiguousarray(tile, tile.dtype.newbyteorder("<")).data, before)


def _summed_terms(costs: "Sequence[GroupCost]") -> tuple[Term, ...]:
    """The terms of all groups, those of one name added up, in order of first appearance."""
    sums: dict[tuple[int, str, int, str], float] = {}
    for term in (term for cost in costs for term in cost.terms):
        key = (term.level, term.unit, term.step, term.kind)
        sums[key] = sums.get(key, 0.0) + float(term.bits)
    return tuple(Term(*key, bits) for key, bits in sums.items())


def _level_bits(costs: "Sequence[GroupCost]") -> tuple[tuple[int, float], ...]:
    """(level, growth of the messages in bits), the base first, then the levels from coarse to fine."""
    sums: dict[int, float] = {}
    for cost in costs:
        for level, bits in cost.level_bits.items():
            sums[level] = sums.get(level, 0.0) + bits
    return tuple(sorted(sums.items(), key=lambda item: (item[0] != 0, -item[0])))
