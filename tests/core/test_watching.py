"""Long calls of the mixing coder tell what they are at, and what the watcher raises ends them."""

import numpy as np
import pytest

from hvpzip.codec import cascade, mixing
from hvpzip.core import kernels, reference
from hvpzip.nn.bundled import load_model
from hvpzip.progress import told_of, watched_by

NOTHING = np.empty(0, np.int64)


class Enough(Exception):
    pass


def planes(height: int, width: int) -> np.ndarray:
    slope = np.indices((3, height, width), np.uint16).sum(axis=0)
    return (slope + np.random.default_rng(3).integers(0, 6, slope.shape, np.uint16)).astype(np.uint16)


def coders() -> list[object]:
    return [kernels()] if not mixing.is_quick() else [kernels(), reference]


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("core", coders())
def test_what_a_watcher_raises_ends_an_encode_and_a_decode(core, threads):
    samples = planes(*((240, 40) if core is not reference else (6, 8)))
    low, high = samples.min((1, 2)), samples.max((1, 2))
    told: list[tuple[int, int]] = []

    def watch(done: int, of: int) -> None:
        told.append((done, of))
        if len(told) == 2:
            raise Enough

    with pytest.raises(Enough):
        core.mixing_encode(samples, low, high, NOTHING, 5, threads, watch=watch)
    data = np.frombuffer(core.mixing_encode(samples, low, high, NOTHING, 5, threads), np.uint8)
    told.clear()
    with pytest.raises(Enough):
        core.mixing_decode(data, low, high, NOTHING, 5, np.zeros_like(samples), threads, watch=watch)
    assert len(told) == 2
    assert all(0 < done < of == samples.shape[0] * samples.shape[1] for done, of in told)
    assert told[0][0] < told[1][0]


@pytest.mark.skipif(not mixing.is_quick(), reason="a photo takes minutes without the compiled core")
def test_watched_bytes_are_the_same_and_every_unit_is_told_of():
    samples, model = planes(144, 160).astype(np.uint8), load_model()
    told: list[str] = []
    with watched_by(lambda what, done, of: told.append(what)):
        watched = cascade.encode_units(samples, model)
        in_raster_order = mixing.encode(samples.transpose(1, 2, 0), 1)
    assert list(dict.fromkeys(told)) == ["unit hh", "unit hl", "unit lh", "mixing"]
    assert cascade.encode_units(samples, model).data == watched.data
    assert mixing.encode(samples.transpose(1, 2, 0), 1) == in_raster_order


def test_nobody_is_told_where_nobody_watches():
    assert told_of("anything") is None
    with watched_by(lambda what, done, of: None):
        assert told_of("anything") is not None
        with watched_by(None):
            assert told_of("anything") is None
    assert told_of("anything") is None
