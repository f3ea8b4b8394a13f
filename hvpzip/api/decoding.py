"""The bytes of a file to samples, group by group: all of them, or those of a view.

The invariant: samples of a whole group are given only if their checksum holds. Of a group that is decoded at a smaller scale there is no
such checksum: that of its coded bytes is all that is known to hold.
"""

import os
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import IO, TYPE_CHECKING

from hvpzip.api.encoding import NO_MODEL, GroupProgress, map_fields, samples_crc
from hvpzip.api.options import DEFAULT_MAX_PIXELS, DecompressOptions
from hvpzip.api.records import Damage
from hvpzip.api.runtime import give_back_memory, model_by_id
from hvpzip.api.view import View, view_of
from hvpzip.errors import CorruptError, ImageError, UnsupportedVersionError
from hvpzip.source import read_source
from hvpzip.threads import using_threads

if TYPE_CHECKING:
    import numpy as np

    from hvpzip.api.encoding import Samples
    from hvpzip.codec.report import Report
    from hvpzip.container import Container, Group, Header
    from hvpzip.image_io import Form, Picture
    from hvpzip.nn.model import Model
    from hvpzip.transform.tiling import Tile

__all__ = ["Damages", "OnReport", "Opened", "decode", "open_bytes", "packed_bytes"]

_ANY_SCALE = 1 << 15  # of a JPEG file, which is decoded whole
_USUAL = DecompressOptions()


Damages = Callable[[Damage], None]
OnReport = Callable[[int, "Report"], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Opened:
    """A file whose bytes were checked, and what of it is to be decoded.

    ``container`` has its whole groups, ``groups`` all of the grid, None for those that are damaged; ``lost_sections`` were damaged too.
    ``fill`` says what stands in for the scales of a smaller picture than that of the view, every ``known_step``-th row and column of which
    is decoded. ``jpeg_rest`` is what is left of a JPEG file whose group is damaged, as ``hvpzip.container.Salvaged`` has it.
    """

    container: "Container"
    groups: "tuple[Group | None, ...]"
    lost_sections: int
    view: View
    tiles: "tuple[Tile, ...]"
    model: "Model | None"
    threads: int | None
    jpeg_rest: bytes | None = None
    fill: str | None = None
    known_step: int = 1
    _pictures: "list[Picture]" = field(default_factory=list, repr=False)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(rows, columns, channels) of what is decoded."""
        return self.view.height, self.view.width, self.container.header.channels

    @property
    def is_whole(self) -> bool:
        """Whether all of the picture is wanted, at its own scale."""
        header = self.container.header
        return self.view == View(1, 0, 0, header.height, header.width) and self.fill is None

    def jpeg_file(self) -> bytes:
        """The JPEG file that is kept. Raises: CorruptError if it is damaged, LimitError, LibraryError."""
        from hvpzip import jpeg

        group, header = self.groups[0], self.container.header
        if group is None:
            raise CorruptError("its coded bytes are damaged or missing")
        file = jpeg.unpack(group.payload, jpeg.JpegFacts(header.width, header.height, header.channels, header.bit_depth))
        if zlib.crc32(file) != group.samples_crc:
            raise CorruptError("the checksum of the JPEG file does not hold")
        return file

    def form(self) -> "Form":
        """What the samples mean, and the metadata. Raises: as ``form_of``, and as ``jpeg_file`` and reading that file do."""
        from hvpzip.api.pictures import form_of

        if not self.container.header.jpeg:
            return form_of(self.container)
        if self.groups[0] is None:  # salvaged: nothing is known of it but its shape
            return _form_of_jpeg(self.container.header)
        return self._jpeg_picture().form

    def _jpeg_picture(self) -> "Picture":
        """The picture that the JPEG file decodes to, decoded once."""
        from hvpzip import image_io

        header = self.container.header
        if not self._pictures:
            picture = image_io.picture_of(self.jpeg_file(), header.width * header.height, frame=0)
            height, width, *channels = picture.samples.shape
            if (width, height, *(channels or [1])) != (header.width, header.height, header.channels):
                raise CorruptError(f"the JPEG file is of {width} x {height} pixels, the header says {header.width} x {header.height}")
            self._pictures.append(picture)
        return self._pictures[0]

    def rows(
        self, *, on_group: GroupProgress | None = None, on_report: OnReport | None = None, on_damage: Damages | None = None
    ) -> "Iterator[Samples]":
        """The samples from top to bottom, as many rows at a time as one row of groups has: new arrays (rows, columns, channels).

        on_group: called after each group with how many are done, and how many there are to be done. on_report: called with the number of a
        group, from 1, and what it cost, or each of its parts that the model coded, which takes a little longer to find out; only with the
        scale 1. on_damage: called with each damaged group, whose samples are then 0; None refuses damage.
        Raises: CorruptError.
        """
        import numpy as np

        wanted = [number for number, tile in enumerate(self.tiles) if self.view.meets(tile)]
        strip: Samples | None = None
        for done, number in enumerate(wanted, start=1):
            tile = self.tiles[number]
            (rows, tile_rows), (columns, tile_columns) = self.view.rows_of(tile), self.view.columns_of(tile)
            if strip is None:
                strip = np.zeros((rows.stop - rows.start, *self.shape[1:]), self._dtype())
            try:
                strip[:, columns] = self._decoded(number, on_report)[tile_rows, tile_columns]
            except CorruptError as error:
                if on_damage is None:
                    raise CorruptError(f"group {number + 1} of {len(self.tiles)}: {error}") from error
                on_damage(Damage(number + 1, tile.x, tile.y, tile.width, tile.height, str(error)))
            if done < len(wanted):
                give_back_memory()
            if on_group is not None:
                on_group(done, len(wanted))
            if columns.stop == self.view.width:
                yield strip
                strip = None

    def samples(self, *, on_report: OnReport | None = None, on_damage: Damages | None = None) -> "Samples":
        """The samples as one array, (rows, columns) for one channel, else (rows, columns, channels); arguments and errors are those of
        ``rows``."""
        import numpy as np

        samples = np.empty(self.shape, self._dtype())
        place = 0
        for strip in self.rows(on_report=on_report, on_damage=on_damage):
            samples[place : place + len(strip)] = strip
            place += len(strip)
        return samples[:, :, 0] if samples.shape[2] == 1 else samples

    def _dtype(self) -> "type[np.uint8 | np.uint16]":
        import numpy as np

        return np.uint8 if self.container.header.bit_depth <= 8 else np.uint16

    def _decoded(self, number: int, on_report: OnReport | None) -> "Samples":
        """Every ``step``-th row and column of one group."""
        if self.container.header.jpeg:
            samples = self._jpeg_picture().samples
            return samples.reshape(*samples.shape[:2], -1)[:: self.view.step, :: self.view.step]
        from hvpzip.codec.bitsback import group_codec

        group, tile, header, step = self.groups[number], self.tiles[number], self.container.header, self.view.step * self.known_step
        if group is None:
            raise CorruptError("its coded bytes are damaged or missing")
        planes_shape = (header.channels, tile.height, tile.width)
        report = None if on_report is None else partial(on_report, number + 1)
        with using_threads(self.threads):
            if header.parts or self.model is None:
                from hvpzip.codec import parts  # which knows all methods: what a model codes alone need not wait for them

                shape = (tile.height, tile.width, header.channels)
                samples = parts.decode_parts(group.payload, shape, header.bit_depth, self.model, step=step, on_report=report)
            elif report is None:
                planes = group_codec.decode_group(group.payload, planes_shape, header.bit_depth, self.model, step=step)
                samples = planes.transpose(1, 2, 0)
            else:
                planes, found = group_codec.inspect_group(group.payload, planes_shape, header.bit_depth, self.model)
                samples = planes.transpose(1, 2, 0)
                report(found)
        if step == 1 and samples_crc(samples) != group.samples_crc:
            raise CorruptError("the checksum of the decoded samples does not hold")
        return samples if self.fill is None else self._filled(number, samples, planes_shape)

    def _filled(self, number: int, samples: "Samples", shape: tuple[int, int, int]) -> "Samples":
        """The whole group of which ``samples`` are every ``known_step``-th row and column. Draws follow from the group's number."""
        import numpy as np

        from hvpzip.codec.fill import fill_in

        assert self.fill is not None
        assert self.model is not None
        with using_threads(self.threads):
            return fill_in(samples.astype(np.uint8, copy=False), shape, self.model, self.fill, np.random.default_rng(number))


def _form_of_jpeg(header: "Header") -> "Form":
    """What the samples of a JPEG file mean by their number. Raises: ImageError if pictures of so many are not known."""
    from hvpzip.image_io import Form, Kind

    kinds = {1: Kind.GRAY, 3: Kind.RGB, 4: Kind.CMYK}
    if header.channels not in kinds or header.bit_depth != 8:
        raise ImageError(f"unsupported JPEG: {header.channels} components of {header.bit_depth} bits")
    return Form(kinds[header.channels])


def packed_bytes(src: "str | os.PathLike[str] | IO[bytes]", max_pixels: int = DEFAULT_MAX_PIXELS) -> bytes:
    """The bytes of a ``.hvz`` file, by path or as a binary stream, which is read to its end.

    Raises: FormatError if its header is not sound, LimitError if that tells of more than ``max_pixels``, or if there are more bytes than
    its pixels take (sixteen a pixel and 64 MiB); of neither more than the beginning is read. OSError.
    """
    from hvpzip import container

    def pixels_of(start: bytes) -> int:
        header = container.read_header(start, container.Limits(max_pixels=max_pixels))
        return header.width * header.height

    return read_source(src, pixels_of)


def open_bytes(data: bytes | bytearray | memoryview, options: DecompressOptions = _USUAL) -> Opened:
    """A file, checked as far as that goes without decoding; with ``salvage``, a damaged one too if its header is whole. Of the options,
    those of the output have no bearing.

    Raises: as ``decompress`` does.
    """
    from hvpzip import container

    limits = container.Limits(max_pixels=options.max_pixels)
    groups: tuple[Group | None, ...]
    rest = None
    if options.salvage:
        found = container.salvage(data, limits)
        groups, lost, rest = found.groups, found.lost_sections, found.jpeg_rest
        whole = tuple(group for group in groups if group is not None)
        around = len(data) - sum(len(group.payload) for group in whole)
        parsed = container.Container(header=found.header, metadata=found.metadata, groups=whole, header_bytes=around)
    else:
        parsed = container.read(data, limits)
        groups, lost = parsed.groups, 0
    header = parsed.header
    if options.fill is not None and (header.model_id == NO_MODEL or header.channels not in (1, 3) or not _coded_whole(header, groups)):
        raise ImageError("only gray and RGB of 8 bits that a model coded whole can be filled in, without transparency")
    if header.jpeg:
        return _opened_jpeg(parsed, groups, lost, rest, view_of(header.width, header.height, _ANY_SCALE, options.crop, options.scale))
    if (header.channels not in (1, 3) or header.bit_depth != 8) and not header.parts:
        raise UnsupportedVersionError(
            f"{header.channels} channels of {header.bit_depth} bits, not in parts: this hvpzip decodes that for gray and RGB of 8 bits; "
            "a newer one may do more"
        )
    side = 1 << header.group_size_log2
    view = view_of(header.width, header.height, side, options.crop, options.scale)
    known_step = 1
    if options.fill is not None:
        known_step, view = view.step, view_of(header.width, header.height, side, options.crop, 1)
    # Only now, so that what is no sound file is refused before the model is loaded.
    from hvpzip.transform import tiling

    with using_threads(options.threads):
        model = None if header.parts and header.model_id == NO_MODEL else model_by_id(header.model_id)
    for name, value in map_fields(model, header.channels, header.height, header.width, side).items():
        if getattr(header, name) != value:
            raise CorruptError(f"header field {name} is {getattr(header, name)}, but model {header.model_id.hex()} works with {value}")
    tiles = tuple(tiling.group_grid(header.height, header.width, side))
    if len(tiles) != len(groups):
        raise CorruptError(f"{len(groups)} groups, but the header's grid has {len(tiles)}")
    return Opened(
        container=parsed,
        groups=groups,
        lost_sections=lost,
        view=view,
        tiles=tiles,
        model=model,
        threads=options.threads,
        fill=options.fill,
        known_step=known_step,
    )


def _coded_whole(header: "Header", groups: "tuple[Group | None, ...]") -> bool:
    """Whether every group is a model's, with all its channels: by its levels, or as one part by its noise path."""
    from hvpzip.codec.registry import payload_is_noise_path

    return not header.jpeg and (not header.parts or all(group is None or payload_is_noise_path(group.payload) for group in groups))


def _opened_jpeg(parsed: "Container", groups: "tuple[Group | None, ...]", lost: int, rest: bytes | None, view: View) -> Opened:
    from hvpzip.transform.tiling import Tile

    tiles = (Tile(0, 0, parsed.header.height, parsed.header.width),)
    return Opened(container=parsed, groups=groups, lost_sections=lost, view=view, tiles=tiles, model=None, threads=None, jpeg_rest=rest)


def decode(
    data: bytes | bytearray | memoryview, options: DecompressOptions = _USUAL, *, on_report: OnReport | None = None
) -> "tuple[Samples, Container]":
    """As ``decompress``, with the parsed file beside the samples; ``on_report`` as for ``Opened.rows``."""
    opened = open_bytes(data, options)
    return opened.samples(on_report=on_report), opened.container
