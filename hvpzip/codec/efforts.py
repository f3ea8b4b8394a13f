"""What an encoder spends at each effort. Files say their effort; the decoder does not need it.

Figures behind the choices: docs/experiments.md, 74.
"""

from __future__ import annotations

from typing import NamedTuple

from hvpzip.codec.adaptation.fitting import FitSettings

__all__ = ["DEFAULT_EFFORT", "EFFORTS", "Effort"]


class Effort(NamedTuple):
    """Attributes:
    latents: Whether paths with noise levels are tried.
    co: Whether Co is reweighted too where that pays.
    raster: Whether the raster coder is tried on what the model codes too.
    mixing: The profile of the mixing coder that is tried on what the model codes too, 0 for none.
    fit: How heads are adapted to the group, None for not at all.
    """

    latents: bool
    co: bool
    raster: bool
    mixing: int
    fit: FitSettings | None


_FIT = FitSettings(steps=96, batch=4096)
EFFORTS = {
    1: Effort(False, False, False, 0, None),
    2: Effort(True, True, True, 0, _FIT),
    3: Effort(True, True, True, 1, _FIT),
    4: Effort(True, True, True, 2, _FIT),
}
DEFAULT_EFFORT = 2
