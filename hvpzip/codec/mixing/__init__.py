"""The mixing coder: binary decisions with probabilities that many experts make together, learnt from the samples themselves as they come.

    coder.py       samples to bytes and back
    reference.py   the same engine in plain Python, where the compiled core is missing

Encoder and decoder go through the samples in the same order and learn the same; what differs is only where a decision comes from.
"""

from hvpzip.codec.mixing.coder import PROFILES, decode, encode

__all__ = ["PROFILES", "decode", "encode"]
