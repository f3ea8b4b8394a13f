"""A small picture by a noise path: bytes and back, what they may not be, and what they cost."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hvpzip.ans import StackUnderflow, base_message, message_bits
from hvpzip.codec.method import Part, Tried, Wanted
from hvpzip.codec.noise_path import Ledger, decode_part, encode, encode_part
from hvpzip.codec.noise_path.part import MOST_PIXELS
from hvpzip.codec.parts import decode_parts, encode_parts
from hvpzip.codec.registry import BY_NUMBER, NOISE_PATH
from hvpzip.errors import CorruptError, ModelError
from hvpzip.nn.denoiser import NoisePath
from hvpzip.transform import colour
from tests.helpers.pictures import photo_crop
from tests.helpers.tiny import make_tiny_path_model, tiny_path_tensors

MODEL = make_tiny_path_model()
LINES = make_tiny_path_model("haar-lines", 3)
METHOD = BY_NUMBER[NOISE_PATH]


def assert_alike(terms, others):
    """The same terms; their bits are sums of floats, in another order."""
    assert [term._replace(bits=0) for term in terms] == [term._replace(bits=0) for term in others]
    assert [term.bits for term in terms] == pytest.approx([term.bits for term in others])


@settings(max_examples=25, deadline=None)
@given(
    height=st.integers(1, 18),
    width=st.integers(1, 18),
    seed=st.integers(0, 2**32 - 1),
    lines=st.booleans(),
    flat=st.booleans(),
)
def test_any_picture_comes_back(height, width, seed, lines, flat):
    model = LINES if lines else MODEL
    samples = np.random.default_rng(seed).integers(0, 256, (3, height, width)).astype(np.uint8)
    if flat:
        samples[:] = samples[:, :1, :1]
    found = encode_part(samples, model.noise_path)
    back = decode_part(found.data, samples.shape, model.noise_path)
    assert np.array_equal(back.samples, samples)
    assert_alike(back.terms, found.terms)


def test_the_file_is_its_bound():
    samples = photo_crop(64, 40, 64, 48)
    found = encode_part(samples, MODEL.noise_path)
    net = sum(term.net_bits for term in found.terms)
    assert found.lanes > 1
    assert abs(8 * len(found.data) - net) < 32 * found.lanes + 48
    assert found.data[0] == 1  # all scales but the finest have latents
    assert {term.step for term in found.terms if term.level == 2} == {0, 1, 2}


def test_a_latent_cannot_be_drawn_from_an_empty_stack():
    planes = colour.forward(photo_crop(64, 40, 16, 16), colour.YCOCG_R)[None]
    with pytest.raises(StackUnderflow):
        encode(MODEL.noise_path, base_message(1), planes)


def test_the_ledger_counts_what_the_stack_holds():
    planes = colour.forward(photo_crop(64, 40, 32, 32), colour.YCOCG_R)[None]
    ledger = Ledger()
    message = encode(MODEL.noise_path, base_message(1), planes, 1, ledger)
    assert message_bits(message) - message_bits(base_message(1)) == pytest.approx(ledger.net, abs=4)
    assert ledger.net == pytest.approx(sum(term.net_bits for term in ledger.terms))
    assert ledger.lowest == 0


def test_a_damaged_byte_is_seen_or_changes_the_samples():
    samples = photo_crop(64, 40, 16, 12)
    data = encode_part(samples, MODEL.noise_path).data
    seen = 0
    for place in range(0, len(data), 16):
        for flip in (0x10,):
            broken = bytearray(data)
            broken[place] ^= flip
            try:
                found = decode_part(bytes(broken), samples.shape, MODEL.noise_path)
            except CorruptError:
                seen += 1
            else:
                assert not np.array_equal(found.samples, samples)
    assert seen > len(data) / 18  # only by chance does a message end as it should


def test_cut_and_lengthened_data_is_refused():
    samples = photo_crop(64, 40, 16, 12)
    data = encode_part(samples, MODEL.noise_path).data
    for broken in (b"", data[:1], data[:-1], data[: len(data) // 2], data + b"\x01", bytes((4,)) + data[1:]):
        with pytest.raises(CorruptError):
            decode_part(broken, samples.shape, MODEL.noise_path)


@settings(max_examples=60, deadline=None)
@given(data=st.binary(max_size=80))
def test_any_bytes_are_refused_or_decode(data):
    try:
        found = decode_part(data, (3, 8, 8), MODEL.noise_path)
    except CorruptError:
        return
    assert found.samples.shape == (3, 8, 8)


def test_the_method_says_what_it_does_not_code(tiny_model):
    samples = np.ascontiguousarray(photo_crop(64, 40, 16, 12).transpose(1, 2, 0))
    none = Tried(None, None, modelled=False)
    assert METHOD.skip(Part(samples, 8, MODEL, 2), none) is None
    assert "none" in METHOD.skip(Part(samples, 8, tiny_model, 2), none)
    assert "3 channels" in METHOD.skip(Part(samples[:, :, :1], 8, MODEL, 2), none)
    assert "3 channels" in METHOD.skip(Part(samples.astype(np.uint16), 9, MODEL, 2), none)
    assert "pixels" in METHOD.skip(Part(np.zeros((1, MOST_PIXELS + 1, 3), np.uint8), 8, MODEL, 2), none)
    data = METHOD.encode(Part(samples, 8, MODEL, 2)).data[1:]
    for wanted in (Wanted((12, 16, 3), 8, None), Wanted((12, 16, 3), 8, tiny_model), Wanted((12, 16, 3), 9, MODEL)):
        with pytest.raises(CorruptError):
            METHOD.decode(data, wanted)
    with pytest.raises(CorruptError):
        METHOD.decode(data, Wanted((12, 16, 1), 8, MODEL))


def test_a_smaller_picture_and_the_report():
    samples = np.ascontiguousarray(photo_crop(64, 40, 16, 12).transpose(1, 2, 0))
    coded, reports = METHOD.encode(Part(samples, 8, MODEL, 2)), []
    assert np.array_equal(METHOD.decode(coded.data[1:], Wanted((12, 16, 3), 8, MODEL, 2)), samples[::2, ::2])
    METHOD.decode(coded.data[1:], Wanted((12, 16, 3), 8, MODEL, 1, reports.append))
    (report,) = reports
    assert_alike(report.terms, coded.report.terms)
    assert report._replace(terms=[]) == coded.report._replace(terms=[])
    assert reports[0].stack_curve[-1][1] == pytest.approx(coded.report.bound_bits)
    assert "borrowed" in " ".join(label for label, _ in reports[0].stack_curve)


def test_an_encoder_tries_it():
    samples = np.ascontiguousarray(photo_crop(64, 40, 32, 32).transpose(1, 2, 0))
    found = encode_parts(Part(samples, 8, MODEL, 2))
    assert any(trial.what.endswith("noise path") and trial.size_bytes for trial in found.trials)
    assert np.array_equal(decode_parts(found.payload, samples.shape, 8, MODEL), samples)


def test_tensors_give_the_path_again():
    tensors = tiny_path_tensors()
    again = NoisePath.from_tensors("5/3", 2, 2, tensors).tensors()
    assert set(again) == set(tensors)
    assert all(np.array_equal(again[name], tensors[name]) for name in tensors)


@pytest.mark.parametrize("fault", ["missing", "another", "shape", "lattice", "noise", "sums", "map", "stages"])
def test_a_damaged_path_is_refused(fault):
    tensors, told = tiny_path_tensors(), ["5/3", 2, 2]
    if fault == "missing":
        del tensors["1.gains"]
    elif fault == "another":
        tensors["1.1.first_bias"] = tensors["1.0.first_bias"]
    elif fault == "shape":
        tensors["1.leave"] = tensors["1.leave"][:-1]
    elif fault == "lattice":
        tensors["1.lattices"][0, 0, 1] = 3
    elif fault == "noise":
        tensors["1.prior"][0] = 400
    elif fault == "sums":
        tensors["1.0.first"][:] = 1 << 30
    elif fault == "map":
        told[0] = "fourier"
    else:
        told[1] = 3
    with pytest.raises(ModelError, match="noise path"):
        NoisePath.from_tensors(*told, tensors)


def test_the_id_says_all(tiny_model):
    from hvpzip.nn.identity import identity_with_path

    tensors = tiny_path_tensors()
    ids = {MODEL.id, tiny_model.id, LINES.id, identity_with_path(MODEL.id, "5/3", 2, 2, tensors)}
    changed = {**tensors, "0.prior": tensors["0.prior"] + 1}
    ids.add(identity_with_path(tiny_model.id, "5/3", 2, 2, changed))
    assert len(ids) == 5
    assert replace(MODEL, noise_path=None).noise_path is None
