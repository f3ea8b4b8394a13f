"""Small pictures along a path of noise levels: a model's noise path (``nn.denoiser``), coded by bits-back.

coder.py   scales, levels and latents, on any message
part.py    samples to bytes and back
"""

from hvpzip.codec.noise_path.coder import Ledger, decode, decode_scales, encode
from hvpzip.codec.noise_path.part import MOST_PIXELS, Found, can_code, decode_part, encode_part

__all__ = ["MOST_PIXELS", "Found", "Ledger", "can_code", "decode", "decode_part", "decode_scales", "encode", "encode_part"]
