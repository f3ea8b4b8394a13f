"""Samples to bytes without a model: the smallest of a few plain methods, for what the model is not good at."""

from hvpzip.codec.plain.methods import PLAIN_METHODS, PNG, WEBP, Picture, PlainMethod, decode, decode_by, encode, quick_bytes, slowest_webp
from hvpzip.codec.plain.repeats import may_beat_a_model

__all__ = [
    "PLAIN_METHODS",
    "PNG",
    "WEBP",
    "Picture",
    "PlainMethod",
    "decode",
    "decode_by",
    "encode",
    "may_beat_a_model",
    "quick_bytes",
    "slowest_webp",
]
