"""Writes the golden files of this folder and their manifest. Files that are here stay as they are, and must decode for ever: it only adds.

python -m tests.golden.make              the payloads of the tiny model (tests/helpers/tiny.py)
python -m tests.golden.make --bundled    good-photo-<model id>.hvz by the bundled default model
python -m tests.golden.make --noise-path NAME good-noise-path-<model id>.hvz by that bundled model

tiny-noise-path-*.part   data of method 9, made by the tiny models with a noise path from the same picture
tiny-*.payload   payload of a group, made by the tiny model from a crop of examples/kodim23-crop.png
good-*.hvz       whole files that must decode as long as their model is installed
manifest.csv     name, what it shows, SHA-256 of the decoded samples: uint8 in the order (row, column, channel)
"""

from __future__ import annotations

import argparse
import csv
import functools
import hashlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from unittest import mock

import numpy as np

from tests.helpers.pictures import photo_crop
from tests.helpers.tiny import at_once_schedule, luma_schedule, make_tiny_model, make_tiny_path_model, noisy_schedule

if TYPE_CHECKING:
    from hvpzip.nn.model import Model

FOLDER = Path(__file__).resolve().parent
MANIFEST = FOLDER / "manifest.csv"
BUNDLED_CROP = (64, 40, 64, 48)


class Case(NamedTuple):
    """How a payload is made: map, path, crop (left, top, width, height).

    ``run`` is that of the parameter byte, on 8 lanes at most, in place of the first one that will do; ``levels``: "usual", "chained" where
    the model has noise levels in chains, "luma" where its latents are of luma alone, "at once" where two units are revealed at once.
    ``striped``: whether colours are learnt stripe by stripe, which the first versions did not.
    ``adapted``: with changed heads. Another processor may find other changes, so these are read again, not written again.
    """

    shows: str
    transform: int
    path: str
    box: tuple[int, int, int, int]
    gray: bool = False
    colours: bool = False
    striped: bool = False
    adapted: bool = False
    run: int | None = None
    levels: str = "usual"

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, h, w) of the samples."""
        _, _, width, height = self.box
        return 1 if self.gray else 3, height, width


TINY = {
    "tiny-rgb-diffusion.payload": Case("RGB with latents", 0, "diffusion", (64, 40, 64, 48)),
    "tiny-rgb-direct.payload": Case("RGB without latents", 0, "direct", (64, 40, 64, 48)),
    "tiny-odd-haar.payload": Case("Haar map, odd sides", 1, "diffusion", (90, 60, 37, 21)),
    "tiny-odd-legall53.payload": Case("LeGall 5/3 map, odd sides", 2, "diffusion", (90, 60, 21, 37)),
    "tiny-gray-diffusion.payload": Case("gray, an odd side", 0, "diffusion", (120, 20, 33, 50), gray=True),
    "tiny-lattice-diffusion.payload": Case("colours learnt, with latents", 0, "diffusion", (32, 20, 96, 80), colours=True),
    "tiny-lattice-direct.payload": Case("colours learnt, without latents", 0, "direct", (32, 20, 96, 80), colours=True),
    "tiny-row-direct.payload": Case("one row", 0, "direct", (120, 20, 40, 1)),
    "tiny-adapted-diffusion.payload": Case("heads changed, with latents", 0, "diffusion", (64, 40, 64, 64), adapted=True),
    "tiny-adapted-lattice-direct.payload": Case("heads changed, colours learnt", 0, "direct", (32, 20, 96, 80), colours=True, adapted=True),
    "tiny-run4-direct.payload": Case("the longest run, 2,048 pushes before lanes double", 0, "direct", (64, 60, 96, 90), run=4),
    "tiny-adapted-run4-direct.payload": Case("heads changed, the longest run", 0, "direct", (64, 60, 96, 90), adapted=True, run=4),
    "tiny-chain-noisy.payload": Case("a chain of two latents on hh, a latent on hl", 0, "noisy", (20, 20, 40, 33), levels="chained"),
    "tiny-gray-chain-noisy.payload": Case(
        "gray with the same latents, odd sides", 0, "noisy", (90, 60, 31, 41), gray=True, levels="chained"
    ),
    "tiny-chain-direct.payload": Case("the path without latents of the model with chains", 0, "direct", (20, 20, 40, 33), levels="chained"),
    "tiny-luma-diffusion.payload": Case(
        "latents of luma alone, colours learnt", 0, "diffusion", (32, 20, 95, 80), colours=True, levels="luma"
    ),
    "tiny-striped-direct.payload": Case("colours learnt in stripes", 0, "direct", (10, 10, 150, 120), colours=True, striped=True),
    "tiny-striped-diffusion.payload": Case(
        "colours learnt in stripes, with latents of three colours", 0, "diffusion", (10, 10, 150, 120), colours=True, striped=True
    ),
    "tiny-striped-luma-diffusion.payload": Case(
        "colours learnt in stripes, with latents of luma alone, heads changed",
        0,
        "diffusion",
        (10, 10, 149, 120),
        colours=True,
        striped=True,
        adapted=True,
        levels="luma",
    ),
    "tiny-gray-luma-diffusion.payload": Case("gray with latents of luma alone", 0, "diffusion", (90, 60, 31, 41), gray=True, levels="luma"),
    "tiny-at-once-diffusion.payload": Case(
        "two units at once, with latents that both read, colours learnt", 0, "diffusion", (32, 20, 95, 80), colours=True, levels="at once"
    ),
}


NOISE_PATHS = {
    "tiny-noise-path-square.part": ("5/3", 2, (64, 40, 41, 30)),
    "tiny-noise-path-lines.part": ("haar-lines", 3, (20, 20, 64, 48)),
}


@functools.cache
def tiny_model(transform: int, levels: str) -> Model:
    """The tiny model on a map, with its usual levels, with latents of luma alone, with chains of them, or with units at once."""
    schedules = {"usual": None, "luma": luma_schedule(), "chained": noisy_schedule(), "at once": at_once_schedule()}
    return make_tiny_model(transform, schedule=schedules[levels])


def digest(samples: np.ndarray) -> str:
    """SHA-256 of samples ``(C, h, w)`` in the order (row, column, channel)."""
    return hashlib.sha256(np.ascontiguousarray(samples.transpose(1, 2, 0)).tobytes()).hexdigest()


def samples_of(case: Case) -> np.ndarray:
    """The samples that a payload holds, uint8 ``(C, h, w)``."""
    return photo_crop(*case.box, case.gray)


def encode_tiny(case: Case) -> bytes:
    """The payload, made anew."""
    from hvpzip.codec.adaptation.fitting import FitSettings
    from hvpzip.codec.bitsback import group_codec
    from hvpzip.codec.lanes import candidates
    from hvpzip.codec.payload import Coding

    def chosen(path: int, symbols: int) -> list[Coding]:
        return candidates(path, symbols) if case.run is None else [Coding(path, 3, case.run)]

    model = tiny_model(case.transform, case.levels)
    fit = FitSettings(steps=12, batch=512) if case.adapted else None
    with mock.patch.object(group_codec, "candidates", chosen):
        place = model.schedule.path_names.index(case.path)
        found = group_codec.encode_along(samples_of(case), model, place, learn_colours=case.colours, fit=fit, striped=case.striped)
    assert found is not None, f"{case.shows}: the stack ran dry"
    return found[0]


def encode_noise_path(name: str) -> bytes:
    """The data of method 9, made anew."""
    from hvpzip.codec.noise_path import encode_part

    map_name, depth, box = NOISE_PATHS[name]
    path = make_tiny_path_model(map_name, depth).noise_path
    return encode_part(photo_crop(*box), path).data


def noise_path_file(samples: np.ndarray, name: str) -> bytes:
    """A file of one group (C, h, w) by method 9, whether or not another one is smaller."""
    from hvpzip import container
    from hvpzip.api.encoding import map_fields, samples_crc
    from hvpzip.codec.bitsback.group_codec import GROUP_SIZE
    from hvpzip.codec.noise_path import encode_part
    from hvpzip.codec.registry import NOISE_PATH
    from hvpzip.nn.bundled import load_model

    model, picture = load_model(name), np.ascontiguousarray(samples.transpose(1, 2, 0))
    height, width, channels = picture.shape
    header = container.Header(
        width=width,
        height=height,
        channels=channels,
        bit_depth=8,
        model_id=model.id,
        effort=2,
        group_size_log2=10,
        parts=True,
        jpeg=False,
        **map_fields(model, channels, height, width, GROUP_SIZE),
    )
    assert model.noise_path is not None
    part = bytes((0, NOISE_PATH)) + encode_part(samples, model.noise_path).data
    return container.write(header, [container.Group(part, samples_crc(picture))])


def rows() -> dict[str, tuple[str, str]]:
    """What each file of the manifest shows, and its digest."""
    with open(MANIFEST, newline="", encoding="utf-8") as file:
        return {name: (shows, value) for name, shows, value in list(csv.reader(file))[1:]}


def main() -> int:
    """Write the files that are missing, and all lines of the manifest."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundled", action="store_true", help="write a whole file by the bundled default model")
    parser.add_argument("--noise-path", metavar="MODEL", help="write a whole file by this bundled model's noise path")
    found, options = rows(), parser.parse_args()
    if options.noise_path:
        from hvpzip.nn.bundled import model_id

        samples, name = photo_crop(*BUNDLED_CROP), f"good-noise-path-{model_id(options.noise_path).hex()}.hvz"
        if not (FOLDER / name).exists():
            (FOLDER / name).write_bytes(noise_path_file(samples, options.noise_path))
        found[name] = f"a whole file by the noise path of the model {options.noise_path}", digest(samples)
    elif options.bundled:
        import hvpzip
        from hvpzip.nn.bundled import list_models, model_id

        samples, model = photo_crop(*BUNDLED_CROP), list_models()[0]
        name = f"good-photo-{model_id(model).hex()}.hvz"
        if not (FOLDER / name).exists():
            (FOLDER / name).write_bytes(hvpzip.compress(np.ascontiguousarray(samples.transpose(1, 2, 0))))
        found[name] = f"a whole file by the model {model}", digest(samples)
    else:
        for name, case in TINY.items():
            if not (FOLDER / name).exists():
                (FOLDER / name).write_bytes(encode_tiny(case))
            found[name] = case.shows, digest(samples_of(case))
        for name in NOISE_PATHS:
            if not (FOLDER / name).exists():
                (FOLDER / name).write_bytes(encode_noise_path(name))
    with open(MANIFEST, "w", newline="", encoding="utf-8") as file:
        lines = [(name, *facts) for name, facts in sorted(found.items())]
        csv.writer(file, lineterminator="\n").writerows([("file", "shows", "sha256 of the samples"), *lines])
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(FOLDER.parents[1]))
    sys.exit(main())
