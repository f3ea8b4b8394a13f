"""Pixels to scales and back, exactly: reversible colour lift, integer wavelet, pyramid of levels, tiles."""

from hvpzip.transform import colour, lifting, pyramid, tiling
from hvpzip.transform.pyramid import BANDS, Pyramid, merge, num_levels, split

__all__ = ["BANDS", "Pyramid", "colour", "lifting", "merge", "num_levels", "pyramid", "split", "tiling"]
