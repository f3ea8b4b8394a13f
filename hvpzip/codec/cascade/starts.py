"""What the engine begins with from profile 4 on: mean weights and scales after other photos (docs/format.md, section 13.6).

Integer arithmetic only: this file reaches the bit stream. ``python -m hvpzip.training.starts`` writes ``starts.bin``.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Final

from hvpzip.errors import ModelError

__all__ = ["INPUTS", "PATH", "SCALES", "SETS", "SIZE", "starts"]

# Of a plane: inputs of the first layer, of the second, and scale contexts.
INPUTS: Final = 160
SETS: Final = 14
SCALES: Final = 3008
SIZE: Final = 2 * INPUTS + 2 * SETS + SCALES  # bytes of a plane
PATH: Final = Path(__file__).with_name("starts.bin")
_DIGEST: Final = "fb3d2d6f5177659fef378176d0d90879e78e7fa998cbe8ff4c38dc90326f5770"


@cache
def starts() -> bytes:
    """Of three planes, ``SIZE`` bytes each. Raises ModelError where the installation is damaged."""
    try:
        found = PATH.read_bytes()
    except OSError as error:
        raise ModelError(f"{PATH.name} of the mixing coder cannot be read: {error.strerror}") from error
    if hashlib.sha256(found).hexdigest() != _DIGEST:
        raise ModelError(f"{PATH.name} of the mixing coder is damaged")
    return found
