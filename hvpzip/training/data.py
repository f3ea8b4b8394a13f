"""Training photos as uint8 tensors in memory, and crops of them augmented on the training device."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

__all__ = ["Augmentation", "Crops", "load_photos", "pack"]

SUFFIXES = {".png", ".webp", ".tif", ".tiff", ".bmp", ".ppm"}


def load_photos(sources: Sequence[str | Path]) -> list[list[Tensor]]:
    """Photos of each source, a folder or a zip archive made by ``pack``: lists of uint8 ``(3, H, W)``. Raises ValueError where a source
    holds none.
    """
    found = []
    for source in sources:
        photos = []
        if Path(source).suffix == ".zip":
            with zipfile.ZipFile(source) as archive:
                for name in sorted(archive.namelist()):
                    with archive.open(name) as file, Image.open(file) as image:
                        photos.append(_tensor(image))
        else:
            for path in sorted(p for p in Path(source).iterdir() if p.suffix in SUFFIXES):
                with Image.open(path) as image:
                    photos.append(_tensor(image))
        if not photos:
            raise ValueError(f"{source} holds no photos")
        found.append(photos)
    return found


def _tensor(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1).contiguous()


def pack(source: str | Path, archive: str | Path, limit_bytes: int) -> int:
    """Put the files of ``source`` into a zip archive until ``limit_bytes``; returns how many. A later source is a later archive."""
    paths = sorted(p for p in Path(source).iterdir() if p.suffix in SUFFIXES)
    size, count = 0, 0
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as out:
        for path in paths:
            size += path.stat().st_size + 200  # directory entries
            if size > limit_bytes:
                break
            out.write(path, path.name)
            count += 1
    return count


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Chances of what is done to a crop. The training photos were scaled down from JPEG files: sharper and cleaner than a camera's own
    pixels.

    Attributes:
        resample: Scale by a factor drawn from ``scales`` (above 1: softer, as a camera's or a scan's native resolution is).
        noise: Gaussian noise of 0.3 to 2.5 levels, half the time the same in all channels.
        soft_chroma: Halve the chroma resolution and restore it, as cameras and scanners do.
        swap: Permute the colour channels.
        gray: Replace the crop by its luma in all three channels.
        grain: Noise of 1 to 6 levels whose strength grows with the square root of the light, as a sensor's does, half the time blurred
            over neighbouring pixels, as film grain and denoised raw photos are.
        mosaic: Keep one colour a pixel (Bayer) and interpolate the others bilinearly, as simple cameras do.
        saturate: Scale colours about their luma by a factor of 0.5 to 2, so that some channels clip.
    """

    resample: float = 0.5
    scales: tuple[float, float] = (0.6, 2.0)
    noise: float = 0.12
    soft_chroma: float = 0.25
    swap: float = 0.05
    gray: float = 0.02
    grain: float = 0.0
    mosaic: float = 0.0
    saturate: float = 0.0


class Crops:
    """Endless batches of augmented crops.

    Args:
        photos: Lists of uint8 ``(3, H, W)``, one for each source.
        weights: Share of each source in a batch.
        size: Side of a crop, even.
        augmentation: What is done to crops.
        device: Where photos live and crops are made.
        generator: Source of randomness, on the CPU; its state is part of a checkpoint.
    """

    def __init__(
        self,
        photos: Sequence[Sequence[Tensor]],
        weights: Sequence[float],
        size: int,
        augmentation: Augmentation,
        device: torch.device,
        generator: torch.Generator,
    ) -> None:
        if len(photos) != len(weights):
            raise ValueError(f"{len(photos)} sources but {len(weights)} weights")
        self.photos = [[photo.to(device) for photo in source] for source in photos]
        self.weights = torch.tensor(weights, dtype=torch.float64)
        self.size = size
        self.augmentation = augmentation
        self.device = device
        self.generator = generator

    def batch(self, count: int) -> Tensor:
        """``(count, 3, size, size)`` int32 RGB in 0..255 on the device."""
        return torch.stack([self._crop() for _ in range(count)]).round_().clamp_(0, 255).to(torch.int32)

    def _uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        return low + (high - low) * float(torch.rand((), generator=self.generator))

    def _integer(self, below: int) -> int:
        return int(torch.randint(max(1, below), (), generator=self.generator))

    def _crop(self) -> Tensor:
        options = self.augmentation
        source = self.photos[int(torch.multinomial(self.weights, 1, generator=self.generator))]
        photo = source[self._integer(len(source))]
        side = min(photo.shape[1:])
        read = self.size
        if self._uniform() < options.resample:
            low, high = options.scales
            factor = low * (high / low) ** self._uniform()
            read = min(side, max(16, round(self.size / factor)))
        read = min(read, side)
        top, left = self._integer(photo.shape[1] - read + 1), self._integer(photo.shape[2] - read + 1)
        crop = photo[:, top : top + read, left : left + read].float()
        if read != self.size:
            mode = ("bilinear", "bicubic")[self._integer(2)]
            crop = F.interpolate(crop[None], size=(self.size, self.size), mode=mode, antialias=read > self.size)[0]
        if self._uniform() < options.soft_chroma:
            crop = _soften_chroma(crop)
        if options.saturate and self._uniform() < options.saturate:
            luma = _luma(crop)
            crop = (luma + 4 ** self._uniform(-0.5, 0.5) * (crop - luma)).clamp(0, 255)
        if options.grain and self._uniform() < options.grain:
            crop = crop + self._grain(crop)
        if options.mosaic and self._uniform() < options.mosaic:
            crop = _demosaiced(crop)
        if self._uniform() < options.noise:
            shared = self._integer(2)
            noise = torch.randn((1 if shared else 3, self.size, self.size), generator=self.generator).to(self.device)
            crop = crop + self._uniform(0.3, 2.5) * noise
        if self._uniform() < options.swap:
            crop = crop[torch.randperm(3, generator=self.generator).to(self.device)]
        if self._uniform() < options.gray:
            crop = _luma(crop).expand(3, -1, -1)
        if self._integer(2):
            crop = crop.flip(2)
        if self._integer(2):
            crop = crop.flip(1)
        return crop.transpose(1, 2) if self._integer(2) else crop

    def _grain(self, crop: Tensor) -> Tensor:
        noise = torch.randn(crop.shape, generator=self.generator).to(self.device)
        if self._integer(2):
            noise = 1.8 * F.avg_pool2d(noise[None], 3, stride=1, padding=1, count_include_pad=False)[0]
        return self._uniform(1.0, 6.0) * (crop.clamp(0, 255) / 255 + 0.05).sqrt() * noise


def _luma(crop: Tensor) -> Tensor:
    return (crop * crop.new_tensor([0.299, 0.587, 0.114])[:, None, None]).sum(0, keepdim=True)


def _demosaiced(crop: Tensor) -> Tensor:
    """Bilinear: each missing sample is the mean of its two or four nearest known ones (red at even rows and columns, blue at odd ones)."""
    rows, columns = (torch.arange(side, device=crop.device) % 2 == 0 for side in crop.shape[1:])
    red, blue = rows[:, None] & columns, ~rows[:, None] & ~columns
    known = torch.stack([red, ~red & ~blue, blue]).float()
    window = crop.new_tensor([[1.0, 2.0, 1.0], [2.0, 4.0, 2.0], [1.0, 2.0, 1.0]])[None, None]
    sums = F.conv2d((crop * known)[:, None], window, padding=1)[:, 0]
    return torch.where(known.bool(), crop, sums / F.conv2d(known[:, None], window, padding=1)[:, 0])


def _soften_chroma(crop: Tensor) -> Tensor:
    """Luma kept, differences to it averaged over 2x2 and interpolated back."""
    luma = _luma(crop)
    chroma = F.interpolate(F.avg_pool2d((crop - luma)[None], 2), scale_factor=2, mode="bilinear", align_corners=False)[0]
    return luma + chroma
