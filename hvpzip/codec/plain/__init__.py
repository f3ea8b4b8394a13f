"""Samples to bytes without a model: the smallest of a few plain methods, for what the model is not good at."""

from hvpzip.codec.plain.methods import CONSTANT, MODEL, decode, encode, quick_bytes
from hvpzip.codec.plain.repeats import may_beat_a_model

__all__ = ["CONSTANT", "MODEL", "decode", "encode", "may_beat_a_model", "quick_bytes"]
