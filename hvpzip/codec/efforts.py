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
    fit: How heads are adapted to the group, None for not at all.
    """

    latents: bool
    co: bool
    raster: bool
    fit: FitSettings | None


EFFORTS = {
    1: Effort(False, False, False, None),
    2: Effort(True, True, True, FitSettings(steps=96, batch=4096)),
    3: Effort(True, True, True, FitSettings(steps=256, batch=8192, networks=(1, 2, 3))),
}
DEFAULT_EFFORT = 2
