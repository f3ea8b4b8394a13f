"""The choice between the numpy coder and its compiled twin. Both give the same integers, so the choice never shows in a file.

``HVPZIP_KERNELS=numpy`` or ``numba`` decides; otherwise numba serves where it can be imported and there is enough work to pay for importing
it.

Layer rank 1: imports the standard library, and ``hvpzip.ans.kernels`` on demand.
"""

from __future__ import annotations

import os
import sys
from functools import cache
from importlib import import_module
from types import ModuleType

__all__ = ["kernels"]

_MODULE = "hvpzip.ans.kernels"

# Importing numba and loading its cached code takes about half a second, in which the numpy coder decodes some 300,000 symbols; a photo
# has several arrays of this size or more.
_WORTH_IMPORTING = 1 << 16


def kernels(count: int, module: str = _MODULE) -> ModuleType | None:
    """The module of compiled loops, ``hvpzip.ans.kernels`` by default, if ``count`` symbols should be coded with them, or None for numpy.

    Raises ImportError if the environment asks for numba and it is missing, ValueError if it asks for anything else.
    """
    choice = os.environ.get("HVPZIP_KERNELS", "")
    if choice not in ("", "numpy", "numba"):
        raise ValueError(f"HVPZIP_KERNELS must be numpy or numba, found {choice!r}")
    if choice == "numpy" or (not choice and count < _WORTH_IMPORTING and _MODULE not in sys.modules):
        return None
    return import_module(module) if choice else _found(module)


@cache
def _found(module: str) -> ModuleType | None:
    try:
        return import_module(module)
    except ImportError:  # numba is an extra, and may lag behind a new Python or numpy
        return None
