"""What an encoder spends at each effort. Files say their effort; the decoder does not need it.

Figures behind the choices: docs/experiments.md and ``python -m benchmarks efforts``.
"""

from __future__ import annotations

from typing import NamedTuple

from hvpzip.codec.fitting import FitSettings

__all__ = ["DEFAULT_EFFORT", "EFFORTS", "Effort"]


class Effort(NamedTuple):
    """Attributes:
    latents: Whether paths with noise levels are tried.
    fit: How heads are adapted to the group, None for not at all.
    """

    latents: bool
    fit: FitSettings | None


EFFORTS = {
    1: Effort(False, None),
    2: Effort(True, FitSettings(steps=32, batch=4096)),
    3: Effort(True, FitSettings(steps=160, batch=8192, layers=("out", "hidden"))),
}
DEFAULT_EFFORT = 2
