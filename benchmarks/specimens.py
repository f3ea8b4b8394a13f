"""Small files of every way of coding, made of the example photo, for ``python -m benchmarks damage``."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, PngImagePlugin

from hvpzip import compress_file
from hvpzip.image_io import Chunk, Form, Kind, write_image

__all__ = ["SPECIMENS", "Specimen", "make"]

PHOTO = Path(__file__).resolve().parent.parent / "examples" / "kodim23-crop.png"

Crop = npt.NDArray[np.uint8]  # (h, w, 3)


class Specimen(NamedTuple):
    """The crop of the photo, what it is made into, and its share of the mutations in percent: the quick ones get most, small ones none."""

    top: int
    left: int
    height: int
    width: int
    kind: str
    share: int


SPECIMENS = {
    "photo-12": Specimen(60, 100, 12, 12, "photo", 0),
    "palette-12": Specimen(60, 100, 12, 12, "palette", 0),
    "wide-5": Specimen(60, 100, 5, 5, "wide", 0),
    "palette-128": Specimen(0, 0, 96, 128, "palette", 72),
    "gray-96": Specimen(20, 32, 64, 96, "gray", 20),
    "photo-48": Specimen(40, 60, 40, 48, "photo", 4),
    "groups-1100": Specimen(50, 0, 20, 1100, "photo", 2),  # two groups
    "wide-64": Specimen(20, 40, 48, 64, "wide", 1),
    "alpha-96": Specimen(20, 40, 64, 96, "alpha", 1),
}


def make(name: str) -> bytes:
    """The ``.hvz`` file of that name."""
    specimen = SPECIMENS[name]
    with Image.open(PHOTO) as image:
        photo = np.asarray(image.convert("RGB"))
    columns = np.arange(specimen.left, specimen.left + specimen.width) % photo.shape[1]
    source, out = io.BytesIO(_MAKERS[specimen.kind](photo[specimen.top : specimen.top + specimen.height, columns])), io.BytesIO()
    compress_file(source, out)
    return out.getvalue()


def _photo(crop: Crop) -> bytes:
    return _png(Image.fromarray(crop))


def _gray(crop: Crop) -> bytes:
    return _png(Image.fromarray(np.ascontiguousarray(crop[:, :, 1])))


def _palette(crop: Crop) -> bytes:
    """16 colours, some of them transparent."""
    return _png(Image.fromarray(crop).quantize(16), text="16 colours", transparency=b"\x00\x80")


def _alpha(crop: Crop) -> bytes:
    """An alpha channel with a hole."""
    alpha = np.full(crop.shape[:2], 255, np.uint8)
    alpha[10:30, 20:50] = 0
    return _png(Image.fromarray(np.dstack([crop, alpha])))


def _wide(crop: Crop) -> bytes:
    """16 bits a sample, with metadata of several kinds."""
    samples = crop.astype(np.uint16) * 257 ^ (np.indices(crop.shape).sum(axis=0) % 7).astype(np.uint16)
    chunks = (
        Chunk(b"gAMA", (45455).to_bytes(4, "big")),
        Chunk(b"tEXt", b"Title\0sixteen bits"),
        Chunk(b"eXIf", b"MM\0*\0\0\0\x08\0\0\0\0\0\0"),
    )
    out = io.BytesIO()
    write_image(samples, out, "PNG", Form(Kind.RGB, 16, chunks=chunks))
    return out.getvalue()


def _png(image: Image.Image, text: str | None = None, **options: object) -> bytes:
    info = PngImagePlugin.PngInfo()
    if text is not None:
        info.add_text("Comment", text)
    out = io.BytesIO()
    image.save(out, format="PNG", pnginfo=info, **options)
    return out.getvalue()


_MAKERS: Final[dict[str, Callable[[Crop], bytes]]] = {"photo": _photo, "gray": _gray, "palette": _palette, "wide": _wide, "alpha": _alpha}
