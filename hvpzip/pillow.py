"""A plugin for Pillow: after ``import hvpzip.pillow``, ``Image.open("x.hvz")`` and ``image.save("x.hvz")`` work.

The invariant: what Pillow cannot hold as it is (16-bit RGB, 16-bit alpha) is refused, in both directions; nothing is rounded. Opening reads
the header and the metadata alone; ``load()``, which Pillow calls when the samples are needed, decodes. Metadata is in ``info`` as if the
picture had been opened from the PNG that ``hvpzip decompress`` writes. A JPEG file that was kept is opened as Pillow opens that file, and
so is rebuilt for the header's sake already.

``image.save("x.hvz")`` decodes what it made before it writes it. It keeps of ``info`` the colour profile, EXIF, XMP, transparency,
resolution (``dpi``, ``aspect``), ``gamma``, ``chromaticity``, ``srgb``, ``comment``, and the texts of a PNG or ``.hvz`` as opened. Options:
``effort``, ``model``, ``threads`` as for ``hvpzip.compress``; ``verify=False`` leaves the decoding out; ``icc_profile``, ``exif``, ``xmp``,
``transparency``, ``dpi``, ``comment`` in place of what ``info`` has; ``pnginfo`` as for PNG.
"""

import io
import struct
import zlib
from collections.abc import Iterator
from typing import IO, Any, Final, cast

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile, ImagePalette, JpegImagePlugin, PngImagePlugin

from hvpzip import container, image_io
from hvpzip.api.decoding import decode, open_bytes, packed_bytes
from hvpzip.api.encoding import encode
from hvpzip.api.options import CompressOptions, DecompressOptions
from hvpzip.api.outputs import write_all
from hvpzip.api.pictures import form_of, sections_of
from hvpzip.errors import CorruptError, ImageError
from hvpzip.image_io import Chunk, Form, Kind
from hvpzip.image_io.metadata import exif_chunk, icc_chunk, text_chunk, xmp_chunk

__all__ = ["FORMAT", "HvzImageFile"]

FORMAT: Final = "HVZ"

Samples = npt.NDArray[np.unsignedinteger[Any]]  # uint8 or uint16

# Pillow's mode, and the layout in which it takes the samples. Gray of 2 and 4 bits is stretched to 8, as Pillow does with PNG.
_MODES: Final = {
    (Kind.GRAY, 1): ("1", "1;8"),
    (Kind.GRAY, 2): ("L", "L"),
    (Kind.GRAY, 4): ("L", "L"),
    (Kind.GRAY, 8): ("L", "L"),
    (Kind.GRAY, 16): ("I;16", "I;16"),
    (Kind.GRAY_ALPHA, 8): ("LA", "LA"),
    (Kind.RGB, 8): ("RGB", "RGB"),
    (Kind.RGB_ALPHA, 8): ("RGBA", "RGBA"),
    **{(Kind.PALETTE, depth): ("P", "P") for depth in (1, 2, 4, 8)},
    (Kind.CMYK, 8): ("CMYK", "CMYK"),
}
_FORMS: Final = {
    "1": Form(Kind.GRAY, 1),
    "L": Form(Kind.GRAY),
    "LA": Form(Kind.GRAY_ALPHA),
    "P": Form(Kind.PALETTE),
    "RGB": Form(Kind.RGB),
    "RGBA": Form(Kind.RGB_ALPHA),
    "CMYK": Form(Kind.CMYK),
    **{mode: Form(Kind.GRAY, 16) for mode in ("I;16", "I;16L", "I;16B", "I;16N")},
}
_NO_SAMPLES: Final = b"\0\0\0\0IDAT" + zlib.crc32(b"IDAT").to_bytes(4, "big")
_METRES_IN_AN_INCH: Final = 0.0254


class HvzImageFile(ImageFile.ImageFile):
    """A ``.hvz`` file as Pillow sees it. Raises: FormatError, LimitError; ImageError if Pillow cannot hold the picture.

    ``text`` has the texts, as that of a PNG has.
    """

    format = FORMAT
    format_description = "hvpzip"
    text: dict[str, str | PngImagePlugin.iTXt]

    def _open(self) -> None:
        head = container.read_head(self._file())
        self._jpeg: Image.Image | None = None
        if head.header.jpeg:
            self._jpeg = image = JpegImagePlugin.JpegImageFile(io.BytesIO(open_bytes(self._all_bytes()).jpeg_file()))
            self._size, self._mode, self.info, self.text, self._coded = image.size, image.mode, dict(image.info), {}, True
            return
        form = form_of(head)
        if (form.kind, form.bit_depth) not in _MODES:
            raise ImageError(f"Pillow cannot hold {form.words}: hvpzip.decompress gives all of it as an array")
        self._size = (head.header.width, head.header.height)
        self._mode, _ = _MODES[form.kind, form.bit_depth]
        self._form = form
        self._coded = True
        self.info, self.text = _info(form, self._size)
        if form.kind is Kind.PALETTE:
            self.palette = ImagePalette.raw("RGB", form.palette)

    def load(self) -> Any:
        """Decodes the samples, the first time. Raises: FormatError, ModelError."""
        if self._coded and self._jpeg is not None:
            self._jpeg.load()
            self.im, self._jpeg = self._jpeg.im, None
            self._loaded()
        elif self._coded:
            samples, _ = decode(self._all_bytes())
            _, layout = _MODES[self._form.kind, self._form.bit_depth]
            raw = (samples * _stretch(self._form)).astype("<u2" if samples.dtype == np.uint16 else np.uint8).tobytes()
            self.im = Image.frombytes(self.mode, self.size, raw, "raw", layout).im
            self._loaded()
        return super().load()

    def _loaded(self) -> None:
        self._coded = False
        if self._exclusive_fp:
            self._file().close()
        self.fp = None

    def verify(self) -> None:
        """Checks every checksum of the coded bytes; nothing is decoded. Raises: FormatError."""
        container.read(self._all_bytes())
        super().verify()

    def _file(self) -> IO[bytes]:
        if self.fp is None:
            raise ValueError("the file is closed already")
        return self.fp

    def _all_bytes(self) -> bytes:
        self._file().seek(0)
        return packed_bytes(self._file())


def _stretch(form: Form) -> np.uint8:
    """What gray of 2 and 4 bits is multiplied with."""
    return np.uint8(255 // ((1 << form.bit_depth) - 1)) if form.kind is Kind.GRAY and form.bit_depth in (2, 4) else np.uint8(1)


def _info(form: Form, size: tuple[int, int]) -> "tuple[dict[str | tuple[int, int], Any], dict[str, str | PngImagePlugin.iTXt]]":
    """The metadata and the texts, as Pillow finds them in a PNG of that form. Raises: ImageError if they are damaged."""
    if form.kind is Kind.CMYK:
        form = form._replace(kind=Kind.RGB)  # PNG has no CMYK; its chunks are the same
    png = io.BytesIO()
    image_io.row_writer(cast("Any", png), "PNG", *size, form)  # writes all that comes before the samples
    png.write(_NO_SAMPLES)
    png.seek(0)
    try:
        with PngImagePlugin.PngImageFile(png) as opened:
            assert opened.png is not None
            info, text = dict(opened.info), dict(opened.png.im_text)
    except (SyntaxError, ValueError, struct.error, zlib.error) as error:
        raise ImageError(f"Pillow cannot hold the metadata: {' '.join(str(error).split())}") from error
    if _stretch(form) > 1 and "transparency" in info:
        info["transparency"] *= int(_stretch(form))
    return info, text


def _accept(prefix: bytes) -> bool:
    return prefix.startswith(container.MAGIC[:4])


# ---- saving ----


def _save(image: Image.Image, file: IO[bytes], filename: str | bytes) -> None:
    """Raises: ImageError if a ``.hvz`` cannot hold the image, ModelError, CorruptError if it does not decode to the image."""
    options: dict[str, Any] = image.encoderinfo
    samples, form = _picture(image, options)
    coding = CompressOptions(**{key: options[key] for key in ("effort", "model", "threads", "verify") if key in options})
    coded = encode(samples, coding, bit_depth=form.bit_depth, sections=sections_of(form))
    buffer = io.BytesIO()
    coded.write_to(buffer)
    if coding.verify:
        decoded, parsed = decode(buffer.getvalue(), DecompressOptions(max_pixels=samples.size, threads=coding.threads))
        if form_of(parsed) != form or not np.array_equal(decoded, samples):
            raise CorruptError("the file does not decode to the image; nothing was kept. This is a bug or a fault of the machine")
    write_all(file, buffer.getbuffer())


def _picture(image: Image.Image, options: dict[str, Any]) -> tuple[Samples, Form]:
    if image.mode not in _FORMS:
        raise ImageError(f"a .hvz file cannot hold mode {image.mode}: convert the image to {', '.join(list(_FORMS)[:-3])} first")
    form = _FORMS[image.mode]
    samples = np.ascontiguousarray(np.asarray(image).astype(np.uint16 if form.bit_depth == 16 else np.uint8))
    settings: dict[Any, Any] = {**image.info, **options}
    if form.kind is Kind.PALETTE:
        entries = max(len(image.getpalette("RGB") or ()) // 3, int(samples.max()) + 1)
        form = form._replace(palette=bytes(image.im.getpalette("RGB", "RGB"))[: 3 * entries])
        if image.palette is not None and image.palette.mode == "RGBA":
            settings.setdefault("transparency", bytes(image.im.getpalette("RGBA", "A"))[:entries])
    form = form._replace(transparency=_transparency(settings.get("transparency"), form))
    try:
        return samples, form._replace(chunks=tuple(_chunks(image, settings)))
    except (struct.error, AttributeError, TypeError, ValueError, OverflowError) as error:
        raise ImageError(f"a .hvz file cannot hold this metadata: {error}") from error


def _transparency(clear: Any, form: Form) -> bytes:
    """As in PNG's tRNS. Raises: ImageError if it does not go with the form."""
    if clear is None or form.kind in (Kind.GRAY_ALPHA, Kind.RGB_ALPHA, Kind.CMYK):
        return b""
    if form.kind is Kind.PALETTE:
        found = clear if isinstance(clear, bytes) else b"\xff" * int(clear) + b"\0"
        return found[: len(form.palette) // 3]
    values = clear if isinstance(clear, tuple) else (clear,)
    if len(values) != (1 if form.kind is Kind.GRAY else 3) or not all(isinstance(value, int) and 0 <= value < 65536 for value in values):
        raise ImageError(f"the transparency {clear!r} does not go with {form.words}")
    if form.bit_depth == 1:
        values = (int(values[0] > 0),)  # Pillow says 255 for white
    return struct.pack(f">{len(values)}H", *values)


def _chunks(image: Image.Image, settings: dict[Any, Any]) -> Iterator[Chunk]:
    """The metadata as chunks of PNG. Raises: struct.error, TypeError and the like if a value is not of the kind that Pillow gives."""
    if "chromaticity" in settings:
        yield Chunk(b"cHRM", struct.pack(">8I", *(round(value * 100000) for value in settings["chromaticity"])))
    if "gamma" in settings:
        yield Chunk(b"gAMA", struct.pack(">I", round(settings["gamma"] * 100000)))
    if settings.get("icc_profile"):
        yield icc_chunk(settings["icc_profile"])
    if "srgb" in settings:
        yield Chunk(b"sRGB", bytes((settings["srgb"],)))
    if "dpi" in settings:
        yield Chunk(b"pHYs", struct.pack(">IIB", *(int(float(side) / _METRES_IN_AN_INCH + 0.5) for side in settings["dpi"]), 1))
    elif "aspect" in settings:
        yield Chunk(b"pHYs", struct.pack(">IIB", *settings["aspect"], 0))
    if exif := settings.get("exif"):
        yield exif_chunk(exif.tobytes() if isinstance(exif, Image.Exif) else exif)
    if xmp := settings.get("xmp"):
        yield xmp_chunk(xmp if isinstance(xmp, bytes) else xmp.encode("utf-8", "surrogatepass"))
    if comment := settings.get("comment"):
        yield text_chunk("Comment", comment if isinstance(comment, str) else comment.decode("latin-1"))
    if "pnginfo" in settings:
        yield from (Chunk(name, data) for name, data, *_ in settings["pnginfo"].chunks if image_io.is_metadata(name))
    elif isinstance(image, HvzImageFile | PngImagePlugin.PngImageFile):
        for keyword, text in image.text.items():
            if keyword not in ("XML:com.adobe.xmp", "Comment" if settings.get("comment") else None):
                yield _text_chunk(keyword, text)


def _text_chunk(keyword: str, text: "str | PngImagePlugin.iTXt") -> Chunk:
    """A text, with its language and its keyword in that language where it has them."""
    if isinstance(text, PngImagePlugin.iTXt) and (text.lang or text.tkey):
        names = [part.encode("utf-8") if isinstance(part, str) else bytes(part or b"") for part in (text.lang, text.tkey)]
        return Chunk(b"iTXt", keyword.encode("latin-1") + b"\0\0\0" + names[0] + b"\0" + names[1] + b"\0" + text.encode("utf-8"))
    return text_chunk(keyword, str(text))


Image.register_open(FORMAT, HvzImageFile, _accept)
Image.register_save(FORMAT, _save)
Image.register_extension(FORMAT, ".hvz")
