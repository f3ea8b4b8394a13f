"""Heads after small integer changes: the arithmetic against fractions, and what is refused."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hvpzip.errors import ModelError
from hvpzip.nn.adaptation import Changes, adapted_conv, adapted_head
from hvpzip.nn.integer import IntegerOps, exact_arithmetic
from hvpzip.nn.network import Head
from hvpzip.nn.ops import Conv


def integer_conv(seed: int, outputs: int = 5, inputs: int = 6, largest: int = 127) -> Conv:
    rng = np.random.default_rng(seed)
    conv = Conv(inputs, outputs, 1, gain=0.0).requires_grad_(False)
    conv.weight.copy_(torch.from_numpy(rng.integers(-largest, largest + 1, (outputs, inputs, 1, 1))))
    conv.bias.copy_(torch.from_numpy(rng.integers(-4000, 4001, outputs)))
    conv.exponent.copy_(torch.from_numpy(rng.integers(4, 12, outputs)))
    return conv


def changes_of(seed: int, conv: Conv, largest: int) -> Changes:
    rng = np.random.default_rng(seed)
    return Changes(*(rng.integers(-largest, largest + 1, part.shape) for part in Changes.none(conv)))


def whole(tensor: torch.Tensor) -> list:
    return tensor.to(torch.int64).flatten().tolist()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([1, 5, 31]), st.sampled_from([3, 60, 127]))
@example(3727, 1, 127)  # -127.5 at one bit more: rounded it would fit, but not its size
def test_weights_are_those_of_the_definition_rounded_as_finely_as_eight_bits_allow(seed, size, largest):
    conv = integer_conv(seed, largest=largest)
    changes = changes_of(seed + 1, conv, size)
    found = adapted_conv(conv, changes)
    for o in range(5):
        before, e = Fraction(1, 2 ** int(conv.exponent[o])), int(found.exponent[o])
        assert e <= int(conv.exponent[o])
        gain = 1 + Fraction(int(changes.gain[o]), 32)
        wanted = [w * before * gain + Fraction(int(c), 128) for w, c in zip(whole(conv.weight[o]), changes.weight[o], strict=True)]
        for w, exact in zip(whole(found.weight[o]), wanted, strict=True):
            assert abs(w) <= 127
            assert -Fraction(1, 2) < w - exact * 2**e <= Fraction(1, 2)  # half up
        exact_bias = (int(conv.bias[o]) * before * gain / 32 + Fraction(int(changes.bias[o]), 32)) * 2 ** (e + 5)
        assert -Fraction(1, 2) < int(found.bias[o]) - exact_bias <= Fraction(1, 2)
        if e < int(conv.exponent[o]):  # not coarser than the format's rule asks, which looks at sizes
            assert math.floor(2 * max(map(abs, wanted)) * 2**e + Fraction(1, 2)) > 127


def test_no_change_is_the_same_convolution():
    conv = integer_conv(3)
    found = adapted_conv(conv, Changes.none(conv))
    assert whole(found.weight) == whole(conv.weight)
    assert whole(found.bias) == whole(conv.bias)
    assert whole(found.exponent) == whole(conv.exponent)
    assert not Changes.none(conv).any()


def test_only_the_named_layers_change_and_the_shipped_head_stays():
    head = Head(6, 4)
    head.hidden, head.out = integer_conv(1, 6, 6), integer_conv(2, 4, 6)
    before = whole(head.out.weight)
    changed = adapted_head(head, {"out": changes_of(5, head.out, 20)})
    assert changed.hidden is head.hidden
    assert whole(head.out.weight) == before != whole(changed.out.weight)
    features = torch.from_numpy(np.random.default_rng(0).integers(-5000, 5000, (1, 6, 3, 4))).float()
    with exact_arithmetic():
        assert not torch.equal(changed(IntegerOps(), features), head(IntegerOps(), features))


def test_changes_that_leave_the_exact_range_are_refused():
    conv = integer_conv(4)
    conv.exponent.fill_(3.0)
    conv.weight.fill_(120.0)
    with pytest.raises(ModelError, match="out of range"):
        adapted_conv(conv, Changes.none(conv)._replace(gain=np.full(5, 31)))
    conv = integer_conv(4)
    conv.weight.fill_(1.0)
    conv.bias.fill_(9e6)
    with pytest.raises(ModelError, match="out of range"):
        adapted_conv(conv, Changes.none(conv)._replace(gain=np.full(5, 31), weight=np.full((5, 6), 0)))
