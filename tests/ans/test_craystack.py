"""Messages interoperate with craystack, word for word, wherever it can be imported.

It is not packaged, so this module is usually skipped; test_rans.py and test_lanes.py hold words that craystack wrote.
"""

import numpy as np
import pytest

from hvpzip.ans import lanes, rans

their_rans = pytest.importorskip("craystack.rans")
their_codecs = pytest.importorskip("craystack.codecs")


@pytest.mark.parametrize("size", [1, 2, 5, 16])
def test_words_are_those_of_craystack(size) -> None:
    rng = np.random.default_rng(size)
    ours, theirs = rans.base_message(size), their_rans.base_message((size,))
    for precision in (4, 8, 16, 24) * 40:
        starts = rng.integers(0, 1 << precision, size, dtype=np.uint64)
        freqs = rng.integers(1, (1 << precision) - starts + 1, dtype=np.uint64)
        ours, theirs = rans.push(ours, starts, freqs, precision), their_rans.push(theirs, starts, freqs, precision)
    assert np.array_equal(rans.flatten(ours), their_rans.flatten(theirs))
    for other in (1, 3, 8):
        assert np.array_equal(rans.flatten(lanes.resize(ours, other)), their_rans.flatten(their_codecs.reshape_head(theirs, (other,))))
