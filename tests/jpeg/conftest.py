"""JPEG files of the kinds that there are, each made here from a crop of the example photo."""

import io
from collections.abc import Mapping

import pytest
from PIL import Image

from tests.helpers.pictures import PHOTO


def jpeg_of(image: Image.Image, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", **options)
    return out.getvalue()


def all_kinds() -> dict[str, bytes]:
    """By name; those from "cut" on are damaged."""
    with Image.open(PHOTO) as photo:
        rgb = photo.convert("RGB").crop((10, 20, 240, 171))
    exif = Image.Exif()
    exif[271], exif[274] = "Maker", 6
    plain = jpeg_of(rgb, quality=95)
    return {
        "plain": plain,
        "420": jpeg_of(rgb, quality=90, subsampling=2),
        "422": jpeg_of(rgb, quality=90, subsampling=1),
        "444": jpeg_of(rgb, quality=100, subsampling=0),
        "progressive": jpeg_of(rgb, quality=80, progressive=True),
        "optimised": jpeg_of(rgb, quality=80, optimize=True),
        "restarts": jpeg_of(rgb, quality=80, restart_marker_blocks=3),
        "gray": jpeg_of(rgb.convert("L"), quality=80),
        "cmyk": jpeg_of(rgb.convert("CMYK"), quality=80),
        "rgb": jpeg_of(rgb, quality=80, keep_rgb=True),
        "one pixel": jpeg_of(rgb.resize((1, 1)), quality=80),
        "row": jpeg_of(rgb.resize((500, 1)), quality=80),
        "exif": jpeg_of(rgb, quality=80, exif=exif, comment=b"caf\xe9", dpi=(300, 300)),
        "profile": jpeg_of(rgb, quality=80, icc_profile=bytes(range(256)) * 300),
        "trailer": plain + b"\0\0\0\x18ftypmp42" + bytes(range(256)) * 8,
        "cut": plain[: len(plain) * 2 // 3],
        "cut and closed": plain[: len(plain) * 2 // 3] + b"\xff\xd9",
        "garbage in its scan": plain[: len(plain) // 2] + bytes(range(200, 216)) + plain[len(plain) // 2 + 16 :],
    }


@pytest.fixture(scope="session")
def jpegs() -> Mapping[str, bytes]:
    return all_kinds()
