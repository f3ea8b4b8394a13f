"""Colours learnt from decoded pixels: factors, both directions, exact totals, and photos with and without a lattice."""

import os
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hvpzip import ans
from hvpzip.ans import Mixture
from hvpzip.ans.reweighted import MAX_FACTOR, UNIT, WINDOW, Reweighted, Windows, window_starts
from hvpzip.codec.bitsback import group_codec
from hvpzip.codec.bitsback.group_codec import decode_group, encode_along, encode_group, inspect_group
from hvpzip.codec.colours import matrices, reweighting
from hvpzip.codec.colours.colour_model import ColourModel, cost
from hvpzip.codec.colours.learning import FineFactors, by_stripes, by_units
from hvpzip.codec.colours.matrices import MATRICES, choose_matrix, reachable
from hvpzip.codec.payload import CO_FLAG, COLOURS_MARK, STRIPED_FLAG, LearntColours
from hvpzip.codec.walk import geometry
from hvpzip.codec.walk.geometry import STRIPE_SYMBOLS, STRIPES, stripes_of
from hvpzip.core.cells import cell_of
from hvpzip.core.reference import windows
from hvpzip.errors import CorruptError
from hvpzip.transform import colour


def mixtures(rng: np.random.Generator, n: int, spread: int = 12) -> Mixture:
    mean = rng.integers(-64 * spread, 64 * spread + 1, (3, n))
    return Mixture(mean, rng.integers(0, 130, (3, n)), ans.softmax_weights(rng.integers(-200, 200, (3, n))))


def reweighted(seed: int, n: int, lo: int, hi: int, extremes: bool = False, spread: int = 12) -> Reweighted:
    rng = np.random.default_rng(seed)
    mixture = mixtures(rng, n, spread)
    factors = rng.choice([0, MAX_FACTOR], (n, WINDOW)) if extremes else rng.integers(0, 4 * UNIT, (n, WINDOW))
    return reweight(mixture, lo, hi, factors)


def reweight(mixture: Mixture, lo: int, hi: int, factors: np.ndarray) -> Reweighted:
    """The mixtures, reweighted by factors (N, ``WINDOW``)."""
    found = Windows().of(mixture, lo, hi, window_starts(mixture, lo, hi))
    windows.reweight(found.alphabet()[:3], lo, hi - lo + 1, lambda begin, end: factors[begin:end], lambda *_: None, *found.windows())
    return found


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), lo=st.integers(-300, 0), size=st.integers(1, 600), extremes=st.booleans(), spread=st.integers(0, 400))
def test_frequencies_are_at_least_one_and_sum_to_the_whole(seed, lo, size, extremes, spread):
    found = reweighted(seed, 5, lo, lo + size - 1, extremes, spread)
    each = [found.intervals(np.full(5, symbol)) for symbol in range(lo, lo + size)]
    starts, freqs = (np.stack(part) for part in zip(*each, strict=True))
    assert freqs.min() >= 1
    assert (freqs.sum(0) == 1 << ans.PRECISION).all()
    assert np.array_equal(starts, np.cumsum(freqs, 0) - freqs)


@pytest.mark.parametrize("backend", ["reference", "compiled"])
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), n=st.integers(1, 300), lo=st.integers(-300, 0), size=st.integers(1, 600), lanes=st.sampled_from([1, 8]))
def test_push_and_pop_undo_each_other_in_both_directions(backend, seed, n, lo, size, lanes):
    with mock.patch.dict(os.environ, HVPZIP_KERNELS=backend):
        push_and_pop(seed, n, lo, size, lanes)


def push_and_pop(seed, n, lo, size, lanes):
    found = reweighted(seed, n, lo, lo + size - 1)
    rng = np.random.default_rng(seed)
    symbols = rng.integers(lo, lo + size, n)
    message = ans.Message(rng.integers(1 << 31, 1 << 62, lanes).astype(np.uint64), (rng.integers(0, 1 << 32, 2 * n, np.uint32), ()))
    pushed, freqs = found.push(message, symbols)
    back, decoded, again = found.pop(pushed)
    assert np.array_equal(decoded, symbols)
    assert np.array_equal(freqs, again)
    assert ans.message_equal(back, message)
    popped, drawn, _ = found.pop(message)  # bits back needs this direction too
    assert ans.message_equal(found.push(popped, drawn)[0], message)


def test_unit_factors_change_next_to_nothing():
    rng = np.random.default_rng(3)
    mixture = mixtures(rng, 400)
    symbols = rng.integers(-30, 31, 400)
    plain = ans.intervals(mixture, symbols, -255, 255)[1]
    found = reweight(mixture, -255, 255, np.full((400, WINDOW), UNIT))
    assert np.abs(found.intervals(symbols)[1] - plain).max() <= 2 + plain.max() // 2**14


def test_factors_of_nothing_at_all_leave_a_frequency_of_one_for_every_symbol():
    mixture = Mixture(np.zeros((1, 2), np.int64), np.zeros((1, 2), np.int64), np.full((1, 2), 1 << 16))
    found = reweight(mixture, -5, 4, np.zeros((2, WINDOW), np.int64))
    freqs = [int(found.intervals(np.array([s, s]))[1][0]) for s in range(-5, 5)]
    assert min(freqs) == 1
    assert sum(freqs) == 1 << ans.PRECISION


def photo(kind: str, side: int, seed: int = 0) -> np.ndarray:
    """uint8 (3, side, side): smooth luma and chroma with noise, 8-bit, made RGB by a matrix ("jpeg", "photo cd"), or not at all."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:side, :side] / side
    y = np.clip(70 + 90 * np.sin(3 * rows + 2 * columns) ** 2 + rng.normal(0, 6, (side, side)), 0, 255).astype(np.int64)
    cb, cr = (np.round(20 * np.sin(5 * rows + k) + 10 * columns + rng.normal(0, 2, (side, side))).astype(np.int64) for k in (0, 1))
    if kind == "free":
        return np.clip(np.stack((y + cr, y, y + cb)) + rng.integers(-3, 4, (3, side, side)), 0, 255).astype(np.uint8)
    matrix = MATRICES[{"jpeg": 1, "photo cd": 8}[kind]]
    assert matrix is not None
    terms = (matrix.red * cr, -matrix.green_blue * cb - matrix.green_red * cr, matrix.blue * cb)
    planes = [(matrix.luma * y + term + offset) >> 16 for term, offset in zip(terms, matrix.offset, strict=True)]
    return np.clip(np.stack(planes), 0, 255).astype(np.uint8)


@pytest.mark.parametrize(("kind", "matrix"), [("jpeg", 1), ("photo cd", 8), ("free", 0)])
def test_the_matrix_that_made_the_photo_is_found(kind, matrix):
    assert choose_matrix(colour.forward(photo(kind, 64), colour.YCOCG_R).reshape(3, -1)) == matrix


def test_reached_colours_agree_with_the_table_of_all():
    rng = np.random.default_rng(0)
    rgb = rng.integers(1, 255, (3, 2000))
    cells, inside = cell_of(*colour.forward(rgb.astype(np.uint8)[:, None], colour.YCOCG_R)[:, 0])
    assert inside.all()
    for number, matrix in enumerate(MATRICES):
        if matrix is not None:
            expected = (reachable(number)[cells >> 3] >> (cells & 7)) & 1
            assert np.array_equal(matrices._reached(matrix, rgb), expected), matrix.name


@pytest.mark.parametrize("kind", ["jpeg", "photo cd"])
def test_a_photo_with_a_lattice_shrinks_and_comes_back(tiny_model, kind, monkeypatch):
    samples = photo(kind, 96)
    payload, report = encode_group(samples, tiny_model, 1)
    assert payload[0] == COLOURS_MARK
    assert report.matrix == payload[1] % CO_FLAG == {"jpeg": 1, "photo cd": 8}[kind]
    decoded, found = inspect_group(payload, samples.shape, 8, tiny_model)
    assert np.array_equal(decoded, samples)
    assert (found.matrix, found.path, found.lanes, found.stack_curve) == (report.matrix, report.path, report.lanes, report.stack_curve)
    assert found.bound_bits == pytest.approx(report.bound_bits)
    assert abs(report.coded_bits - report.bound_bits) < 400
    monkeypatch.setattr(group_codec, "can_reweight", lambda *arguments: False)
    assert len(payload) < 0.95 * len(encode_group(samples, tiny_model, 1)[0])


@pytest.mark.parametrize("samples", [np.full((3, 40, 40), 7, np.uint8), photo("jpeg", 48)[:1], np.zeros((3, 1, 1), np.uint8)])
def test_flat_and_gray_pictures_are_left_as_they_are(tiny_model, samples, monkeypatch):
    payload, report = encode_group(samples, tiny_model, 1)
    if samples.shape[0] == 1:
        assert report.matrix is None
    monkeypatch.setattr(group_codec, "can_reweight", lambda *arguments: False)
    assert len(payload) <= len(encode_group(samples, tiny_model, 1)[0])


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    matrix=st.integers(0, len(MATRICES) - 1),
    co=st.booleans(),
    stripe=st.sampled_from([1, 30, STRIPE_SYMBOLS]),
)
def test_any_picture_comes_back_with_reweighting_forced(tiny_model, seed, height, width, matrix, co, stripe):
    rng = np.random.default_rng(seed)
    samples = rng.choice(np.array([0, 1, 128, 200, 255], np.uint8), (3, height, width))
    with (
        mock.patch.object(reweighting, "COLOURS_WORTH", -(1 << 60)),
        mock.patch.object(reweighting, "CO_WORTH", 1 << 40 if co else 0),
        mock.patch.object(group_codec, "choose_matrix", return_value=matrix),
        mock.patch.object(geometry, "STRIPE_SYMBOLS", stripe),
    ):
        payload, report = encode_group(samples, tiny_model, 1)
        assert np.array_equal(decode_group(payload, samples.shape, 8, tiny_model), samples)
    assert report.matrix == (matrix if max(height, width) > 2 else None)


@pytest.mark.parametrize("transform", [1, 2])
def test_other_maps_are_never_reweighted_and_a_file_that_says_so_is_refused(tiny_models, transform):
    samples, model = photo("jpeg", 64), tiny_models(transform)
    payload, report = encode_group(samples, model, 1)
    assert report.matrix is None
    with pytest.raises(CorruptError, match="colour model"):
        decode_group(bytes([COLOURS_MARK, 0]) + payload, samples.shape, 8, model)


@pytest.mark.parametrize("damage", [b"\xff", b"\xff\x01", b"\xff\x06\x00\x00", b"\xff\x40\x00\x00", b"\xff\x00\xff\x00\x00"])
def test_damaged_colour_parameters_are_refused(tiny_model, damage):
    with pytest.raises(CorruptError):
        decode_group(damage, (3, 8, 8), 8, tiny_model)


@given(freqs=st.lists(st.integers(1, 1 << 24), min_size=1, max_size=50))
def test_cost_is_the_information_in_the_symbols(freqs):
    exact = sum(24 - np.log2(freq) for freq in freqs)
    assert exact - 1e-6 <= cost(np.array(freqs), 24) / 256 <= exact + len(freqs) / 256 + 1e-6


def test_both_kernels_learn_the_same_factors_and_write_the_same_intervals():
    pixels = colour.forward(photo("jpeg", 64), colour.YCOCG_R).reshape(3, -1).astype(np.int64)
    rng = np.random.default_rng(1)
    mixture = mixtures(rng, pixels.shape[1] // 2, 30)
    results = []
    for backend in ("reference", "compiled"):
        with mock.patch.dict(os.environ, HVPZIP_KERNELS=backend):
            known = ColourModel(LearntColours(1, co=True, striped=True))
            known.add(pixels[:, ::2])
            found = known.reweight_cg(mixture, *pixels[:2, 1::2], -255, 255)
            known.learn(2, pixels[2, 1::2])
            other = mixtures(np.random.default_rng(2), pixels.shape[1] // 2, 30)
            slope = np.random.default_rng(3).integers(-80, 81, pixels.shape[1] // 2)
            co = known.reweight_co(other, lambda co: Mixture(mixture.mean + co, *mixture[1:]), slope, pixels[0, 1::2], -255, 255)
            known.learn(1, pixels[1, 1::2])
            learnt = known.factors
            assert (learnt.co.factors() != UNIT).sum() > 3
            results.append((found.edges, found.total, found.excess, *learnt.cg, co.edges, co.total, *learnt.co))
    for one, other in zip(*results, strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("number", [1, 2, 8])
def test_both_kernels_find_the_same_colours_reachable(number):
    rgb = np.random.default_rng(number).integers(0, 256, (3, 500))
    found = []
    for backend in ("reference", "compiled"):
        with mock.patch.dict(os.environ, HVPZIP_KERNELS=backend):
            found.append((reachable.__wrapped__(number), matrices._reached(MATRICES[number], rgb)))
    for one, other in zip(*found, strict=True):
        assert np.array_equal(one, other)


def test_factors_of_very_many_symbols_do_not_overflow():
    factors, expected = np.array([1, UNIT, MAX_FACTOR]), np.array([1, 1 << 47, 1 << 40])
    for most in (1 << 20, 1 << 30):
        came = np.array([most, most // 3, 0])
        wanted = [
            min(max(f * ((c + 3) << 24) // (e + (3 << 24)), 1), MAX_FACTOR)
            for f, c, e in zip(factors.tolist(), came.tolist(), expected.tolist(), strict=True)
        ]
        assert by_units(FineFactors(factors << 12, 0 * factors), came, expected, 0).factors().tolist() == wanted


def clip(value: int, low: int, high: int) -> int:
    return min(max(value, low), high)


def learnt_by_document(
    fine: list[int], evidence: list[int], came: list[int], expected: list[int], classes: int
) -> tuple[list[int], list[int]]:
    """Section 7.12 of docs/format.md, "Learning by stripes", in Python's integers."""
    fine, expected, size = list(fine), list(expected), len(fine) // max(classes, 1)
    for number in range(classes):
        members = range(number * size, (number + 1) * size)
        r = ((sum(came[i] for i in members) + 3) << 40) // (sum(expected[i] for i in members) + (3 << 24))
        for i in members:
            fine[i] = clip(fine[i] * r >> 16, 1, 32768 << 12)
            expected[i] = expected[i] * r >> 16
    for i, n in enumerate(evidence):
        r = ((came[i] + 10 + n) << 40) // (expected[i] + ((10 + n) << 24))
        fine[i] = clip(fine[i] * r >> 16, 1 << 12, 32768 << 12)
    return fine, [min(n + k, 30) for n, k in zip(evidence, came, strict=True)]


@given(seed=st.integers(0, 2**31), classes=st.sampled_from([0, 1, 4, 12]), most=st.sampled_from([0, 3, 300, 1 << 13]))
def test_stripes_teach_as_the_document_says_and_never_overflow(seed, classes, most):
    rng, n = np.random.default_rng(seed), 24
    learnt = FineFactors(rng.integers(1 << 12, (MAX_FACTOR << 12) + 1, n), rng.integers(0, 31, n))
    came = rng.multinomial(most, rng.dirichlet(np.full(n, 0.1)))
    expected = rng.multinomial(most << 24, rng.dirichlet(np.full(n, 0.1)))
    found = by_stripes(learnt, came, expected, classes)
    lists = learnt.fine.tolist(), learnt.evidence.tolist(), came.tolist(), expected.tolist()
    assert tuple(numbers.tolist() for numbers in found) == learnt_by_document(*lists, classes)
    assert found.factors().min() >= 1
    assert found.factors().max() <= MAX_FACTOR


@given(rows=st.integers(0, 600), columns=st.integers(0, 600))
def test_stripes_are_whole_rows_that_cover_a_unit(rows, columns):
    found = stripes_of((rows, columns))
    assert [stripe.start for stripe in found] == [0, *(stripe.stop for stripe in found[:-1])]
    assert found[-1].stop == rows * columns
    assert len(found) <= STRIPES
    for stripe in found[:-1]:
        assert stripe.stop - stripe.start >= STRIPE_SYMBOLS
        assert stripe.stop % columns == 0
    assert stripes_of((rows, columns), striped=False) == [slice(0, rows * columns)]


def test_a_photo_with_a_lattice_is_smaller_in_stripes(tiny_model):
    samples = photo("jpeg", 160)
    place = tiny_model.schedule.path_names.index("direct")
    striped, whole = (encode_along(samples, tiny_model, place, learn_colours=True, striped=value)[0] for value in (True, False))
    assert [payload[:2] for payload in (striped, whole)] == [bytes([COLOURS_MARK, 1 + CO_FLAG + flag]) for flag in (STRIPED_FLAG, 0)]
    assert len(striped) < 0.99 * len(whole)
    for payload in (striped, whole):
        assert np.array_equal(decode_group(payload, samples.shape, 8, tiny_model), samples)
