"""8-bit kernels give the integers of float32 or are not used: operation by operation, through whole cascades, and in what is coded."""

import dataclasses

import numpy as np
import pytest
import torch

from hvpzip.codec.bitsback.group_codec import decode_group, encode_group
from hvpzip.errors import ModelError
from hvpzip.nn import int8, weights
from hvpzip.nn.int8 import InexactError, Int8Ops
from hvpzip.nn.integer import IntegerOps, exact_arithmetic
from hvpzip.nn.ops import CARRY_MAX, OUT_MAX, Conv


def random_conv(seed: int, inputs: int, outputs: int, kernel: int, exponents: tuple[int, int]) -> Conv:
    """Weights of all sizes and extreme biases, as far as every sum stays below 2^24."""
    rng = np.random.default_rng(seed)
    conv = Conv(inputs, outputs, kernel, gain=1.0).requires_grad_(False)
    largest = min(127, ((1 << 24) - 5_000_000) // (255 * inputs * kernel * kernel))
    conv.weight.copy_(torch.from_numpy(rng.integers(-largest, largest + 1, tuple(conv.weight.shape))))
    conv.weight[0] = largest
    conv.bias.copy_(torch.from_numpy(rng.integers(-4_000_000, 4_000_000, outputs)))
    conv.exponent.copy_(torch.from_numpy(rng.integers(exponents[0], exponents[1] + 1, outputs)))
    return conv


@pytest.mark.parametrize("exponents", [(3, 6), (7, 12), (13, 16)])
@pytest.mark.parametrize(("inputs", "outputs", "kernel"), [(15, 64, 3), (64, 51, 1), (64, 64, 3), (3, 5, 3), (1, 1, 1), (200, 7, 1)])
def test_every_operation_gives_the_integers_of_float32(int8_ops, inputs, outputs, kernel, exponents):
    """Also where results run into their limits, and on ties, of which powers of two make many."""
    rng = np.random.default_rng(inputs)
    conv = random_conv(outputs, inputs, outputs, kernel, exponents)
    ours, theirs = int8_ops, IntegerOps()
    for batch, height, width in ((1, 1, 1), (2, 5, 17), (1, 33, 130)):
        f = torch.from_numpy(rng.integers(-CARRY_MAX, CARRY_MAX + 1, (batch, outputs, height, width))).float()
        activations = torch.from_numpy(rng.integers(-100, 2200, (batch, inputs, height, width))).float()
        signed = torch.from_numpy(rng.integers(-128, 128, (batch, inputs, height, width))).float()
        with exact_arithmetic():
            pairs = [
                (ours.activate(activations.to(torch.int16)), theirs.activate(activations)),
                (ours.inputs(signed), theirs.inputs(signed)),
            ]
            for a, b in tuple(pairs):
                pairs += [
                    (ours.conv_activate(conv, a), theirs.conv_activate(conv, b)),
                    (ours.conv_carry(conv, a, f.to(torch.int16)), theirs.conv_carry(conv, b, f)),
                    (ours.conv_carry(conv, a, None), theirs.conv_carry(conv, b, None)),
                    (ours.conv_out(conv, a), theirs.conv_out(conv, b)),
                ]
        for found, expected in pairs:
            assert torch.equal(found.float(), expected)


def test_the_operations_tested_reach_their_limits(int8_ops):
    conv = random_conv(5, 3, 5, 3, (3, 6))
    with exact_arithmetic():
        a = int8_ops.activate(torch.full((1, 3, 4, 4), 9000, dtype=torch.int16))
        assert a.unique().tolist() == [255]
        assert set(int8_ops.conv_activate(conv, a).unique().tolist()) >= {0, 255}
        assert int8_ops.conv_carry(conv, a, None).abs().max() == CARRY_MAX
        assert int8_ops.conv_out(conv, a).abs().max() == OUT_MAX


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 6), (7, 1), (9, 14)])
def test_every_prediction_of_a_cascade_is_that_of_float32(int8_ops, everything, planes_of, tiny_model, number, height, width):
    planes = planes_of(2, height, width)
    with exact_arithmetic():
        found = everything(tiny_model.cascade.level(number), int8_ops, planes)
        expected = everything(tiny_model.cascade.level(number), IntegerOps(), planes)
    assert all(torch.equal(ours.float(), theirs) for ours, theirs in zip(found, expected, strict=True))


def test_thread_counts_and_widths_of_bands_do_not_matter(int8_ops, everything, planes_of, tiny_model, monkeypatch):
    planes, before = planes_of(1, 40, 50), torch.get_num_threads()
    found = []
    try:
        for threads, band in ((1, int8.BAND), (2, int8.BAND), (1, 8 * 50 * 3), (1, 1)):
            torch.set_num_threads(threads)
            monkeypatch.setattr(int8, "BAND", band)
            with exact_arithmetic():
                found.append(everything(tiny_model.cascade.level(1), int8_ops, planes))
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        assert all(torch.equal(one, two) for one, two in zip(found[0], other, strict=True))


@pytest.mark.parametrize("size", [(33, 26), (1, 9)])
@pytest.mark.parametrize("name", ["tiny", "shipped"])
def test_both_arithmetics_write_the_same_payload_and_read_each_others(int8_ops, tiny_model, crop, name, size):
    model = tiny_model if name == "tiny" else weights.load_model()
    samples = crop(20, 30, *size)
    models = [dataclasses.replace(model, ops=ops) for ops in (IntegerOps(), int8_ops)]
    payloads = [encode_group(samples, each, 1)[0] for each in models]
    assert payloads[0] == payloads[1]
    for each in models:
        assert np.array_equal(decode_group(payloads[0], samples.shape, 8, each), samples)


def test_the_loader_chooses_8_bits_and_the_environment_has_the_last_word(int8_ops, monkeypatch):
    monkeypatch.delenv("HVPZIP_ARITHMETIC", raising=False)
    assert isinstance(weights.load_model().ops, Int8Ops)
    monkeypatch.setenv("HVPZIP_ARITHMETIC", "int8")
    assert isinstance(weights.load_model().ops, Int8Ops)
    monkeypatch.setenv("HVPZIP_ARITHMETIC", "float32")
    assert isinstance(weights.load_model().ops, IntegerOps)


def test_an_arithmetic_that_there_is_not_is_refused(monkeypatch):
    monkeypatch.setenv("HVPZIP_ARITHMETIC", "int4")
    with pytest.raises(ValueError, match="HVPZIP_ARITHMETIC must be float32 or int8, found 'int4'"):
        weights.load_model()


def saturating(conv):
    """``_convolve`` for one 1x1 convolution as processors without VNNI do it: pairs of products are added up in 16 bits, up to 32767."""

    def convolve(packed, a, padding, dtype):
        weight = conv.weight[:, :, 0, 0]
        total = conv.bias[:, None, None].clone()
        for first in range(0, weight.shape[1], 2):
            products = torch.einsum("bchw,oc->bohw", a[:, first : first + 2].float(), weight[:, first : first + 2])
            total = total + products.clamp(-(1 << 15), (1 << 15) - 1)
        return (total * packed.scale[:, None, None]).to(dtype)

    return convolve


@pytest.mark.parametrize(("largest", "exact"), [(64, True), (65, False), (-64, True), (-65, False)])
def test_kernels_that_saturate_are_found_out_where_the_weights_can_make_them(int8_ops, monkeypatch, largest, exact):
    """Two products of 255 * 64 fit into 16 bits, two of 255 * 65 do not; what never saturates may be used."""
    conv = Conv(8, 4, 1, gain=0.0).requires_grad_(False)
    conv.weight[2, 4:6] = largest
    conv.exponent.fill_(7)
    with exact_arithmetic():
        packed = int8._pack(conv, 5, 0)
        monkeypatch.setattr(int8, "_convolve", saturating(conv))
        if exact:
            int8._check(packed, conv)
        else:
            with pytest.raises(InexactError):
                int8._check(packed, conv)


@pytest.mark.parametrize("error", [InexactError("saturated"), AttributeError("no onednn"), RuntimeError("no such kernel")])
def test_a_processor_or_torch_without_exact_kernels_runs_float32_and_says_so_only_where_int8_was_asked_for(monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(int8, "_convolve", fail)
    monkeypatch.delenv("HVPZIP_ARITHMETIC", raising=False)
    assert isinstance(weights.load_model().ops, IntegerOps)
    monkeypatch.setenv("HVPZIP_ARITHMETIC", "int8")
    with pytest.raises(ModelError, match="HVPZIP_ARITHMETIC asks for int8"):
        weights.load_model()


def test_a_kernel_that_is_wrong_beyond_what_weights_show_fails_the_self_test(int8_ops, monkeypatch):
    """Rounding half up, say: convolutions compared unrounded agree, the model's predictions do not."""
    exact = int8._convolve

    def half_up(packed, a, padding, dtype):
        found = exact(packed, a, padding, torch.float32)
        return (found + 0.5).floor().clamp(0, 255).to(dtype) if dtype == torch.uint8 else found

    monkeypatch.setattr(int8, "_convolve", half_up)
    monkeypatch.delenv("HVPZIP_ARITHMETIC", raising=False)
    assert isinstance(weights.load_model().ops, IntegerOps)
