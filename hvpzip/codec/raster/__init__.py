"""A coder without a trained model: it learns from the samples of the picture itself, as it goes.

    wavefront.py   the order of the samples, and their neighbours
    regression.py  least squares that follow the picture
    contexts.py    running means and chances by context
    channel.py     one channel: neighbours to a mixture, and what is learnt from the value that came
    coder.py       samples to bytes and back

Encoder and decoder go through the samples in the same order and learn the same; what differs is only where a value comes from.
"""

from hvpzip.codec.raster.coder import decode, encode
from hvpzip.codec.raster.wavefront import num_fronts

__all__ = ["decode", "encode", "num_fronts"]
