"""Writes the golden files of this folder and their manifest: JPEG files kept whole, stored and recompressed, and what must be refused.

``python -m tests.golden.jpegs.make``, from the repository's root, only adds files: those that are here stay as they are, and must open for
ever. It needs the package imagecodecs.
"""

import csv
import hashlib
import io
import zlib
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from hvpzip import container, jpeg, varint
from hvpzip.jpeg import transcoding

HERE = Path(__file__).parent
PHOTO = HERE.parents[2] / "examples" / "kodim23-crop.png"


def jpeg_files() -> dict[str, bytes]:
    with Image.open(PHOTO) as photo:
        rgb = photo.convert("RGB").crop((30, 20, 94, 68))
    found = {}
    for name, image, options in (
        ("rgb", rgb, {"quality": 97, "comment": b"golden"}),
        ("gray-progressive", rgb.convert("L"), {"quality": 90, "progressive": True}),
        ("cmyk", rgb.convert("CMYK").resize((16, 12)), {"quality": 50}),
    ):
        out = io.BytesIO()
        image.save(out, "JPEG", **options)
        found[name] = out.getvalue()
    found["trailer"] = found["rgb"] + b"bytes behind the end"
    found["cut"] = found["rgb"][:-300]
    return found


def file_of(file: bytes, payload: bytes, **changes: int) -> bytes:
    facts = jpeg.jpeg_facts(file)
    fields = {"width": facts.width, "height": facts.height, "channels": facts.channels, "bit_depth": facts.bit_depth} | changes
    header = container.Header(**fields, colour_lift=0, map=0, levels=0, model_id=bytes(8), effort=0, parts=False, jpeg=True)
    return container.write(header, [container.Group(payload, zlib.crc32(file))])


def payload_of(packing: int, file: bytes, data: bytes) -> bytes:
    return bytes((packing,)) + varint.write(len(file)) + hashlib.sha256(file).digest() + data


def files() -> Iterator[tuple[str, str, bytes, str]]:
    made = jpeg_files()
    for name, file in made.items():
        packed = file_of(file, payload_of(0, file, file))
        yield f"good-stored-{name}.hvz", f"JPEG file ({name}), stored", packed, hashlib.sha256(file).hexdigest()
    for name in ("rgb", "gray-progressive", "trailer"):
        file = made[name]
        data = transcoding.transcoded(file)
        assert data is not None
        packed = file_of(file, payload_of(1, file, data))
        yield f"good-recompressed-{name}.hvz", f"JPEG file ({name}), as JPEG XL", packed, hashlib.sha256(file).hexdigest()
    file, other = made["cmyk"], made["cut"]
    data = transcoding.transcoded(made["rgb"]) or b""
    yield "refused-packing.hvz", "a packing to come", file_of(file, payload_of(2, file, file)), ""
    yield "refused-empty.hvz", "no payload", file_of(file, b""), ""
    yield "refused-size.hvz", "fewer bytes than stated", file_of(file, payload_of(0, file, file[:-1])), ""
    yield "refused-sha256.hvz", "another SHA-256", file_of(file, payload_of(0, file, file)[:-1] + b"\0"), ""
    yield "refused-crc.hvz", "another CRC", file_of(other, payload_of(0, file, file)), ""
    yield "refused-sides.hvz", "other sides than the JPEG XL data", file_of(made["rgb"], payload_of(1, made["rgb"], data), width=640), ""
    yield "refused-jpeg-xl.hvz", "JPEG XL data that is none", file_of(file, payload_of(1, file, file)), ""


if __name__ == "__main__":
    rows = []
    for name, shows, made, digest in files():
        path = HERE / name
        if not path.exists():
            path.write_bytes(made)
        rows.append((name, shows, digest))
    with open(HERE / "manifest.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([("file", "shows", "sha256 of the JPEG file"), *rows])
