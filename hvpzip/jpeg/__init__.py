"""JPEG files kept whole: stored as they are, or recompressed so that the identical file comes back.

The invariant: ``unpack(pack(file)) == file``, byte for byte, or an error; what ``pack`` makes was rebuilt and compared before it is given.
"""

from hvpzip.jpeg.facts import JpegFacts, is_jpeg, jpeg_facts
from hvpzip.jpeg.payload import PACKINGS, Kept, kept, left_of, pack, unpack

__all__ = ["PACKINGS", "JpegFacts", "Kept", "is_jpeg", "jpeg_facts", "kept", "left_of", "pack", "unpack"]
