"""Integer inference: equal to its simulation and to loops over whole numbers, whatever the batch, layout and threads."""

import numpy as np
import pytest
import torch

from hvpzip.nn.formats import CARRY_MAX, OUT_MAX
from hvpzip.nn.graph.export import integer_cascade, quantise
from hvpzip.nn.graph.integer import IntegerOps, exact_arithmetic
from hvpzip.nn.graph.network import Cascade
from hvpzip.nn.graph.ops import Conv, FloatOps
from hvpzip.nn.layers import levels_of
from hvpzip.nn.proof import prove


@pytest.fixture(scope="session")
def integers_of(everything):
    """``integers_of(model, planes, number=1)``: what a level of an integer model says of them."""

    def found(model, planes, number=1):
        with exact_arithmetic():
            return everything(integer_cascade(model.config, model.schedule, model.levels).level(number), IntegerOps(), planes)

    return found


def copy_closed_forms(model, cascade: Cascade) -> None:
    source = integer_cascade(model.config, model.schedule, model.levels).state_dict()
    cascade.load_state_dict({name: value for name, value in source.items() if "closed_form" in name}, strict=False)


@pytest.fixture(scope="module")
def trained(tiny_model) -> Cascade:
    """A float cascade as training leaves it: smooth weights, biases and heads that are not zero."""
    torch.manual_seed(3)
    cascade = Cascade(tiny_model.config, tiny_model.schedule)
    copy_closed_forms(tiny_model, cascade)
    with torch.no_grad():
        for name, parameter in cascade.named_parameters():
            if ".out." in name or name.endswith("bias"):
                parameter.copy_(0.2 * torch.randn(parameter.shape))
    return cascade


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("height", [1, 9])
def test_integers_are_the_simulation_scaled_by_powers_of_two(everything, planes_of, trained, number, height):
    levels = levels_of(trained.config, trained.schedule, quantise(trained))
    prove(levels)
    integer = integer_cascade(trained.config, trained.schedule, levels)
    planes = planes_of(2, height)
    with torch.no_grad():
        simulated = everything(trained.level(number), FloatOps(simulate=True), planes)
        plain = everything(trained.level(number), FloatOps(), planes)
    with exact_arithmetic():
        found = everything(integer.level(number), IntegerOps(), planes)
    corrections = 0
    for ours, theirs, unrounded in zip(found, simulated, plain, strict=True):
        scale = 1.0
        if ours.shape[1] == trained.config.channels:
            scale = 256.0  # carried features
        elif ours.shape[1] > 3:
            scale, corrections = 64.0, corrections + 1
        assert torch.equal(ours, theirs * scale)
        assert torch.equal(ours, ours.round())
        if ours.shape[1] > 3:
            assert float(ours.std()) > 1
            # Rounding costs little, or training without it would train another network.
            assert float((theirs - unrounded).abs().mean()) < 0.1 * float(unrounded.abs().mean())
    assert corrections == 5


def reference_convolution(conv: Conv, a: np.ndarray, bits: int) -> np.ndarray:
    """round_half_even(conv * 2**(bits - 5 - e)) by loops over whole numbers, zeros around."""
    weight, bias, exponent = (t.numpy().astype(np.int64) for t in (conv.weight, conv.bias, conv.exponent))
    margin = weight.shape[-1] // 2
    x = np.pad(a.astype(np.int64), ((0, 0), (margin, margin), (margin, margin)))
    out = np.empty((len(weight), *a.shape[1:]), np.int64)
    for channel in range(len(weight)):
        shift = int(5 + exponent[channel] - bits)
        for row in range(a.shape[1]):
            for column in range(a.shape[2]):
                window = x[:, row : row + 2 * margin + 1, column : column + 2 * margin + 1]
                total = int((weight[channel] * window).sum()) + int(bias[channel])
                if shift <= 0:
                    out[channel, row, column] = total << -shift
                    continue
                down, rest = divmod(total, 1 << shift)
                half = 1 << (shift - 1)
                out[channel, row, column] = down + (rest > half or (rest == half and down % 2 == 1))
    return out


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("exponent", [3, 4, 9, 16])
def test_a_convolution_is_that_of_a_loop_over_whole_numbers(kernel, exponent):
    rng = np.random.default_rng(exponent)
    conv = Conv(4, 6, kernel, gain=1.0).requires_grad_(False)
    conv.weight.copy_(torch.from_numpy(rng.integers(-127, 128, tuple(conv.weight.shape))))
    conv.bias.copy_(torch.from_numpy(rng.integers(-4000, 4000, 6)))
    conv.exponent.fill_(exponent)
    a = rng.integers(0, 256, (4, 5, 7))
    f = rng.integers(-CARRY_MAX, CARRY_MAX + 1, (6, 5, 7))
    ops, tensor = IntegerOps(), torch.from_numpy(a)[None].float()
    with exact_arithmetic():
        activated = ops.conv_activate(conv, tensor)[0].numpy()
        carried = ops.conv_carry(conv, tensor, torch.from_numpy(f)[None].float())[0].numpy()
        fresh = ops.conv_carry(conv, tensor, None)[0].numpy()
        out = ops.conv_out(conv, tensor)[0].numpy()
    assert np.array_equal(activated, np.clip(reference_convolution(conv, a, 5), 0, 255))
    increment = reference_convolution(conv, a, 8)
    assert np.array_equal(carried, np.clip(increment + f, -CARRY_MAX, CARRY_MAX))
    assert np.array_equal(fresh, np.clip(increment, -CARRY_MAX, CARRY_MAX))
    assert np.array_equal(out, np.clip(reference_convolution(conv, a, 6), -OUT_MAX, OUT_MAX))


def test_activations_are_carried_features_over_eight_rounded_half_to_even():
    f = torch.tensor([-9.0, 0, 3, 4, 5, 12, 20, 2039, 2044, 9000]).reshape(1, 1, 1, -1)
    assert IntegerOps().activate(f).flatten().tolist() == [0, 0, 0, 0, 1, 2, 2, 255, 255, 255]


@pytest.mark.parametrize("number", [1, 2])
def test_a_batch_of_eight_gives_the_integers_of_its_items(integers_of, planes_of, tiny_model, number):
    planes = planes_of(8)
    together = integers_of(tiny_model, planes, number)
    for item in (0, 5):
        alone = integers_of(tiny_model, [plane[item : item + 1] for plane in planes], number)
        for one, many in zip(alone, together, strict=True):
            assert torch.equal(one[0], many[item])


def test_memory_layouts_give_the_same_integers(everything, planes_of, integers_of, tiny_model):
    cascade = integer_cascade(tiny_model.config, tiny_model.schedule, tiny_model.levels)
    expected = integers_of(tiny_model, planes_of(2))
    for layout in (torch.contiguous_format, torch.channels_last):
        network = cascade.to(memory_format=layout).level(1)
        for other in (torch.contiguous_format, torch.channels_last):
            planes = [plane.contiguous(memory_format=other) for plane in planes_of(2)]
            with exact_arithmetic():
                assert all(torch.equal(a, b) for a, b in zip(expected, everything(network, IntegerOps(), planes), strict=True))


def test_thread_counts_give_the_same_integers(integers_of, planes_of, tiny_model):
    planes, before = planes_of(2, 40, 50), torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(integers_of(tiny_model, planes))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_a_users_precision_setting_does_not_matter_and_is_restored(integers_of, planes_of, tiny_model):
    planes, before = planes_of(1), torch.get_float32_matmul_precision()
    expected = integers_of(tiny_model, planes)
    try:
        torch.set_float32_matmul_precision("medium")
        with torch.autocast("cpu", torch.bfloat16):
            found = integers_of(tiny_model, planes)
        assert torch.get_float32_matmul_precision() == "medium"
        with exact_arithmetic():
            assert torch.get_float32_matmul_precision() == "highest"
        with pytest.raises(KeyError), exact_arithmetic():
            raise KeyError
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)
    assert all(torch.equal(a, b) for a, b in zip(expected, found, strict=True))
