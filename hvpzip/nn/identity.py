"""A model's id: the first 8 bytes of the SHA-256 of its network settings, schedule, tensors and of the coder's tables.

It is computed anew whenever the model is loaded, so a damaged file is refused by name.
"""

from __future__ import annotations

import hashlib

import numpy as np

from hvpzip.core.tables import exp2_table, gaussian_tables
from hvpzip.diffusion.schedule import Schedule
from hvpzip.nn.config import NetworkConfig
from hvpzip.nn.layers import Tensors

__all__ = ["identity", "identity_with_path"]

ID_BYTES = 8


def identity(network: NetworkConfig, schedule: Schedule, tensors: Tensors) -> bytes:
    """The id of a model, 8 bytes."""
    return _digest(network.canonical() + schedule.canonical(), tensors)


def identity_with_path(photo_model: bytes, map_name: str, depth: int, components: int, tensors: Tensors) -> bytes:
    """The id of a photo model, given by its own id, that has a noise path beside its levels; the path's settings and tensors."""
    return _digest(photo_model + f"{map_name} {depth} {components} ".encode(), tensors)


def _digest(settings: bytes, tensors: Tensors) -> bytes:
    digest = hashlib.sha256(settings)
    for name in sorted(tensors):
        array = tensors[name]
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes())
    gaussian = gaussian_tables()
    for table in (gaussian.phi, gaussian.reciprocal, gaussian.scale64, exp2_table()):
        digest.update(table.astype("<i8").tobytes())
    return digest.digest()[:ID_BYTES]
