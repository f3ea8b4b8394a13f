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

__all__ = ["identity"]

ID_BYTES = 8


def identity(network: NetworkConfig, schedule: Schedule, tensors: Tensors) -> bytes:
    """The id of a model, 8 bytes."""
    digest = hashlib.sha256(network.canonical())
    digest.update(schedule.canonical())
    for name in sorted(tensors):
        array = tensors[name]
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes())
    gaussian = gaussian_tables()
    for table in (gaussian.phi, gaussian.reciprocal, gaussian.scale64, exp2_table()):
        digest.update(table.astype("<i8").tobytes())
    return digest.digest()[:ID_BYTES]
