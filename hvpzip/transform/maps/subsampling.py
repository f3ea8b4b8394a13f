"""Integer arithmetic only: this file reaches the bit stream.

Plain subsampling: even and odd samples, as they are.
"""

from hvpzip.transform.maps.map import IntegerMap

__all__ = ["MAP"]

MAP = IntegerMap(id=0, name="subsampling", stages=(), keeps_pixels=True, line_range=lambda span: (span, span))
