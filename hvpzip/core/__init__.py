"""The kernels: the inner loops of the codec, once in C++ (``src/``, built with the package into ``_core``) and once in numpy.

    tables.py     Gaussian CDF, scales, powers of two, from big integers
    reference/    every kernel in numpy: what it says is what the compiled one must give, integer by integer
    src/          every kernel in C++, many times as fast

``kernels()`` is the one that serves; nobody else asks which one it is. tests/core holds the two against each other.
"""

from __future__ import annotations

import os
import sys
from functools import cache
from importlib import import_module
from typing import Any

__all__ = ["compiled", "kernels"]

_CHOICES = ("", "compiled", "reference")


def kernels() -> Any:
    """The module whose functions are the kernels: the compiled ones where they are built, else the reference. Names, arguments and results
    are those of ``hvpzip.core.reference``.

    ``HVPZIP_KERNELS=compiled`` or ``reference`` in the environment decides. Raises ImportError if it asks for compiled kernels that are not
    there, ValueError if it asks for anything else.
    """
    choice = os.environ.get("HVPZIP_KERNELS", "")
    if choice not in _CHOICES:
        raise ValueError(f"HVPZIP_KERNELS must be compiled or reference, found {choice!r}")
    if choice == "compiled":
        return _compiled()
    return import_module("hvpzip.core.reference") if choice else _found()


def compiled() -> Any:
    """The compiled module where that is what serves, for kernels whose reference lies elsewhere (``nn.reference``,
    ``codec.adaptation.search``); None where the reference serves. Raises as ``kernels``.
    """
    module = kernels()
    return module if module.__name__.endswith("._core") else None


@cache
def _compiled() -> Any:
    from hvpzip.core.tables import exp2_table, gaussian_tables

    module = import_module("hvpzip.core._core")
    module.use_tables(*gaussian_tables(), exp2_table())
    return module


@cache
def _found() -> Any:
    try:
        return _compiled()
    except ImportError as error:
        print(f"hvpzip: the compiled core is missing ({error}), so everything takes many times as long", file=sys.stderr)
        return import_module("hvpzip.core.reference")
