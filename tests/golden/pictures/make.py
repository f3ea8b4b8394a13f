"""Writes the golden files of this folder and their manifest: one small picture of every form, none of which needs a model.

``python -m tests.golden.pictures.make``, from the repository's root, only adds files: those that are here stay as they are, and must decode
for ever.
"""

import csv
import hashlib
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from benchmarks.damage import cut, seal
from hvpzip import container, varint
from hvpzip.api.pictures import sections_of
from hvpzip.codec import plain, raster, rewrites
from hvpzip.image_io import CHANNELS, Chunk, Form, Kind

HERE = Path(__file__).parent
METADATA = (
    Chunk(b"gAMA", (45455).to_bytes(4, "big")),
    Chunk(b"tEXt", b"Title\0golden"),
    Chunk(b"reSo", bytes([72, 0, 0, 0, 1, 0, 0, 0] * 2 + [2])),
)
# A TIFF's palette of 16 bits, a tag of it, a chunk of PNG's extensions and one that may be copied.
TAGS = (
    Chunk(b"cmAP", bytes(value for entry in range(6) for value in (255 - entry, entry))),
    Chunk(b"tiTg", b"MM" + bytes((0x83, 0x0E, 0, 12, 0, 0, 0, 1)) + bytes(8)),
    Chunk(b"oFFs", bytes(9)),
    Chunk(b"prVt", b"private"),
)
GOOD = {
    "gray1": Form(Kind.GRAY, 1),
    "gray2": Form(Kind.GRAY, 2),
    "gray4-transparent": Form(Kind.GRAY, 4, b"", b"\0\3"),
    "gray16": Form(Kind.GRAY, 16),
    "gray-alpha8": Form(Kind.GRAY_ALPHA, 8),
    "gray-alpha16": Form(Kind.GRAY_ALPHA, 16),
    "rgb8-transparent": Form(Kind.RGB, 8, b"", bytes(6)),
    "rgb8-metadata": Form(Kind.RGB, 8, chunks=METADATA),
    "rgb16": Form(Kind.RGB, 16),
    "rgb-alpha8": Form(Kind.RGB_ALPHA, 8),
    "rgb-alpha16": Form(Kind.RGB_ALPHA, 16),
    "palette1": Form(Kind.PALETTE, 1, bytes(range(6))),
    "palette4-transparent": Form(Kind.PALETTE, 4, bytes(range(48)), b"\0\x80\xff"),
    "palette8": Form(Kind.PALETTE, 8, bytes(range(256)) * 3),
    "cmyk8": Form(Kind.CMYK, 8),
    "palette1-tags": Form(Kind.PALETTE, 1, bytes(range(6)), chunks=TAGS),
}


def samples_of(form: Form) -> np.ndarray:
    """A slope with a pattern, 11 x 13."""
    y, x, c = np.indices((11, 13, CHANNELS[form.kind]))
    top = (1 << form.bit_depth) - 1
    return ((x * 7 + y * 5 + c * 3 + (x * y) % 3) * (top // 60 + 1) & top).astype(np.uint16 if form.bit_depth == 16 else np.uint8)


def file_of(form: Form, payload: bytes, samples: np.ndarray, sections: tuple[container.Section, ...]) -> bytes:
    height, width, channels = samples.shape
    header = container.Header(
        width=width,
        height=height,
        channels=channels,
        bit_depth=form.bit_depth,
        colour_lift=0,
        map=0,
        levels=0,
        model_id=bytes(8),
        effort=1,
        parts=True,
    )
    return container.write(header, [container.Group(payload, container.crc32(little_endian(samples)))], sections)


def little_endian(samples: np.ndarray) -> bytes:
    return samples.astype(samples.dtype.newbyteorder("<")).tobytes()


def good() -> Iterator[tuple[str, str, bytes, str]]:
    from hvpzip.codec.plain.methods import candidates

    for name, form in GOOD.items():
        samples = samples_of(form)
        digest = hashlib.sha256(little_endian(samples)).hexdigest()
        data = file_of(form, b"\0" + plain.encode(samples, form.bit_depth), samples, sections_of(form))
        yield f"good-{name}.hvz", f"{form.words}; {len(form.chunks)} records of metadata", data, digest
    form = Form(Kind.RGB, 8)
    samples = samples_of(form)
    methods = {coded[0]: coded for coded in candidates(samples, 8)}
    for method, coded in methods.items():
        name = {2: "deflate", 3: "lzma", 4: "webp", 5: "png"}[method]
        digest = hashlib.sha256(samples.tobytes()).hexdigest()
        yield f"good-method-{name}.hvz", f"the method {name}", file_of(form, b"\0" + coded, samples, ()), digest
    yield from rewritten()
    form = Form(Kind.RGB_ALPHA, 16)
    samples = samples_of(form)
    digest = hashlib.sha256(little_endian(samples)).hexdigest()
    parts = [plain.encode(part.astype(np.uint8), 8) for byte in (samples >> 8, samples & 255) for part in (byte[..., :3], byte[..., 3:])]
    payload = b"\3" + b"".join(varint.write(len(part)) + part for part in parts[:-1]) + parts[-1]
    yield "good-split.hvz", "high and low bytes, colour and alpha in parts of their own", file_of(form, payload, samples, ()), digest


def rewritten() -> Iterator[tuple[str, str, bytes, str]]:
    """Files of the predictive coder, and of rewritten samples."""
    for name, form in {"gray8": Form(Kind.GRAY, 8), "rgb16": Form(Kind.RGB, 16), "rgb-alpha8": Form(Kind.RGB_ALPHA, 8)}.items():
        samples = samples_of(form)
        digest = hashlib.sha256(little_endian(samples)).hexdigest()
        payload = b"\0\6" + raster.encode(samples)
        yield f"good-predictive-{name}.hvz", f"{form.words} by the predictive coder", file_of(form, payload, samples, ()), digest
    sparse = samples_of(Form(Kind.GRAY, 16))
    gray = np.repeat(samples_of(Form(Kind.GRAY, 8)), 3, axis=2)
    cases = {
        rewrites.VALUES: ("values", Form(Kind.GRAY, 16), sparse // 2000 * 2000 + sparse // 30000),
        rewrites.STEP: ("steps", Form(Kind.GRAY, 16), samples_of(Form(Kind.GRAY, 8)).astype(np.uint16) * 257),
        rewrites.COLOURS: ("colours", Form(Kind.RGB_ALPHA, 8), samples_of(Form(Kind.RGB_ALPHA, 8)) & 192),
        rewrites.GRAY: ("gray", Form(Kind.RGB, 8), gray),
        rewrites.DENSE: ("dense", Form(Kind.RGB, 8), (samples_of(Form(Kind.RGB, 8)) // 2 * 7 // 5 + 9).astype(np.uint8)),
    }
    for mark, (name, form, samples) in cases.items():
        found = next(one for one in rewrites.rewritings(samples, form.bit_depth) if one.prefix[0] == mark)
        payload = found.prefix + b"\0" + plain.encode(found.samples, found.bit_depth)
        digest = hashlib.sha256(little_endian(samples)).hexdigest()
        yield f"good-rewritten-{name}.hvz", f"{form.words}, rewritten: {name}", file_of(form, payload, samples, sections_of(form)), digest


def features() -> Iterator[tuple[str, str, bytes, str]]:
    """What forms and methods do not show: groups, sides, filters, splits, what a reader skips."""
    from hvpzip.codec.plain.methods import _filtered

    def row(name: str, shows: str, data: bytes, samples: np.ndarray) -> tuple[str, str, bytes, str]:
        return f"good-{name}.hvz", shows, data, hashlib.sha256(little_endian(samples)).hexdigest()

    def grouped(samples: np.ndarray, payload_of: Callable[[int, np.ndarray], bytes]) -> bytes:
        """Groups of 16 x 16."""
        tiles = [samples[y : y + 16, x : x + 16] for y in range(0, samples.shape[0], 16) for x in range(0, samples.shape[1], 16)]
        groups = [
            container.Group(payload_of(number, tile), container.crc32(little_endian(np.ascontiguousarray(tile))))
            for number, tile in enumerate(tiles)
        ]
        height, width, channels = samples.shape
        header = container.Header(
            width=width, height=height, channels=channels, bit_depth=8 * samples.itemsize, colour_lift=0, map=0, levels=0,
            model_id=bytes(8), effort=1, parts=True, group_size_log2=4,
        )  # fmt: skip
        return container.write(header, groups)

    y, x, c = np.indices((37, 40, 3))
    samples = ((x * 3 + y * 5 + c * 40 + x * y % 5) & 255).astype(np.uint8)
    for name, picture in (("gray8", samples[..., :1]), ("one-pixel", samples[:1, :1]), ("row", samples[:1]), ("column", samples[:, :1])):
        picture = np.ascontiguousarray(picture)
        shows = f"{picture.shape[1]} x {picture.shape[0]}, {picture.shape[2]} channels of 8 bits"
        yield row(name, shows, file_of(Form(Kind.RGB, 8), b"\0" + plain.encode(picture, 8), picture, ()), picture)
    yield row("groups", "nine groups, those at the edges smaller", grouped(samples, lambda _, tile: b"\0" + plain.encode(tile, 8)), samples)

    def filtered(number: int, tile: np.ndarray) -> bytes:
        stream = list(_filtered(np.ascontiguousarray(tile), 8 * tile.itemsize))[number]
        deflate = zlib.compressobj(9, wbits=-15)
        return b"\0\2" + stream[:1] + deflate.compress(stream[1:]) + deflate.flush()

    for depth in (8, 16):
        strip = np.tile(samples[:16, :16], (8, 1, 1)).astype(np.uint8 if depth == 8 else np.uint16)
        if depth == 16:
            strip = strip * np.uint16(251)
        yield row(f"filters{depth}", f"eight groups, each with another filter, {depth} bits", grouped(strip, filtered), strip)
    flat = np.full((5, 4, 3), (1, 2, 250), np.uint8)
    yield row("method-constant", "the method constant", file_of(Form(Kind.RGB, 8), b"\0\1\1\2\xfa", flat, ()), flat)
    form = Form(Kind.RGB_ALPHA, 8)
    picture = samples_of(form)
    colour, alpha = plain.encode(picture[..., :3], 8), plain.encode(picture[..., 3:], 8)
    yield row(
        "split-alpha", "alpha in a part of its own", file_of(form, b"\1" + varint.write(len(colour)) + colour + alpha, picture, ()), picture
    )
    form = Form(Kind.GRAY, 16)
    doubled = samples_of(Form(Kind.GRAY, 8)).astype(np.uint16) * np.uint16(257)
    high, low = plain.encode((doubled >> 8).astype(np.uint8), 8), plain.encode(np.zeros(doubled.shape, np.uint8), 8)
    yield row(
        "split-difference", "low bytes less high bytes", file_of(form, b"\6" + varint.write(len(high)) + high + low, doubled, ()), doubled
    )
    form = Form(Kind.PALETTE, 2, bytes(range(12)))
    picture = samples_of(form)
    palette = container.Section(container.FORM_SECTION, b"\4\x0c" + form.palette)
    data = file_of(form, b"\0" + plain.encode(picture, 2), picture, (palette,))
    yield row("palette2", "2-bit palette, not packed", data, picture)
    strange = (palette, container.Section(6, b"of a later version"), container.Section(container.METADATA_SECTION, b"\0newR\3abc"))
    pieces = cut(file_of(form, b"\0" + plain.encode(picture, 2), picture, strange))
    data = seal(pieces._replace(header=pieces.header[:10] + b"\x7f" + pieces.header[11:]))
    yield row("skipped", "hints, a section and a record of a later version, which are skipped", data, picture)


def refused() -> Iterator[tuple[str, str, bytes, str]]:
    form = Form(Kind.GRAY, 8)
    samples = samples_of(form)
    whole = b"\0" + plain.encode(samples, 8)
    kind, metadata = container.FORM_SECTION, container.METADATA_SECTION
    cases = {
        "split": ("a split that 8-bit gray does not have", b"\2" + whole[1:], ()),
        "method": ("an unknown method", b"\0\x63" + whole[2:], ()),
        "no-model": ("a part of a model where none is named", b"\0\0" + whole[2:], ()),
        "ramp": ("an unknown ramp of the predictive coder", b"\0\6\x0f" + bytes(12), ()),
        "bounds": ("bounds of the predictive coder beyond 8 bits", b"\0\6\0\0\0\0\1" + bytes(12), ()),
        "values": ("a list of values that saves no bit", b"\x08\1\x81\1\3\1\0\0" + whole, ()),
        "dense": ("gaps closed twice", b"\x80\1\2\1\0" * 2 + whole, ()),
        "colours": ("a list of colours for one channel", b"\x10\1\2\1\0" + whole, ()),
        "steps": ("steps beyond the largest sample", b"\x40\3\x20\x20" + whole, ()),
        "gray": ("three channels made of one, of which there is one", b"\x20" + whole, ()),
        "empty": ("an empty payload", b"", ()),
        "kind": ("an unknown kind of samples", whole, (container.Section(kind, b"\x63\0"),)),
        "channels": ("CMYK of one channel", whole, (container.Section(kind, b"\5\0"),)),
        "palette": ("a palette that ends in the middle of an entry", whole, (container.Section(kind, b"\4\4abcd"),)),
        "record": ("a record of metadata that goes beyond its section", whole, (container.Section(metadata, b"\0tEXt\x09abc"),)),
        "deflate": ("metadata that cannot be unpacked", whole, (container.Section(metadata, b"\1\xff\xff"),)),
    }
    for name, (reason, payload, sections) in cases.items():
        yield f"refused-{name}.hvz", reason, file_of(form, payload, samples, sections), ""


if __name__ == "__main__":
    rows = []
    for name, shows, data, digest in (*good(), *features(), *refused()):
        if not (HERE / name).exists():
            (HERE / name).write_bytes(data)
        rows.append((name, shows, digest))
    with open(HERE / "manifest.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([("file", "shows", "sha256 of the samples"), *rows])
