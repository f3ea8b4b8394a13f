"""CUDA and CPU write the same bytes and read each other's."""

import numpy as np
import pytest
import torch

from hvpzip.codec.bitsback.group_codec import decode_group, encode_group
from hvpzip.nn.weights import load_model, self_test

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device")]


def test_cuda_passes_the_self_test_of_the_cpu():
    """Which ``load_model`` demands; here the digests themselves, which it does not show."""
    assert self_test(load_model(device="cuda")) == self_test(load_model(device="cpu"))


@pytest.mark.parametrize(("size", "gray"), [((61, 44), False), ((128, 96), False), ((33, 20), True), ((1, 9), False)])
def test_cuda_and_cpu_write_the_same_payload_and_read_each_others(crop, size, gray):
    samples = crop(20, 30, *size, gray)
    models = [load_model(device=device) for device in ("cpu", "cuda")]
    payloads = [encode_group(samples, model, 1)[0] for model in models]
    assert payloads[0] == payloads[1]
    for model in models:
        assert np.array_equal(decode_group(payloads[0], samples.shape, 8, model), samples)
