"""The commands that code: a chain of pictures, a model that ships, files; options are those of ``cli``."""

from __future__ import annotations

import argparse
import dataclasses
import math

import numpy as np
import torch
from numpy.typing import NDArray

from hvpzip.ans import message_bits, message_equal
from hvpzip.codec.efforts import DEFAULT_EFFORT
from hvpzip.codec.method import Part
from hvpzip.codec.noise_path import Ledger, decode, decode_part, encode, encode_part
from hvpzip.codec.parts import encode_parts
from hvpzip.nn.bundled import load_model
from hvpzip.training.continuous.cascade import DiffusionCascade
from hvpzip.training.continuous.figure_tools import given, plot, random_message
from hvpzip.training.continuous.images import read_pictures
from hvpzip.training.continuous.path import Path as NoisePath
from hvpzip.training.continuous.path import noise_path, path_terms

__all__ = ["code", "exported", "files"]


def code(options: argparse.Namespace) -> None:
    """A chain of pictures along the best path: file bits, ledger, float bound, everything decoded."""
    from hvpzip.training.continuous.steps import cost_tables, joint_paths

    cascade, planes = given(options)
    _, path = joint_paths(cost_tables(cascade, planes, 16), options.steps)
    coded = noise_path(cascade, path)
    start = message = random_message(options.seed)
    ledger, curve = Ledger(), []
    for number in range(len(planes)):
        message = encode(coded, message, planes[number : number + 1], ledger=ledger)
        curve.append((message_bits(message) - message_bits(start), ledger.lowest))
    back = message
    for number in reversed(range(len(planes))):
        back, decoded = decode(coded, back, (1, *planes.shape[2:]))
        if not np.array_equal(decoded, planes[number : number + 1]):
            raise AssertionError(f"picture {number} did not come back")
    if not message_equal(back, start):
        raise AssertionError("the borrowed bits did not come back")
    wanted, error = path_bits(cascade, planes, path, options.seed)
    bits = curve[-1][0] / planes.size
    borrowed = -ledger.lowest / planes[:1].size
    print(f"{len(planes)} pictures in a chain, {options.steps} steps a scale; all decoded and compared, the stack back at its start")
    print(f"file bits          {bits:.4f} bits/dim, {100 * (bits / wanted - 1):+.2f} % of the float bound")
    print(f"ledger             {ledger.net / planes.size:.4f} bits/dim")
    print(f"float bound        {wanted:.4f} bits/dim at the same noise levels, Monte-Carlo error {error:.4f}")
    print(f"debt               {borrowed:.2f} bits/dim of one picture: most that had to be borrowed")
    if options.plot:
        series = {
            "net": [(n + 1, bits / planes[0].size / (n + 1)) for n, (bits, _) in enumerate(curve)],
            "with the debt": [(n + 1, (bits - low) / planes[0].size / (n + 1)) for n, (bits, low) in enumerate(curve)],
        }
        plot(options.plot, series, "pictures in the chain", "bits per dimension so far")


def exported(options: argparse.Namespace) -> None:
    """The model's id and size."""
    from hvpzip.training.continuous.export import export

    cascade, planes = given(options)
    model = export(cascade, planes, options.steps, options.photo_model, options.folder)
    size = sum(file.stat().st_size for file in options.folder.iterdir())
    print(f"{model.name}: id {model.id.hex()}, {size:,} bytes")


def files(options: argparse.Namespace) -> None:
    """Payloads of single pictures by method, mean bits per dimension: the noise path, the model's own choice, its photo model alone."""
    model = load_model(options.model)
    pictures = read_pictures(options.pictures)[: options.limit]
    photo = dataclasses.replace(model, noise_path=None)
    path, bounds, alone, whole, without = [], [], [], [], []
    for picture in pictures:
        planes = np.ascontiguousarray(picture.transpose(2, 0, 1))
        assert model.noise_path is not None
        found = encode_part(planes, model.noise_path)
        if not np.array_equal(decode_part(found.data, planes.shape, model.noise_path).samples, planes):
            raise AssertionError("a picture did not come back")
        path.append(8 * len(found.data))
        bounds.append(sum(term.net_bits for term in found.terms))
        alone.append(found.data[0])
        whole.append(8 * len(encode_parts(Part(picture, 8, model, DEFAULT_EFFORT)).payload))
        without.append(8 * len(encode_parts(Part(picture, 8, photo, DEFAULT_EFFORT)).payload))
    dims = pictures[0].size
    print(f"{len(pictures)} pictures, each by itself, decoded and compared; scales without latents: {sorted(set(alone))}")
    print("| payload | bits/dim |\n| --- | --- |")
    rows = {"noise path": path, "noise path, its terms' sum": bounds, f"{model.name}, smallest method": whole, "without it": without}
    for name, bits in rows.items():
        print(f"| {name} | {np.mean(bits) / dims:.4f} |")


def path_bits(cascade: DiffusionCascade, planes: NDArray[np.int32], path: NoisePath, seed: int, draws: int = 4) -> tuple[float, float]:
    """(bits per dimension along a path with mixtures, standard error from the draws of noise)."""
    generator = torch.Generator().manual_seed(seed)
    found = []
    for _ in range(draws):
        terms = [
            path_terms(cascade.scale(i), v, k, gammas, generator).total().double().sum()
            for i, ((k, v), gammas) in enumerate(zip(cascade.split(planes), path, strict=True))
        ]
        found.append(float(sum(terms)) / math.log(2) / planes.size)
    return float(np.mean(found)), float(np.std(found, ddof=1) / math.sqrt(draws))
