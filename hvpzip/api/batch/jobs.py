"""What is done with each file of a batch: coded, left as it is, its source deleted.

The invariants: an output that is there is called done only if its checksums and those of the source's samples agree; a source is deleted
only if its output was decoded and found equal, and only as long as it is the file that was read.
"""

import errno
import hashlib
import os
import stat
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from hvpzip.api.decoding import DEFAULT_MAX_PIXELS, open_bytes, packed_bytes
from hvpzip.api.encoding import NO_MODEL, GroupProgress, samples_crc
from hvpzip.api.files import StrPath, compress_file, decompress_file, is_device, same_forms
from hvpzip.api.inspect import describe_container
from hvpzip.api.jpegs import refuse_parts
from hvpzip.api.pictures import form_of
from hvpzip.api.records import FileInfo, FileResult, result_of
from hvpzip.api.view import Crop, checked_fill, checked_scale
from hvpzip.errors import CorruptError, HvpzipError, ImageError, LimitError, NotHvpzipError, TruncatedError, UnsupportedVersionError
from hvpzip.threads import checked_threads

if TYPE_CHECKING:
    from hvpzip.api.encoding import Samples
    from hvpzip.container import Header
    from hvpzip.image_io import Form

__all__ = ["Job", "SourceState", "delete_source", "refuse_to_remove", "source_state"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """Everything by value, so that it can travel to another process or machine.

    ``mirror``: outputs are in folders that may have to be made, and one that cannot hold its picture gets ``.png`` added to its name.
    ``remove``: the source will be deleted, so an output that is there already is decoded before it is called done.
    The rest: as for ``compress_file`` and ``decompress_file``; each heeds its own options alone.
    Raises: ValueError if ``threads`` is negative, the scale or the fill none, or if a source would be deleted unverified or in part.
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
    pixels: bool = False
    crop: Crop | None = None
    scale: float = 1
    fill: str | None = None
    salvage: bool = False
    mirror: bool = False
    remove: bool = False

    def __post_init__(self) -> None:
        checked_threads(self.threads)
        checked_scale(self.scale)
        checked_fill(self.fill, self.scale)
        if self.remove and not self._whole:
            raise ValueError("remove needs the whole picture: not with crop, scale or salvage")
        if self.remove and not self.verify:
            raise ValueError("remove needs verify: a source is deleted only after its output was decoded and found equal")

    @property
    def part(self) -> bool:
        """Whether a part of the picture is wanted, or a smaller one."""
        return self.crop is not None or self.scale != 1

    @property
    def _whole(self) -> bool:
        """Whether an output holds all that its source does."""
        return not self.part and not self.salvage

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
                pixels=self.pixels,
            )
        try:
            return self._decompressed(src, dst, on_group)
        except ImageError:
            # What was named photo.bmp may have alpha, or metadata, which BMP cannot hold.
            if not isinstance(dst, str | os.PathLike) or not self._has_second_name(os.fspath(dst)):
                raise
            return self._decompressed(src, _second_name(src, os.fspath(dst)), on_group)

    def resume(self, src: str, dst: str, on_group: GroupProgress | None = None) -> FileResult:
        """As ``run``, but an output that is there and holds the same is left as it is, and a damaged ``.hvz`` is replaced. What holds a
        part only is not looked at.

        Raises: FileExistsError if there is something else, unless ``force`` is set; then everything is done anew.
        """
        job = self
        if not self.force and self._whole:
            for name in [dst, _second_name(src, dst)] if self._has_second_name(dst) else [dst]:
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

    def _has_second_name(self, dst: str) -> bool:
        return self.mirror and not self.compressing and not dst.lower().endswith(".png")

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
            fill=self.fill,
            salvage=self.salvage,
        )

    def _there_already(self, src: str, output: str) -> FileResult | None:
        """The result for an output that holds what its source does; None for a damaged ``.hvz``, which is worth nothing.

        Raises: FileExistsError if it holds something else, and as reading source and output does.
        """
        from hvpzip import container

        started = time.perf_counter()
        if not os.path.isfile(output):
            raise _other(output)
        packed_path, picture_path = (output, src) if self.compressing else (src, output)
        try:
            packed = packed_bytes(packed_path, self.max_pixels)
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
        facts, header = describe_container(parsed, src), parsed.header
        checksums = [group.samples_crc for group in parsed.groups]
        del packed, parsed  # the picture needs the room
        found: _Traits | None = None
        dropped: tuple[str, ...] = ()
        try:
            if header.jpeg:
                same = self._is_jpeg_of(facts, picture_path)
            else:
                found, dropped = self._picture(src, output, form, header)
                same = found is not None and found.checksums == checksums
        except (HvpzipError, OSError) as error:
            if self.compressing:
                raise
            raise _other(output) from error
        if not same:
            raise _other(output)
        if not (self._rebuilds(packed_path, picture_path) if found is None else self._decodable(packed_path, header, found.digest)):
            if self.compressing:
                return None
            raise _other(output)
        sizes = (os.path.getsize(picture_path), facts.output_bytes)
        return result_of(
            facts,
            output=output,
            input_bytes=sizes[not self.compressing],
            output_bytes=sizes[self.compressing],
            seconds=time.perf_counter() - started,
            skipped=True,
            dropped=dropped,
        )

    def _is_jpeg_of(self, facts: FileInfo, path: str) -> bool:
        """Whether the file at ``path`` is the JPEG file that was kept, and is to be."""
        if self.compressing:
            refuse_parts(frame=None if self.pixels else self.frame, strip=self.strip and not self.pixels)
        if self.pixels or os.path.getsize(path) != facts.source_bytes:
            return False
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest() == facts.source_sha256

    def _rebuilds(self, packed_path: str, path: str) -> bool:
        """Whether the ``.hvz`` file gives the JPEG file at ``path``, tried only if the source will be deleted. Raises: LibraryError,
        OSError."""
        if not self.remove:
            return True
        try:
            file = open_bytes(packed_bytes(packed_path, self.max_pixels), max_pixels=self.max_pixels).jpeg_file()
        except CorruptError:
            return False
        with open(path, "rb") as other:
            return other.read() == file

    def _picture(self, src: str, output: str, form: "Form", header: "Header") -> "tuple[_Traits | None, tuple[str, ...]]":
        """What tells the samples of the picture, read as coding it would read it, from others (None if its form or shape is not that of
        the ``.hvz`` file), and what of its file is not kept. Raises: as reading it does."""
        from hvpzip import image_io, jpeg

        if self.compressing:
            source = image_io.picture_bytes(src, self.max_pixels)
            if jpeg.is_jpeg(source) and not self.pixels:
                return None, ()
            picture = image_io.picture_of(source, self.max_pixels, frame=self.frame, strip=self.strip)
            return _traits([picture.samples], header) if picture.form == form else None, picture.dropped
        kind = image_io.format_of(output)
        with open(output, "rb") as file:
            again, strips = image_io.read_again(file, kind, header.width * header.height)
            if not same_forms(again, form._replace(chunks=()) if self.strip else form, kind):
                return None, ()
            return _traits(strips, header), ()

    def _decodable(self, packed_path: str, header: "Header", digest: bytes) -> bool:
        """Whether the ``.hvz`` file decodes to the samples of this digest, tried only if the source will be deleted. Raises: ModelError,
        OSError."""
        from hvpzip.nn import bundled

        if not self.remove:
            if header.model_id != NO_MODEL:
                bundled.name_of(header.model_id)
            return True
        try:
            opened = open_bytes(packed_bytes(packed_path, self.max_pixels), max_pixels=self.max_pixels, threads=self.threads)
            found = _traits(opened.rows(), header)
        except CorruptError:
            return False
        return found is not None and found.digest == digest


def _second_name(src: StrPath | BinaryIO, output: str) -> str:
    """Where a picture goes that the format of its first name cannot hold: ``.png`` is added, and once more where that is the name of
    another picture, which lies beside the source."""
    added = ".png"
    if isinstance(src, str | os.PathLike):
        stem, suffix = os.path.splitext(os.fspath(src))
        while os.path.lexists(stem + added + suffix):
            added += ".png"
    return output + added


class _Traits(NamedTuple):
    """Of samples: the checksum of each group that they make, and a digest of all of them in the order (row, column, channel)."""

    checksums: list[int]
    digest: bytes


def _traits(strips: "Iterable[Samples]", header: "Header") -> _Traits | None:
    """The traits of a picture that comes some rows at a time; None if it has not the shape that the header tells of."""
    import numpy as np

    side = 1 << header.group_size_log2
    left = range(0, header.width, side)
    digest = hashlib.blake2b()
    checksums: list[int] = []
    row = 0
    for strip in strips:
        planes = np.ascontiguousarray(strip.reshape(*strip.shape[:2], -1))
        if planes.shape[1:] != (header.width, header.channels):
            return None
        digest.update(planes.data)
        while len(planes):
            rows, planes = planes[: side - row % side], planes[side - row % side :]
            if row % side == 0:
                checksums += [0] * len(left)
            for number, x in enumerate(left, start=len(checksums) - len(left)):
                checksums[number] = samples_crc(rows[:, x : x + side], checksums[number])
            row += len(rows)
    return _Traits(checksums, digest.digest()) if row == header.height else None


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
    """The state of a source that is to be deleted, to be taken before it is read. Raises: ImageError if it is no regular file, OSError."""
    found = os.lstat(path)
    if stat.S_ISLNK(found.st_mode):
        raise ImageError("it is a symbolic link: deleting it would leave the file that it leads to, so --rm takes that file alone")
    if not stat.S_ISREG(found.st_mode):
        raise ImageError("it is no regular file, and so not one to delete")
    return SourceState(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def refuse_to_remove(output: str) -> None:
    """Says before the work that a source cannot be deleted for an output that is written to, and not read back: a device, a pipe, an open
    file by its number. Raises: ImageError."""
    if is_device(output):
        raise ImageError(f"{output} is a device or a stream, which cannot be read back: --rm needs a regular file as output")


def delete_source(path: str, before: SourceState, result: FileResult) -> None:
    """Deletes a source whose output is in place.

    Raises: ImageError if the output lacks anything that the source holds, or is no regular file; OSError if the source has changed since
    ``before``, or cannot be deleted.
    """
    if result.dropped:
        raise ImageError(
            f"{result.output} was written, but the source is not deleted, as this of it is not kept: {', '.join(result.dropped)}"
        )
    if result.output is None or not os.path.isfile(result.output):
        raise ImageError(f"the source is not deleted, as its output is no regular file: {result.output}")
    if source_state(path) != before:
        raise OSError(errno.EBUSY, "it was changed while it was read, so it was not deleted", path)
    os.unlink(path)
