"""Files written once stay readable for ever, and the tiny model writes the same bytes again.

tests/golden/make.py says how they were made.
"""

import hashlib
import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import hvpzip
from hvpzip import container
from hvpzip.codec.image_codec import decode_group
from hvpzip.codec.plans import ADAPTED_MARK
from hvpzip.nn.weights import list_models, model_id

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
DIGESTS = dict(line.split()[::-1] for line in (GOLDEN / "digests.txt").read_text().splitlines())


def load_maker():
    spec = importlib.util.spec_from_file_location("golden_make", GOLDEN / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


make = load_maker()


def test_every_golden_file_has_a_digest_and_the_other_way_round():
    files = {path.name for path in GOLDEN.iterdir() if path.suffix in (".hvz", ".payload")}
    assert files == set(DIGESTS)
    assert set(make.TINY | make.ADAPTED) <= files


@pytest.mark.parametrize("name", make.TINY)
def test_the_tiny_model_writes_and_reads_the_same_bytes(name, tiny_models):
    stored = (GOLDEN / name).read_bytes()
    payload, samples = make.encode_tiny(name)
    assert payload == stored
    decoded = decode_group(stored, samples.shape, 8, tiny_models(make.TINY[name][0]))
    assert make.digest(decoded) == DIGESTS[name]
    assert np.array_equal(decoded, samples)


@pytest.mark.parametrize("name", make.TINY | make.ADAPTED)
def test_8_bit_kernels_read_the_same_bytes(int8_ops, name, tiny_models):
    transform, _, (_, _, width, height), gray = (make.TINY | make.ADAPTED)[name]
    model = replace(tiny_models(transform), ops=int8_ops)
    decoded = decode_group((GOLDEN / name).read_bytes(), (1 if gray else 3, height, width), 8, model)
    assert make.digest(decoded) == DIGESTS[name]


@pytest.mark.parametrize("name", make.ADAPTED)
def test_payloads_with_adapted_heads_are_read_again(name, tiny_models):
    transform, _, box, gray = make.ADAPTED[name]
    payload, samples = (GOLDEN / name).read_bytes(), make.helpers().photo_crop(*box, gray)
    assert payload[0] == ADAPTED_MARK
    decoded = decode_group(payload, samples.shape, 8, tiny_models(transform))
    assert make.digest(decoded) == DIGESTS[name]
    assert np.array_equal(decoded, samples)


def test_the_tiny_model_is_the_one_of_the_golden_files(tiny_models):
    assert [tiny_models(transform).id.hex() for transform in (0, 1, 2)] == ["ab5903064a34bd8e", "290a840329613320", "301471c4e7ff09cc"]


def test_files_of_the_installed_models_decode():
    installed = {model_id(name) for name in list_models()}
    decoded = 0
    for path in sorted(GOLDEN.glob("good-*.hvz")):
        data = path.read_bytes()
        if container.read_header(data).model_id in installed:
            samples = hvpzip.decompress(data)
            assert hashlib.sha256(samples.tobytes()).hexdigest() == DIGESTS[path.name], path.name
            decoded += 1
    assert decoded, "no golden file of an installed model: run python tests/golden/make.py --bundled"
