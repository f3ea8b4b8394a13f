"""Maps of a picture to scales behind one seam: whole pictures into a base and details, coarsest first, with integers and volume kept.

Integer arithmetic only: this file reaches the bit stream.

    name            what a stage splits off, given the coarser picture
    identity        nothing: one scale, the picture itself (VDM, Kingma et al. 2021)
    haar            hh, hl, lh of the S-transform                                      (W-PCDM, Li et al. 2024)
    5/3             hh, hl, lh of the reversible 5/3
    subsampling     the three phases that are left out
    laplacian       three differences of residuals against an interpolation of the coarser picture (LP-PCDM, critically sampled)
    haar-lines, 5/3-lines, subsampling-lines    one band of a split along one axis; stages take columns, then rows, then columns

Every stage is a chain of integer lifting steps, so its matrix has determinant one and bits of the scales are bits of the picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from hvpzip.transform.lifting import HAAR, LEGALL53, SUBSAMPLE, merge2d, split2d
from hvpzip.transform.pyramid import BANDS

__all__ = ["BASE_SIDE", "NAMES", "Hierarchy", "Scale", "Stage"]

Int32Array = NDArray[np.int32]

BASE_SIDE: Final = 4  # pictures are split until no side is longer
_MAP_IDS: Final = {"haar": HAAR, "5/3": LEGALL53, "subsampling": SUBSAMPLE}
_LINES: Final = "-lines"
NAMES: Final = ("identity", *_MAP_IDS, "laplacian", *(name + _LINES for name in _MAP_IDS))


class Scale(NamedTuple):
    """``known`` (N, Ck, h, w): the coarser picture, exact; no channels for the base. ``values`` (N, Cv, h, w): what the scale adds."""

    known: Int32Array
    values: Int32Array


class Stage(Protocol):
    """One split of a picture (N, C, H, W) in two on a common grid, and its inverse."""

    def split(self, x: Int32Array) -> Scale:
        """The coarser picture and the details."""

    def merge(self, scale: Scale) -> Int32Array:
        """The picture again, exactly."""


@dataclass(frozen=True)
class _Square:
    """hh, hl, lh of one level of an integer wavelet, one after the other along the channels."""

    map_id: int

    def split(self, x: Int32Array) -> Scale:
        low, bands = split2d(x, self.map_id)
        return Scale(low, np.concatenate([bands[name] for name in BANDS], 1))

    def merge(self, scale: Scale) -> Int32Array:
        bands = dict(zip(BANDS, (np.ascontiguousarray(b) for b in np.split(scale.values, 3, axis=1)), strict=True))
        return merge2d(scale.known, bands, self.map_id)


@dataclass(frozen=True)
class _Line:
    """Low and high band of a split along one axis."""

    map_id: int
    along_rows: bool  # whether columns of samples are split, and so rows of the picture

    def split(self, x: Int32Array) -> Scale:
        low, bands = split2d(self._turned(x)[..., None, :], self.map_id)
        return Scale(self._turned(low[..., 0, :]), self._turned(bands["hl"][..., 0, :]))

    def merge(self, scale: Scale) -> Int32Array:
        low, high = (self._turned(part)[..., None, :] for part in scale)
        nothing = {name: np.zeros((*part.shape[:-2], 0, part.shape[-1]), np.int32) for name, part in (("lh", low), ("hh", high))}
        return self._turned(merge2d(low, {"hl": high, **nothing}, self.map_id)[..., 0, :])

    def _turned(self, x: Int32Array) -> Int32Array:
        return np.ascontiguousarray(np.swapaxes(x, -1, -2)) if self.along_rows else x


@dataclass(frozen=True)
class _Laplacian:
    """The low band of the S-transform, and the residuals r of three of four pixels against an interpolation of it, less the residual of
    the first: ``r - r0``. The low band is then the first pixel plus a function of the three, so that they give back all four.
    """

    def split(self, x: Int32Array) -> Scale:
        low, _ = split2d(x, HAAR)
        first, *others = (x[..., i::2, j::2] for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)))
        guess, *guesses = _interpolated(low)
        return Scale(low, np.concatenate([(p - first) - (g - guess) for p, g in zip(others, guesses, strict=True)], 1))

    def merge(self, scale: Scale) -> Int32Array:
        guess, *guesses = _interpolated(scale.known)
        b, c, d = (v + (g - guess) for v, g in zip(np.split(scale.values, 3, axis=1), guesses, strict=True))
        # The S-transform: low = floor((floor((p0 + p1) / 2) + floor((p2 + p3) / 2)) / 2), and b, c, d are p1, p2, p3 less p0.
        first = scale.known - (((b >> 1) + c + ((d - c) >> 1)) >> 1)
        n, channels, height, width = first.shape
        x = np.empty((n, channels, 2 * height, 2 * width), np.int32)
        for (i, j), plane in zip(((0, 0), (0, 1), (1, 0), (1, 1)), (first, first + b, first + c, first + d), strict=True):
            x[..., i::2, j::2] = plane
        return x


def _interpolated(low: Int32Array) -> list[Int32Array]:
    """The four phases of a bilinear interpolation of ``low`` to twice its sides, edges repeated: weights 9, 3, 3, 1 sixteenths."""
    padded = np.pad(low, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
    height, width = low.shape[-2:]

    def at(dy: int, dx: int) -> Int32Array:
        return padded[..., 1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]

    return [(9 * at(0, 0) + 3 * at(dy, 0) + 3 * at(0, dx) + at(dy, dx) + 8) >> 4 for dy, dx in ((-1, -1), (-1, 1), (1, -1), (1, 1))]


class Hierarchy:
    """A map for pictures of one size.

    Args:
        name: One of ``NAMES``.
        height, width: Sides of the pictures; even wherever a stage splits them.
        depth: How many stages; as many as leave no side above ``BASE_SIDE`` by default. Lines then take turns, columns first, where by
            default the longer side is split.

    Attributes:
        stages: Coarsest first; scale 0 is the base, scale i + 1 is what stage i adds.

    Raises ValueError for an unknown name, or sides that a stage cannot halve.
    """

    def __init__(self, name: str, height: int, width: int, depth: int | None = None) -> None:
        if name not in NAMES:
            raise ValueError(f"unknown map {name!r}; known are {', '.join(NAMES)}")
        self.name, self.height, self.width = name, height, width
        stages: list[Stage] = []
        while name != "identity" and (max(height, width) > BASE_SIDE if depth is None else len(stages) < depth):
            rows, columns = True, True
            if name.endswith(_LINES):
                rows = height > width if depth is None else len(stages) % 2 == 1
                columns = not rows
                stages.append(_Line(_MAP_IDS[name.removesuffix(_LINES)], along_rows=rows))
            else:
                stages.append(_Laplacian() if name == "laplacian" else _Square(_MAP_IDS[name]))
            if (rows and height % 2) or (columns and width % 2):
                raise ValueError(f"a picture of {self.height}x{self.width} has odd sides at a scale of {height}x{width}")
            height, width = height // (1 + rows), width // (1 + columns)
        self.stages = tuple(reversed(stages))

    def __len__(self) -> int:
        return len(self.stages) + 1

    def split(self, x: NDArray[np.integer]) -> tuple[Scale, ...]:
        """All scales of pictures ``x`` (N, C, H, W), coarsest first. Raises ValueError for pictures of other sides."""
        if x.ndim != 4 or x.shape[2:] != (self.height, self.width):
            raise ValueError(f"expected pictures (N, C, {self.height}, {self.width}), got {x.shape}")
        rest = x.astype(np.int32)
        scales = []
        for stage in reversed(self.stages):
            scale = stage.split(rest)
            scales.append(scale)
            rest = scale.known
        return (Scale(rest[:, :0], rest), *reversed(scales))

    def merge(self, number: int, scale: Scale) -> Int32Array:
        """The picture that scale ``number`` completes: ``known`` of the next scale, or the whole picture after the last."""
        return scale.values if number == 0 else self.stages[number - 1].merge(scale)
