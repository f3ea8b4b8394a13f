"""Several noise levels: chains of latents, and latents on every unit."""

import numpy as np
import pytest
import torch

from benchmarks.orders import ORDERS, code
from hvpzip.codec.adaptation.fitting import FitSettings
from hvpzip.codec.bitsback import group_codec
from hvpzip.codec.bitsback.group_codec import decode_group
from hvpzip.diffusion.noise import log2_sigma
from hvpzip.diffusion.posterior import support
from hvpzip.diffusion.posterior_float import noise, sample_latents
from tests.helpers.tiny import at_once_schedule, luma_schedule, noisy_schedule

SCHEDULE = noisy_schedule()
LEVEL = SCHEDULE.level(1)
STEPS = LEVEL.steps


@pytest.fixture(scope="module")
def model(tiny_model_on):
    return tiny_model_on(SCHEDULE)


@pytest.mark.parametrize(("width", "height", "gray"), [(40, 33, False), (31, 40, True), (1, 2, False)])
def test_a_group_along_a_chain_comes_back(model, crop, width, height, gray):
    samples = crop(20, 20, width, height, gray)
    payload, report = group_codec.encode_along(samples, model, 0, learn_colours=True)
    assert np.array_equal(decode_group(payload, samples.shape, 8, model), samples)
    if width > 1:
        borrowed = {(term.unit, term.step) for term in report.terms if term.kind == "refund"}
        assert borrowed == {("hh", 0), ("hh", 1), ("hl", 3)}


@pytest.mark.parametrize(("width", "height", "gray"), [(40, 33, False), (31, 40, True), (1, 2, False), (1, 1, True)])
@pytest.mark.parametrize("fit", [None, FitSettings(steps=6, batch=64)])
def test_with_latents_of_luma_alone_colours_are_learnt_as_without(tiny_model_on, crop, width, height, gray, fit):
    model, samples = tiny_model_on(luma_schedule()), crop(20, 20, width, height, gray)
    payload, report = group_codec.encode_along(samples, model, 0, learn_colours=True, fit=fit)
    found, read = group_codec.inspect_group(payload, samples.shape, 8, model)
    assert np.array_equal(found, samples)
    assert [term[:4] for term in read.terms] == [term[:4] for term in report.terms]
    assert read.bound_bits == pytest.approx(report.bound_bits)
    if width > 1:
        assert {(term.unit, term.step) for term in report.terms if term.kind == "refund"} == {("hh", 0)}
        assert (4 in {term.step for term in report.terms}) == (not gray)


@pytest.mark.parametrize(("width", "height", "gray"), [(40, 33, False), (31, 40, True), (1, 2, False), (1, 1, True)])
@pytest.mark.parametrize("fit", [None, FitSettings(steps=6, batch=64)])
def test_units_revealed_at_once_come_back_with_latents_that_both_read(tiny_model_on, crop, width, height, gray, fit):
    model, samples = tiny_model_on(at_once_schedule()), crop(20, 20, width, height, gray)
    payload, report = group_codec.encode_along(samples, model, 0, learn_colours=True, fit=fit)
    found, read = group_codec.inspect_group(payload, samples.shape, 8, model)
    assert np.array_equal(found, samples)
    assert [term[:4] for term in read.terms] == [term[:4] for term in report.terms]
    if width > 1:
        assert {(term.unit, term.step) for term in report.terms if term.kind == "refund"} >= {("hl", 0), ("lh", 1)}


@pytest.mark.parametrize("order", ORDERS)
def test_every_order_brings_a_chain_back(model, crop, order):
    images = [crop(left, 20, 24, 20) for left in (0, 90)]
    coded = code(images, model, order, "noisy")
    assert all(np.array_equal(one, other) for one, other in zip(coded.images, images, strict=True))


def test_the_alphabet_of_a_chained_latent_reaches_beyond_that_of_its_parent(model):
    level = group_codec.geometry_of((3, 64, 64), 8, model).levels[0]
    span = level.ranges["hh"][0]
    (low, high), delta = support(LEVEL, 0, 0, span)
    (inner_low, inner_high), inner_delta = support(LEVEL, 1, 0, span)
    assert low * delta < inner_low * inner_delta < span[0]
    assert high * delta > inner_high * inner_delta > span[1]


def test_latents_of_a_chain_are_drawn_one_from_the_other():
    torch.manual_seed(0)
    values = torch.full((4, 3, 64, 64), 100.0)
    latents = sample_latents(LEVEL, LEVEL.every_step, "hh", values)
    outer = torch.tensor([2.0 ** log2_sigma(i) for i in STEPS[0].sigma])
    inner, delta = noise(STEPS[1], values.device)
    spread = (latents[1] - values).std((0, 2, 3))
    assert torch.allclose(spread, (inner**2 + delta**2 / 12).sqrt(), rtol=0.03)
    steps = 2.0 ** torch.tensor(STEPS[0].log2_delta)
    assert torch.allclose((latents[0] - latents[1]).std((0, 2, 3)), (outer**2 + steps**2 / 12).sqrt(), rtol=0.03)
