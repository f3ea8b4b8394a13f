"""What is done with each file of a batch: coded, or left as it is.

The invariant: an output that is there already is called done only if it holds what its source does.
"""

import os
from dataclasses import dataclass, replace
from typing import BinaryIO

from hvpzip.api.batch.existing import held_already
from hvpzip.api.compressing import compress_picture
from hvpzip.api.decompressing import decompress_picture
from hvpzip.api.encoding import GroupProgress
from hvpzip.api.options import CompressOptions, DecompressOptions
from hvpzip.api.outputs import StrPath
from hvpzip.api.records import FileResult
from hvpzip.errors import ImageError

__all__ = ["Job"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """Everything by value, so that it can travel to another process or machine.

    Attributes:
        options: what to do with each file, and in which direction.
        mirror: outputs are in folders that may have to be made, and one that cannot hold its picture gets ``.png`` added to its name.
        remove: the source will be deleted, so an output that is there already is decoded before it is called done.
    Raises: ValueError if a source would be deleted unverified or in part.
    """

    options: CompressOptions | DecompressOptions
    mirror: bool = False
    remove: bool = False

    def __post_init__(self) -> None:
        if self.remove and not self.options.whole:
            raise ValueError("remove needs the whole picture: not with crop, scale or salvage")
        if self.remove and isinstance(self.options, CompressOptions) and not self.options.verify:
            raise ValueError("remove needs verify: a source is deleted only after its output was decoded and found equal")

    @property
    def compressing(self) -> bool:
        """The direction."""
        return isinstance(self.options, CompressOptions)

    def run(self, src: StrPath | BinaryIO, dst: StrPath | BinaryIO, on_group: GroupProgress | None = None) -> FileResult:
        """Does it. Raises: as ``compress_file`` and ``decompress_file``. The source is left: see ``delete_source``."""
        if self.mirror and isinstance(dst, str | os.PathLike):
            os.makedirs(os.path.dirname(os.fspath(dst)) or ".", exist_ok=True)
        if isinstance(self.options, CompressOptions):
            return compress_picture(src, dst, self.options, on_group)
        try:
            return decompress_picture(src, dst, self.options, on_group)
        except ImageError:
            # What was named photo.bmp may have alpha, or metadata, which BMP cannot hold.
            if not isinstance(dst, str | os.PathLike) or not self._has_second_name(os.fspath(dst)):
                raise
            return decompress_picture(src, _second_name(src, os.fspath(dst)), self.options, on_group)

    def resume(self, src: str, dst: str, on_group: GroupProgress | None = None) -> FileResult:
        """As ``run``, but an output that is there and holds the same is left as it is, and a damaged ``.hvz`` is replaced. What holds a
        part only is not looked at.

        Raises: FileExistsError if there is something else, unless ``force`` is set; then everything is done anew.
        """
        job = self
        if not self.options.force and self.options.whole:
            for name in [dst, _second_name(src, dst)] if self._has_second_name(dst) else [dst]:
                if os.path.lexists(name):
                    done = held_already(src, name, self.options, decoding=self.remove)
                    if done is not None:
                        return done
                    job = replace(self, options=replace(self.options, force=True))
        try:
            return job.run(src, dst, on_group)
        except FileExistsError:
            # Somebody else made it meanwhile: another run, or the same task on a worker that was taken for dead.
            if job.options.force or not self.options.whole or not os.path.lexists(dst):
                raise
            done = held_already(src, dst, self.options, decoding=self.remove)
            if done is None:
                raise
            return done

    def _has_second_name(self, dst: str) -> bool:
        return self.mirror and not self.compressing and not dst.lower().endswith(".png")


def _second_name(src: StrPath | BinaryIO, output: str) -> str:
    """Where a picture goes that the format of its first name cannot hold: ``.png`` is added, and once more where that is the name of
    another picture, which lies beside the source."""
    added = ".png"
    if isinstance(src, str | os.PathLike):
        stem, suffix = os.path.splitext(os.fspath(src))
        while os.path.lexists(stem + added + suffix):
            added += ".png"
    return output + added
