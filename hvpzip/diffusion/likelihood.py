"""What a head says of p(x | known): the layout of its channels, in one place.

A sample is a mixture of K Gaussians for each of three colours, coupled in a triangle. For each kind of number, then for each colour, a head
has K channels; at the end it has the couplings:

    SHIFT      of a component's mean, in units of the local scale
    LOG_RATIO  log2 of its scale over the local one
    LOGIT      log2 of its weight, before the softmax
    GAIN       on the innovation: only where the step reads a latent. Given a Gaussian of scale s, the posterior mean of x moves by
               s^2 / (s^2 + sigma^2) of the latent's innovation: a factor that differs by component, so the head gives it
    couplings  Co on Y, Cg on Y, Cg on Co

``likelihood_float`` makes bits of it for training; ``nn.parameters`` makes the integer mixtures that the coder takes.
"""

from __future__ import annotations

from typing import Final

from hvpzip.diffusion.schedule import COLOURS

__all__ = [
    "CG_ON_CO",
    "CG_ON_Y",
    "COLOURS",
    "COUPLINGS",
    "CO_ON_Y",
    "GAIN",
    "LOGIT",
    "LOG_RATIO",
    "SHIFT",
    "channels_of",
    "kinds",
    "output_channels",
]

SHIFT, LOG_RATIO, LOGIT, GAIN = range(4)
CO_ON_Y, CG_ON_Y, CG_ON_CO = range(3)
COUPLINGS: Final = 3


def kinds(reads_latent: bool) -> int:
    """How many kinds of numbers a head has for each component."""
    return GAIN + 1 if reads_latent else GAIN


def output_channels(components: int, reads_latent: bool) -> int:
    """Channels of a head for mixtures of ``components`` Gaussians."""
    return kinds(reads_latent) * COLOURS * components + COUPLINGS


def channels_of(kind: int, colour: int, components: int) -> slice:
    """The channels of one kind of number for one colour."""
    first = (kind * COLOURS + colour) * components
    return slice(first, first + components)
