"""A second decoder, written from docs/format.md section 12 alone, one decision at a time, reads what the mixing coder writes."""

import numpy as np
import pytest

from hvpzip.codec import mixing
from tests.helpers.by_document import raster
from tests.helpers.by_document.engine import reaches
from tests.helpers.pictures import photo_crop
from tests.helpers.pictures import samples as picture


def lattice_picture(matrix: int, shape: tuple[int, int], alpha: bool) -> np.ndarray:
    """Few colours of those that the matrix reaches, by YCbCr of whole numbers."""
    generator = np.random.default_rng(matrix)
    found = []
    while len(found) < 40:
        red, green, blue = generator.integers(60, 200, 3).tolist()
        found += [(red, green, v) for v in range(blue, blue + 12) if reaches(matrix, red, green, v)]
    colours = np.array(found, np.uint8)[generator.integers(0, 40, shape)]
    return np.dstack([colours, generator.integers(0, 3, shape, np.uint8)]) if alpha else colours


def photo(rows: int, columns: int) -> np.ndarray:
    return np.ascontiguousarray(photo_crop(40, 20, columns, rows).transpose(1, 2, 0))


@pytest.mark.parametrize("profile", [1, 2, 5])
@pytest.mark.parametrize(
    ("samples", "depth"),
    [
        (photo(10, 12)[:, :, 1:2], 8),
        (photo(6, 8), 8),
        (picture(3, (6, 7, 2), 12, "slope"), 12),
        (picture(3, (5, 6, 4), 16, "slope"), 16),
        (np.tile(picture(5, (4, 5, 1), 8, "noise"), (3, 2, 1)), 8),
        (picture(4, (1, 20, 1), 1, "noise"), 1),
        (picture(4, (14, 1, 3), 8, "slope"), 8),
    ],
)
def test_a_decoder_written_from_the_document_reads_the_data(samples, depth, profile):
    np.testing.assert_array_equal(raster.decode(mixing.encode(samples, profile), samples.shape, depth), samples)


@pytest.mark.parametrize("profile", [3, 4, 8])
@pytest.mark.parametrize(("samples", "depth"), [(photo(8, 9)[:, :, 1:2], 8), (photo(5, 6), 8), (picture(3, (4, 5, 2), 16, "slope"), 16)])
def test_it_reads_profiles_with_what_averages_imply(samples, depth, profile):
    np.testing.assert_array_equal(raster.decode(mixing.encode(samples, profile), samples.shape, depth), samples)


@pytest.mark.parametrize("alpha", [False, True])
def test_it_reads_colours_of_a_matrix(monkeypatch, alpha):
    samples = lattice_picture(5, (6, 6), alpha)
    monkeypatch.setattr("hvpzip.codec.mixing.coder.choose_matrix", lambda _: 5)  # so few pixels would not name one
    data = mixing.encode(samples, 1)
    assert data[2] == 5
    np.testing.assert_array_equal(raster.decode(data, samples.shape, 8), samples)
