"""Heads after small integer changes: the arithmetic against fractions, and what is refused."""

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hvpzip.errors import ModelError
from hvpzip.nn import reference
from hvpzip.nn.adaptation import Changes, adapted_head, adapted_layer
from hvpzip.nn.layers import HeadLayers, Layer


def integer_layer(seed: int, outputs: int = 5, inputs: int = 6, largest: int = 127) -> Layer:
    rng = np.random.default_rng(seed)
    weight = rng.integers(-largest, largest + 1, (outputs, inputs, 1, 1)).astype(np.int8)
    bias = rng.integers(-4000, 4001, outputs).astype(np.int32)
    return Layer(weight, bias, rng.integers(4, 12, outputs).astype(np.int8))


def changes_of(seed: int, layer: Layer, largest: int) -> Changes:
    rng = np.random.default_rng(seed)
    return Changes(*(rng.integers(-largest, largest + 1, part.shape) for part in Changes.none(layer)))


def whole(array: np.ndarray) -> list:
    return array.ravel().tolist()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([1, 5, 31]), st.sampled_from([3, 60, 127]))
@example(3727, 1, 127)  # -127.5 at one bit more: rounded it would fit, but not its size
def test_weights_are_those_of_the_definition_rounded_as_finely_as_eight_bits_allow(seed, size, largest):
    layer = integer_layer(seed, largest=largest)
    changes = changes_of(seed + 1, layer, size)
    found = adapted_layer(layer, changes)
    for o in range(5):
        before, e = Fraction(1, 2 ** int(layer.exponent[o])), int(found.exponent[o])
        assert e <= int(layer.exponent[o])
        gain = 1 + Fraction(int(changes.gain[o]), 32)
        wanted = [w * before * gain + Fraction(int(c), 128) for w, c in zip(whole(layer.weight[o]), changes.weight[o], strict=True)]
        for w, exact in zip(whole(found.weight[o]), wanted, strict=True):
            assert abs(w) <= 127
            assert -Fraction(1, 2) < w - exact * 2**e <= Fraction(1, 2)  # half up
        exact_bias = (int(layer.bias[o]) * before * gain / 32 + Fraction(int(changes.bias[o]), 32)) * 2 ** (e + 5)
        assert -Fraction(1, 2) < int(found.bias[o]) - exact_bias <= Fraction(1, 2)
        if e < int(layer.exponent[o]):  # not coarser than the format's rule asks, which looks at sizes
            assert math.floor(2 * max(map(abs, wanted)) * 2**e + Fraction(1, 2)) > 127


def test_no_change_is_the_same_layer():
    layer = integer_layer(3)
    found = adapted_layer(layer, Changes.none(layer))
    assert whole(found.weight) == whole(layer.weight)
    assert whole(found.bias) == whole(layer.bias)
    assert whole(found.exponent) == whole(layer.exponent)
    assert not Changes.none(layer).any()


def test_only_the_named_layers_change_and_the_shipped_head_stays():
    head = HeadLayers(integer_layer(1, 6, 6), integer_layer(2, 4, 6))
    before = whole(head.out.weight)
    changed = adapted_head(head, {"out": changes_of(5, head.out, 20)})
    assert changed.hidden is head.hidden
    assert whole(head.out.weight) == before != whole(changed.out.weight)
    features = np.random.default_rng(0).integers(-5000, 5000, (3, 4, 6)).astype(np.int16)
    assert not np.array_equal(reference.head(changed, features, (3, 4)), reference.head(head, features, (3, 4)))


def test_changes_that_leave_the_exact_range_are_refused():
    layer = integer_layer(4)
    heavy = replace(layer, weight=np.full_like(layer.weight, 120), exponent=np.full_like(layer.exponent, 3))
    with pytest.raises(ModelError, match="out of range"):
        adapted_layer(heavy, Changes.none(heavy)._replace(gain=np.full(5, 31)))
    heavy = replace(layer, weight=np.ones_like(layer.weight), bias=np.full_like(layer.bias, 9_000_000))
    with pytest.raises(ModelError, match="out of range"):
        adapted_layer(heavy, Changes.none(heavy)._replace(gain=np.full(5, 31)))
