"""What a file has above the model's bound, and how much of the time is the coder's: photos, crops of them, and tiny pictures.

    python -m benchmarks overhead FOLDER [--limit N] [--crops 24] [--model NAME] [--effort N]

"Fixed" bytes are all that no symbol pays for: header, model id, lengths, checksums, the parameter byte, the start state and the unused bits
of the last byte; of what a plain method coded in the model's place, none is. "Coder" is everything but the network: its predictions, and
the fit of its heads to a picture ("less fit": the share of the time without the fit). Seconds are processor seconds of all threads;
starting a process is not among them.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import numpy.typing as npt

from benchmarks.clock import network_clock
from benchmarks.experiment import add_options, find_models, leave_out, percent, write_results
from benchmarks.machine import say
from benchmarks.report import aligned
from benchmarks.runner import Photo, find_photos
from benchmarks.worker import read_samples

__all__ = ["Row", "contents", "crops", "main", "measure"]

Samples = npt.NDArray[np.uint8]

CROP_SIDES = (256, 64, 16)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One picture. ``kind`` is "photo", "256x256" and so on for crops of photos, or "16x16 drawn" for contents that are no photos."""

    kind: str
    picture: str
    samples: int
    size_bytes: int
    header_bytes: int
    coded_bits: int
    bound_bits: float
    fixed_bytes: float
    by_model: bool
    latents: bool
    encode_s: float
    encode_network_s: float
    encode_fit_s: float
    decode_s: float
    decode_network_s: float
    decoded: bool

    @property
    def overhead(self) -> float | None:
        """File over bound; None where the bound is too small for a ratio to say anything (less than a byte)."""
        return 8 * self.size_bytes / self.bound_bits - 1 if self.bound_bits >= 8 else None

    @property
    def encode_coder_s(self) -> float:
        """Neither prediction nor fit."""
        return self.encode_s - self.encode_network_s - self.encode_fit_s

    @property
    def decode_coder_s(self) -> float:
        """Not the network's."""
        return self.decode_s - self.decode_network_s


def measure(samples: Samples, kind: str, picture: str, model: str | None, effort: int | None = None) -> Row:
    """The row of one picture, compressed and decompressed once."""
    from hvpzip import api

    with network_clock() as clock:
        begin = time.process_time()
        data, report = api.compress_with_report(samples, model=model, effort=effort)
        encode_s, encode_network_s, encode_fit_s = time.process_time() - begin, clock.seconds, clock.fit_s
    with network_clock() as clock:
        begin = time.process_time()
        back = api.decompress(data)
        decode_s, decode_network_s = time.process_time() - begin, clock.seconds
    grown = sum(bits for _, bits in report.level_bits)
    modelled = sum(term.bits if term.kind == "rate" else -term.bits for term in report.terms)
    plain = report.bound_bits - modelled  # a plain method is its own bound
    return Row(
        kind=kind,
        picture=picture,
        samples=int(samples.size),
        size_bytes=len(data),
        header_bytes=report.header_bytes,
        coded_bits=report.coded_bits,
        bound_bits=report.bound_bits,
        fixed_bytes=report.header_bytes + (report.coded_bits - grown - plain) / 8,
        by_model=bool(report.terms),
        latents=any(term.kind == "refund" for term in report.terms),
        encode_s=encode_s,
        encode_network_s=encode_network_s,
        encode_fit_s=encode_fit_s,
        decode_s=decode_s,
        decode_network_s=decode_network_s,
        decoded=np.array_equal(back, samples),
    )


def crops(photos: Sequence[Photo], side: int, count: int) -> Iterator[tuple[str, Samples]]:
    """``count`` crops, one from each photo in turn, at places drawn with a fixed seed; photos that are too small are passed over."""
    rng = np.random.default_rng(side)
    large = [photo for photo in photos if min(photo.width, photo.height) >= side]
    for number in range(count if large else 0):
        photo = large[number % len(large)]
        top, left = (int(rng.integers(0, length - side + 1)) for length in (photo.height, photo.width))
        name = f"{photo.path.name} {side}x{side}+{left}+{top}"
        yield name, np.ascontiguousarray(read_samples(photo.path)[top : top + side, left : left + side])


def contents(side: int) -> Iterator[tuple[str, Samples]]:
    """Pictures of one side that are no photos, in RGB and in gray: one colour, ramps, a checkerboard, lines, noise."""
    y, x = np.mgrid[:side, :side]
    rng = np.random.default_rng(side)
    drawn = {
        "black": np.zeros((side, side)),
        "one colour": np.full((side, side), 200),
        "ramp": x * 255 // max(side - 1, 1),
        "diagonal": (x + y) * 127 // max(side - 1, 1),
        "checkerboard": (x + y) % 2 * 255,
        "line": (y == side // 2) * 255,
        "noise": rng.integers(0, 256, (side, side)),
    }
    for name, plane in drawn.items():
        gray = plane.astype(np.uint8)
        yield f"{name}, gray", gray
        yield f"{name}, RGB", np.ascontiguousarray(np.stack([gray, np.roll(gray, 1, 0), gray[::-1]], 2))


def main(arguments: Sequence[str]) -> int:
    """Measures; returns 0 if every picture came back, 1 if not, 2 for a usage error."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks overhead", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="a folder of 8-bit gray or RGB pictures")
    parser.add_argument("--limit", type=int, default=None, metavar="N", help="only the first N photos")
    parser.add_argument("--crops", type=int, default=24, metavar="N", help="of each size (default: %(default)s)")
    parser.add_argument("--no-photos", action="store_true", help="leave the whole photos out, which take longest")
    parser.add_argument("--effort", type=int, default=None, metavar="N", help="(default: the encoder's own)")
    add_options(parser, "overhead")
    options = parser.parse_args(arguments)
    if not options.folder.is_dir() or options.threads < 1 or options.crops < 0:
        parser.error("FOLDER must be a folder, --threads at least 1 and --crops not negative")
    (model, *others) = find_models(parser, options.model)
    if others:
        parser.error("--model takes one model here")
    photos, left_out = find_photos(options.folder, options.limit)
    leave_out(left_out)
    if not photos:
        parser.error("no photos to measure")

    from hvpzip.threads import using_threads

    rows: list[Row] = []
    with using_threads(options.threads):
        warm = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)  # tables
        measure(warm, "warm-up", "", model.name)
        for kind, name, samples in _pictures(photos, options.crops, not options.no_photos):
            row = measure(samples, kind, name, model.name, options.effort)
            rows.append(row)
            say(
                f"{kind} {name}: {row.size_bytes} bytes, {percent(row.overhead)} over the bound, fixed {row.fixed_bytes:.1f} bytes; "
                f"encoding: network {row.encode_network_s:.2f}, fit {row.encode_fit_s:.2f}, coder {row.encode_coder_s:.2f} s; "
                f"decoding: network {row.decode_network_s:.2f}, coder {row.decode_coder_s:.2f} s"
            )
    write_results(options.out, "overhead", arguments, options.threads, rows, {})
    print(
        f"{options.folder.resolve().name}, model {model.name} {model.id.hex()}, {options.threads} threads; all files decoded and compared\n"
    )
    print(table(rows))
    print(f"\nwritten to {options.out}")
    return 0 if all(row.decoded for row in rows) else 1


def _pictures(photos: Sequence[Photo], count: int, whole: bool) -> Iterator[tuple[str, str, Samples]]:
    smallest = CROP_SIDES[-1]
    for name, samples in contents(smallest):
        yield f"{smallest}x{smallest} drawn", name, samples
    for side in reversed(CROP_SIDES):
        for name, samples in crops(photos, side, count):
            yield f"{side}x{side}", name, samples
    for photo in photos if whole else []:
        yield "photo", photo.path.name, read_samples(photo.path)


def table(rows: Sequence[Row]) -> str:
    """One line a kind: file over bound, fixed bytes and their share of the file, and the coder's share of the time of all its pictures."""
    head = [
        "pictures",
        "number",
        "over bound",
        "max",
        "fixed bytes",
        "max",
        "of file",
        "max",
        "by model",
        "latents",
        "coder enc",
        "less fit",
        "coder dec",
        "came back",
    ]
    body = []
    for kind in dict.fromkeys(row.kind for row in reversed(rows)):
        own = [row for row in rows if row.kind == kind]
        over = [row.overhead for row in own if row.overhead is not None and "drawn" not in kind]
        share = [row.fixed_bytes / row.size_bytes for row in own]
        encode_s, decode_s = sum(row.encode_coder_s for row in own), sum(row.decode_coder_s for row in own)
        body.append(
            [
                kind,
                str(len(own)),
                percent(median(over)) if over else "-",
                percent(max(over)) if over else "-",
                f"{median(row.fixed_bytes for row in own):.1f}",
                f"{max(row.fixed_bytes for row in own):.1f}",
                percent(median(share), 3),
                percent(max(share), 3),
                f"{sum(row.by_model for row in own)} of {len(own)}",
                f"{sum(row.latents for row in own)} of {len(own)}",
                percent(encode_s / sum(row.encode_s for row in own), 0),
                percent(encode_s / sum(row.encode_s - row.encode_fit_s for row in own), 0),
                percent(decode_s / sum(row.decode_s for row in own), 0),
                f"{sum(row.decoded for row in own)} of {len(own)}",
            ]
        )
    return aligned([head, *body])
