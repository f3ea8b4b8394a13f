"""Every kind of file that is taken, in generated variants, gives the samples that were put in, and those of every other reader."""

import pytest

from benchmarks.readers import cut_outcomes, other_readers, outcome
from benchmarks.variants import cases

SOME = 29  # a prime number, so that no one option is left out


def check(chosen, readers, *, cuts):
    tried = 0
    for case in chosen:
        assert outcome(case, readers) == ("equal", ""), case.name
        tried += 1
        for found, why in cut_outcomes(case) if cuts else ():
            assert found != "wrong", f"{case.name}, {why}"
    return tried


@pytest.fixture(scope="module")
def readers():
    return other_readers()


def test_some_variants_are_read_as_others_read_them(readers):
    assert check(cases(0, SOME), readers, cuts=False) > 20


def test_some_variants_that_are_cut_short_are_refused_or_lose_no_sample():
    assert check(cases(1, 5 * SOME), {}, cuts=True) > 4


@pytest.mark.parametrize("name", ["tifffile", "imagecodecs", "libvips"])
def test_the_other_readers_are_installed(name, readers):
    if name not in readers:
        pytest.skip(f"{name} is not installed")
    assert callable(readers[name])


@pytest.mark.slow
def test_all_variants_are_read_as_others_read_them(readers):
    assert check(cases(2), readers, cuts=False) > 1000


@pytest.mark.slow
def test_all_variants_that_are_cut_short_are_refused_or_lose_no_sample():
    assert check(cases(3), {}, cuts=True) > 1000
