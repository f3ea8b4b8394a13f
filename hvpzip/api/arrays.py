"""Arrays to ``.hvz`` bytes and back.

The invariant: ``decompress(compress(a))`` equals ``a`` sample for sample, or raises. The bytes depend on the array, the model and the
effort, not on threads, device or processor.
"""

import io
from typing import TYPE_CHECKING

from hvpzip.api.decoding import Damages, open_bytes
from hvpzip.api.encoding import CompressReport, GroupProgress, checked_shape, encode
from hvpzip.api.options import DEFAULT_MAX_PIXELS, CompressOptions, DecompressOptions
from hvpzip.api.view import Crop
from hvpzip.device import using_device

if TYPE_CHECKING:
    from hvpzip.api.encoding import Samples

__all__ = ["compress", "compress_with_report", "decompress"]


def compress(
    array: "Samples",
    *,
    effort: int | None = None,
    model: str | None = None,
    threads: int | None = None,
    device: str | None = None,
) -> bytes:
    """The ``.hvz`` file of a picture, as bytes.

    array: uint8 or uint16, (H, W) for gray, (H, W, 3) for RGB, (H, W, 2) or (H, W, 4) for the same with alpha, both sides at least 1; any
    strides; it is not changed. Models are for 8 bits: uint16 is coded by the mixing coder or by plain methods.
    effort: 1 (quickest), 2 (None means this), 3 or 4 (smallest). model: the name of a bundled model, None for the default.
    threads: cores for the network, 0 for all, None for all cores, or what a caller set; the bytes do not depend on it.
    device: what runs the network, "cpu" or "cuda" (torch must be installed); None for what the environment variable HVPZIP_DEVICE says, or
    the CPU. The bytes do not depend on it.
    Raises: TypeError or ValueError if the array is of another kind or ``threads`` is negative, ModelError if model or effort is unknown or
    the device is missing.
    """
    with using_device(device):
        return compress_with_report(array, effort=effort, model=model, threads=threads)[0]


def decompress(
    data: "bytes | bytearray | memoryview",
    *,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    threads: int | None = None,
    crop: Crop | None = None,
    scale: float = 1,
    fill: str | None = None,
    on_damage: Damages | None = None,
    device: str | None = None,
) -> "Samples":
    """The samples in a ``.hvz`` file: a new array, (H, W) or (H, W, C), of uint8 for up to 8 bits a sample, else of uint16.

    For a file made from a picture with a palette, these are the entries' numbers; ``decompress_file`` brings the whole picture back.

    max_pixels: a picture with more (width times height) is refused before anything is allocated. threads, device: as for
    ``compress``.
    crop: (x, y, width, height) of a rectangle inside the picture; only the groups that it takes are decoded.
    scale: 1/n for n = 1, 2, 4, 8 and so on, at most the side of a group: the result is ``picture[::n, ::n]``, in a fraction of the time.
    The checksums of the samples cannot be compared then, those of the coded bytes are. Of a crop it has the pixels that lie in it, which
    for a corner at multiples of n is ``picture[y : y + height : n, x : x + width : n]``.
    fill: "mean" or "sample", with a scale: a picture of the whole size, of which the smaller one is exact and the rest is what the model
    expects of it, or one draw from that. For gray and RGB of 8 bits that a model coded whole.
    on_damage: called with a record (group, x, y, width, height, reason) of each group that is damaged or missing; its samples are 0 then,
    and the others are decoded all the same. None refuses a damaged file.
    Raises: FormatError if the bytes are not a whole and sound ``.hvz`` file (with ``on_damage``: if its header is not), LimitError if the
    picture is over the limit, ModelError if the model that the file names is not installed, ImageError if the picture has no such crop or
    scale, or cannot be filled in, ValueError if the scale or the fill is none of those.
    """
    with using_device(device):
        salvage = on_damage is not None
        options = DecompressOptions(max_pixels=max_pixels, threads=threads, crop=crop, scale=scale, fill=fill, salvage=salvage)
        opened = open_bytes(data, options)
        return opened.samples(on_damage=on_damage)


def compress_with_report(
    array: "Samples",
    *,
    effort: int | None = None,
    model: str | None = None,
    threads: int | None = None,
    on_group: GroupProgress | None = None,
) -> tuple[bytes, CompressReport]:
    """As ``compress``, with the bound and its parts, which only the encoder can know. ``on_group`` is called after each group."""
    checked_shape(array)
    options = CompressOptions(effort=effort, model=model, threads=threads)
    coded = encode(array, options, bit_depth=8 * array.itemsize, sections=(), on_group=on_group)
    out = io.BytesIO()
    report = coded.write_to(out)
    return out.getvalue(), report
