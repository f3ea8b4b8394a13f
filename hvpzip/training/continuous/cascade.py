"""All scales of a map: the units in which noise is added, the preconditioner of each scale, and a denoiser for each.

A picture's scales are integers ``v``. In units where white noise on the picture has the same standard deviation in all channels of a scale,

    x = v / (u w),   w = the channel's gain for white noise on the RGB picture       so noise in steps of v is u w exp(gamma / 2)

which keeps a diffusion over a scale that of the picture itself, whatever the map; u makes the mean square of x one. The preconditioner
guesses v from the coarser picture by least squares, and the scale of what is left by a regression on its local differences; both are
solved once and frozen.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from hvpzip.training.continuous import parameterisation
from hvpzip.training.continuous.denoiser import DIFFERENCES, Denoiser, differences, gaussian_log2_mean
from hvpzip.training.continuous.log_snr import SHAPES, LogSnrSchedule
from hvpzip.training.continuous.parameterisation import Belief
from hvpzip.transform import colour
from hvpzip.transform.scales import NAMES, Hierarchy, Scale

__all__ = ["CascadeConfig", "DiffusionCascade", "Estimate", "ScaleModel", "noise_gains"]

WINDOW = 5  # of the linear guess
RIDGE = 1e-4
PROBES = 256  # pictures of white noise that measure the gains
KNOWN_UNIT = 64.0

Int32Array = NDArray[np.int32]


@dataclass(frozen=True, kw_only=True)
class CascadeConfig:
    """What a cascade is.

    Attributes:
        map_name: Of ``hvpzip.transform.scales.NAMES``.
        side: Of the pictures.
        parameterisation, components: What the networks say; components of the mixture.
        shape: Of the noise schedules, of ``log_snr.SHAPES``.
        noise_0: Noise at t = 0 at the start, in steps of the scale's channel with the least. Below one step the bins of the integers show:
            their own width makes the true posterior of z_0 wider than q, by a variance of 1/12.
        noise_1: Noise at t = 1 at the start, over the root mean square of the scale's values.
        widths, blocks: Of the networks, finest scale first; the last entry serves all coarser ones.
    """

    map_name: str = "haar-lines"
    side: int = 32
    parameterisation: str = "mixture"
    components: int = 3
    shape: str = "learned"
    noise_0: float = 1.0
    noise_1: float = 25.0
    widths: tuple[int, ...] = (32,)
    blocks: tuple[int, ...] = (3,)

    def __post_init__(self) -> None:
        if self.map_name not in NAMES:
            raise ValueError(f"map_name: unknown map {self.map_name!r}; known are {', '.join(NAMES)}")
        if self.shape not in SHAPES:
            raise ValueError(f"shape: unknown {self.shape!r}; known are {', '.join(SHAPES)}")
        parameterisation.outputs_each(self.parameterisation, self.components)
        if min(self.noise_0, self.noise_1) <= 0:
            raise ValueError(f"noise_0 and noise_1 must be positive, got {self.noise_0} and {self.noise_1}")

    def network(self, place: int) -> tuple[int, int]:
        """Width and blocks of the network at a place, 0 for the finest scale."""
        return self.widths[min(place, len(self.widths) - 1)], self.blocks[min(place, len(self.blocks) - 1)]

    def to_dict(self) -> dict[str, Any]:
        """Plain data; ``from_dict`` is its inverse."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> CascadeConfig:
        """From plain data. Raises ValueError for unknown keys."""
        unknown = set(data) - {field.name for field in dataclasses.fields(cls)}
        if unknown:
            raise ValueError(f"unknown settings of a cascade: {', '.join(sorted(unknown))}")
        settings: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in data.items()}
        return cls(**settings)


def noise_gains(map_name: str, side: int) -> list[NDArray[np.float64]]:
    """Standard deviation of each channel of each scale for white noise of deviation one on the RGB picture, coarsest first."""
    noise = np.random.default_rng(0).normal(0, 4096, (PROBES, 3, side, side)).round().astype(np.int32)
    scales = Hierarchy(map_name, side, side).split(colour.forward(noise, colour.YCOCG_R))
    return [scale.values.std(axis=(0, 2, 3)).astype(np.float64) / 4096 for scale in scales]


class Estimate(NamedTuple):
    """What a scale's network says of x given z: the belief given z and, with mixtures, the one before the sample's own z is read."""

    belief: Belief
    prior: Belief | None


class ScaleModel(nn.Module):
    """One scale: preconditioner, denoiser, noise schedule.

    Args:
        config: Of the cascade.
        place: 0 for the finest scale.
        known, channels: Channels of the coarser picture (none for the base) and of the values.
        gains: ``(channels,)`` noise gains.
    """

    unit: Tensor
    weight: Tensor
    bias: Tensor
    scale_weight: Tensor
    scale_bias: Tensor

    def __init__(self, config: CascadeConfig, place: int, known: int, channels: int, gains: Sequence[float]) -> None:
        super().__init__()
        self.config, self.channels, self.known_channels = config, channels, known
        width, blocks = config.network(place)
        inputs = known * (1 + DIFFERENCES) + 3 * channels
        each = parameterisation.outputs_each(config.parameterisation, config.components)
        self.denoiser = Denoiser(inputs, each * channels, width, blocks)
        if config.parameterisation == "mixture":
            self._spread(config.components)
        self.schedule = LogSnrSchedule(config.shape, 2 * math.log(config.noise_0 / min(gains)), 2 * math.log(config.noise_1))
        self.register_buffer("unit", torch.tensor(gains, dtype=torch.float32))
        self.register_buffer("weight", torch.zeros(channels, known, WINDOW, WINDOW))
        self.register_buffer("bias", torch.zeros(channels))
        self.register_buffer("scale_weight", torch.zeros(channels, known * DIFFERENCES, 3, 3))
        self.register_buffer("scale_bias", torch.full((channels,), 5.0))

    def _spread(self, components: int) -> None:
        """Components start around the preconditioner's scale, the widest one rare."""
        with torch.no_grad():
            bias = torch.zeros(3, components, self.channels)
            bias[1] = torch.linspace(-0.7, 1.1, components)[:, None] if components > 1 else 0.0
            bias[2] = -0.4 * torch.arange(components)[:, None]
            assert self.denoiser.leave.bias is not None
            self.denoiser.leave.bias.copy_(bias.flatten())

    def guess(self, known: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(mean, log2 scale, differences) from the coarser picture ``(N, Ck, h, w)``: the first two ``(N, C, h, w)`` in steps of v."""
        n, _, height, width = known.shape
        if not self.known_channels:
            shape = (n, self.channels, height, width)
            return (
                self.bias[:, None, None].expand(shape),
                self.scale_bias[:, None, None].expand(shape),
                known.new_zeros(n, 0, height, width),
            )
        local = differences(known)
        mean = F.conv2d(_padded(known, WINDOW), self.weight, self.bias)
        log2_scale = F.conv2d(_padded(local, 3), self.scale_weight, self.scale_bias)
        return mean, log2_scale.clamp(-2, 9), local

    @torch.no_grad()
    def precondition(self, known: Tensor, values: Tensor) -> None:
        """Solve the unit, the linear guess and the regression of its scale for pictures of the training set."""
        u = float(((values / self.unit[:, None, None]) ** 2).mean().sqrt())
        self.unit *= u
        self.schedule.ends[0] -= 2 * math.log(u)
        if not self.known_channels:
            self.bias.copy_(values.mean((0, 2, 3)))
            self.scale_bias.copy_(torch.log2(values.std((0, 2, 3))))
            return
        weight, bias = _least_squares(_padded(known, WINDOW), values, WINDOW)
        self.weight.copy_(weight)
        self.bias.copy_(bias)
        left = values - self.guess(known)[0]
        targets = torch.log2(left.abs() + 0.25) + gaussian_log2_mean()
        weight, bias = _least_squares(_padded(differences(known), 3), targets, 3)
        self.scale_weight.copy_(weight)
        self.scale_bias.copy_(bias)

    def estimate(self, z: Tensor, gamma: Tensor, known: Tensor) -> Estimate:
        """What is believed of x given ``z (N, C, h, w)`` at ``gamma (N,)`` and the coarser picture in steps of v."""
        mean, log2_scale, local = self.guess(known)
        unit = self.unit[:, None, None]
        ratio = torch.exp(0.5 * gamma)[:, None, None, None]
        y = z * torch.sqrt(1 + ratio**2)  # z / alpha
        scale = torch.exp2(log2_scale) / unit
        surprise = (y - mean / unit) / torch.sqrt(scale**2 + ratio**2)
        inputs = torch.cat([known / KNOWN_UNIT, 0.25 * local, mean / KNOWN_UNIT, 0.25 * log2_scale, surprise], 1)
        outputs = self.denoiser(inputs.contiguous(memory_format=torch.channels_last), gamma)
        return Estimate(
            *parameterisation.read(self.config.parameterisation, outputs, y, ratio.expand(-1, self.channels, 1, 1), mean / unit, scale)
        )


class DiffusionCascade(nn.Module):
    """The scales of one map, coarsest first."""

    def __init__(self, config: CascadeConfig) -> None:
        super().__init__()
        self.config = config
        self.hierarchy = Hierarchy(config.map_name, config.side, config.side)
        gains = noise_gains(config.map_name, config.side)
        like = self.hierarchy.split(np.zeros((1, 3, config.side, config.side), np.int32))
        last = len(like) - 1
        self.scales = nn.ModuleList(
            ScaleModel(config, last - i, s.known.shape[1], s.values.shape[1], gains[i].tolist()) for i, s in enumerate(like)
        )

    @property
    def dims(self) -> int:
        """Samples of a picture."""
        return 3 * self.config.side**2

    def multiply_adds(self) -> int:
        """Of all networks for one picture at one noise level."""
        like = self.hierarchy.split(np.zeros((1, 3, self.config.side, self.config.side), np.int32))
        return sum(self.scale(i).denoiser.multiply_adds() * s.values.shape[2] * s.values.shape[3] for i, s in enumerate(like))

    def scale(self, number: int) -> ScaleModel:
        """Scale ``number``, 0 for the base."""
        found = self.scales[number]
        assert isinstance(found, ScaleModel)
        return found

    def split(self, planes: Int32Array) -> list[tuple[Tensor, Tensor]]:
        """(known, values) of every scale as float tensors, from planes (N, 3, H, W)."""
        return [tensors(scale) for scale in self.hierarchy.split(planes)]

    def precondition(self, planes: Int32Array) -> None:
        """Solve every scale's preconditioner."""
        for number, (known, values) in enumerate(self.split(planes)):
            self.scale(number).precondition(known, values)


def tensors(scale: Scale) -> tuple[Tensor, Tensor]:
    """``known`` and ``values`` as float32 tensors."""
    return torch.from_numpy(scale.known).float(), torch.from_numpy(scale.values).float()


def _padded(x: Tensor, window: int) -> Tensor:
    return F.pad(x, (window // 2,) * 4, mode="replicate")


def _least_squares(padded: Tensor, targets: Tensor, window: int) -> tuple[Tensor, Tensor]:
    """Weights ``(targets' channels, C, window, window)`` and biases of the linear regression of ``targets`` on windows."""
    size = padded.shape[1] * window**2 + 1
    xx, xy = torch.zeros(size, size, dtype=torch.float64), torch.zeros(size, targets.shape[1], dtype=torch.float64)
    for part, target in zip(torch.split(padded, 256), torch.split(targets, 256), strict=True):
        columns = F.unfold(part, window).transpose(1, 2).flatten(0, 1).double()
        columns = torch.cat([columns, torch.ones_like(columns[:, :1])], 1)
        xx += columns.T @ columns
        xy += columns.T @ target.permute(0, 2, 3, 1).flatten(0, 2).double()
    solved = torch.linalg.solve(xx + RIDGE * xx.diagonal().mean() * torch.eye(size, dtype=torch.float64), xy).T
    return solved[:, :-1].unflatten(1, (padded.shape[1], window, window)).float(), solved[:, -1].float()
