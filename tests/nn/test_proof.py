"""The proof that the network is exact refuses whatever breaks a bound, and nothing else."""

import numpy as np
import pytest

from hvpzip.errors import ModelError
from hvpzip.nn.layers import levels_of
from hvpzip.nn.proof import prove
from tests.helpers.tiny import tiny_settings, tiny_tensors

CONV = "networks.0.trunk.embed"
CLOSED = "networks.1.closed_form.3"


def proved_with(name: str, change) -> None:
    """Prove the tiny model with one tensor changed in place."""
    tensors = tiny_tensors()
    change(tensors[name])
    prove(levels_of(*tiny_settings(), tensors))


def test_the_tiny_model_passes():
    proved_with(f"{CONV}.bias", lambda bias: None)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (f"{CONV}.weight", -128, f"{CONV}.*weights must lie in"),
        (f"{CONV}.bias", 1 << 24, f"{CONV}.*2\\^24"),
        (f"{CONV}.bias", -(1 << 31), f"{CONV}.*2\\^24"),
        (f"{CONV}.exponent", 2, f"{CONV}.*3..16"),
        (f"{CONV}.exponent", 17, f"{CONV}.*3..16"),
        (f"{CLOSED}.mean_weight", 1000, f"{CLOSED} .*mean.*2\\^24"),
        (f"{CLOSED}.mean_bias", 1 << 24, f"{CLOSED} .*mean.*2\\^24"),
        (f"{CLOSED}.scale_weight", 500, f"{CLOSED} .*scale.*2\\^24"),
        (f"{CLOSED}.scale_bias", -(1 << 24), f"{CLOSED} .*scale.*2\\^24"),
    ],
)
def test_weights_that_break_a_bound_are_refused(name, value, message):
    def last(tensor: np.ndarray) -> None:
        tensor[-1] = value

    with pytest.raises(ModelError, match=message):
        proved_with(name, last)


def test_the_bound_is_the_sum_of_sizes_to_the_last_unit():
    """A bias passes up to 2^24 - 1 - 255 sum |w| and is refused one beyond."""
    tensors = tiny_tensors()
    room = (1 << 24) - 1 - 255 * int(np.abs(tensors[f"{CONV}.weight"][0].astype(int)).sum())

    def first(value: int):
        def change(bias: np.ndarray) -> None:
            bias[0] = value

        return change

    proved_with(f"{CONV}.bias", first(-room))
    with pytest.raises(ModelError, match=CONV):
        proved_with(f"{CONV}.bias", first(-room - 1))


def test_it_counts_how_far_a_latent_can_be_from_its_sample():
    """The same weights pass where the last plane is a unit (255) and not where it is a latent of large noise."""
    name = "networks.1.closed_form.1.mean_weight"  # reads the coarse image, then the latent

    def only(plane: int):
        def change(weight: np.ndarray) -> None:
            weight[:] = 0
            weight[:, plane, 1, 1] = 60000

        return change

    proved_with(name, only(0))
    with pytest.raises(ModelError, match="mean"):
        proved_with(name, only(3))
