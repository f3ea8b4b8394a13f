"""Neighbours, regressions and sums, each against a plain way to say the same."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hvpzip.codec.raster.contexts import Sums, log2_sixteenths
from hvpzip.codec.raster.regression import ONE, Regression
from hvpzip.codec.raster.wavefront import Trace, fronts


@given(st.integers(1, 9), st.integers(1, 9))
def test_fronts_hold_every_pixel_once_and_neighbours_come_before(height, width):
    seen = {}
    for front in fronts(height, width):
        for y, x in zip(*front.places(), strict=True):
            for dy, dx in ((0, -1), (-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0), (-2, 1)):
                if y + dy >= 0 and 0 <= x + dx < width:
                    assert seen[y + dy, x + dx] < front.number
            seen[int(y), int(x)] = front.number
    assert len(seen) == height * width


def neighbours(values, y, x):
    """As docs/format.md says it."""
    width = values.shape[1]

    def at(row, column):
        return values[row, column]

    w = at(y, x - 1) if x else (at(y - 1, 0) if y else 0)
    if y == 0:
        return (w, w, w, w, at(0, x - 2) if x > 1 else w, w, w)
    n = at(y - 1, x)
    nw = at(y - 1, x - 1) if x else n
    ne = at(y - 1, x + 1) if x + 1 < width else n
    ww = at(y, x - 2) if x > 1 else w
    nn = at(y - 2, x) if y > 1 else n
    nne = (at(y - 2, x + 1) if x + 1 < width else nn) if y > 1 else ne
    return (w, n, nw, ne, ww, nn, nne)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 2), (3, 2), (2, 3), (13, 11), (6, 14)])
def test_neighbours_are_those_of_the_format(shape):
    values = np.random.default_rng(0).integers(1, 1000, shape)
    trace = Trace(shape[0])
    for front in fronts(*shape):
        rows, columns = front.places()
        found = np.stack(trace.neighbours(front))
        expected = np.array([neighbours(values, y, x) for y, x in zip(rows, columns, strict=True)]).T
        np.testing.assert_array_equal(found, expected)
        trace.put(front, values[rows, columns])
        np.testing.assert_array_equal(trace.here(front), values[rows, columns])


def test_regression_finds_the_weights_that_made_the_targets():
    generator = np.random.default_rng(1)
    features = generator.integers(-1000, 1000, (4, 500))
    true = np.array([ONE // 2, -ONE // 4, ONE, 3 * ONE // 4])
    regression = Regression([0, 0, 0, 0], fade=8, ridge=12)
    for part in np.split(np.arange(500), 10):
        regression.learn(features[:, part], (true @ features[:, part]) // ONE, np.full(part.size, 8000))
    regression.solve()
    assert abs(regression._weights - true).max() < ONE // 50


@given(st.lists(st.lists(st.integers(-50, 50), min_size=3, max_size=3), min_size=4, max_size=9), st.integers(0, 1 << 20))
def test_solution_is_the_exact_one_rounded(samples, seed):
    features = np.array(samples).T
    target = np.random.default_rng(seed).integers(-50, 50, features.shape[1])
    regression = Regression([ONE // 2, 0, 0], fade=6, ridge=4)
    regression.learn(features, target, np.full(target.size, 256))
    regression.solve()
    squares, products = (features @ features.T).tolist(), (features @ target).tolist()
    extra = sum(squares[i][i] for i in range(3)) // (3 << 4) + 1
    rows = [[Fraction(v) for v in row] + [Fraction(product) * ONE] for row, product in zip(squares, products, strict=True)]
    for i in range(3):
        rows[i][i] += extra
        rows[i][3] += extra * (ONE // 2 if i == 0 else 0)
    for i in range(3):
        for j in range(i + 1, 3):
            rows[j] = [below - rows[j][i] / rows[i][i] * above for below, above in zip(rows[j], rows[i], strict=True)]
    weights = [0, 0, 0]
    for i in (2, 1, 0):
        exact = (rows[i][3] - sum(rows[i][k] * weights[k] for k in range(i + 1, 3))) / rows[i][i]
        weights[i] = max(-(1 << 20), min(1 << 20, floor(exact + Fraction(1, 2))))
    assert regression._weights.tolist() == weights


def test_sums_halve_over_their_limit():
    sums = Sums(3, 10)
    context = np.array([0, 0, 2])
    sums.add(context, np.array([5, 7, -3]), 4)
    np.testing.assert_array_equal(sums.mean(np.array([0, 1, 2]), 0, 1), [12 // 9, 0, -1])
    sums.add(context[:1], np.array([1]), 4)
    np.testing.assert_array_equal(sums.mean(np.array([0]), 0, 1), [6 // 7])
    np.testing.assert_array_equal(sums.share(np.array([0]), 2, 4), [(12 + 2 << 16) // (12 + 4)])


@given(st.integers(1, (1 << 40) - 1))
def test_logarithm_is_exact(value):
    (found,) = log2_sixteenths(np.array([value]))
    assert 1 << int(found) <= value**16 < 1 << int(found) + 1
