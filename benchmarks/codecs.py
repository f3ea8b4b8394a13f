"""Codec adapters: each competitor behind one interface, with its version and the flags it was run with.

Every adapter is lossless as configured, but nobody takes its word for it: the runner decodes each output and compares the samples.
Third-party packages are imported inside the functions, so one that is missing costs only its own rows.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.scales import ScaleBits, scales_of_report

__all__ = ["DEFAULT_CODECS", "REFERENCE_CODEC", "Adapter", "Encoded", "UnknownCodecError", "adapter_for"]

Samples = npt.NDArray[np.uint8]  # (H, W) gray or (H, W, 3) RGB

REFERENCE_CODEC = "jxl-e7"  # the ratio column divides by its bytes
DEFAULT_CODECS = ("png", "webp", "jpeg2000", "jxl-e7", "jxl-e9", "hvpzip")


class UnknownCodecError(ValueError):
    """No adapter has this name."""


class Encoded(NamedTuple):
    """What an encoder returns: the bytes of a complete file, and hvpzip's own account of them (no other codec gives one)."""

    data: bytes
    header_bytes: int | None = None
    coded_bits: int | None = None
    bound_bits: float | None = None
    scales: tuple[ScaleBits, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Adapter:
    """One codec with fixed settings.

    name: as given to ``--codecs``. flags: the settings, as one would write them in a call. version: of the library that does the work.
    encode: (samples, threads) to a complete file. decode: (data, channels, threads) to samples; channels (1 or 3) are the source's, for
    formats without gray. other_threads: decode once more in a new process with another thread count, and compare that too.
    """

    name: str
    flags: str
    version: Callable[[], str]
    encode: Callable[[Samples, int], Encoded]
    decode: Callable[[bytes, int, int], Samples]
    other_threads: bool = field(default=False)


def adapter_for(name: str) -> Adapter:
    """The adapter of that name: png, webp, jpeg2000, jxl-eN, hvpzip or hvpzip-eN (N is the effort). Raises UnknownCodecError."""
    family, dash, effort = name.partition("-e")
    if dash and not effort.isdecimal():
        raise UnknownCodecError(f"unknown codec {name!r}: the effort after -e is not a number")
    if family == "hvpzip":
        return _hvpzip(name, int(effort) if dash else None)
    if family == "jxl" and dash:
        return _jxl(name, int(effort))
    if name in _PLAIN:
        return _PLAIN[name]()
    raise UnknownCodecError(f"unknown codec {name!r}: expected one of {', '.join(DEFAULT_CODECS)} (or jxl-eN, hvpzip-eN)")


def _pillow_version(feature: str) -> str:
    import PIL
    from PIL import features

    return f"{feature} {features.version(feature)}, Pillow {PIL.__version__}"


def _save(samples: Samples, format_: str, **options: Any) -> Encoded:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(samples).save(stream, format_, **options)
    return Encoded(stream.getvalue())


def _open(data: bytes) -> Samples:
    from PIL import Image

    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image)


def _png() -> Adapter:
    return Adapter(
        name="png",
        flags="optimize=True",
        version=lambda: _pillow_version("zlib"),
        encode=lambda samples, threads: _save(samples, "PNG", optimize=True),
        decode=lambda data, channels, threads: _open(data),
    )


def _webp() -> Adapter:
    def decode(data: bytes, channels: int, threads: int) -> Samples:
        rgb = _open(data)
        # WebP has no gray: three equal planes come back, and only then one plane stands for all.
        return np.ascontiguousarray(rgb[..., 0]) if channels == 1 and bool((rgb == rgb[..., :1]).all()) else rgb

    return Adapter(
        name="webp",
        flags="lossless=True, quality=100, method=6",
        version=lambda: _pillow_version("webp"),
        encode=lambda samples, threads: _save(samples, "WEBP", lossless=True, quality=100, method=6),
        decode=decode,
    )


def _imagecodecs_version(library: str) -> str:
    import imagecodecs

    versions: dict[str, Any] = imagecodecs.version(dict)
    return f"{library} {versions[library]}, imagecodecs {imagecodecs.__version__}"


def _jpeg2000() -> Adapter:
    def encode(samples: Samples, threads: int) -> Encoded:
        import imagecodecs

        return Encoded(bytes(imagecodecs.jpeg2k_encode(samples, level=0, reversible=True, mct=True, numthreads=threads)))

    def decode(data: bytes, channels: int, threads: int) -> Samples:
        import imagecodecs

        return np.asarray(imagecodecs.jpeg2k_decode(data, numthreads=threads))

    return Adapter(
        name="jpeg2000",
        flags="reversible=True, level=0, mct=True",
        version=lambda: _imagecodecs_version("openjpeg"),
        encode=encode,
        decode=decode,
    )


def _jxl(name: str, effort: int) -> Adapter:
    def encode(samples: Samples, threads: int) -> Encoded:
        import imagecodecs

        return Encoded(bytes(imagecodecs.jpegxl_encode(samples, lossless=True, effort=effort, numthreads=threads)))

    def decode(data: bytes, channels: int, threads: int) -> Samples:
        import imagecodecs

        return np.asarray(imagecodecs.jpegxl_decode(data, numthreads=threads))

    return Adapter(
        name=name,
        flags=f"lossless=True, effort={effort}",
        version=lambda: _imagecodecs_version("libjxl"),
        encode=encode,
        decode=decode,
    )


def _hvpzip(name: str, effort: int | None) -> Adapter:
    def version() -> str:
        import hvpzip

        return f"hvpzip {hvpzip.__version__}"

    def encode(samples: Samples, threads: int) -> Encoded:
        from hvpzip import api

        data, report = api.compress_with_report(samples, effort=effort, threads=threads)
        return Encoded(
            data,
            header_bytes=report.header_bytes,
            coded_bits=report.coded_bits,
            bound_bits=report.bound_bits,
            scales=scales_of_report(report) if report.terms else (),  # no method that tells a bound coded it
        )

    def decode(data: bytes, channels: int, threads: int) -> Samples:
        import hvpzip

        return np.asarray(hvpzip.decompress(data, threads=threads))

    return Adapter(
        name=name,
        flags="default effort" if effort is None else f"effort={effort}",
        version=version,
        encode=encode,
        decode=decode,
        other_threads=True,
    )


_PLAIN: dict[str, Callable[[], Adapter]] = {"png": _png, "webp": _webp, "jpeg2000": _jpeg2000}
