"""The tables: digests that pin every entry, and agreement with floating point to within rounding."""

import hashlib
import math

import numpy as np
import pytest

from hvpzip.core import tables
from hvpzip.core.tables import NUM_SCALES, exp2_table, gaussian_tables, scale_index

DIGESTS = {
    "phi": "09654a948f69af8a",
    "slope": "36dc68cd752f9a45",
    "reciprocal": "65f601b0d57caf72",
    "scale64": "7b32c33edf8d4797",
}
EXP2_DIGEST = "7003feb86713ca6b"


def digest(table: np.ndarray) -> str:
    return hashlib.sha256(table.astype("<i8").tobytes()).hexdigest()[:16]


@pytest.mark.parametrize("name", sorted(DIGESTS))
def test_digest_of_each_gaussian_table(name) -> None:
    assert digest(getattr(gaussian_tables(), name)) == DIGESTS[name]


def test_digest_of_the_powers_of_two() -> None:
    assert digest(exp2_table()) == EXP2_DIGEST


def test_phi_is_the_gaussian_cdf_rounded_to_the_nearest_integer() -> None:
    phi = gaussian_tables().phi
    for i, value in enumerate(phi.tolist()):
        z = i / 128 - 8
        exact = math.erfc(-z / math.sqrt(2)) / 2 * 2**30
        assert abs(value - exact) <= 0.5 + 1e-6


def test_phi_rises_from_nothing_to_all_and_is_symmetric() -> None:
    tables = gaussian_tables()
    assert tables.phi.shape == (2 * 8 * 128 + 1,)
    assert (tables.phi[0], tables.phi[1024], tables.phi[-1]) == (0, 1 << 29, 1 << 30)
    assert np.array_equal(tables.phi, (1 << 30) - tables.phi[::-1])
    assert np.array_equal(tables.slope, np.append(np.diff(tables.phi), 0))
    assert tables.slope.min() == 0


def test_scales_are_sixteenths_of_octaves() -> None:
    tables = gaussian_tables()
    assert tables.reciprocal.shape == tables.scale64.shape == (NUM_SCALES,)
    for i in range(NUM_SCALES):
        scale64 = 64 * 2 ** (i / 16) / 8
        assert abs(int(tables.scale64[i]) - scale64) <= 0.5 + 1e-6
        assert abs(int(tables.reciprocal[i]) - 2**39 / scale64) <= 0.5 + 2**-10


def test_powers_of_two_end_with_the_first_zero() -> None:
    table = exp2_table()
    for d, value in enumerate(table.tolist()):
        assert abs(value - 2 ** (20 - d / 64)) <= 0.5 + 1e-6
    assert table[-1] == 0 < table[-2]


def test_tables_cannot_be_written_to() -> None:
    for table in (*gaussian_tables(), exp2_table()):
        with pytest.raises(ValueError, match="read-only"):
            table[0] = 1


def test_scale_index_is_the_nearest_scale() -> None:
    for i in range(NUM_SCALES):
        scale = round(2 ** (i / 16) / 8 * 2**40)
        assert scale_index(scale, 2**40) == i
        middle = 2 ** ((2 * i + 1) / 32) / 8
        assert scale_index(round(middle * 0.9999 * 2**40), 2**40) == i
        assert scale_index(round(middle * 1.0001 * 2**40), 2**40) == min(i + 1, NUM_SCALES - 1)
    assert (scale_index(1, 10**9), scale_index(10**9)) == (0, NUM_SCALES - 1)
    assert scale_index(1) == 48
    for arguments in [(0, 1), (1, 0), (-1, 1)]:
        with pytest.raises(ValueError, match="positive"):
            scale_index(*arguments)


def test_the_stored_tables_are_the_built_ones() -> None:
    assert tables._FILE.read_bytes() == tables.build_tables()


def test_damaged_tables_are_built_anew(monkeypatch, tmp_path) -> None:
    damaged = tmp_path / "tables.bin"
    damaged.write_bytes(tables._FILE.read_bytes()[:-1] + b"\x01")
    for path in (damaged, tmp_path / "missing"):
        monkeypatch.setattr(tables, "_FILE", path)
        found = tables._stored.__wrapped__()
        assert all(np.array_equal(a, b) for a, b in zip(found, (*gaussian_tables(), exp2_table()), strict=True))
