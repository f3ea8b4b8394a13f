"""The first test images of CIFAR-10: the model's bound, coded one by one, and coded as one chain; everything decoded and compared.

Files reweight colours where it pays; chains do not.

    python -m benchmarks cifar10 FILE.npz [--limit N] [--model A,B]

FILE holds the images as ``images``, uint8 (N, 32, 32, 3), in the order of the test set.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from benchmarks.experiment import CODED_HEAD, CodedRow, add_options, code_groups, find_models, percent, planes_of, write_results
from benchmarks.machine import say
from benchmarks.report import aligned

if TYPE_CHECKING:
    from hvpzip.nn.model import Model

__all__ = ["Row", "main", "run"]

Images = npt.NDArray[np.uint8]  # (N, h, w, 3)


@dataclass(frozen=True, kw_only=True)
class Row(CodedRow):
    """All images in one way: "files" (one ``.hvz`` file an image), "payloads" (the same without containers), or "chain"."""

    way: str


def run(images: Images, model: "Model") -> list[Row]:
    """Files, payloads, and a chain along every path of the model's schedule."""
    rows = _one_by_one(images, model)
    planes = [planes_of(image) for image in images]
    for path in model.schedule.path_names:
        coded, _ = code_groups([planes], model, "self-seeded", path)
        rows.append(Row(**asdict(coded), way="chain"))
        say(f"{model.name}: chain along {path}: {percent(coded.overhead)} over the bound")
    return rows


def _one_by_one(images: Images, model: "Model") -> list[Row]:
    from hvpzip import api

    size = coded = 0
    bound, encode_s, decode_s, decoded = 0.0, 0.0, 0.0, True
    paths: dict[str, int] = {}
    for number, image in enumerate(images, start=1):
        begin = time.perf_counter()
        data, report = api.compress_with_report(image, model=model.name)
        middle = time.perf_counter()
        back = api.decompress(data)
        end = time.perf_counter()
        encode_s, decode_s = encode_s + middle - begin, decode_s + end - middle
        decoded &= np.array_equal(back, image)
        size, coded, bound = size + 8 * len(data), coded + report.coded_bits, bound + report.bound_bits
        path = "with latents" if any(term.kind == "refund" for term in report.terms) else "without latents" if report.terms else "no model"
        paths[path] = paths.get(path, 0) + 1
        if number % 100 == 0:
            say(f"{model.name}: {number} images one by one")
    chosen = "the smaller one: " + ", ".join(f"{count} {path}" for path, count in sorted(paths.items()))
    figures: dict[str, Any] = {
        "model": f"{model.name} {model.id.hex()}",
        "path": chosen,
        "images": len(images),
        "samples": int(images.size),
        "bound_bits": bound,
        "initial_bits": 0,
        "encode_s": encode_s,
        "decode_s": decode_s,
        "decoded": decoded,
    }
    return [Row(**figures, way=way, coded_bits=bits) for way, bits in (("files", size), ("payloads", coded))]


def main(arguments: Sequence[str]) -> int:
    """Runs it; returns 0 if every image came back in every way, 1 if not, 2 for a usage error."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks cifar10", description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, help="an .npz file with uint8 images (N, 32, 32, 3)")
    parser.add_argument("--limit", type=int, default=500, metavar="N", help="the first N images (default: %(default)s)")
    add_options(parser, "cifar10")
    options = parser.parse_args(arguments)
    if options.limit < 1 or options.threads < 1:
        parser.error("--limit and --threads must be at least 1")
    try:
        with np.load(options.file) as arrays:
            images = arrays["images"][: options.limit]
    except (OSError, KeyError, ValueError) as error:
        parser.error(f"{options.file} is no .npz file with an array named images ({error})")
    if images.ndim != 4 or images.shape[3] != 3 or images.dtype != np.uint8 or not images.size:
        parser.error(f"images must be uint8 (N, h, w, 3), not {images.dtype} {images.shape}")

    from hvpzip.threads import using_threads

    rows: list[Row] = []
    with using_threads(options.threads):
        for model in find_models(parser, options.model):
            rows += run(images, model)
    write_results(options.out, "cifar10", arguments, options.threads, rows, {})
    print(f"the first {len(images)} images of {options.file.name}, bits per dimension; all of them decoded and compared\n")
    print(table(rows))
    print(f"\nwritten to {options.out}")
    return 0 if all(row.decoded for row in rows) else 1


def table(rows: Sequence[Row]) -> str:
    """One line a model and way."""
    body = [[f"{row.way}, path {row.path}", row.model.split()[0], *row.cells()] for row in rows]
    return aligned([["coded as", "model", *CODED_HEAD], *body])
