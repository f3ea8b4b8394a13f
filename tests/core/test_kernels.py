"""Every compiled kernel gives the integers of the reference, on random and on extreme arguments, and refuses what is out of range.

The coder's stages, which need messages, are held against each other in tests/ans/test_kernels.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hvpzip.codec.colours.matrices import MATRICES
from hvpzip.core import kernels, reference
from hvpzip.core.reference.colours import CG_CONTEXTS, CG_SPAN, CG_WINDOW, CO_KINDS, CO_WINDOW
from hvpzip.core.reference.parameters import softmax_weights
from hvpzip.core.tables import NUM_SCALES, POSITION_LIMIT
from tests.helpers.pictures import SEEDS

KINDS = st.sampled_from(["photo", "narrow", "wide", "far", "any"])


@pytest.fixture(autouse=True)
def _compiled(monkeypatch) -> None:
    monkeypatch.setenv("HVPZIP_KERNELS", "compiled")


def mixtures(rng: np.random.Generator, n: int, kind: str = "any", components: int | None = None) -> tuple[np.ndarray, ...]:
    """Arrays (K, n) of means, scales and weights: like a photo's, or at the ends of their ranges."""
    k = components or int(rng.integers(1, 6))
    spread = {"photo": 64 * 30, "narrow": 64 * 300, "wide": 64 * 300, "far": POSITION_LIMIT - 1, "any": 1 << 26}[kind]
    low, high = {"photo": (30, 120), "narrow": (0, 1), "wide": (NUM_SCALES - 3, NUM_SCALES)}.get(kind, (0, NUM_SCALES))
    logits = rng.integers(-1500, 1501, (k, n)) if kind != "photo" else rng.integers(-200, 201, (k, n))
    return (
        rng.integers(-spread, spread + 1, (k, n)),
        rng.integers(low, high, (k, n)).astype(np.int16),
        softmax_weights(logits),
    )


def both(name: str, arguments: tuple[Any, ...], outputs: tuple[np.ndarray, ...]) -> None:
    """Call both kernels; what they write and return must be the same."""
    one, other = [tuple(output.copy() for output in outputs) for _ in range(2)]
    results = [getattr(module, name)(*arguments, *into) for module, into in ((reference, one), (kernels(), other))]
    assert results[0] == results[1]
    for a, b in zip(one, other, strict=True):
        assert np.array_equal(a, b), name


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, n=st.integers(0, 90), kind=KINDS, delta=st.sampled_from([1, 2, 64, 1 << 12]), precision=st.sampled_from([14, 24, 30]))
def test_cumulatives_and_intervals(seed, n, kind, delta, precision) -> None:
    rng = np.random.default_rng(seed)
    lo = rng.integers(-600, 600, n)
    size = rng.integers(1, 1 << (precision - 4), n) if delta < 64 else rng.integers(1, 500, n)
    size = np.minimum(size, 900)
    mixture = mixtures(rng, n, kind)
    result = np.empty(n, np.int64)
    both("fill_cumulative", (*mixture, lo, size, lo + rng.integers(-40, 940, n), 64 * delta, precision), (result,))
    both("fill_intervals", (*mixture, lo, size, lo + rng.integers(0, size), 64 * delta, precision, 3), (result, result))


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, n=st.integers(0, 600), field=st.sampled_from([None, 0, 1, 2]), bad=st.sampled_from([-(1 << 40), -1, 0, 320, 1 << 40]))
def test_what_is_no_mixture_is_told_from_what_is(seed, n, field, bad) -> None:
    rng = np.random.default_rng(seed)
    mixture = mixtures(rng, n)
    if n and field is not None:
        value = bad if field == 0 else int(np.clip(bad, -1, 1 << 14))
        mixture[field][-1, rng.integers(0, n)] = value
    both("is_mixture", mixture, ())


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, n=st.integers(0, 50), kind=KINDS, lo=st.integers(-300, 300), size=st.integers(1, 700), length=st.integers(0, 70))
def test_windows(seed, n, kind, lo, size, length) -> None:
    rng = np.random.default_rng(seed)
    mixture = mixtures(rng, n, kind)
    start = np.empty(n, np.int64)
    both("fill_starts", (*mixture, 32, lo, lo + size - 1), (start,))
    first = rng.integers(lo, lo + size, n)
    both("fill_edges", (*mixture, lo, size, first), (np.empty((n, length + 1), np.int64),))


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, height=st.integers(0, 9), size=st.sampled_from([1, 2, 5, 31, 64, 1000]), step=st.sampled_from([1, 2, 3, 4, 6, 8, 40]))
def test_filters(seed, height, size, step) -> None:
    rng = np.random.default_rng(seed)
    noise = rng.integers(-2, 3, (height + 1, size)) if seed % 3 else rng.choice([0, 0, 0, 128, 255], (height + 1, size))
    slope = rng.integers(-2, 3, 2) @ np.indices(noise.shape).reshape(2, -1)
    rows = (noise + slope.reshape(noise.shape)).astype(np.uint8)
    both("filter_rows", (rows[1:], rows[0], step), (np.empty((height, size + 1), np.uint8),))


class Counts:
    """Counts of random colours, dense around gray; kept, for making them takes a while."""

    def __init__(self, matrix: int) -> None:
        rng = np.random.default_rng(matrix)
        y = rng.integers(0, 256, 200_000)
        co, cg = (np.round(rng.normal(0, 9, y.size)).astype(np.int32) for _ in range(2))
        extreme = rng.integers(-300, 301, (3, 2000))
        pixels = [np.concatenate([plane, more]).astype(np.int32) for plane, more in zip((y, co, cg), extreme, strict=True)]
        self.arrays = np.zeros(1 << 26, np.uint8), np.zeros(1 << 18, np.int32)
        again = np.zeros(1 << 26, np.uint8), np.zeros(1 << 18, np.int32)
        for _ in range(2):  # most is reached
            reference.count_colours(*pixels, 900, *self.arrays)
            kernels().count_colours(*pixels, 900, *again)
        assert all(np.array_equal(one, other) for one, other in zip(self.arrays, again, strict=True))
        self.reachable = np.zeros(1 << 23 if matrix else 0, np.uint8)
        entry = MATRICES[matrix]
        if entry is not None:
            again = np.zeros_like(self.reachable)
            reference.fill_reachable(entry.numbers(), self.reachable)
            kernels().fill_reachable(entry.numbers(), again)
            assert np.array_equal(self.reachable, again)

    def __iter__(self) -> Any:
        return iter((*self.arrays, self.reachable))


@pytest.fixture(scope="module", params=[0, 1])
def counts(request) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HVPZIP_KERNELS", "compiled")
        return Counts(request.param)


def factors(rng: np.random.Generator, count: int, kind: str) -> np.ndarray:
    if kind == "photo":
        return rng.integers(1, 4096, count).astype(np.uint16)
    return rng.choice([0, 1, 1 << 15], count).astype(np.uint16)


def outputs(n: int, length: int) -> tuple[np.ndarray, ...]:
    """Room for edges, totals and excesses."""
    return np.empty((n, length + 1), np.int32), np.empty(n, np.int64), np.empty(n, np.int64)


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS, n=st.integers(0, 120), kind=KINDS, size=st.sampled_from([511, 511, 300, 10]))
def test_colours(counts, seed, n, kind, size) -> None:
    rng = np.random.default_rng(seed)
    mixture = mixtures(rng, n, kind)
    lo = -255 if size == 511 else int(rng.integers(-255, 256 - size))
    y, co = rng.integers(0, 256, n), rng.integers(-255, 256, n)
    if kind == "photo":
        co = np.clip(np.round(rng.normal(0, 12, n)), -255, 255).astype(np.int64)
    first = np.empty(n, np.int64)
    reference.fill_starts(*mixture, CG_WINDOW // 2, lo, max(lo, lo + size - CG_WINDOW), first)
    both(
        "reweight_cg",
        (*counts, *mixture, lo, size, y, co, factors(rng, CG_CONTEXTS, kind), 1, first),
        (*outputs(n, CG_WINDOW), np.empty(CG_CONTEXTS, np.int64)),
    )
    both("find_contexts", (*counts, y, co, rng.integers(-600, 601, n), 3), (np.empty(n, np.int16),))
    if size < CG_WINDOW:
        return  # Co's windows are found within those of Cg's length
    first_co = first + (CG_WINDOW - CO_WINDOW) // 2
    given = mixtures(rng, n, kind)
    first_cg = np.empty(n, np.int64)
    reference.fill_starts(*given, CG_WINDOW // 2, lo, lo + size - CG_WINDOW, first_cg)
    first_cg += (CG_WINDOW - CG_SPAN) // 2
    slope = rng.integers(-90, 91, n) if kind == "photo" else rng.choice([-(1 << 15), -64, 0, 1, 1 << 15], n)
    settings_of = (y, first_cg, slope, factors(rng, CG_CONTEXTS, kind), factors(rng, CO_KINDS, kind))
    both(
        "reweight_co",
        (*counts, *mixture, lo, size, *given, lo, size, *settings_of, 1, first_co),
        (*outputs(n, CO_WINDOW), np.empty((n, CO_WINDOW), np.uint8), np.empty(CO_KINDS, np.int64)),
    )


def test_threads_do_not_change_what_is_found(counts) -> None:
    rng, n = np.random.default_rng(5), 9000
    mixture, given = mixtures(rng, n, "photo", 3), mixtures(rng, n, "photo", 3)
    y, co, slope = rng.integers(0, 256, n), rng.integers(-40, 41, n), rng.integers(-90, 91, n)
    cg_factors, co_factors = factors(rng, CG_CONTEXTS, "photo"), factors(rng, CO_KINDS, "photo")
    first = np.empty(n, np.int64)
    kernels().fill_starts(*mixture, CG_WINDOW // 2, -255, 255 - CG_WINDOW, first)
    found = []
    for threads in (1, 2, 4):
        cg = (*outputs(n, CG_WINDOW), np.empty(CG_CONTEXTS, np.int64))
        kernels().reweight_cg(*counts, *mixture, -255, 511, y, co, cg_factors, threads, first, *cg)
        others = (*outputs(n, CO_WINDOW), np.empty((n, CO_WINDOW), np.uint8), np.empty(CO_KINDS, np.int64))
        kernels().reweight_co(
            *counts, *mixture, -255, 511, *given, -255, 511, y, first + 24, slope, cg_factors, co_factors, threads, first + 16, *others
        )
        start, freq, context, reached = (np.empty(n, kind) for kind in (np.int64, np.int64, np.int16, np.bool_))
        alphabets = np.full(n, -255), np.full(n, 511)
        kernels().fill_intervals(*mixture, *alphabets, co, 64, 24, threads, start, freq)
        kernels().find_contexts(*counts, y, co, slope, threads, context)
        kernels().find_reached(MATRICES[1].numbers(), np.stack((y, y[::-1], y)), threads, reached)
        logarithms = np.array(kernels().sum_log2(freq, threads))
        found.append((*cg, *others, start, freq, context, reached, logarithms))
    for other in found[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(found[0], other, strict=True))


@given(freqs=st.lists(st.integers(1, (1 << 32) - 1), max_size=40))
@example(freqs=[1, 2, 3, (1 << 32) - 1, 1 << 31, (1 << 31) - 1])
def test_logarithms(freqs) -> None:
    both("sum_log2", (np.array(freqs, np.int64), 3), ())


@given(seed=SEEDS, number=st.integers(1, len(MATRICES) - 1))
@settings(deadline=None)
def test_reached_colours(seed, number) -> None:
    entry = MATRICES[number]
    assert entry is not None
    both("find_reached", (entry.numbers(), np.random.default_rng(seed).integers(0, 256, (3, 60)), 3), (np.empty(60, np.bool_),))


@settings(max_examples=60, deadline=None)
@given(
    seed=SEEDS,
    n=st.integers(0, 200) | st.just(9001),
    components=st.integers(1, 9),
    colour=st.integers(0, 2),
    innovates=st.booleans(),
    extreme=st.booleans(),
    threads=st.integers(1, 3),
)
def test_parameters(seed, n, components, colour, innovates, extreme, threads) -> None:
    rng = np.random.default_rng(seed)
    most = (1 << 15) - 1 if extreme else 900
    channels = (4 if innovates else 3) * 3 * components + 3
    corrections = rng.integers(-most - 1, most + 1, (n, channels)) if not extreme else rng.choice([-most - 1, 0, most], (n, channels))
    arguments = (
        rng.integers(-(1 << 24), 1 << 24, (3, n)).astype(np.int32),
        rng.integers(-(1 << 24), 1 << 24, n).astype(np.int32) if extreme else rng.integers(-300, 1200, n).astype(np.int32),
        rng.integers(-(1 << 20), 1 << 20, n).astype(np.int32) if innovates and n else np.empty(0, np.int32),
        corrections.astype(np.int16),
        rng.integers(-(1 << 20), 1 << 20, 3),
        rng.integers(-300, 301, (colour, n)).astype(np.int32),
        colour,
        components,
        threads,
    )
    room = tuple(np.empty((components, n), dtype) for dtype in (np.int64, np.int16, np.int32))
    both("fill_mixture", arguments, room)


def test_arguments_out_of_range_are_refused(counts) -> None:
    """Indices that a file decides never reach an array unchecked."""
    rng, n = np.random.default_rng(1), 8
    compiled, mixture = kernels(), mixtures(rng, n, "photo", 2)
    first, y, co = np.zeros(n, np.int64), np.full(n, 100), np.zeros(n, np.int64)
    cg_factors, room = factors(rng, CG_CONTEXTS, "photo"), (*outputs(n, CG_WINDOW), np.empty(CG_CONTEXTS, np.int64))

    def weigh(y=y, co=co, first=first, scale=mixture[1], cg_factors=cg_factors, room=room) -> None:
        compiled.reweight_cg(*counts, mixture[0], scale, mixture[2], -255, 511, y, co, cg_factors, 1, first, *room)

    weigh()
    bad_scale = mixture[1].copy()
    bad_scale[1, 3] = NUM_SCALES
    for wrong in (
        {"y": np.full(n, 256)},
        {"y": np.full(n, -1)},
        {"co": np.full(n, 256)},
        {"first": np.full(n, -256)},
        {"first": np.full(n, 256)},
        {"scale": bad_scale},
        {"y": y[1:]},
        {"cg_factors": np.full(CG_CONTEXTS, (1 << 15) + 1, np.uint16)},
        {"room": (room[0][:, 1:].copy(), *room[1:])},
    ):
        with pytest.raises(ValueError):  # noqa: PT011
            weigh(**wrong)
    with pytest.raises(TypeError):
        weigh(y=y.astype(np.int32))
    lo, size = np.full(n, -5), np.full(n, 10)
    with pytest.raises(ValueError, match="outside its alphabet"):
        compiled.fill_intervals(*mixture, lo, size, np.full(n, 5), 64, 24, 1, np.empty(n, np.int64), np.empty(n, np.int64))
    with pytest.raises(ValueError, match="interval"):
        compiled.push_stage(np.full(8, 1 << 40, np.uint64), np.empty(8, np.uint32), *np.zeros((2, 8), np.uint64), 24, 0, 8, 8)
    with pytest.raises(ValueError, match="stage"):
        compiled.push_stage(np.full(4, 1 << 40, np.uint64), np.empty(8, np.uint32), *np.ones((2, 8), np.uint64), 24, 0, 8, 8)


def test_symbols_outside_their_window_are_looked_for_in_mixtures_only() -> None:
    """Windows say how most symbols are found; the mixtures, which a file decides, are looked at where they do not."""
    rng, n = np.random.default_rng(2), 8
    mean, scale, weight = mixtures(rng, n, "photo", 2)
    edges, total, excess = np.full((n, CG_WINDOW + 1), 1 << 23, np.int32), np.full(n, 1 << 34), np.zeros(n, np.int64)
    room = np.empty(n, np.int64), np.empty(n, np.int64)

    def pop(scale: np.ndarray) -> int:
        head, words = np.full(n, 1 << 40, np.uint64), np.zeros(n, np.uint32)
        stage = np.full(n, -32), edges, total, excess, 0, n, n
        found: int = kernels().pop_reweighted_stage(head, words, mean, scale, weight, -255, 511, *stage, *room)
        return found

    assert pop(scale) <= n
    for wrong in (NUM_SCALES, -1, 32767):
        bad = scale.copy()
        bad[1, 3] = wrong
        with pytest.raises(ValueError, match="not a mixture"):
            pop(bad)
