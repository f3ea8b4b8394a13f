"""Samples to bytes without a model: the smallest of a few plain methods, for what the model is not good at."""

from hvpzip.fallback.methods import MODEL, decode, encode

__all__ = ["MODEL", "decode", "encode"]
