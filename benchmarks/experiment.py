"""What the experiments on the coder share: options, models, pictures as planes, rows of what was coded, results on the disk."""

import argparse
import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from benchmarks.machine import describe_machine, say
from benchmarks.orders import Chain, code
from benchmarks.runner import Photo
from benchmarks.worker import read_samples

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from hvpzip.nn.model import Model

__all__ = [
    "CODED_HEAD",
    "CodedRow",
    "add_options",
    "centre",
    "code_groups",
    "find_models",
    "leave_out",
    "middle",
    "noise_of",
    "percent",
    "planes_of",
    "write_results",
]

Planes = npt.NDArray[np.uint8]  # (C, h, w)
Samples = npt.NDArray[np.uint8]  # (h, w) or (h, w, 3)
_Sample = TypeVar("_Sample", bound=np.unsignedinteger[Any])


def add_options(parser: argparse.ArgumentParser, name: str) -> None:
    """Where the results go, which models, how many threads."""
    out = Path("runs") / name
    parser.add_argument("--out", type=Path, default=out, metavar="DIR", help="for the results (default: %(default)s)")
    parser.add_argument("--model", default=None, metavar="A,B", help="models by name, or folders of others (default: the default one)")
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="of the network (default: %(default)s)")


def find_models(parser: argparse.ArgumentParser, names: str | None) -> "list[Model]":
    """The models named, comma by comma: bundled ones, or folders with a slash in their name; a usage error for one that is not there."""
    from hvpzip.api.runtime import model_by_name
    from hvpzip.errors import ModelError
    from hvpzip.nn.model import load_folder

    try:
        return [
            load_folder(Path(name)) if name and "/" in name else model_by_name(name) for name in (names.split(",") if names else [None])
        ]
    except ModelError as error:
        parser.error(str(error))


@dataclass(frozen=True, kw_only=True)
class CodedRow:
    """Images coded and decoded along one path, each alone (figures are sums) or all on one chain.

    ``coded_bits`` holds the ``initial_bits``, which are random padding that the stack needs and the decoder gets back; ``bound_bits`` is
    the model's bound for the latents drawn. ``decoded`` says whether every image came back and the stack ended where it began.
    """

    model: str
    path: str
    images: int
    samples: int
    bound_bits: float
    coded_bits: int
    initial_bits: int
    encode_s: float
    decode_s: float
    decoded: bool

    @property
    def overhead(self) -> float:
        """Coded bits over the bound."""
        return self.coded_bits / self.bound_bits - 1

    @property
    def net_overhead(self) -> float:
        """As ``overhead``, had somebody else a use for the initial bits."""
        return (self.coded_bits - self.initial_bits) / self.bound_bits - 1

    def cells(self) -> list[str]:
        """What ``CODED_HEAD`` names."""
        return [
            f"{self.bound_bits / self.samples:.4f}",
            f"{self.coded_bits / self.samples:.4f}",
            percent(self.overhead),
            f"{self.initial_bits:,}",
            percent(self.net_overhead),
            f"{self.encode_s:.1f}",
            f"{self.decode_s:.1f}",
            "yes" if self.decoded else "NO",
        ]


CODED_HEAD = ["bound", "coded", "over bound", "initial bits", "over bound without", "enc s", "dec s", "came back"]


def code_groups(groups: Sequence[Sequence[Planes]], model: "Model", order: str, path: str) -> tuple[CodedRow, Chain]:
    """Every group of images coded as one chain and decoded: the sums, and the first chain."""
    coded = [code(group, model, order, path) for group in groups]
    row = CodedRow(
        model=f"{model.name} {model.id.hex()}",
        path=path,
        images=sum(map(len, groups)),
        samples=sum(image.size for group in groups for image in group),
        bound_bits=sum(one.chain.bound_bits for one in coded),
        coded_bits=sum(one.chain.coded_bits for one in coded),
        initial_bits=sum(one.chain.initial_bits for one in coded),
        encode_s=sum(one.encode_s for one in coded),
        decode_s=sum(one.decode_s for one in coded),
        decoded=all(
            np.array_equal(back, image)
            for one, group in zip(coded, groups, strict=True)
            for back, image in zip(one.images, group, strict=True)
        ),
    )
    return row, coded[0].chain


def planes_of(samples: Samples) -> Planes:
    """uint8 ``(C, h, w)``, contiguous, of a picture ``(h, w)`` or ``(h, w, 3)``."""
    return np.ascontiguousarray(samples.reshape(*samples.shape[:2], -1).transpose(2, 0, 1))


def centre(photo: Photo, side: int | None) -> Samples:
    """The samples of a photo, or of its centre of at most ``side`` pixels a side."""
    samples = read_samples(photo.path)
    return samples if side is None else middle(samples, side)


def middle(samples: npt.NDArray[_Sample], side: int) -> npt.NDArray[_Sample]:
    """The centre of samples (h, w) or (h, w, c), at most ``side`` a side, contiguous."""
    top, left = (max(0, (length - side) // 2) for length in samples.shape[:2])
    return np.ascontiguousarray(samples[top : top + side, left : left + side])


def noise_of(model: "Model", path: str) -> str:
    """What a path of the model's schedule does with noise, in words: latents a level, and their lattice ratios sigma / delta."""
    found = []
    for number in range(1, len(model.schedule.levels) + 1):
        level = model.schedule.level(number)
        steps = [level.steps[index] for index in level.paths[path] if level.steps[index].is_latent]
        ratios = {f"{2.0 ** (scale / 16 - 3 - log2):g}" for step in steps for scale, log2 in zip(step.sigma, step.log2_delta, strict=True)}
        units = "+".join(step.unit for step in steps)
        found.append(f"{len(steps)} ({units}, ratio {'/'.join(sorted(ratios))})" if steps else "0")
    return found[0] if len(set(found)) == 1 else "; ".join(found)


def percent(value: float | None, digits: int = 2) -> str:
    """A ratio in percent, or "-"."""
    return "-" if value is None else f"{100 * value:.{digits}f} %"


def write_results(
    out: Path, name: str, arguments: Sequence[str], threads: int, rows: "Sequence[DataclassInstance]", more: Mapping[str, Any]
) -> None:
    """``results.csv``, a line a row, and ``results.json`` with machine, command, rows and ``more``."""
    out.mkdir(parents=True, exist_ok=True)
    with (out / "results.csv").open("w", newline="", encoding="utf-8") as stream:
        names = [field.name for field in fields(rows[0])]
        writer = csv.writer(stream)
        writer.writerow(names)
        writer.writerows([getattr(row, name) for name in names] for row in rows)
    document = {"machine": describe_machine([name, *arguments], threads), "rows": [asdict(row) for row in rows], **more}
    (out / "results.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def leave_out(lines: Iterable[str]) -> None:
    """Says which pictures were left out."""
    for line in lines:
        say(f"left out: {line}")
