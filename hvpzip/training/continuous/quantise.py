"""A trained cascade as integers, for a path of noise levels: weights and what the network does with each level, rounded once.

The result is data (arrays that a file can hold), so the floating point of this step never has to be the same twice.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from hvpzip.nn.denoiser.network import ACTIVATION_BITS, WEIGHT_BITS, Block, IntegerScale, Level
from hvpzip.training.continuous.cascade import ScaleModel
from hvpzip.training.continuous.denoiser import Denoiser, _Block, _time_features

__all__ = ["integer_scale"]

FloatArray = NDArray[np.float64]


def _rounded(x: Tensor, bits: int) -> FloatArray:
    found: FloatArray = np.floor(x.detach().double().cpu().numpy() * 2.0**bits + 0.5)
    return found


def _weights(layer: nn.Conv2d) -> tuple[FloatArray, FloatArray]:
    assert layer.bias is not None
    return _rounded(layer.weight, WEIGHT_BITS), _rounded(layer.bias, ACTIVATION_BITS)


@torch.no_grad()
def integer_scale(model: ScaleModel, gammas: Sequence[float], log2_noise: Sequence[FloatArray]) -> IntegerScale:
    """A scale for the noise levels ``gammas``, rising.

    log2_noise: for each level, (C,) log2 of the noise in steps of v that the coder really adds.
    Raises ValueError for another parameterisation than the mixture.
    """
    if model.config.parameterisation != "mixture":
        raise ValueError(f"only mixtures are coded, not the parameterisation {model.config.parameterisation!r}")
    net: Denoiser = model.denoiser
    blocks = [block for block in net.blocks if isinstance(block, _Block)]
    enter, enter_bias = _weights(net.enter)
    leave, leave_bias = _weights(net.leave)
    levels = []
    for gamma, noise in zip(gammas, log2_noise, strict=True):
        time = F.relu(net.time(_time_features(torch.tensor([gamma]))))
        films = [block.film(time)[0].chunk(2) for block in blocks]
        levels.append(
            Level(
                gains=np.stack([_rounded(gain, WEIGHT_BITS) for gain, _ in films]),
                offsets=np.stack([_rounded(offset, ACTIVATION_BITS) for _, offset in films]),
                enter=_rounded(net.enter_film(time)[0], ACTIVATION_BITS),
                leave=_rounded(net.leave_film(time)[0], ACTIVATION_BITS),
                log2_noise=noise,
            )
        )
    return IntegerScale(
        mean=_rounded(model.weight, WEIGHT_BITS),
        mean_bias=_rounded(model.bias, WEIGHT_BITS),
        scale=_rounded(model.scale_weight, WEIGHT_BITS),
        scale_bias=_rounded(model.scale_bias, WEIGHT_BITS),
        enter=enter,
        enter_bias=enter_bias,
        blocks=tuple(Block(*_weights(block.first), *_weights(block.second)) for block in blocks),
        leave=leave,
        leave_bias=leave_bias,
        straight=_rounded(net.straight.weight, WEIGHT_BITS),
        levels=tuple(levels),
        components=model.config.components,
    )
