"""What the tests of the coder share: messages full of random bits, and the rule every codec must keep in both directions."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

from hvpzip.ans.codecs import Codec
from hvpzip.ans.rans import Message, message_equal, unflatten

MakeMessage = Callable[..., Message]
# The first example may build tables or compile kernels: time says nothing about correctness here.
settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")

CheckCodec = Callable[[Codec[Any], Message, Any], None]


@pytest.fixture(scope="session")
def random_message() -> MakeMessage:
    """``random_message(seed, lanes, words)``: heads anywhere in [2**31, 2**63), log-uniformly, and a tail of random words."""

    def make(seed: int, lanes: int, words: int = 64) -> Message:
        rng = np.random.default_rng(seed)
        length = rng.integers(31, 63, lanes, dtype=np.uint64)
        heads = (np.uint64(1) << length) | (rng.integers(0, 1 << 63, lanes, dtype=np.uint64) & ((np.uint64(1) << length) - np.uint64(1)))
        tail = rng.integers(0, 1 << 32, words, dtype=np.uint32)
        halves = [(heads >> np.uint64(32)).astype(np.uint32), heads.astype(np.uint32)]
        return unflatten(np.concatenate([*halves, tail]), lanes)

    return make


@pytest.fixture(scope="session")
def check_codec() -> CheckCodec:
    """``check_codec(codec, message, symbol)`` asserts the rule: pop after push, and push after pop, both restore everything."""

    def check(codec: Codec[Any], message: Message, symbol: Any) -> None:
        before = (message.head.copy(), message.tail)
        rest, popped = codec.pop(codec.push(message, symbol))
        np.testing.assert_equal(popped, symbol)
        assert message_equal(rest, message)
        rest, popped = codec.pop(message)
        assert message_equal(codec.push(rest, popped), message)
        assert np.array_equal(message.head, before[0])
        assert message.tail is before[1]

    return check
