"""Runs every codec over every photo, each measurement in its own process, and adds the rows up.

A photo counts for a codec only if its bytes came back as the same samples; anything else is a failure: counted, never left out in silence.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.codecs import REFERENCE_CODEC, Adapter
from benchmarks.scales import ScaleBits
from benchmarks.worker import UnsupportedImageError, read_samples

__all__ = ["Photo", "Row", "Summary", "find_photos", "measure", "summarise"]

_ROOT = Path(__file__).resolve().parent.parent
_SUFFIXES = {".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}


@dataclass(frozen=True, kw_only=True)
class Photo:
    """A picture that every codec can hold."""

    path: Path
    width: int
    height: int
    channels: int

    @property
    def samples(self) -> int:
        return self.width * self.height * self.channels


@dataclass(frozen=True, kw_only=True)
class Row:
    """One codec on one photo. ``error`` is one line, and then the figures that were not reached are None.

    Times are seconds of the call alone; ``check_s`` is the second decoding, in a new process with another thread count. ``start_s`` is what
    importing the codec and a tiny picture took before. Peaks are bytes of the whole process.
    """

    codec: str
    photo: str
    width: int
    height: int
    channels: int
    samples: int
    size_bytes: int | None = None
    bits_per_dim: float | None = None
    encode_s: float | None = None
    decode_s: float | None = None
    check_s: float | None = None
    start_s: float | None = None
    encode_peak_bytes: int | None = None
    decode_peak_bytes: int | None = None
    header_bytes: int | None = None
    coded_bits: int | None = None
    bound_bits: float | None = None
    error: str | None = None
    scales: tuple[ScaleBits, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Summary:
    """One codec over all photos that it brought back; the rate in bits per dimension comes from the sums and as a mean over photos."""

    codec: str
    version: str
    flags: str
    photos: int
    failures: int
    size_bytes: int
    samples: int
    bits_per_dim: float | None
    bits_per_dim_mean: float | None
    ratio_to_reference: float | None
    encode_s_mean: float | None
    encode_s_max: float | None
    decode_s_mean: float | None
    decode_s_max: float | None
    check_s_max: float | None
    encode_mp_per_s: float | None
    decode_mp_per_s: float | None
    encode_peak_bytes: int | None
    decode_peak_bytes: int | None


def find_photos(folder: Path, limit: int | None = None) -> tuple[list[Photo], list[str]]:
    """The photos of a folder in the order of their names, and one line for each picture left out as not every codec can hold it."""
    photos: list[Photo] = []
    left_out: list[str] = []
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in _SUFFIXES:
            continue
        if limit is not None and len(photos) == limit:
            break
        try:
            samples = read_samples(path)
        except UnsupportedImageError as error:
            left_out.append(str(error))
            continue
        except OSError as error:
            left_out.append(f"{path}: {error}")
            continue
        height, width = samples.shape[:2]
        photos.append(Photo(path=path, width=width, height=height, channels=1 if samples.ndim == 2 else samples.shape[2]))
    return photos, left_out


def measure(
    adapter: Adapter, photo: Photo, *, threads: int, check_threads: int | None, timeout_s: float = 3600, keep: Path | None = None
) -> Row:
    """Encodes and decodes one photo, each in a new process; with ``check_threads``, a third one decodes it again with that many threads.

    keep: a folder that gets the codec's file, named after the photo and the codec; None discards it.
    """
    base: dict[str, Any] = {
        "codec": adapter.name,
        "photo": photo.path.name,
        "width": photo.width,
        "height": photo.height,
        "channels": photo.channels,
        "samples": photo.samples,
    }
    with tempfile.TemporaryDirectory(prefix="hvpzip-benchmark-") as scratch:
        coded = (keep or Path(scratch)) / f"{photo.path.stem}.{adapter.name}{'.hvz' if adapter.other_threads else ''}"
        try:
            encoded = _child("encode", adapter.name, photo.path, coded, threads, timeout_s)
            base |= {
                "size_bytes": encoded["size_bytes"],
                "bits_per_dim": 8 * encoded["size_bytes"] / photo.samples,
                "encode_s": encoded["seconds"],
                "start_s": encoded["start_s"],
                "encode_peak_bytes": encoded["peak_bytes"],
                "header_bytes": encoded["header_bytes"],
                "coded_bits": encoded["coded_bits"],
                "bound_bits": encoded["bound_bits"],
                "scales": tuple(ScaleBits(**row) for row in encoded["scales"]),
            }
            decoded = _child("decode", adapter.name, photo.path, coded, threads, timeout_s)
            base |= {"decode_s": decoded["seconds"], "decode_peak_bytes": decoded["peak_bytes"]}
            if not decoded["equal"]:
                raise _ChildError("the decoded samples differ from the photo's")
            if check_threads is not None:
                checked = _child("decode", adapter.name, photo.path, coded, check_threads, timeout_s)
                base |= {"check_s": checked["seconds"]}
                if not checked["equal"]:
                    raise _ChildError(f"decoded with {check_threads} threads in a new process, the samples differ from the photo's")
        except _ChildError as error:
            base["error"] = str(error)
    return Row(**base)


def summarise(adapters: Sequence[Adapter], rows: Iterable[Row], versions: dict[str, str]) -> list[Summary]:
    """One summary a codec, in the order given. The ratio compares the bytes of those photos that both codecs brought back."""
    by_codec: dict[str, list[Row]] = {adapter.name: [] for adapter in adapters}
    for row in rows:
        by_codec[row.codec].append(row)
    reference = {row.photo: row.size_bytes for row in by_codec.get(REFERENCE_CODEC, []) if row.error is None and row.size_bytes is not None}
    return [_summary(adapter, by_codec[adapter.name], reference, versions[adapter.name]) for adapter in adapters]


class _ChildError(Exception):
    """A measurement that did not end as it should; the message is one line."""


def _child(action: str, codec: str, image: Path, coded: Path, threads: int, timeout_s: float) -> dict[str, Any]:
    # The libraries' own thread pools obey these at their start, so that "threads" holds for numpy and torch whatever the codec does.
    counts = {name: str(threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")}
    path = os.pathsep.join(part for part in (str(_ROOT), os.environ.get("PYTHONPATH", "")) if part)
    command = [sys.executable, "-m", "benchmarks.worker", action, codec, str(image), str(coded), str(threads)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, env=os.environ | counts | {"PYTHONPATH": path})
    except subprocess.TimeoutExpired:
        raise _ChildError(f"{action}: no result after {timeout_s:g} s") from None
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        raise _ChildError(f"{action}: exit status {done.returncode}: {lines[-1] if lines else 'no message'}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def _summary(adapter: Adapter, rows: list[Row], reference: dict[str, int], version: str) -> Summary:
    good = [row for row in rows if row.error is None]
    samples = sum(row.samples for row in good)
    size_bytes = sum(_each(row.size_bytes for row in good))
    both = [row for row in good if row.photo in reference]
    pixels = sum(row.width * row.height for row in good)
    encode_s, decode_s = _each(row.encode_s for row in good), _each(row.decode_s for row in good)
    return Summary(
        codec=adapter.name,
        version=version,
        flags=adapter.flags,
        photos=len(rows),
        failures=len(rows) - len(good),
        size_bytes=size_bytes,
        samples=samples,
        bits_per_dim=8 * size_bytes / samples if samples else None,
        bits_per_dim_mean=_mean(_each(row.bits_per_dim for row in good)),
        ratio_to_reference=sum(_each(row.size_bytes for row in both)) / sum(reference[row.photo] for row in both) if both else None,
        encode_s_mean=_mean(encode_s),
        encode_s_max=max(encode_s, default=None),
        decode_s_mean=_mean(decode_s),
        decode_s_max=max(decode_s, default=None),
        check_s_max=max(_each(row.check_s for row in good), default=None),
        encode_mp_per_s=pixels / 1e6 / sum(encode_s) if encode_s else None,
        decode_mp_per_s=pixels / 1e6 / sum(decode_s) if decode_s else None,
        encode_peak_bytes=max(_each(row.encode_peak_bytes for row in good), default=None),
        decode_peak_bytes=max(_each(row.decode_peak_bytes for row in good), default=None),
    )


def _each(values: Iterable[Any]) -> list[Any]:
    return [value for value in values if value is not None]


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
