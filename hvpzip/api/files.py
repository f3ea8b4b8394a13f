"""One picture file to one ``.hvz`` file and back: the public functions, which take their options as keywords.

The invariant: a file appears under its name only when it is whole, on the disk, read back and decoded to the same samples; on any failure,
an interrupt among them, nothing is left behind. Sources are never changed.
"""

from typing import TYPE_CHECKING, BinaryIO

from hvpzip.api.compressing import compress_picture
from hvpzip.api.decoding import open_bytes, packed_bytes
from hvpzip.api.decompressing import decompress_picture
from hvpzip.api.encoding import GroupProgress
from hvpzip.api.inspect import describe_container
from hvpzip.api.options import DEFAULT_MAX_PIXELS, CompressOptions, DecompressOptions
from hvpzip.api.outputs import StrPath, name_of
from hvpzip.api.pictures import form_of
from hvpzip.api.records import FileInfo, FileResult

if TYPE_CHECKING:
    from typing import Unpack

    from hvpzip.api.options import CompressKeywords, DecompressKeywords

__all__ = ["compress_file", "decompress_file", "verify"]


def compress_file(
    src: StrPath | BinaryIO,
    dst: StrPath | BinaryIO | None = None,
    *,
    on_group: GroupProgress | None = None,
    **options: "Unpack[CompressKeywords]",
) -> FileResult:
    """Compresses a picture into a ``.hvz`` file and returns the figures.

    A JPEG file is kept itself, byte for byte: recompressed without loss where the package imagecodecs is installed, else stored.

    src: the picture, a path or a binary stream. dst: a path or a binary stream; None for ``src`` with ``.hvz`` added.
    on_group: called with (done, all) after each group. options: force, strip, threads, max_pixels, effort, model, verify, frame and pixels,
    as ``hvpzip.CompressOptions`` says.
    Raises: ImageError if the picture is unreadable or of an unsupported kind, LimitError, ModelError, OSError (FileExistsError if ``dst``
    exists or is ``src``), ValueError if an option is out of range, TypeError if there is no such option.
    """
    return compress_picture(src, dst, CompressOptions(**options), on_group)


def decompress_file(
    src: StrPath | BinaryIO,
    dst: StrPath | BinaryIO | None = None,
    *,
    on_group: GroupProgress | None = None,
    **options: "Unpack[DecompressKeywords]",
) -> FileResult:
    """Decompresses a ``.hvz`` file into a lossless picture file and returns the figures.

    src, on_group: as for ``compress_file``. dst: a path, whose suffix chooses the kind of picture, or a binary stream, which gets PNG; None
    for ``src`` without ``.hvz`` (and with ``.png``, or ``.tif`` for CMYK, where no picture suffix is left). Of a JPEG file that was kept, a
    stream and a path that ends in .jpg, .jpeg, .jpe or .jfif get the identical file, and None ends in one of these; other suffixes,
    ``crop`` and ``scale`` get its pixels.
    options: force, strip, threads, max_pixels, crop, scale, fill and salvage, as ``hvpzip.DecompressOptions`` says. Of a part or a smaller
    picture the figures but ``output_bytes`` stay those of the whole. With ``salvage``, groups that are damaged or missing are 0 in the
    output (black, and transparent where there is alpha), and are listed in ``damaged``; a section that is damaged is left out. Then
    ``error`` says so, beside an output.
    The picture is read back and compared with the decoded samples before it gets its name.
    Raises: FormatError, LimitError, ModelError, ImageError if the suffix is of no lossless kind, or of one that cannot hold all of the
    picture, LibraryError if a JPEG file was recompressed by a package that is not installed, OSError, ValueError if an option is out of
    range, TypeError if there is no such option.
    """
    return decompress_picture(src, dst, DecompressOptions(**options), on_group)


def verify(
    src: StrPath | BinaryIO,
    *,
    threads: int | None = None,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    on_group: GroupProgress | None = None,
) -> FileInfo:
    """Decodes a ``.hvz`` file, checks every checksum and its metadata, writes nothing, and returns what the file says about itself.

    Raises: as ``decompress`` does, and OSError.
    """
    opened = open_bytes(packed_bytes(src, max_pixels), DecompressOptions(max_pixels=max_pixels, threads=threads))
    if opened.container.header.jpeg:
        opened.jpeg_file()  # its pixels are not asked for: a damaged JPEG file may be kept as well
        return describe_container(opened.container, name_of(src))
    form_of(opened.container)
    for _ in opened.rows(on_group=on_group):
        pass  # one row of groups at a time
    return describe_container(opened.container, name_of(src))
