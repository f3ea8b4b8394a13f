"""Payloads of the mixing coder that were written once and are read for ever, and that today's coder still writes.

The files in ``tests/golden/mixing`` are never changed. They were written by a build of gcc 12, with and without AVX2, with equal bytes.
"""

from pathlib import Path

import numpy as np
import pytest

from hvpzip.codec import mixing

GOLDEN = Path(__file__).parents[2] / "golden" / "mixing"
CASES = {
    "rgb8": ((40, 48, 3), 8),
    "gray8": ((24, 30, 1), 8),
    "cmyk8": ((12, 20, 4), 8),
    "rgb16": ((20, 24, 3), 16),
    "pair12": ((9, 1, 2), 12),
}


def picture(shape: tuple[int, int, int], depth: int) -> np.ndarray:
    """Waves, an edge and noise, from integers alone."""
    y, x, c = np.indices(shape)
    state = (x * 7919 + y * 104729 + c * 1299709 + 12345) % 65521
    noise = (state * state % 65521) % (4 << depth - 8)
    wave = ((x * x + 3 * x * y + 40 * c) % 997) * ((1 << depth) - 1) // 1400
    found = np.where(x > shape[1] // 2 + y // 3, (1 << depth) // 3 + c * 5, wave) + noise
    return np.clip(found, 0, (1 << depth) - 1).astype(np.uint8 if depth <= 8 else np.uint16)


@pytest.mark.parametrize("profile", mixing.PROFILES)
@pytest.mark.parametrize("name", CASES)
def test_golden_payloads_are_read_and_written(name, profile):
    samples = picture(*CASES[name])
    data = (GOLDEN / f"{profile}-{name}.payload").read_bytes()
    np.testing.assert_array_equal(mixing.decode(data, *CASES[name]), samples, strict=True)
    assert mixing.encode(samples, profile) == data
