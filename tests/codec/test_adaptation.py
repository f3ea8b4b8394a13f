"""Heads adapted to a group: how a payload carries the changes, and that they pay."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hvpzip import ans
from hvpzip.codec.adaptation.fitting import FitSettings
from hvpzip.codec.adaptation.head_changes import LARGEST_CHANGE, Adaptation, adapted_heads, prior, prior_bits
from hvpzip.codec.bitsback.group_codec import decode_group, encode_along, encode_group, inspect_group
from hvpzip.codec.lanes import plans
from hvpzip.codec.payload import ADAPTED_MARK, Coding, Header
from hvpzip.errors import CorruptError
from hvpzip.nn.adaptation import Changes
from hvpzip.threads import current_threads, side_by_side, using_threads

FIT = FitSettings(steps=12, batch=512, layers=("out",))
BOTH = FitSettings(steps=12, batch=512)


def test_every_law_is_a_distribution_with_room_for_every_number():
    for byte in range(256):
        freqs = prior(byte)
        assert freqs.shape == (2 * LARGEST_CHANGE + 1,)
        assert freqs.sum() == 1 << 16
        assert freqs.min() >= 1
        assert np.array_equal(freqs, freqs[::-1])
        assert (np.diff(freqs[LARGEST_CHANGE + 1 :]) <= 0).all()
    assert prior(8)[LARGEST_CHANGE] > prior(0)[LARGEST_CHANGE]
    assert prior(15)[LARGEST_CHANGE + 9] > prior(8)[LARGEST_CHANGE + 9]


def test_bits_of_a_size_are_those_of_its_law():
    assert np.allclose(prior_bits()[40], 16 - np.log2(prior(40)[LARGEST_CHANGE:].astype(float)), rtol=0, atol=0)


def random_changes(model, seed: int, networks: tuple[int, ...], layers: tuple[str, ...], path: str):
    rng = np.random.default_rng(seed)
    found = {}
    for network in networks:
        for step in model.schedule.level(network).paths[path]:
            head = model.levels[network - 1].heads[step]
            found[network, step] = {
                name: Changes(
                    *(rng.integers(-9, 10, part.shape) * (rng.random(part.shape) < 0.2) for part in Changes.none(getattr(head, name)))
                )
                for name in layers
            }
    return found


@settings(max_examples=20, deadline=None)
@given(
    st.integers(0, 10**6),
    st.sampled_from([(1,), (2,), (1, 2)]),
    st.sampled_from([("out",), ("out", "hidden")]),
    st.sampled_from(["diffusion", "direct"]),
)
def test_changes_come_back_and_cost_what_is_said(tiny_model, seed, networks, layers, path):
    changes = random_changes(tiny_model, seed, networks, layers, path)
    adaptation = Adaptation.choose(changes, layers)
    header = Header(Coding(0, 3, 3), None, adaptation)
    assert Header.size_of(header.to_bytes() + b"rest") == len(header.to_bytes())
    again, rest = Header.read(header.to_bytes() + b"rest", networks=tiny_model.config.networks, paths=2, matrices=0)
    assert (again, rest) == (header, b"rest")
    plan = plans(adaptation.transfers(tiny_model, path), Coding(0, 3, 3))
    start = ans.base_message(8)
    message, bits = adaptation.push(start, changes, tiny_model, path, iter(plan))
    assert abs(ans.message_bits(message) - ans.message_bits(start) - bits) < 8 * 8
    back, found, popped = adaptation.pop(message, tiny_model, path, reversed(plan))
    assert popped == pytest.approx(bits, rel=1e-12)  # the same terms, added in another order
    assert ans.message_bits(back) == ans.message_bits(start)
    assert found.keys() == changes.keys()
    for key, heads in changes.items():
        for name in layers:
            assert all(np.array_equal(a, b) for a, b in zip(found[key][name], heads[name], strict=True))


@pytest.mark.parametrize(
    "payload",
    [b"\xfe", b"\xfe\x00", b"\xfe\x04abcdef", b"\xfe\x01ab", b"\xfe\x83abcdefghijk", b"\xfe\x40abcdef"],
    ids=lambda payload: payload.hex(),
)
def test_a_damaged_prefix_is_refused(tiny_model, payload):
    with pytest.raises(CorruptError, match="payload"):
        Header.read(payload, networks=tiny_model.config.networks, paths=2, matrices=0)


def test_a_payload_without_the_mark_is_left_alone(tiny_model):
    assert Header.read(b"\x05rest", networks=2, paths=2, matrices=0) == (Header(Coding(1, 1, 0)), b"rest")


@pytest.mark.parametrize("path", [0, 1])
@pytest.mark.parametrize("fit", [FIT, BOTH], ids=["out", "out and hidden"])
def test_an_adapted_group_is_smaller_and_comes_back(tiny_model, crop, path, fit):
    samples = crop(10, 20, 128, 160)
    plain, _ = encode_along(samples, tiny_model, path)
    payload, report = encode_along(samples, tiny_model, path, fit=fit)
    assert payload[0] == ADAPTED_MARK
    assert len(payload) < 0.98 * len(plain)  # the tiny model is untrained: much is to be gained
    assert np.array_equal(decode_group(payload, samples.shape, 8, tiny_model), samples)
    again, inspected = inspect_group(payload, samples.shape, 8, tiny_model)
    assert np.array_equal(again, samples)
    assert [term[:4] for term in inspected.terms] == [term[:4] for term in report.terms]
    assert [term.bits for term in inspected.terms] == pytest.approx([term.bits for term in report.terms], rel=1e-12)
    [heads] = [term for term in report.terms if term.unit == "heads"]
    assert 0 < heads.bits < 0.1 * report.coded_bits


def test_changes_work_together_with_learnt_colours(tiny_model, crop):
    samples = crop(10, 20, 128, 160)
    samples[1] = samples[0] // 3 * 2  # a colour that another one gives away
    payload, report = encode_along(samples, tiny_model, 1, learn_colours=True, fit=FIT)
    assert payload[0] == ADAPTED_MARK
    assert report.matrix is not None
    assert np.array_equal(decode_group(payload, samples.shape, 8, tiny_model), samples)


def test_the_default_effort_adapts_and_the_first_does_not(tiny_model, crop):
    samples = crop(0, 0, 160, 160)
    first, _ = encode_group(samples, tiny_model, 1)
    second, _ = encode_group(samples, tiny_model, 2)
    assert first[0] != ADAPTED_MARK == second[0]
    assert len(second) < len(first)


def test_the_search_does_not_depend_on_threads(tiny_model, crop, monkeypatch):
    samples, workers, found = crop(5, 5, 128, 128), [], []

    def counted(works):
        workers.append(current_threads())
        return side_by_side(works)

    monkeypatch.setattr("hvpzip.codec.adaptation.fitting.side_by_side", counted)
    for threads in (1, 2):
        with using_threads(threads):
            found.append(encode_along(samples, tiny_model, 0, fit=FIT)[0])
    assert workers == [1, 2]
    assert found[0] == found[1]


def test_small_groups_are_not_searched(tiny_model, crop):
    samples = crop(0, 0, 40, 40)
    assert encode_along(samples, tiny_model, 0, fit=FIT) is not None
    assert encode_along(samples, tiny_model, 0, fit=FIT)[0] == encode_along(samples, tiny_model, 0)[0]


def test_changes_beyond_the_proof_are_refused_as_damage(tiny_model):
    changes = random_changes(tiny_model, 1, (1,), ("out",), "direct")
    for layers in changes.values():
        layers["out"].gain[:] = LARGEST_CHANGE
        layers["out"].weight[:] = LARGEST_CHANGE
    level = tiny_model.levels[0]
    heads = []
    for head in level.heads:
        weight, exponent = np.full_like(head.out.weight, 127), np.full_like(head.out.exponent, 3)
        heads.append(head._replace(out=replace(head.out, weight=weight, exponent=exponent)))
    model = replace(tiny_model, levels=(replace(level, heads=tuple(heads)), *tiny_model.levels[1:]))
    with pytest.raises(CorruptError, match="changes are damaged"):
        adapted_heads(model, changes)
