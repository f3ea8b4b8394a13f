"""The finest level by the mixing engine: it learns from the picture as it goes, and the trained network is one of its experts.

    gaussians.py   what the network says of a unit, as Gaussians of green, red and blue
    coder.py       samples to bytes and back
    starts.py      what the engine begins with

The coarse image, every second row and column, is a part of its own; the three units of the finest level follow in the schedule's order
(``core/src/mixing/cascade.h``). So a smaller picture needs the coarse image alone.
"""

from hvpzip.codec.cascade.coder import LEAST_SIDE, PROFILES, Units, can_code, decode_units, encode_units, learnt_from, profile_of

__all__ = ["LEAST_SIDE", "PROFILES", "Units", "can_code", "decode_units", "encode_units", "learnt_from", "profile_of"]
