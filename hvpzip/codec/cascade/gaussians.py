"""Strict IEEE arithmetic in a fixed order: this file reaches the bit stream.

The network's mixtures of Y, Co and Cg as Gaussians of green, of red given green, and of blue given both.

A mixture becomes one Gaussian of its mean and variance. The couplings are linear, so the three make one Gaussian of (Y, Co, Cg), and the
lift is nearly linear too: with what its two floors take off on average,

    G = Y + Cg/2 + 1/4    R = Y - Cg/2 + Co/2 + 1/2    B = Y - Cg/2 - Co/2 + 1/2

Conditional means and variances follow by elimination. Only addition, multiplication, division and square root of doubles are used, element
by element, which all processors round alike; sums over the components of a mixture go from the first to the last.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hvpzip.core.tables import WEIGHT_BITS, gaussian_tables
from hvpzip.diffusion.likelihood import COUPLINGS
from hvpzip.nn.parameters import StepPrediction

__all__ = ["AT_ONCE", "Gaussians", "gaussians_of"]

Doubles = NDArray[np.float64]

_BIN = 1 / 12  # variance of a bin
_LEAST_VARIANCE = 1 / 64
AT_ONCE: Final = 1 << 14  # positions of a band: some fifty numbers of each are in memory meanwhile


class Gaussians(NamedTuple):
    """What is expected of n samples, float64. Planes are green, red and blue, or a single one.

    Attributes:
        mean: ``(planes, n)``: of green, and of the others before the ones that they depend on are known.
        slope: ``(3, n)``: of red on green, of blue on green, of blue on red; zeros for a single plane.
        sigma: ``(planes, n)``: given the planes before.
    """

    mean: Doubles
    slope: Doubles
    sigma: Doubles


def gaussians_of(bands: Iterable[StepPrediction], n: int, planes: int) -> Gaussians:
    """The Gaussians of a unit of n positions and 1 or 3 planes, of which predictions come band by band."""
    found = Gaussians(np.empty((planes, n)), np.empty((3, n)), np.empty((planes, n)))
    first = 0
    for band in bands:
        end = first + band.mean.shape[1]
        for whole, part in zip(found, _some_gaussians(band, planes), strict=True):
            whole[:, first:end] = part
        first = end
    return found


def _some_gaussians(prediction: StepPrediction, planes: int) -> Gaussians:
    n = prediction.mean.shape[1]
    closed = prediction.mean / 64.0
    # At values near the means, from which couplings are then taken back exactly: mixtures take whole numbers.
    near = (prediction.mean + 32) >> 6
    couple = [prediction.coupling_of(index) / 64.0 for index in range(COUPLINGS)]
    means, variances = [], []
    for colour in range(planes):
        mean, variance = _moments(prediction, colour, near)
        for before in range(colour):
            mean = mean - couple[colour + before - 1] * (near[before] - closed[before])
        means.append(mean)
        variances.append(variance)
    if planes == 1:
        return Gaussians(means[0][None], np.zeros((3, n)), _sigma(variances[0])[None])
    co_y, cg_y, cg_co = couple
    y = means[0]
    co = means[1] + co_y * (y - closed[0])
    cg = (means[2] + cg_y * (y - closed[0])) + cg_co * (co - closed[1])
    # Covariances of (Y, Co, Cg)
    yy = variances[0]
    yo = co_y * yy
    oo = co_y * yo + variances[1]
    yg = cg_y * yy + cg_co * yo
    og = cg_y * yo + cg_co * oo
    gg = (cg_y * yg + cg_co * og) + variances[2]
    # ... of green, and of M = Y - Cg/2, which red and blue are half of Co away from
    green = (yy + yg) + 0.25 * gg
    green_m = yy - 0.25 * gg
    mm = (yy - yg) + 0.25 * gg
    green_o = 0.5 * (yo + 0.5 * og)
    m_o = 0.5 * (yo - 0.5 * og)
    quarter = 0.25 * oo
    red_green, blue_green = green_m + green_o, green_m - green_o
    red = (mm + 2.0 * m_o) + quarter
    blue = (mm - 2.0 * m_o) + quarter
    red_blue = mm - quarter
    on_green = red_green / green
    red_given = red - on_green * red_green
    both_given = red_blue - on_green * blue_green
    blue_on_red = both_given / red_given
    blue_on_green = blue_green / green - blue_on_red * on_green
    blue_given = (blue - (blue_green / green) * blue_green) - blue_on_red * both_given
    middle = y - 0.5 * cg
    mean = np.stack(((y + 0.5 * cg) + 0.25, (middle + 0.5 * co) + 0.5, (middle - 0.5 * co) + 0.5))
    sigma = np.stack([_sigma(variance) for variance in (green, red_given, blue_given)])
    return Gaussians(mean, np.stack((on_green, blue_on_green, blue_on_red)), sigma)


def _moments(prediction: StepPrediction, colour: int, before: NDArray[np.int32]) -> tuple[Doubles, Doubles]:
    """Mean and variance of a colour's mixture, a bin's own included."""
    mixture = prediction.mixture(colour, before[:colour])
    weight = np.asarray(mixture.weight) / float(1 << WEIGHT_BITS)
    centre = np.asarray(mixture.mean) / 64.0
    scale = (gaussian_tables().scale64 / 64.0)[mixture.scale]
    mean = weight[0] * centre[0]
    for k in range(1, len(weight)):
        mean = mean + weight[k] * centre[k]
    variance = np.full_like(mean, _BIN)
    for k in range(len(weight)):
        off = centre[k] - mean
        variance = variance + weight[k] * (scale[k] * scale[k] + off * off)
    return mean, variance


def _sigma(variance: Doubles) -> Doubles:
    """Without a bin's own. Rounding may leave a variance that is not positive, where the network is very sure."""
    return np.sqrt(np.maximum(variance - _BIN, _LEAST_VARIANCE))
