"""What an encoder spends at each effort. Files say their effort; the decoder does not need it.

Figures behind the choices: docs/experiments.md, 74; of the fit: 187 and 228.
"""

from __future__ import annotations

from typing import NamedTuple

from hvpzip.codec.adaptation.fitting import FitSettings

__all__ = ["DEFAULT_EFFORT", "EFFORTS", "QUICK", "Effort"]


class Effort(NamedTuple):
    """Attributes:
    latents: Whether paths with noise levels are tried.
    co: Whether Co is reweighted too where that pays.
    mixes: Whether the mixing coder is tried where the model could code but does not suit.
    always_mixes: Whether it is always tried.
    profiles: Of the mixing coder: the last one for all parts, those before it for small ones too, which know less than it wants to learn.
    cascade: Whether the finest level by the mixing engine is tried.
    fit: How heads are adapted to the group, None for not at all.
    """

    latents: bool
    co: bool
    mixes: bool
    always_mixes: bool
    profiles: tuple[int, ...]
    cascade: bool
    fit: FitSettings | None


_FIT = FitSettings(steps=96, batch=1024)
EFFORTS = {
    1: Effort(latents=False, co=False, mixes=False, always_mixes=False, profiles=(1,), cascade=False, fit=None),
    2: Effort(latents=True, co=True, mixes=True, always_mixes=False, profiles=(1,), cascade=False, fit=_FIT),
    3: Effort(latents=True, co=True, mixes=True, always_mixes=False, profiles=(1,), cascade=True, fit=_FIT),
    4: Effort(latents=True, co=True, mixes=True, always_mixes=True, profiles=(1, 2), cascade=True, fit=_FIT),
}
# For a first impression of what the model needs: nothing is fitted, and one path alone is taken.
QUICK = EFFORTS[2]._replace(latents=False, fit=None)
DEFAULT_EFFORT = 2
