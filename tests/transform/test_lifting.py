"""The wavelet level: inverse, unit determinant of each stage on its integer matrix, agreement with PyWavelets, value ranges."""

from fractions import Fraction

import numpy as np
import pytest
import pywt
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hvpzip.transform import lifting, maps

MAPS = tuple(maps.MAPS)


@st.composite
def integer_images(draw):
    """Small images of every size from 1x1, of the values that 8- to 16-bit samples and their colour differences can take."""
    top = (1 << draw(st.integers(8, 16))) - 1
    values = st.one_of(st.sampled_from([-top, -1, 0, 1, top]), st.integers(-top, top))
    shape = (draw(st.integers(1, 3)), draw(st.integers(1, 11)), draw(st.integers(1, 11)))
    return draw(hnp.arrays(np.int32, shape, elements=values))


@given(integer_images(), st.sampled_from(MAPS))
def test_merge2d_undoes_split2d(x, map_id):
    ll, bands = lifting.split2d(x, map_id)
    assert {name: band.shape[1:] for name, band in {"ll": ll, **bands}.items()} == lifting.band_shapes(*x.shape[1:])
    assert all(band.dtype == np.int32 and band.flags.c_contiguous for band in (ll, *bands.values()))
    np.testing.assert_array_equal(lifting.merge2d(ll, bands, map_id), x)


@given(integer_images(), st.sampled_from(MAPS))
def test_split2d_undoes_merge2d_so_every_array_of_bands_is_an_image(y, map_id):
    ll, bands = lifting.split2d(y, lifting.SUBSAMPLE)
    ll2, bands2 = lifting.split2d(lifting.merge2d(ll, bands, map_id), map_id)
    np.testing.assert_array_equal(ll2, ll)
    for name, band in bands.items():
        np.testing.assert_array_equal(bands2[name], band)


@pytest.mark.parametrize("map_id", MAPS)
def test_every_size_to_nine_by_nine_round_trips_at_the_extremes(map_id):
    rng = np.random.default_rng(3)
    for height in range(1, 10):
        for width in range(1, 10):
            x = rng.choice(np.array([-65535, 0, 65535], np.int32), (3, height, width))
            ll, bands = lifting.split2d(x, map_id)
            np.testing.assert_array_equal(lifting.merge2d(ll, bands, map_id), x)


def stage_matrix(stage, length):
    """2**shift times the matrix of one stage on a line of ``length``, as integers, measured on the shipped code.

    On multiples of 2**shift the stage does not round, and its constant cancels against the image of zero: so columns can be read off.
    """
    scale = 1 << stage.shift

    def run(line):
        even, odd = lifting.part(np.array([line], np.int32))
        lifting._lift(even, odd, stage, stage.sign)
        return lifting.join(even, odd)[0]

    zero = run([0] * length)
    columns = [run([scale * (i == j) for i in range(length)]) - zero for j in range(length)]
    return [[int(columns[j][i]) for j in range(length)] for i in range(length)], scale


def determinant(matrix):
    """Exact, by elimination over fractions."""
    rows = [[Fraction(value) for value in row] for row in matrix]
    result = Fraction(1)
    for k in range(len(rows)):
        pivot = next((r for r in range(k, len(rows)) if rows[r][k]), None)
        if pivot is None:
            return Fraction(0)
        if pivot != k:
            rows[k], rows[pivot] = rows[pivot], rows[k]
            result = -result
        result *= rows[k][k]
        for r in range(k + 1, len(rows)):
            factor = rows[r][k] / rows[k][k]
            rows[r] = [a - factor * b for a, b in zip(rows[r], rows[k], strict=True)]
    return result


STAGES = [(map_id, number) for map_id in MAPS for number in range(len(maps.map_of(map_id).stages))]


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 8, 9])
@pytest.mark.parametrize(("map_id", "number"), STAGES)
def test_each_stage_has_unit_determinant(map_id, number, length):
    matrix, scale = stage_matrix(maps.map_of(map_id).stages[number], length)
    assert determinant(matrix) == scale**length


@pytest.mark.parametrize(("map_id", "number"), STAGES)
def test_each_stage_is_triangular_and_reads_only_what_it_leaves_alone(map_id, number):
    stage = maps.map_of(map_id).stages[number]
    matrix, scale = stage_matrix(stage, 8)  # even, so that each sample has a neighbour on its right or its mirror image
    changed = 1 if stage.on_odd else 0
    for i, row in enumerate(matrix):
        assert row[i] == scale
        off_diagonal = {j for j, value in enumerate(row) if value and j != i}
        assert not off_diagonal if i % 2 != changed else off_diagonal
        assert all(j % 2 != changed for j in off_diagonal)


def float_split(lines, map_id):
    """Float counterpart of a one-dimensional split: the stages as data, without rounding, on the last axis."""
    even, odd = lines[..., 0::2].astype(float), lines[..., 1::2].astype(float)
    for stage in maps.map_of(map_id).stages:
        target, other = (odd, even) if stage.on_odd else (even, odd)
        first = 0 if stage.on_odd else -1
        for i in range(target.shape[-1]):
            for weight, j, mirrored in ((stage.left, i + first, i + first + 1), (stage.right, i + first + 1, i + first)):
                if not 0 <= j < other.shape[-1] and stage.mirror:
                    j = mirrored
                if 0 <= j < other.shape[-1]:
                    target[..., i] += stage.sign * weight * other[..., j] / 2**stage.shift
    return even, odd


def test_float_haar_agrees_with_pywavelets_up_to_its_scaling():
    x = np.random.default_rng(4).normal(size=(5, 32))
    low, high = float_split(x, lifting.HAAR)
    approximation, detail = pywt.dwt(x, "haar", mode="periodization")
    np.testing.assert_allclose(low * np.sqrt(2), approximation, atol=1e-12)
    np.testing.assert_allclose(-high / np.sqrt(2), detail, atol=1e-12)  # pywt takes even minus odd


def test_float_legall_agrees_with_pywavelets_bior22_up_to_its_scaling():
    x = np.random.default_rng(5).normal(size=(5, 64))
    low, high = float_split(x, lifting.LEGALL53)
    approximation, detail = pywt.dwt(x, "bior2.2", mode="reflect")  # reflect: about the end sample, as JPEG 2000
    # pywt pads by whole filters: its coefficients lead ours by one, also at the left end.
    np.testing.assert_allclose(low * np.sqrt(2), approximation[:, 1:33], atol=1e-12)
    np.testing.assert_allclose(-high / np.sqrt(2), detail[:, 1:33], atol=1e-12)


def test_float_subsampling_agrees_with_the_lazy_filters():
    x = np.random.default_rng(6).normal(size=(2, 16))
    low, high = float_split(x, lifting.SUBSAMPLE)
    np.testing.assert_array_equal(low, x[:, 0::2])
    np.testing.assert_array_equal(high, x[:, 1::2])


@pytest.mark.parametrize("map_id", MAPS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 8), (7, 1), (16, 16), (15, 17), (2, 3)])
def test_integer_bands_stay_within_rounding_of_the_float_bands(map_id, shape):
    x = np.random.default_rng(7).integers(-255, 256, (20, *shape)).astype(np.int32)
    ll, bands = lifting.split2d(x, map_id)
    low, high = float_split(x, map_id)
    halves = {name: half.swapaxes(-1, -2) for name, half in (("l", low), ("h", high))}
    exact = {}
    for name, half in halves.items():
        first, second = float_split(half, map_id)
        exact[{"l": "ll", "h": "hl"}[name]], exact[{"l": "lh", "h": "hh"}[name]] = first.swapaxes(-1, -2), second.swapaxes(-1, -2)
    for name, band in {"ll": ll, **bands}.items():
        assert np.abs(band - exact[name]).max(initial=0) < 2, name  # the bound that pyramid.ranges rests on


@given(integer_images(), st.sampled_from(MAPS))
def test_bands_stay_in_the_stated_range(x, map_id):
    ll, bands = lifting.split2d(x, map_id)
    stated = lifting.band_range((int(x.min()), int(x.max())), map_id)
    for name, band in {"ll": ll, **bands}.items():
        assert stated[name][0] <= band.min(initial=stated[name][0])
        assert band.max(initial=stated[name][1]) <= stated[name][1]


@pytest.mark.parametrize("map_id", MAPS)
@pytest.mark.parametrize("span", [(0, 255), (-255, 255), (0, 65535), (-65535, 65535)])
def test_the_stated_range_of_each_band_is_reached(map_id, span):
    """The input that follows the signs of a band's filter at its middle reaches the largest value, its opposite the smallest."""
    size, stated = 13, lifting.band_range(span, map_id)
    middle = {"ll": (3, 3), "lh": (2, 3), "hl": (3, 2), "hh": (2, 2)}
    impulses = np.zeros((size * size, size, size), np.int32)
    impulses[np.arange(size * size), np.arange(size * size) // size, np.arange(size * size) % size] = 1 << 12
    ll, bands = lifting.split2d(impulses, map_id)
    for name, band in {"ll": ll, **bands}.items():
        y, x = middle[name]
        filter_signs = np.sign(band[:, y, x]).reshape(size, size)
        for end, chosen in ((1, filter_signs > 0), (0, filter_signs < 0)):
            image = np.where(chosen, span[1], span[0]).astype(np.int32)[None]
            ll_out, bands_out = lifting.split2d(image, map_id)
            assert {"ll": ll_out, **bands_out}[name][0, y, x] == stated[name][end], (name, end)


def test_bands_of_a_small_image_are_these_integers():
    x = np.arange(20, dtype=np.int32).reshape(1, 4, 5) ** 2 % 97
    expected = {
        lifting.SUBSAMPLE: ([[0, 4, 16], [3, 47, 2]], [[25, 49, 81], [31, 95, 70]], [[1, 9], [24, 72]], [[36, 64], [62, 33]]),
        lifting.HAAR: ([[15, 31, 48], [29, 61, 36]], [[30, 50, 65], [33, 5, 68]], [[6, 10], [26, -19]], [[10, 10], [10, -87]]),
    }
    for map_id, (ll, lh, hl, hh) in expected.items():
        low, bands = lifting.split2d(x, map_id)
        assert [low[0].tolist(), *(bands[name][0].tolist() for name in ("lh", "hl", "hh"))] == [ll, lh, hl, hh]


def test_wrong_types_maps_and_shapes_are_refused():
    x = np.zeros((1, 4, 4), np.int32)
    ll, bands = lifting.split2d(x, lifting.HAAR)
    with pytest.raises(ValueError, match="unknown map 3"):
        lifting.split2d(x, 3)
    with pytest.raises(TypeError, match="float"):
        lifting.split2d(x.astype(float), lifting.HAAR)
    with pytest.raises(TypeError, match="int32"):
        lifting.merge2d(ll.astype(np.int16), bands, lifting.HAAR)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="belong together"):
        lifting.merge2d(ll, {**bands, "hh": bands["hh"][:, :1]}, lifting.HAAR)
    with pytest.raises(ValueError, match="empty range"):
        lifting.band_range((1, 0), lifting.HAAR)
    with pytest.raises(ValueError, match="shape"):
        lifting.split2d(x[0, 0], lifting.HAAR)
