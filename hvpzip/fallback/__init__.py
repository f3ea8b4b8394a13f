"""Samples to bytes without a model: the smallest of a few plain methods, for what the model is not good at."""

from hvpzip.fallback.methods import CONSTANT, MODEL, decode, encode

__all__ = ["CONSTANT", "MODEL", "decode", "encode"]
