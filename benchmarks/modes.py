"""Sizes of pictures of every kind against PNG, WebP and JPEG XL; every ``.hvz`` file is decompressed to its default format and compared.

    python -m benchmarks modes FOLDER... [--most PIXELS] [--effort N] [--only A,B] [--write docs/images.md]

Sizes are those of samples with palette and transparency, without metadata. WebP and JPEG XL get what is to be seen: palettes and
transparent values as colours and alpha, gray of 1 to 4 bits as 8.
"""

import argparse
import io
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks.machine import say
from hvpzip import compress_file, decompress_file
from hvpzip.errors import HvpzipError
from hvpzip.image_io import CHANNELS, Form, Kind, read_image, write_image

__all__ = ["Row", "main", "measure", "shown", "table"]

Samples = npt.NDArray[np.unsignedinteger[Any]]  # uint8 or uint16

_COLUMNS = ("PNG", "WebP", "JPEG XL e7", ".hvz")
_PLACE = re.compile("<!-- table: sizes -->.*?<!-- end -->", re.DOTALL)


class Row(NamedTuple):
    """One picture: bytes by codec, None where a codec cannot hold it. ``modelled``: whether the model codes any of the ``.hvz`` file."""

    name: str
    words: str
    bit_depth: int
    png: int | None
    webp: int | None
    jxl: int | None
    hvz: int
    modelled: bool

    @property
    def sizes(self) -> tuple[int | None, ...]:
        """In the order of the table's columns."""
        return self.png, self.webp, self.jxl, self.hvz


def main(arguments: Sequence[str]) -> int:
    """Prints the table; 0 if every picture came back equal, 1 if not."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks modes", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER", help="folders of pictures; what is refused is left out by name")
    parser.add_argument("--most", type=int, default=1 << 28, metavar="PIXELS", help="leave larger pictures out (default: %(default)s)")
    parser.add_argument("--write", type=Path, default=None, metavar="FILE", help="put the table between the marks of this page")
    parser.add_argument("--effort", type=int, default=None, metavar="N", help="of hvpzip (default: its own)")
    parser.add_argument("--only", default="", metavar="A,B", help="pictures whose names have one of these in them (default: all)")
    options = parser.parse_args(arguments)
    rows, failed, wanted = [], 0, options.only.split(",")
    for path in sorted(path for folder in options.folders for path in folder.iterdir()):
        if not any(part in path.name for part in wanted):
            continue
        try:
            row = measure(path, options.most, options.effort)
        except HvpzipError as error:
            say(f"left out: {path.name}: {error}")
            continue
        except AssertionError as error:
            say(f"{path.name}: NOT EQUAL: {error}")
            failed += 1
            continue
        rows.append(row)
        say(f"{row.name}: {', '.join(f'{name} {size}' for name, size in zip(_COLUMNS, row.sizes, strict=True))}")
    print(table(rows))
    if options.write is not None:
        page = options.write.read_text(encoding="utf-8")
        options.write.write_text(_PLACE.sub(lambda _: f"<!-- table: sizes -->\n{table(rows)}\n<!-- end -->", page), encoding="utf-8")
    return 1 if failed else 0


def measure(path: Path, most: int = 1 << 28, effort: int | None = None) -> Row:
    """All sizes of one picture.

    Raises: ImageError and others of ``hvpzip.errors`` where it is refused, AssertionError if it does not come back equal.
    """
    picture = read_image(path, most, strip=True)
    samples, form = picture.samples, picture.form
    with tempfile.TemporaryDirectory() as folder:
        coded = Path(folder) / "x.hvz"
        result = compress_file(path, coded, strip=True, effort=effort)
        back = decompress_file(coded).output
        assert back is not None
        again = read_image(back)
        np.testing.assert_array_equal(again.samples, samples, strict=True)
        assert again.form._replace(chunks=()) == form, f"{again.form} instead of {form}"
    seen = None if form.kind is Kind.CMYK else shown(samples, form)
    modelled = result.model != bytes(8).hex()
    return Row(path.name, form.words, form.bit_depth, _png(samples, form), _webp(seen), _jxl(seen), result.output_bytes or 0, modelled)


def shown(samples: Samples, form: Form) -> Samples:
    """What is to be seen, as 8 or 16 bits: gray, RGB, or either with alpha, (H, W) or (H, W, C)."""
    if form.kind is Kind.PALETTE:
        colours = np.frombuffer(form.palette, np.uint8).reshape(-1, 3)
        if form.transparency:
            alpha = np.full((len(colours), 1), 255, np.uint8)
            alpha[: len(form.transparency), 0] = np.frombuffer(form.transparency, np.uint8)
            colours = np.concatenate([colours, alpha], axis=1)
        return colours[samples]
    top = (1 << form.bit_depth) - 1
    full = samples if form.bit_depth >= 8 else (samples * (255 // top)).astype(np.uint8)
    if not form.transparency:
        return full
    planes = samples.reshape(*samples.shape[:2], CHANNELS[form.kind])
    clear = (planes == np.frombuffer(form.transparency, ">u2").astype(samples.dtype)).all(axis=2)
    alpha = np.where(clear, 0, 255 if form.bit_depth <= 8 else 65535).astype(full.dtype)
    return np.concatenate([full.reshape(planes.shape), alpha[:, :, None]], axis=2)


def _png(samples: Samples, form: Form) -> int | None:
    if form.kind is Kind.CMYK:
        return None
    stream = io.BytesIO()
    write_image(samples, stream, "PNG", form)
    return len(stream.getvalue())


def _webp(seen: Samples | None) -> int | None:
    if seen is None or seen.dtype != np.uint8 or max(seen.shape[:2]) > 16383:
        return None
    stream = io.BytesIO()
    picture = Image.fromarray(seen)
    picture.convert("RGBA" if "A" in picture.mode else "RGB").save(stream, "WEBP", lossless=True, exact=True, quality=100, method=6)
    return len(stream.getvalue())


def _jxl(seen: Samples | None) -> int | None:
    if seen is None:
        return None
    import imagecodecs

    return len(imagecodecs.jpegxl_encode(np.ascontiguousarray(seen), lossless=True, effort=7, numthreads=1))


def table(rows: Sequence[Row]) -> str:
    """The rows and their sums as Markdown; sums leave out what a codec cannot hold, and then say nothing of that codec."""
    lines = ["| file | samples | " + " | ".join(_COLUMNS) + " |", "|---" * (2 + len(_COLUMNS)) + "|"]
    lines += [f"| `{row.name}` | {row.words} | {' | '.join(_cells(row))} |" for row in rows]
    for words, is_deep in (("of up to 8 bits", False), ("of 16 bits", True)):
        some = [row for row in rows if (row.bit_depth > 8) is is_deep and row.png is not None]
        if some:
            sums = [_sum(column) for column in zip(*(row.sizes for row in some), strict=True)]
            lines.append(f"| **{len(some)} files {words}** | | {' | '.join(_number(size) for size in sums)} |")
    return "\n".join(lines)


def _cells(row: Row) -> Iterator[str]:
    for size in row.sizes[:-1]:
        yield _number(size)
    yield _number(row.hvz) + " *" * (not row.modelled)


def _sum(column: Sequence[int | None]) -> int | None:
    sizes = [size for size in column if size is not None]
    return sum(sizes) if len(sizes) == len(column) else None


def _number(size: int | None) -> str:
    return "\N{EN DASH}" if size is None else f"{size:,}"
