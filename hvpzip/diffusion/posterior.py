"""Integer arithmetic only: this file reaches the bit stream.

q(y | x), the posterior that latents are drawn from and pushed back with, as the coder has it; ``posterior_float`` says the same in floats,
for training. A latent y lies on the lattice ``delta * Z``; its kernel is N(x, sigma^2), cut off far from x and discretised there.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hvpzip import ans
from hvpzip.ans import Mixture
from hvpzip.diffusion.schedule import LevelSchedule, Step

__all__ = ["Kernel", "kernel_of", "support"]

Int64Array = NDArray[np.int64]
Range = tuple[int, int]


class Kernel(NamedTuple):
    """q(y | x) of one colour: its mixture, and for each x the lattice indices ``lo..hi`` that it can reach, ``delta`` apart."""

    mixture: Mixture
    lo: Int64Array
    hi: Int64Array
    delta: int


def kernel_of(step: Step, colour: int, x: Int64Array) -> Kernel:
    """The kernels of the latents of samples ``x (n,)``."""
    delta = 1 << step.log2_delta[colour]
    lo, hi = ans.lattice_range(x, x, step.sigma[colour], delta)
    return Kernel(ans.gaussian(x, step.sigma[colour]), np.asarray(lo), np.asarray(hi), delta)


def support(schedule: LevelSchedule, index: int, colour: int, span: Range) -> tuple[Range, int]:
    """Alphabet of a step's symbols in one colour whose samples lie in ``span``, and the lattice step: samples themselves, or lattice
    indices of a latent, which reach beyond all values of its parent.
    """
    step = schedule.steps[index]
    if not step.is_latent:
        return span, 1
    above = schedule.parent(index)
    if above is not None:
        (low, high), parent_delta = support(schedule, above, colour, span)
        span = low * parent_delta, high * parent_delta
    delta = 1 << step.log2_delta[colour]
    first, last = ans.lattice_range(*span, step.sigma[colour], delta)
    return (int(first), int(last)), delta
