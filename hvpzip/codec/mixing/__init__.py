"""The mixing coder: binary decisions with probabilities that many experts make together, learnt from the samples themselves as they come.

    coder.py   samples to bytes and back; the engine is a kernel: core/src/mixing, and core/reference/mixing in plain Python

Encoder and decoder go through the samples in the same order and learn the same; what differs is only where a decision comes from.
"""

from hvpzip.codec.mixing.coder import LARGE, OF_AVERAGES, PROFILES, decode, encode, is_quick, profile_of

__all__ = ["LARGE", "OF_AVERAGES", "PROFILES", "decode", "encode", "is_quick", "profile_of"]
