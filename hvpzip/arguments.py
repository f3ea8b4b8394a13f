"""What a caller passes, checked where it comes in: a wrong type is one clear line, not an error from deep inside."""

import operator
import os
from typing import Any

__all__ = ["checked_place", "integer"]


def integer(value: Any, what: str) -> int:
    """An integer of any type, as an int. Raises: TypeError naming ``what`` for anything else, floats included."""
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{what} must be an integer, not {value!r}") from None


def checked_place(value: Any, what: str, method: str) -> None:
    """Raises: TypeError naming ``what`` unless the value is a path or has ``method``, as a binary stream has."""
    if not isinstance(value, str | os.PathLike) and not hasattr(value, method):
        raise TypeError(f"{what} must be a path or a binary stream, not {type(value).__name__}")
