"""A picture file to its samples, exactly as they are in it, or a refusal in one line."""

import io
import os
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import BmpImagePlugin, Image, ImageFile, JpegImagePlugin, PngImagePlugin, PpmImagePlugin, TiffImagePlugin, WebPImagePlugin

from hvpzip.errors import ImageError, LimitError
from hvpzip.image_io.kinds import Facts, bmp_facts, png_facts, pnm_facts, sniff, tiff_facts, webp_facts

__all__ = ["MAX_PIXELS", "Picture", "read_image"]

MAX_PIXELS: Final = 1 << 28

# Plugins are called directly, not through Image.open: that warns or fails at a number of pixels of Pillow's own, which only a global
# changes.
_OPENERS: Final[dict[str, Callable[[BinaryIO], ImageFile.ImageFile]]] = {
    "PNG": PngImagePlugin.PngImageFile,
    "JPEG": JpegImagePlugin.jpeg_factory,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "WebP": WebPImagePlugin.WebPImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "PNM": PpmImagePlugin.PpmImageFile,
}
_FACTS: Final[dict[str, Callable[[bytes], Facts]]] = {
    "PNG": png_facts,
    "TIFF": tiff_facts,
    "WebP": webp_facts,
    "BMP": bmp_facts,
    "PNM": pnm_facts,
}
_INFO_METADATA: Final = {
    "icc_profile": "icc_profile",
    "exif": "exif",
    "xmp": "xmp",
    "photoshop": "photoshop",
    "comment": "comment",
}
_MODES: Final = {
    "1": "1-bit",
    "P": "palette",
    "PA": "palette with alpha",
    "LA": "gray with alpha",
    "RGBA": "RGB with alpha",
    "RGBX": "RGB with a fourth channel",
    "CMYK": "CMYK",
    "YCbCr": "YCbCr",
    "LAB": "Lab",
}
_ORIENTATION: Final = 274  # a tag of EXIF


class Picture(NamedTuple):
    """Samples, a new C-contiguous uint8 array (H, W) of gray or (H, W, 3) of RGB; and one-line remarks on what else was in the file."""

    samples: NDArray[np.uint8]
    notices: tuple[str, ...]


def read_image(source: str | os.PathLike[str] | BinaryIO, max_pixels: int = MAX_PIXELS) -> Picture:
    """The picture in a PNG, WebP, TIFF, BMP, PPM, PGM or JPEG file.

    Gray and RGB of 8 bits, one frame, without transparency; the samples are those of the file (for JPEG and lossy WebP: those it decodes
    to). An orientation in the metadata is not applied, except that of TIFF. Metadata is not kept; ``notices`` names it.

    Args:
        source: a path, or a binary stream, which is read to its end.
        max_pixels: larger pictures are refused before memory is allocated for them.

    Raises:
        ImageError: the file cannot be read, is damaged, or of an unsupported kind; the message is one line that names it.
        LimitError: more than ``max_pixels``.
    """
    data = _bytes_of(source)
    kind = sniff(data)
    if kind not in _OPENERS:
        raise _foreign(kind, data)
    facts = _FACTS[kind](data) if kind in _FACTS else None
    if facts and facts.unsupported:
        raise _unsupported(kind, facts.unsupported)
    if facts:
        _check_pixels(facts.width, facts.height, max_pixels)
    try:
        # Pillow warns of damaged metadata, which is not kept anyway; damaged samples raise.
        with warnings.catch_warnings(), io.BytesIO(data) as stream:
            warnings.simplefilter("ignore")
            with _OPENERS[kind](stream) as image:
                _check_pixels(*image.size, max_pixels)
                _check_kind(image, kind)
                samples = np.array(image, np.uint8)
                metadata = _metadata(image, facts.metadata if facts else frozenset())  # PNG may have some behind the samples
    except (ImageError, LimitError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise LimitError(f"the picture is over a limit of Pillow: {error}") from error
    except Exception as error:
        # Plugins raise SyntaxError, OSError, ValueError, struct.error, IndexError and more on bytes that they do not expect.
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(f"this {kind} cannot be read: it is damaged, or of an unusual depth or layout ({reason})") from error
    return Picture(samples, tuple(_notices(kind, metadata)))


def _bytes_of(source: str | os.PathLike[str] | BinaryIO) -> bytes:
    try:
        data = Path(source).read_bytes() if isinstance(source, str | os.PathLike) else source.read()
    except OSError as error:
        raise ImageError(f"cannot read the picture: {error.strerror or error}") from error
    if not data:
        raise ImageError("the file is empty")
    return data


def _foreign(kind: str | None, data: bytes) -> ImageError:
    if kind == ".hvz":
        return ImageError("this is a .hvz file already; decompress takes it")
    if kind == "GIF":
        return _unsupported(kind, "palette")
    known = "PNG, WebP, TIFF, BMP, PPM, PGM and JPEG are"
    if kind is not None:
        return ImageError(f"{kind} files are not supported; {known}")
    if data[1:4].upper() == b"PNG":
        return ImageError("damaged PNG: its first bytes are changed; was the file sent as text (line ends rewritten)?")
    return ImageError(f"not a picture of a known kind (it begins with {data[:8].hex(' ')}); {known}")


def _unsupported(kind: str, what: str) -> ImageError:
    return ImageError(f"unsupported {kind}: {what}; only 8-bit gray and RGB, one frame, without transparency, are taken for now")


def _check_pixels(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise LimitError(f"the picture has {width} x {height} = {width * height} pixels, over the limit of {max_pixels}")


def _check_kind(image: Image.Image, kind: str) -> None:
    """Raise unless what Pillow is about to give is what the file holds."""
    frames = getattr(image, "n_frames", 1)
    if frames != 1:
        raise _unsupported(kind, f"{frames} pictures in one file")
    if image.mode not in ("L", "RGB"):
        raise _unsupported(kind, _MODES.get(image.mode, f"mode {image.mode}"))
    if "transparency" in image.info:
        raise _unsupported(kind, "transparency")


def _metadata(image: Image.Image, seen: frozenset[str]) -> set[str]:
    """Names of what was ``seen`` in the bytes and what Pillow found beside the samples."""
    found = {*seen, *(name for key, name in _INFO_METADATA.items() if image.info.get(key))}
    if isinstance(image, JpegImagePlugin.JpegImageFile) and "dpi" in image.info:  # elsewhere Pillow makes one up
        found.add("resolution")
    if "exif" in found and not isinstance(image, TiffImagePlugin.TiffImageFile):  # TIFF comes in upright
        try:
            orientation = image.getexif().get(_ORIENTATION, 1)
        except Exception:  # damaged EXIF, whatever the parser trips over
            orientation = 1
        if orientation != 1:
            found = found - {"exif"} | {f"exif with orientation {orientation}"}
    return found


def _notices(kind: str, metadata: Iterable[str]) -> Iterable[str]:
    if kind == "JPEG":
        yield "the decoded pixels of the JPEG are kept, not the JPEG file itself"
    names = sorted(metadata)
    if names:
        yield f"metadata not kept: {', '.join(names)}"
