"""The units of a group's finest level to words and back, given its coarse image.

Integer arithmetic only: this file reaches the bit stream.

    data = profile (1 byte)  matrix (1 byte)  messages

A profile names the engine's experts and constants, as all of them are part of the format: 1 is the first one, 2 weighs a red by the blues
that may follow as well, and so does 3, which has a message for each plane. 4 and 5 are 2 and 3 again, but the engine begins with what it
has learnt from other photos.
The matrix is one of ``colours.matrices.MATRICES``, which some photos once were made by, or 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hvpzip.codec.cascade.gaussians import AT_ONCE, gaussians_of
from hvpzip.codec.cascade.starts import starts
from hvpzip.codec.colours.matrices import MATRICES, choose_matrix
from hvpzip.codec.walk.geometry import Level, exact_steps, geometry_of, lift_of
from hvpzip.codec.walk.level_walk import LevelWalk
from hvpzip.core import kernels
from hvpzip.diffusion.bound import RATE, Term
from hvpzip.errors import CorruptError, UnsupportedVersionError
from hvpzip.nn.model import Model
from hvpzip.progress import told_of
from hvpzip.threads import current_threads
from hvpzip.transform import colour, lifting

__all__ = ["LEAST_SIDE", "PROFILES", "Units", "can_code", "decode_units", "encode_units", "learnt_from", "profile_of"]

PROFILES: Final = (1, 2, 3, 4, 5)
_WITH_STARTS: Final = 4  # and above
_UNTOLD: Final = 2  # knows nothing at the beginning
_SMALL, _LARGE = 4, 5  # what is written
# Of both sides: below it there is nothing to learn from.
LEAST_SIDE: Final = 32
UNITS: Final = ("hh", "hl", "lh")
_ORDER: Final = (1, 0, 2)  # green, red, blue
_FIRST: Final = {"hh": (1, 1), "hl": (0, 1), "lh": (1, 0)}

Planes = NDArray[np.uint8]


class Units(NamedTuple):
    """What became of the units: their data, or the whole picture ``(C, h, w)``; what each cost, in the decoder's order; and the matrix that
    colours are likely to come from, or 0.
    """

    data: bytes
    samples: Planes
    terms: list[Term]
    matrix: int


def profile_of(planes: int, *, large: bool) -> int:
    """What units of so many planes are written with; large: whether the part is large enough for a message for each plane."""
    return _LARGE if large and planes > 1 else _SMALL


def can_code(shape: tuple[int, int, int], model: Model) -> bool:
    """Whether units of a picture (C, h, w) of 8 bits can be coded: gray or colour, not too small, by a model that only sorts samples."""
    channels, height, width = shape
    plain = model.config.transform == lifting.SUBSAMPLE and (channels == 1 or model.config.colour_lift == colour.YCOCG_R)
    if channels not in (1, 3) or min(height, width) < LEAST_SIDE or not plain:
        return False
    return tuple(model.schedule.level(1).steps[index].unit for index in exact_steps(_level(shape, model), _path(model))) == UNITS


def encode_units(samples: Planes, model: Model, profile: int | None = None) -> Units:
    """The units of a picture, uint8 ``(C, h, w)`` that ``can_code`` allows; its samples of even rows and columns are coded elsewhere.

    profile: one of ``PROFILES``; None for what small files are written with.
    """
    profile = profile or profile_of(len(samples), large=False)
    writer, matrix, terms = _written(samples, model, profile)
    return Units(bytes((profile, matrix)) + writer.finish(), samples, terms, matrix)


def learnt_from(samples: Planes, model: Model) -> list[list[float]]:
    """What the engine of each plane has learnt after a picture, as for ``encode_units``: of what starts are made (``training.starts``)."""
    found: list[list[float]] = _written(samples, model, _UNTOLD)[0].learnt()
    return found


def _written(samples: Planes, model: Model, profile: int) -> tuple[Any, int, list[Term]]:
    """A writer that has all units, the matrix, and what they cost."""
    matrix = choose_matrix(colour.forward(samples[:, ::2, ::2], colour.YCOCG_R).reshape(3, -1)) if len(samples) == 3 else 0
    writer = kernels().CascadeCoder(*samples.shape[1:], samples.shape[0], _numbers(matrix), profile=profile, starts=_starts(profile))

    def code(unit: str, *network: Any) -> tuple[Planes, list[float]]:
        row, column = _FIRST[unit]
        planes = _to_engine(samples[:, row::2, column::2])
        return samples[:, row::2, column::2], writer.unit(planes, *network, current_threads(), watch=told_of(f"unit {unit}"))

    return writer, matrix, _walk(samples.shape, samples[:, ::2, ::2], model, writer, code)


def decode_units(data: bytes, coarse: Planes, shape: tuple[int, int, int], model: Model) -> Units:
    """Inverse of ``encode_units``, given the samples of even rows and columns and the shape of the whole.

    Raises:
        CorruptError: the data is not that of an encoder.
        UnsupportedVersionError: it is of a profile that came later.
    """
    if not can_code(shape, model):
        raise CorruptError("the picture or its model does not go with units by the mixing engine")
    if len(data) < 2:
        raise CorruptError("the units end before their message")
    if data[0] not in PROFILES:
        raise UnsupportedVersionError(f"units of profile {data[0]} need a newer version")
    matrix = data[1]
    if matrix and (matrix >= len(MATRICES) or shape[0] != 3):
        raise CorruptError(f"a matrix {matrix} is unknown, or does not go with {shape[0]} channels")
    core = kernels()
    samples = np.zeros(shape, np.uint8)
    samples[:, ::2, ::2] = coarse

    def code(unit: str, *network: Any) -> tuple[Planes, list[float]]:
        row, column = _FIRST[unit]
        planes = _to_engine(samples[:, row::2, column::2])
        costs = reader.unit(planes, *network, current_threads(), watch=told_of(f"unit {unit}"))
        samples[:, row::2, column::2] = planes if shape[0] == 1 else planes[np.argsort(_ORDER)]
        return samples[:, row::2, column::2], costs

    try:
        reader = core.CascadeCoder(*shape[1:], shape[0], _numbers(matrix), data[2:], profile=data[0], starts=_starts(data[0]))
        terms = _walk(shape, coarse, model, reader, code)
        reader.finish()
    except core.CorruptMessage as error:
        raise CorruptError(f"the units are damaged: {error}") from error
    return Units(data, samples, terms, matrix)


def _walk(
    shape: tuple[int, int, int], coarse: Planes, model: Model, session: Any, code: Callable[..., tuple[Planes, list[float]]]
) -> list[Term]:
    """The three units in order: what the network says of each goes to ``code``, which gives its samples and what they cost."""
    level, lift, walk = _level(shape, model), lift_of(shape[0], model), LevelWalk(model, shape[0])
    path = _path(model)
    session.coarse(_to_engine(coarse))
    states = walk.along(level, path, colour.forward(coarse, lift), forwards=True)
    terms = []
    for index in exact_steps(level, path):
        unit = level.schedule.steps[index].unit
        size = level.sizes[unit]
        expected = gaussians_of(walk.predict_in_bands(level, states, index, AT_ONCE), size[0] * size[1], shape[0])
        if unit == UNITS[-1]:
            states.forget((unit,))
        values, costs = code(unit, *(part.reshape(-1, *size) for part in expected))
        del expected
        terms.append(Term(level.number, unit, index, RATE, sum(costs)))
        states.known[index] = colour.forward(values, lift).reshape(shape[0], -1)
    return terms


def _level(shape: tuple[int, int, int], model: Model) -> Level:
    return geometry_of(shape, 8, model).levels[0]


def _path(model: Model) -> str:
    """The path without latents, whose steps these units take."""
    return model.schedule.path_names[model.schedule.plain_path]


def _to_engine(planes: Planes) -> Planes:
    return np.ascontiguousarray(planes if len(planes) == 1 else planes[list(_ORDER)])


def _starts(profile: int) -> bytes | None:
    return starts() if profile >= _WITH_STARTS else None


def _numbers(matrix: int) -> NDArray[np.int64]:
    entry = MATRICES[matrix]
    return np.empty(0, np.int64) if entry is None else entry.numbers()
