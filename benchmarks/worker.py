"""One measurement in a process of its own: ``python -m benchmarks.worker encode|decode ...`` prints one JSON object.

A process for each measurement, so that the peak of memory belongs to one codec and one photo, and a crash is a row in the table and not the
end of the run. The clock runs from the call to its return; importing the codec and loading its model come before, through a run on a tiny
picture, and are reported apart.
"""

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.codecs import Adapter, adapter_for

__all__ = ["UnsupportedImageError", "measure_decode", "measure_encode", "peak_memory_bytes", "read_samples"]

Samples = npt.NDArray[np.uint8]


class UnsupportedImageError(ValueError):
    """Not an 8-bit gray or RGB picture of one frame: the benchmark compares the codecs on what all of them hold."""


def read_samples(path: Path) -> Samples:
    """The samples of a picture: uint8, (H, W) or (H, W, 3), contiguous. Raises UnsupportedImageError, or OSError for a broken file."""
    from PIL import Image

    with Image.open(path) as image:
        if image.mode not in ("L", "RGB") or getattr(image, "n_frames", 1) != 1 or "transparency" in image.info:
            raise UnsupportedImageError(f"{path}: only 8-bit gray and RGB pictures of one frame are compared, this one is {image.mode}")
        return np.ascontiguousarray(image)


def peak_memory_bytes() -> int:
    """The most memory this process has had resident, in bytes.

    Linux tells it for the program (VmHWM); elsewhere getrusage does, which on Linux would carry the parent's peak over into the child.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    if sys.platform == "win32":
        raise NotImplementedError("peak memory is not measured on Windows")
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def measure_encode(adapter: Adapter, image: Path, output: Path, threads: int) -> dict[str, object]:
    """Encodes ``image`` to the file ``output``; returns seconds, peak memory, bytes and the coder's report as plain data."""
    samples = read_samples(image)
    started_s = _warm_up(adapter, samples.ndim, threads)
    begin = time.perf_counter()
    encoded = adapter.encode(samples, threads)
    elapsed_s = time.perf_counter() - begin
    output.write_bytes(encoded.data)
    return {
        "seconds": elapsed_s,
        "start_s": started_s,
        "peak_bytes": peak_memory_bytes(),
        "size_bytes": len(encoded.data),
        "header_bytes": encoded.header_bytes,
        "coded_bits": encoded.coded_bits,
        "bound_bits": encoded.bound_bits,
        "scales": [asdict(row) for row in encoded.scales],
    }


def measure_decode(adapter: Adapter, image: Path, coded: Path, threads: int) -> dict[str, object]:
    """Decodes the file ``coded`` and compares with ``image``, sample for sample; returns seconds, peak memory and the verdict."""
    samples = read_samples(image)
    channels = 1 if samples.ndim == 2 else samples.shape[2]
    data = coded.read_bytes()
    started_s = _warm_up(adapter, samples.ndim, threads)
    begin = time.perf_counter()
    decoded = adapter.decode(data, channels, threads)
    elapsed_s = time.perf_counter() - begin
    equal = decoded.dtype == samples.dtype and np.array_equal(decoded, samples)  # np.array_equal is False for another shape
    return {"seconds": elapsed_s, "start_s": started_s, "peak_bytes": peak_memory_bytes(), "equal": equal}


def _warm_up(adapter: Adapter, ndim: int, threads: int) -> float:
    tiny = np.arange(16 * 16 * 3, dtype=np.uint16).astype(np.uint8).reshape(16, 16, 3)
    tiny = tiny if ndim == 3 else np.ascontiguousarray(tiny[..., 0])
    begin = time.perf_counter()
    adapter.decode(adapter.encode(tiny, threads).data, 1 if ndim == 2 else 3, threads)
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.worker", description="One measurement; started by python -m benchmarks.")
    parser.add_argument("action", choices=("encode", "decode"))
    parser.add_argument("codec")
    parser.add_argument("image", type=Path)
    parser.add_argument("coded", type=Path, help="the codec's file: written by encode, read by decode")
    parser.add_argument("threads", type=int)
    arguments = parser.parse_args()
    adapter = adapter_for(arguments.codec)
    measure = measure_encode if arguments.action == "encode" else measure_decode
    print(json.dumps(measure(adapter, arguments.image, arguments.coded, arguments.threads)))


if __name__ == "__main__":
    main()
