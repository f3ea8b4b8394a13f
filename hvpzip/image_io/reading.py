"""A picture file to its samples, exactly as they are in it, and its metadata; or a refusal in one line."""

import hashlib
import io
import os
import struct
import warnings
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Final, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from hvpzip.errors import ImageError, LimitError
from hvpzip.image_io.form import Chunk, Form, Kind
from hvpzip.image_io.kinds import Facts, bmp_facts, pnm_facts, sniff, tiff_facts, webp_facts
from hvpzip.image_io.metadata import EXIF_FOLDERS, TEXT_TAGS, Resolution, exif_chunk, icc_chunk, text_chunk, xmp_chunk
from hvpzip.image_io.png import Png, both_bytes, png_samples, png_strips, read_png
from hvpzip.image_io.rows import array_of
from hvpzip.source import read_source

__all__ = ["MAX_METADATA_BYTES", "MAX_PIXELS", "Picture", "SourceFile", "picture_bytes", "picture_of", "read_again", "read_image"]

MAX_PIXELS: Final = 1 << 28
MAX_METADATA_BYTES: Final = 1 << 24

# Plugins are called directly, not through Image.open: that warns or fails at a number of pixels of Pillow's own, which only a global
# changes.
_OPENERS: Final[dict[str, Callable[[BinaryIO], ImageFile.ImageFile]]] = {
    "PNG": PngImagePlugin.PngImageFile,
    "JPEG": JpegImagePlugin.jpeg_factory,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "WebP": WebPImagePlugin.WebPImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "PNM": PpmImagePlugin.PpmImageFile,
    "GIF": GifImagePlugin.GifImageFile,
}
_FACTS: Final[dict[str, Callable[[bytes], Facts]]] = {"WebP": webp_facts, "BMP": bmp_facts, "PNM": pnm_facts}
_FORMS: Final = {
    "1": Form(Kind.GRAY, 1),
    "L": Form(Kind.GRAY, 8),
    "I;16": Form(Kind.GRAY, 16),
    "I;16B": Form(Kind.GRAY, 16),
    "LA": Form(Kind.GRAY_ALPHA, 8),
    "P": Form(Kind.PALETTE, 8),
    "RGB": Form(Kind.RGB, 8),
    "RGBA": Form(Kind.RGB_ALPHA, 8),
    "CMYK": Form(Kind.CMYK, 8),
}

Samples = NDArray[np.unsignedinteger[Any]]  # uint8 or uint16
_Read = TypeVar("_Read")


class SourceFile(NamedTuple):
    """What a picture file was, for those who must tell later whether they have the same one.

    Attributes:
        format: the kind of file, such as "JPEG".
        byte_count: its length.
        sha256: the 32 bytes of its SHA-256.
    """

    format: str
    byte_count: int
    sha256: bytes


class Picture(NamedTuple):
    """A picture file's contents.

    Attributes:
        samples: a new C-contiguous array, (H, W) for one channel, otherwise (H, W, C); uint8, or uint16 for 16 bits.
        notices: one-line remarks on what is not kept.
        form: what the samples mean, and the metadata.
        source: the kind of file, such as "JPEG".
        dropped: names of what the file holds besides and is not kept, sorted; nothing else of it is lost but how it was packed. What
            ``strip`` left out is not among them: the caller knows of it.
        file: what the file was; None where the bytes are not a whole file of a user.
        pictures: how many pictures the file holds.
    """

    samples: Samples
    notices: tuple[str, ...]
    form: Form = Form(Kind.RGB)
    source: str = ""
    dropped: tuple[str, ...] = ()
    file: SourceFile | None = None
    pictures: int = 1


def read_image(
    source: str | os.PathLike[str] | BinaryIO, max_pixels: int = MAX_PIXELS, *, frame: int | None = None, strip: bool = False
) -> Picture:
    """The picture in a PNG, WebP, TIFF, GIF, BMP, PPM, PGM, PBM or JPEG file: ``picture_of`` its ``picture_bytes``.

    Raises:
        ImageError: also where the system cannot read it.
        LimitError: as for both.
    """
    try:
        data = picture_bytes(source, max_pixels)
    except OSError as error:
        raise ImageError(f"cannot read the picture: {error.strerror or error}") from error
    return picture_of(data, max_pixels, frame=frame, strip=strip)


def picture_bytes(source: str | os.PathLike[str] | BinaryIO, max_pixels: int = MAX_PIXELS) -> bytes:
    """The bytes of a picture file.

    Args:
        source: a path, or a binary stream, which is read to its end.
        max_pixels: as for ``picture_of``.

    Raises:
        ImageError: it is empty, or begins as no picture does that is taken; then no more than its beginning is read.
        LimitError: there are more bytes than a picture of ``max_pixels`` has, sixteen a pixel and 64 MiB.
        OSError: as the system says.
    """

    def pixels_of(start: bytes) -> int:
        _kind_of(start)
        return max_pixels

    return read_source(source, pixels_of)


def picture_of(data: bytes, max_pixels: int = MAX_PIXELS, *, frame: int | None = None, strip: bool = False) -> Picture:
    """The picture in the bytes of a file.

    Gray of 1, 2, 4, 8 and 16 bits, RGB of 8 and 16, both with alpha or not, palettes, CMYK of 8 bits; the samples are those of the file
    (for JPEG and lossy WebP: those it decodes to). An orientation in the metadata is not applied, except that of TIFF.

    Args:
        data: the whole file.
        max_pixels: larger pictures are refused before memory is allocated for them.
        frame: the picture of an animation or of several pages to take, counted from 0; None refuses such files. Frames of an animation
            come as a player would show them.
        strip: leave the metadata out; what the samples mean (palette, transparency) stays.

    Raises:
        ImageError: the file cannot be read, is damaged, or of an unsupported kind; the message is one line that names it.
        LimitError: more than ``max_pixels``, or than 16 MiB of metadata.
    """
    kind = _kind_of(data)
    if kind == "PNG" and not (png := read_png(io.BytesIO(data))).animated:
        picture = _from_png(data, png, max_pixels, frame)
    else:
        picture = _from_pillow(kind, data, max_pixels, frame)
    form, dropped = picture.form, picture.dropped
    if strip:
        form, dropped = form._replace(chunks=()), ()
    elif sum(len(chunk.data) for chunk in form.chunks) > MAX_METADATA_BYTES:
        raise LimitError(f"the picture has more than {MAX_METADATA_BYTES} bytes of metadata; --strip leaves it out")
    notices = [f"not kept: {', '.join(dropped)}"] if dropped else []
    if kind == "JPEG":
        notices.insert(0, "the decoded pixels of the JPEG are kept, not the JPEG file itself")
    file = SourceFile(kind, len(data), hashlib.sha256(data).digest())
    return Picture(picture.samples, tuple(notices), form, kind, dropped, file, picture.pictures)


def read_again(file: BinaryIO, kind: str, pixels: int) -> tuple[Form, Iterator[Samples]]:
    """The form of a picture file that was just written, and its samples from top to bottom, some rows at a time.

    kind: as for ``row_writer``. pixels: how many it has at most. Of PNG, neither the file nor its samples are held, but for
    Pillow's own copy of them.
    Raises: ImageError if it is damaged, here or while the rows are read, or as ``read_image`` does; LimitError if it has more pixels.
    """
    if kind != "PNG" or (parts := read_png(file)).animated:
        file.seek(0)
        picture = read_image(file, pixels)
        return picture.form, iter((picture.samples,))
    _check_pixels(parts.width, parts.height, pixels)
    form = parts.form

    def strips() -> Iterator[Samples]:
        rows = png_strips(file, form)
        while (strip := _reading("PNG", lambda: next(rows, None))) is not None:
            yield strip

    return form, strips()


def _kind_of(start: bytes) -> str:
    """The kind of picture that begins so. Raises: ImageError if it is none that is read."""
    if not start:
        raise ImageError("the file is empty")
    kind = sniff(start)
    if kind not in _OPENERS:
        raise _foreign(kind, start)
    return kind


def _foreign(kind: str | None, data: bytes) -> ImageError:
    if kind == ".hvz":
        return ImageError("this is a .hvz file already; decompress takes it")
    known = "PNG, WebP, TIFF, GIF, BMP, PPM, PGM, PBM and JPEG are"
    if kind is not None:
        return ImageError(f"{kind} files are not supported; {known}")
    if data[1:4].upper() == b"PNG":
        return ImageError("damaged PNG: its first bytes are changed; was the file sent as text (line ends rewritten)?")
    return ImageError(f"not a picture of a known kind (it begins with {data[:8].hex(' ')}); {known}")


def _unsupported(kind: str, what: str) -> ImageError:
    return ImageError(f"unsupported {kind}: {what}; gray and RGB of up to 16 bits, with alpha or not, palettes, and 8-bit CMYK are taken")


def _several(kind: str, what: str) -> ImageError:
    return ImageError(f"unsupported {kind}: {what}; --frame N takes one picture of it, counted from 0")


def _no_frame(kind: str, frame: int, count: int) -> ImageError:
    return ImageError(f"there is no picture {frame} in this {kind}: it has {count}, counted from 0")


def _check_pixels(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise LimitError(f"the picture has {width} x {height} = {width * height} pixels, over the limit of {max_pixels}")


def _reading(kind: str, read: Callable[[], _Read]) -> _Read:
    """What ``read`` gives, with whatever Pillow raises turned into an error of ours."""
    try:
        # Pillow warns of damaged metadata; damaged samples raise.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return read()
    except (ImageError, LimitError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise LimitError(f"the picture is over a limit of Pillow: {error}") from error
    except Exception as error:
        # Plugins raise SyntaxError, OSError, ValueError, struct.error, IndexError and more on bytes that they do not expect.
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(f"this {kind} cannot be read: it is damaged, or of an unusual depth or layout ({reason})") from error


# ---- PNG: form and metadata are read here, the image data by Pillow ----


def _from_png(data: bytes, parts: Png, max_pixels: int, frame: int | None) -> Picture:
    _check_pixels(parts.width, parts.height, max_pixels)
    if frame:
        raise _no_frame("PNG", frame, 1)
    samples = _reading("PNG", lambda: png_samples(io.BytesIO(data), parts.form))
    return Picture(np.ascontiguousarray(samples), (), parts.form, dropped=parts.dropped)


# ---- the others: Pillow reads all ----


def _from_pillow(kind: str, data: bytes, max_pixels: int, frame: int | None) -> Picture:
    facts = _facts(kind, data, frame)
    if facts.several and frame is None:
        raise _several(kind, facts.several)
    if facts.unsupported:
        raise _unsupported(kind, facts.unsupported)
    if facts.width:
        _check_pixels(facts.width, facts.height, max_pixels)

    def opened() -> ImageFile.ImageFile:
        image = _OPENERS[kind](io.BytesIO(data))
        frames = getattr(image, "n_frames", 1)
        if frames != 1 and frame is None:
            raise _several(kind, f"{frames} pictures in one file")
        if frame is not None and frame >= frames:
            raise _no_frame(kind, frame, frames)
        if frame:
            image.seek(frame)
        _check_pixels(*image.size, max_pixels)
        return image

    def read() -> Picture:
        with opened() as image:
            form, dropped = _form_of(image, kind, facts), set(facts.dropped)
            if facts.wide:
                samples: Samples = both_bytes(opened)
                form = form._replace(bit_depth=16)
            else:
                samples = array_of(image, np.uint16 if form.bit_depth == 16 else np.uint8)
            # In animations the samples may change their mode when they are loaded.
            if image.mode not in _FORMS or _FORMS[image.mode].kind is not form.kind:
                raise _unsupported(kind, f"a frame that becomes mode {image.mode}")
            chunks = tuple(_chunks_of(image, kind, data, dropped))
            pictures = getattr(image, "n_frames", 1)
            if pictures > 1:
                dropped.add(f"{pictures - 1} other pictures")
            form = form._replace(chunks=chunks)
            return Picture(np.ascontiguousarray(samples), (), form, dropped=tuple(sorted(dropped)), pictures=pictures)

    return _reading(kind, read)


def _facts(kind: str, data: bytes, frame: int | None) -> Facts:
    if kind == "PNG":
        parts = read_png(io.BytesIO(data))
        unsupported = f"{parts.form.words}, animated" if parts.form.bit_depth == 16 and frame is not None else ""
        return Facts(parts.width, parts.height, unsupported, f"{parts.form.words}, animated")
    if kind == "TIFF":
        return tiff_facts(data, frame)
    return _FACTS[kind](data) if kind in _FACTS else Facts(0, 0)


def _form_of(image: Image.Image, kind: str, facts: Facts) -> Form:
    """What Pillow is about to give, if that is what the file holds."""
    if kind in ("PNG", "WebP", "GIF") and getattr(image, "is_animated", False):
        image.load()  # a frame gets its mode when it is put together
    mode = image.mode
    if mode not in _FORMS or (facts.mode and facts.mode != ("I;16" if mode == "I;16B" else mode)):
        raise _unsupported(kind, f"mode {mode}")
    form = _FORMS[mode]
    if form.kind is Kind.PALETTE:
        image.load()
        if image.palette is None or image.palette.mode not in ("RGB", "RGBX"):
            raise _unsupported(kind, "a palette with more than red, green and blue")
        form = form._replace(palette=bytes(image.getpalette("RGB") or ())[:768])
    clear = image.info.get("transparency")
    if clear is None or form.kind in (Kind.GRAY_ALPHA, Kind.RGB_ALPHA):
        return form
    if form.kind is Kind.PALETTE:
        return form._replace(transparency=clear if isinstance(clear, bytes) else b"\xff" * clear + b"\0")
    values = clear if isinstance(clear, tuple) else (clear,)
    return form._replace(transparency=struct.pack(f">{len(values)}H", *values))


def _chunks_of(image: Image.Image, kind: str, data: bytes, dropped: set[str]) -> Iterator[Chunk]:
    """The metadata that Pillow found, as chunks; names of what cannot be kept are added to ``dropped``."""
    if profile := image.info.get("icc_profile"):
        yield icc_chunk(profile)
    if (exif := image.info.get("exif")) and kind != "TIFF":
        yield exif_chunk(exif)
    if xmp := image.info.get("xmp"):
        yield xmp_chunk(xmp if isinstance(xmp, bytes) else xmp.encode("utf-8", "surrogatepass"))
    if comment := image.info.get("comment"):
        yield text_chunk("Comment", comment if isinstance(comment, str) else comment.decode("latin-1"))
    if image.info.get("photoshop"):
        dropped.add("photoshop")
    if kind == "JPEG" and all(image.info.get("jfif_density", (0,))):
        x, y = image.info["jfif_density"]
        yield Resolution(x, 1, y, 1, image.info.get("jfif_unit", 0) + 1).chunk()
    if kind == "BMP" and len(data) >= 54 and int.from_bytes(data[14:18], "little") >= 40:
        x, y = struct.unpack_from("<ii", data, 38)
        if x > 0 and y > 0:
            yield Chunk(b"pHYs", struct.pack(">IIB", x, y, 1))
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        yield from _chunks_of_tiff(image, dropped)


def _chunks_of_tiff(image: TiffImagePlugin.TiffImageFile, dropped: set[str]) -> Iterator[Chunk]:
    for tag, keyword in TEXT_TAGS.items():
        if tag in image.tag_v2:
            text = image.tag_v2[tag]
            yield text_chunk(keyword, text if isinstance(text, str) else str(text))
    if 282 in image.tag_v2 and 283 in image.tag_v2:
        sides = [(int(value.numerator), int(value.denominator)) for value in (image.tag_v2[282], image.tag_v2[283])]
        try:
            yield Resolution(*sides[0], *sides[1], int(image.tag_v2.get(296, 2))).chunk()
        except struct.error:
            dropped.add("resolution")
    # Only what the tags above do not say: the picture's own tags would contradict those of another file that holds it.
    found, kept = image.getexif(), Image.Exif()
    for tag in EXIF_FOLDERS:
        kept.get_ifd(tag).update(found.get_ifd(tag))
    if any(kept.get_ifd(tag) for tag in EXIF_FOLDERS):
        yield exif_chunk(kept.tobytes())
