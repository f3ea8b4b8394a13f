"""CUDA and CPU write the same bytes and read each other's; ``load_model`` runs the self-test on either."""

import numpy as np
import pytest
import torch

from hvpzip.codec.bitsback.group_codec import decode_group, encode_group
from hvpzip.nn.bundled import load_model

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device")]


@pytest.mark.parametrize(("size", "gray"), [((61, 44), False), ((128, 96), False), ((33, 20), True), ((1, 9), False)])
def test_cuda_and_cpu_write_the_same_payload_and_read_each_others(crop, size, gray):
    samples = crop(20, 30, *size, gray)
    models = [load_model(device=device) for device in ("cpu", "cuda")]
    payloads = [encode_group(samples, model, 1)[0] for model in models]
    assert payloads[0] == payloads[1]
    for model in models:
        assert np.array_equal(decode_group(payloads[0], samples.shape, 8, model), samples)
