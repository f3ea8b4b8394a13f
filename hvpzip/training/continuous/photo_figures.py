"""The commands that measure photo models; options are those of ``cli``."""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hvpzip.codec.bitsback.group_codec import encode_along
from hvpzip.codec.fill import fill_in
from hvpzip.codec.likeness import share_of_plain
from hvpzip.nn.bundled import load_model
from hvpzip.training.continuous.figure_tools import plot
from hvpzip.training.continuous.images import read_pictures
from hvpzip.training.continuous.sampling import FILLS

__all__ = ["likeness", "photo_progressive"]

USUAL = 99  # percent of the training pictures that count as usual


def likeness(options: argparse.Namespace) -> None:
    """The model's bits over the plain coder's: percentiles, and how many are above what is usual for the model."""
    model, shares = load_model(options.model), []
    for source in options.pictures:
        if options.mosaic:
            pictures = list(read_pictures(source)[: options.limit])
        else:
            with Image.open(source) as opened:
                picture = np.asarray(opened.convert("RGB"))
            (height, width), side = picture.shape[:2], options.crop
            top, left = max(0, height - side) // 2, max(0, width - side) // 2
            pictures = [picture[top : top + side, left : left + side]]
        found = [share_of_plain(picture, model) for picture in pictures]
        shares += [float(share) for share in found if share is not None]
    marks = ", ".join(f"{q} %: {np.percentile(shares, q):.4f}" for q in (1, 50, 90, USUAL, 100))
    print(f"{len(shares)} pictures; the model's bits over the plain coder's by percentile: {marks}")
    if model.usual_share is not None:
        print(f"above {model.usual_share} (99 of 100 training pictures): {np.mean(np.array(shares) > model.usual_share):.1%}")


def photo_progressive(options: argparse.Namespace) -> None:
    """A photo of which the coarser scales are known to a photo model: PSNR against the bits of their part of the payload."""
    with Image.open(options.picture) as opened:
        picture = np.asarray(opened.convert("RGB"))
    model = load_model(options.model)
    found = encode_along(picture.transpose(2, 0, 1), model, model.schedule.plain_path)
    assert found is not None, "the plain path needs no stack"
    terms = found[1].terms
    deepest = min(max(term.level for term in terms), 6)
    print("| scale known | bits/dim | PSNR, mean | PSNR, sample | PSNR, bicubic |\n|" + " --- |" * 5)
    series: dict[str, list[tuple[float, float]]] = {name: [] for name in (*FILLS, "bicubic")}
    for level in range(deepest, 0, -1):
        bits = sum(float(term.bits) for term in terms if term.level == 0 or term.level > level) / picture.size
        small, shape = picture[:: 1 << level, :: 1 << level], (3, *picture.shape[:2])
        filled = {fill: fill_in(small, shape, model, fill, np.random.default_rng(options.seed)) for fill in FILLS}
        filled["bicubic"] = np.asarray(Image.fromarray(small).resize(picture.shape[1::-1], Image.Resampling.BICUBIC))
        for name, other in filled.items():
            series[name].append((bits, _psnr(picture, other)))
        print(f"| 1/{1 << level} | {bits:.3f} | " + " | ".join(f"{series[name][-1][1]:.2f}" for name in series) + " |")
    if options.plot:
        plot(options.plot, series, "bits per dimension known", "PSNR in dB")


def _psnr(picture: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    error = ((picture.astype(np.float64) - other) ** 2).mean()
    return float(10 * np.log10(255**2 / max(error, 1e-9)))
