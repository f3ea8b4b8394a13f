"""Whether a file ever is larger than what compresses without a model: deflate, LZMA, WebP, at any effort.

    python -m benchmarks larger FOLDER... [--efforts 1,2,3,4] [--crop 160] [--every 5]

The centre of every picture that hvpzip reads (of palettes the indices, of animations the first frame), at each effort: the file beside
the smallest of these and what a file of one group adds. Every file is decoded and compared. The exit status is 1 if one is larger, or does
not come back.
"""

import argparse
import io
import lzma
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

import hvpzip
from benchmarks.experiment import leave_out, middle
from benchmarks.machine import say
from benchmarks.report import aligned
from hvpzip.errors import HvpzipError
from hvpzip.image_io import read_image

__all__ = ["FILE_BYTES", "Row", "main", "measure", "smallest_plain"]

Samples = npt.NDArray[np.unsignedinteger[Any]]  # (h, w) or (h, w, c), uint8 or uint16
FILE_BYTES: Final = (
    48  # what a file of one group adds at most (docs/format.md, section 14: 39 for small pictures, and what varints grow by)
)


@dataclass(frozen=True)
class Row:
    """One picture at one effort."""

    name: str
    effort: int
    file_bytes: int
    plain_bytes: int  # with FILE_BYTES

    @property
    def is_larger(self) -> bool:
        return self.file_bytes > self.plain_bytes


def smallest_plain(samples: Samples) -> int:
    """Bytes of the smallest of deflate, LZMA and, where it holds such samples, lossless WebP."""
    raw = samples.tobytes()
    sizes = [len(zlib.compress(raw, 9)), len(lzma.compress(raw, lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA2}]))]
    if samples.dtype == np.uint8 and (samples.ndim == 2 or samples.shape[2] in (3, 4)):
        webp = io.BytesIO()
        Image.fromarray(samples).save(webp, "WebP", lossless=True, quality=100, method=6, exact=True)
        sizes.append(webp.tell())
    return min(sizes)


def measure(samples: Samples, name: str, efforts: Sequence[int]) -> Iterator[Row]:
    """A picture at each effort. Raises: AssertionError if a file does not give it back."""
    least = smallest_plain(samples) + FILE_BYTES
    for effort in efforts:
        data = hvpzip.compress(samples, effort=effort)
        np.testing.assert_array_equal(hvpzip.decompress(data), samples)
        yield Row(name, effort, len(data), least)


def main(arguments: Sequence[str]) -> int:
    """Runs the experiment; 1 if a file is larger than the smallest plain one, 2 for a usage error."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks larger", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument("--efforts", default="1,2,3,4", metavar="A,B", help="(default: %(default)s)")
    parser.add_argument("--crop", type=int, default=160, metavar="PIXELS", help="of the centre, a side (default: %(default)s)")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="every N-th picture of a folder by name (default: all)")
    options = parser.parse_args(arguments)
    if not set(options.efforts.split(",")) <= set("1234") or options.crop < 1 or options.every < 1:
        parser.error("efforts are 1 to 4; --crop and --every are at least 1")
    efforts = sorted(int(effort) for effort in options.efforts.split(","))
    rows: list[Row] = []
    for folder in options.folders:
        for path in sorted(path for path in folder.iterdir() if path.is_file())[:: options.every]:
            try:
                samples = middle(read_image(path, frame=0).samples, options.crop)
            except (HvpzipError, OSError) as error:
                leave_out([f"{path.name}: {error}"])
                continue
            rows += measure(samples, path.name, efforts)
            sizes = ", ".join(f"{row.file_bytes} at effort {row.effort}" for row in rows[-len(efforts) :])
            say(f"{path.name}: {sizes}, plain {rows[-1].plain_bytes}")
    if not rows:
        parser.error("there is no picture")
    larger = [row for row in rows if row.is_larger]
    rising = [(before, row) for before, row in pairwise(rows) if row.effort > before.effort and row.file_bytes > before.file_bytes]
    for before, row in rising:
        print(f"{row.name}: {row.file_bytes} bytes at effort {row.effort}, {before.file_bytes} at effort {before.effort}")
    if larger:
        cells = [[row.name, str(row.effort), str(row.file_bytes), str(row.plain_bytes)] for row in larger]
        print(aligned([["picture", "effort", "file", "plain"], *cells]))
    print(f"{len(larger)} of {len(rows)} files of {len(rows) // len(efforts)} pictures are larger than plain methods make them, and")
    print(f"{len(rising)} larger than those of a lower effort")
    return 1 if larger else 0
