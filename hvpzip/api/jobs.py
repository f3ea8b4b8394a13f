"""What is done with each file of a batch: coded, left as it is, its source deleted. Layer rank 4.

The invariants: an output that is there is called done only if its checksums and those of the source's samples agree; a source is deleted
only if its output was decoded and found equal, and only as long as it is the file that was read.
"""

import errno
import io
import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from hvpzip.api.decoding import DEFAULT_MAX_PIXELS, decode
from hvpzip.api.encoding import NO_MODEL, GroupProgress, samples_crc
from hvpzip.api.files import StrPath, compress_file, decompress_file, same_forms
from hvpzip.api.inspect import describe_container
from hvpzip.api.pictures import form_of
from hvpzip.api.records import FileResult, result_of
from hvpzip.api.runtime import checked_threads
from hvpzip.api.view import Crop, checked_scale
from hvpzip.errors import CorruptError, HvpzipError, ImageError, LimitError, NotHvpzipError, TruncatedError, UnsupportedVersionError

if TYPE_CHECKING:
    from hvpzip.api.encoding import Samples
    from hvpzip.container import Container

__all__ = ["Job", "SourceState", "delete_source", "source_state"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """Everything by value, so that it can travel to another process or machine.

    ``mirror``: outputs are in folders that may have to be made, and one that cannot hold its picture gets ``.png`` added to its name.
    ``remove``: the source will be deleted, so an output that is there already is decoded before it is called done.
    The rest: as for ``compress_file`` and ``decompress_file``; each heeds its own options alone.
    Raises: ValueError if ``threads`` is negative, the scale none, or if a source would be deleted unverified or in part.
    """

    compressing: bool
    force: bool = False
    verify: bool = True
    effort: int | None = None
    model: str | None = None
    threads: int | None = None
    max_pixels: int = DEFAULT_MAX_PIXELS
    frame: int | None = None
    strip: bool = False
    crop: Crop | None = None
    scale: float = 1
    salvage: bool = False
    mirror: bool = False
    remove: bool = False

    def __post_init__(self) -> None:
        checked_threads(self.threads)
        checked_scale(self.scale)
        if self.remove and not self._whole:
            raise ValueError("remove needs the whole picture: not with crop, scale or salvage")
        if self.remove and not self.verify:
            raise ValueError("remove needs verify: a source is deleted only after its output was decoded and found equal")

    @property
    def _whole(self) -> bool:
        """Whether an output holds all that its source does."""
        return self.crop is None and self.scale == 1 and not self.salvage

    def run(self, src: StrPath | BinaryIO, dst: StrPath | BinaryIO, on_group: GroupProgress | None = None) -> FileResult:
        """Does it. Raises: as ``compress_file`` and ``decompress_file``. The source is left: see ``delete_source``."""
        if self.mirror and isinstance(dst, str | os.PathLike):
            os.makedirs(os.path.dirname(os.fspath(dst)) or ".", exist_ok=True)
        if self.compressing:
            return compress_file(
                src,
                dst,
                force=self.force,
                verify=self.verify,
                effort=self.effort,
                model=self.model,
                threads=self.threads,
                max_pixels=self.max_pixels,
                on_group=on_group,
                frame=self.frame,
                strip=self.strip,
            )
        try:
            return self._decompressed(src, dst, on_group)
        except ImageError:
            # What was named photo.bmp may have alpha, or metadata, which BMP cannot hold.
            if not self.mirror or not isinstance(dst, str | os.PathLike) or os.fspath(dst).lower().endswith(".png"):
                raise
            return self._decompressed(src, _second_name(os.fspath(dst)), on_group)

    def resume(self, src: str, dst: str, on_group: GroupProgress | None = None) -> FileResult:
        """As ``run``, but an output that is there and holds the same is left as it is, and a damaged ``.hvz`` is replaced. What holds a
        part only is not looked at.

        Raises: FileExistsError if there is something else, unless ``force`` is set; then everything is done anew.
        """
        job = self
        if not self.force and self._whole:
            for name in [dst] if self.compressing or not self.mirror else [dst, _second_name(dst)]:
                if os.path.lexists(name):
                    done = self._there_already(src, name)
                    if done is not None:
                        return done
                    job = replace(self, force=True)
        try:
            return job.run(src, dst, on_group)
        except FileExistsError:
            # Somebody else made it meanwhile: another run, or the same task on a worker that was taken for dead.
            if job.force or not self._whole or not os.path.lexists(dst):
                raise
            done = self._there_already(src, dst)
            if done is None:
                raise
            return done

    def _decompressed(self, src: StrPath | BinaryIO, dst: StrPath | BinaryIO, on_group: GroupProgress | None) -> FileResult:
        return decompress_file(
            src,
            dst,
            force=self.force,
            threads=self.threads,
            max_pixels=self.max_pixels,
            on_group=on_group,
            strip=self.strip,
            crop=self.crop,
            scale=self.scale,
            salvage=self.salvage,
        )

    def _there_already(self, src: str, output: str) -> FileResult | None:
        """The result for an output that holds what its source does; None for a damaged ``.hvz``, which is worth nothing.

        Raises: FileExistsError if it holds something else, and as reading source and output does.
        """
        from hvpzip import container, image_io

        started = time.perf_counter()
        packed_path, picture_path = (output, src) if self.compressing else (src, output)
        packed = Path(packed_path).read_bytes()
        try:
            parsed = container.read(packed, container.Limits(max_pixels=self.max_pixels))
            form = form_of(parsed)
        except (TruncatedError, CorruptError):
            if self.compressing:
                return None
            raise
        except (NotHvpzipError, LimitError) as error:
            if self.compressing:
                raise _other(output) from error
            raise
        except UnsupportedVersionError as error:
            raise UnsupportedVersionError(f"{packed_path} is there already: {error}" if self.compressing else str(error)) from error
        if self.compressing:
            picture = image_io.read_image(io.BytesIO(Path(src).read_bytes()), self.max_pixels, frame=self.frame, strip=self.strip)
            same = picture.form == form
        else:
            try:
                picture = image_io.read_image(output, self.max_pixels)
            except HvpzipError as error:
                raise _other(output) from error
            form = form._replace(chunks=()) if self.strip else form
            same = same_forms(picture.form, form, image_io.format_of(output))
        if not same or not _holds(parsed, picture.samples):
            raise _other(output)
        if not self._decodable(parsed, packed, picture.samples):
            if self.compressing:
                return None
            raise _other(output)
        facts = describe_container(parsed, src)
        sizes = (os.path.getsize(picture_path), len(packed))
        return result_of(
            facts,
            output=output,
            input_bytes=sizes[not self.compressing],
            output_bytes=sizes[self.compressing],
            seconds=time.perf_counter() - started,
            skipped=True,
        )

    def _decodable(self, parsed: "Container", packed: bytes, samples: "Samples") -> bool:
        """Whether the ``.hvz`` file decodes to the samples, tried only if the source will be deleted. Raises: ModelError."""
        import numpy as np

        from hvpzip.nn import weights

        if not self.remove:
            if parsed.header.model_id != NO_MODEL:
                weights.name_of(parsed.header.model_id)
            return True
        try:
            decoded, _ = decode(packed, max_pixels=self.max_pixels, threads=self.threads)
        except CorruptError:
            return False
        return np.array_equal(decoded, samples)


def _second_name(output: str) -> str:
    """Where a picture goes that the format of its first name cannot hold."""
    return output + ".png"


def _holds(parsed: "Container", samples: "Samples") -> bool:
    """Whether the file says of its samples what is true of these: their shape, and the checksum of each group."""
    from hvpzip.transform import tiling

    header = parsed.header
    planes = samples.reshape(*samples.shape[:2], -1)
    if planes.shape != (header.height, header.width, header.channels):
        return False
    tiles = tiling.group_grid(header.height, header.width, 1 << header.group_size_log2)
    found = [samples_crc(planes[y : y + h, x : x + w]) for y, x, h, w in tiles]
    return found == [group.samples_crc for group in parsed.groups]


def _other(output: str) -> FileExistsError:
    return FileExistsError(errno.EEXIST, "the output exists already and holds something else (force replaces it)", output)


# ---- sources that are deleted ----


class SourceState(NamedTuple):
    """What tells whether a file is still the one that was read."""

    device: int
    inode: int
    size_bytes: int
    changed_ns: int


def source_state(path: str) -> SourceState:
    """The state of a source, to be taken before it is read. Raises: OSError."""
    found = os.stat(path)
    return SourceState(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def delete_source(path: str, before: SourceState) -> None:
    """Deletes a source whose output is in place.

    Raises: OSError if the source has changed since ``before``, or cannot be deleted.
    """
    if source_state(path) != before:
        raise OSError(errno.EBUSY, "it was changed while it was read, so it was not deleted", path)
    os.unlink(path)
