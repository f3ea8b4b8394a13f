"""Generated files of every kind through our readers, their samples compared with those that were put in and with other readers'.

    python -m benchmarks readers [--seed N] [--every N] [--cuts]

Other readers are tifffile, imagecodecs and libvips (pyvips), those that are installed. With --cuts each file is also cut short at several
places; then it must be refused, or give the same samples. Wrong are samples that differ from what was put in or from another reader's.
"""

import argparse
import io
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.variants import Case, cases
from hvpzip.errors import HvpzipError
from hvpzip.image_io import Kind, Picture, read_image

__all__ = ["OUTCOMES", "cut_outcomes", "main", "other_readers", "outcome"]

Samples = npt.NDArray[Any]
OUTCOMES = ("equal", "refused", "wrong")
_IMAGECODECS = {"PNG": "png", "JPEG": "jpeg8", "WebP": "webp", "BMP": "bmp"}
_CUTS = (0.2, 0.5, 0.8, 0.95, 0.99)


def main(arguments: Sequence[str]) -> int:
    """Prints counts by kind of file; 0 if nothing was wrong, 1 if something was."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks readers", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the samples (default: %(default)s)")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="take one case in N (default: all)")
    parser.add_argument("--cuts", action="store_true", help="cut each file short too")
    options = parser.parse_args(arguments)
    readers = other_readers()
    counts: Counter[tuple[str, str]] = Counter()
    compared: Counter[str] = Counter()
    for case in cases(options.seed, options.every):
        found, why = outcome(case, readers, compared)
        counts[case.kind, found] += 1
        if found != "equal":
            print(f"{found}: {case.kind}, {case.name}: {why}", file=sys.stderr)
        if options.cuts:
            for found, why in cut_outcomes(case):
                counts[f"{case.kind}, cut", found] += 1
                if found == "wrong":
                    print(f"wrong: {case.kind}, {case.name}: {why}", file=sys.stderr)
    print(f"| files | tried | {' | '.join(OUTCOMES)} |\n|---|---|---|---|---|")
    kinds = sorted({kind for kind, _ in counts})
    for kind in kinds:
        row = [counts[kind, found] for found in OUTCOMES]
        print(f"| {kind} | {sum(row):,} | {' | '.join(f'{count:,}' for count in row)} |")
    totals = [sum(counts[kind, found] for kind in kinds) for found in OUTCOMES]
    print(f"| **all** | {sum(totals):,} | {' | '.join(f'{count:,}' for count in totals)} |")
    print(
        f"\ncompared with the samples put in {compared['put in']:,} times, "
        + ", ".join(f"with {name} {compared[name]:,}" for name in readers)
    )
    return int(totals[2] > 0)


def outcome(case: Case, readers: "dict[str, Callable[[Case], Samples | None]]", compared: "Counter[str] | None" = None) -> tuple[str, str]:
    """("equal", ""), or "refused" or "wrong" with the reason."""
    compared = Counter() if compared is None else compared
    try:
        picture = read_image(io.BytesIO(case.data))
    except HvpzipError as error:
        return "refused", str(error)
    if case.samples is not None:
        compared["put in"] += 1
        if not np.array_equal(picture.samples, case.samples):
            return "wrong", "other samples than were put in"
    for name, read in readers.items():
        other = read(case)
        if other is None:
            continue
        compared[name] += 1
        if not any(np.array_equal(seen, _squeezed(other)) for seen in _seen(picture)):
            return "wrong", f"other samples than {name} gives"
    return "equal", ""


def cut_outcomes(case: Case) -> Iterator[tuple[str, str]]:
    """What becomes of the file when it is cut short."""
    whole = read_image(io.BytesIO(case.data)).samples
    for part in _CUTS:
        size = min(int(len(case.data) * part), len(case.data) - 1)
        try:
            samples = read_image(io.BytesIO(case.data[:size])).samples
        except HvpzipError as error:
            yield "refused", str(error)
            continue
        same = np.array_equal(samples, whole)
        yield ("equal", "") if same else ("wrong", f"cut to {size} of {len(case.data)} bytes")


def _seen(picture: Picture) -> Iterator[Samples]:
    """The ways in which readers give a picture: as stored, as colours, and gray as equal red, green and blue."""
    yield picture.samples
    shown = _squeezed(colours(picture))
    yield shown
    if shown.ndim == 2:
        yield np.repeat(shown[:, :, None], 3, axis=2)


def colours(picture: Picture) -> Samples:
    """The samples as most readers give them: palettes and transparent values as colours with alpha, few bits as 8."""
    samples, form = picture.samples, picture.form
    if form.kind is Kind.PALETTE:
        table = np.frombuffer(form.palette, np.uint8).reshape(-1, 3)
        if form.transparency:
            alpha = np.full(len(table), 255, np.uint8)
            alpha[: len(form.transparency)] = np.frombuffer(form.transparency, np.uint8)
            table = np.column_stack([table, alpha])
        return np.asarray(table[samples])
    key = np.frombuffer(form.transparency, ">u2") if form.transparency else None
    stretch = 255 // ((1 << form.bit_depth) - 1) if form.bit_depth < 8 else 1
    seen: Samples = (samples * np.uint8(stretch)) if stretch > 1 else samples
    if key is None:
        return seen
    pixels = samples.reshape(*samples.shape[:2], -1)
    most = 65535 if samples.dtype == np.uint16 else 255
    alpha = np.where((pixels == key).all(axis=2), 0, most).astype(samples.dtype)
    return np.dstack([seen, alpha])


def _squeezed(samples: Samples) -> Samples:
    return samples[:, :, 0] if samples.ndim == 3 and samples.shape[2] == 1 else samples


def other_readers() -> "dict[str, Callable[[Case], Samples | None]]":
    """Those that are installed, by name: each gives a case's samples, None for what it does not read."""
    found: dict[str, Callable[[Case], Samples | None]] = {}
    for name, make in (("tifffile", _tifffile), ("imagecodecs", _imagecodecs), ("libvips", _libvips)):
        try:
            found[name] = make()
        except (ImportError, OSError):
            continue
    return found


def _tifffile() -> "Callable[[Case], Samples | None]":
    import_module("imagecodecs")  # without it, tifffile reads few files
    tifffile: Any = import_module("tifffile")

    def read(case: Case) -> Samples | None:
        if case.kind != "TIFF":
            return None
        with tifffile.TiffFile(io.BytesIO(case.data)) as file:
            page = file.pages[0]
            try:
                samples = np.asarray(page.asarray())
            except (ValueError, NotImplementedError, RuntimeError, TypeError):
                return None  # it says what it does not read
            if page.planarconfig == 2 and samples.ndim == 3:
                samples = np.moveaxis(samples, 0, -1)
            if page.photometric == 0:
                most = (1 << page.bitspersample) - 1
                samples = samples.astype(np.uint16 if most > 255 else np.uint8) ^ most
            return samples.astype(np.uint16 if samples.dtype.itemsize == 2 else np.uint8)

    return read


def _imagecodecs() -> "Callable[[Case], Samples | None]":
    imagecodecs: Any = import_module("imagecodecs")
    decoders = {
        "PNG": imagecodecs.png_decode,
        "JPEG": imagecodecs.jpeg8_decode,
        "WebP": imagecodecs.webp_decode,
        "BMP": imagecodecs.bmp_decode,
    }

    def read(case: Case) -> Samples | None:
        if case.kind not in decoders or (case.kind == "JPEG" and case.name.startswith("CMYK")):
            return None
        try:
            return np.asarray(decoders[case.kind](case.data))
        except (ValueError, RuntimeError):
            return None  # kinds of BMP

    return read


def _libvips() -> "Callable[[Case], Samples | None]":
    pyvips: Any = import_module("pyvips")

    def read(case: Case) -> Samples | None:
        # Of gray with alpha in planes, libvips 8.14 gives 0 for alpha.
        if case.kind not in ("PNG", "TIFF", "PNM", "GIF") or ("gray with alpha" in case.name and "separate" in case.name):
            return None
        try:
            image = pyvips.Image.new_from_buffer(case.data, "", fail_on="warning")
            return np.asarray(image.numpy()).reshape(image.height, image.width, image.bands)
        except pyvips.Error:
            return None

    return read
