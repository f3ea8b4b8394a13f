"""Local bits-back: everything comes back, at a net rate near the ODE's."""

import numpy as np
import pytest
from numpy.typing import NDArray

from hvpzip.ans import message_bits, message_equal
from hvpzip.training.continuous.cascade import CascadeConfig, DiffusionCascade
from hvpzip.training.continuous.figures import cropped
from tests.training.continuous.test_bound import one_shot_bits
from tests.training.continuous.test_coding import random_message

local = pytest.importorskip("hvpzip.training.continuous.local_bits_back", reason="needs torchdiffeq (extra diffusion)")


def test_a_picture_and_the_borrowed_bits_come_back_at_the_rate_of_the_flow(cascade: DiffusionCascade, planes: NDArray[np.int32]) -> None:
    expected = one_shot_bits(cascade, planes[:1])  # the exact model's, whose flow has the same density
    coder = local.LocalCoder(cascade, local.Settings(solver_steps=16))
    start = message = random_message(192 * 120, lanes=1)
    for picture in range(1):
        message = coder.encode(message, planes[picture : picture + 1])
    bits = (message_bits(message) - message_bits(start)) / planes[:1].size
    for picture in reversed(range(1)):
        message, back = coder.decode(message)
        assert np.array_equal(back, planes[picture : picture + 1])
    assert message_equal(message, start)
    assert bits == pytest.approx(expected, abs=0.2)


def test_the_networks_of_a_crop_are_the_finest_and_the_base_whatever_their_sizes() -> None:
    whole = DiffusionCascade(CascadeConfig(map_name="haar-lines", side=16, widths=(12, 8, 6, 4), blocks=(2, 2, 1)))
    small = cropped(whole, 4)
    assert len(small.scales) < len(whole.scales)
    for scale, other in [(small.scale(0), whole.scale(0)), *zip(small.scales[:0:-1], whole.scales[:0:-1], strict=False)]:
        for mine, theirs in zip(scale.parameters(), other.parameters(), strict=True):
            assert mine.equal(theirs)
