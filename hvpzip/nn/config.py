"""Configuration of the networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

__all__ = ["NetworkConfig"]


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """Sizes of one cascade of level networks.

    Attributes:
        channels: Width of the carried features.
        components: Gaussians in each mixture (K).
        networks: Level networks: one for each of the finest levels, the last shared by all coarser ones.
        trunk_blocks: Residual blocks that read the coarser image.
        carry_blocks: Residual blocks after each exact unit.
        side_blocks: Residual blocks after a latent.
        transform: Map id that the weights were trained for (0 = subsampling, 1 = Haar, 2 = LeGall 5/3).
        colour_lift: Colour lift id for three channels (1 = YCoCg-R).
    """

    channels: int = 64
    components: int = 4
    networks: int = 3
    trunk_blocks: int = 2
    carry_blocks: int = 2
    side_blocks: int = 1
    transform: int = 0
    colour_lift: int = 1

    def __post_init__(self) -> None:
        for name in ("channels", "components", "networks"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")

    def canonical(self) -> bytes:
        """The bytes that are hashed into the model's id, format 1: the settings of the first models, by name, as ASCII JSON.

        Written by hand, so that a setting that comes later changes no id: it joins the bytes only where it is not what all models before
        had (``Schedule.canonical`` likewise).
        """
        names = ("carry_blocks", "channels", "colour_lift", "components", "networks", "side_blocks", "transform", "trunk_blocks")
        return ("{" + ", ".join(f'"{name}": {int(getattr(self, name))}' for name in names) + "}").encode("ascii")

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> NetworkConfig:
        """A configuration from plain data; unknown keys raise ValueError."""
        unknown = set(data) - {field.name for field in fields(cls)}
        if unknown:
            raise ValueError(f"unknown network settings: {', '.join(sorted(unknown))}")
        return cls(**data)
