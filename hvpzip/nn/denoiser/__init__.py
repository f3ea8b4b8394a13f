"""Denoising networks in integers, for a fixed path of noise levels: what a scale's values are believed to be, given noisy ones.

strict.py    powers of two and logarithms that are the same numbers everywhere
network.py   one scale's network and what it believes
path.py      scales, noise levels and lattices as data: from tensors, to tensors, proof
"""

from hvpzip.nn.denoiser.network import IntegerScale, Level, NoisyBelief, believe, carried
from hvpzip.nn.denoiser.path import CodedScale, Lattice, NoisePath, noise_of, prove

__all__ = [
    "CodedScale",
    "IntegerScale",
    "Lattice",
    "Level",
    "NoisePath",
    "NoisyBelief",
    "believe",
    "carried",
    "noise_of",
    "prove",
]
