"""Sizes in bits."""

import numpy as np
import pytest

from hvpzip.ans.rans import Message, base_message
from hvpzip.ans.report import bits_of, message_bits


def test_bits_of_frequencies() -> None:
    assert bits_of(np.array([1, 2, 256]), 8) == pytest.approx(8 + 7 + 0)
    assert bits_of(np.empty(0, np.int64), 24) == 0.0


def test_bits_of_a_message() -> None:
    assert message_bits(base_message(7)) == 0.0
    message = Message(np.array([1 << 40, 1 << 31], np.uint64), (np.zeros(3, np.uint32), ()))
    assert message_bits(message) == pytest.approx(3 * 32 + 9)
