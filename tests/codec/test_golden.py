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
from hvpzip.codec.bitsback.group_codec import decode_group
from hvpzip.codec.payload import ADAPTED_MARK, COLOURS_MARK, Coding, Header
from hvpzip.nn import reference
from hvpzip.nn.bundled import list_models, model_id
from hvpzip.nn.compiled import Compiled, instruction_sets
from hvpzip.nn.predictor import IntegerPredictor

GOLDEN = Path(__file__).resolve().parents[1] / "golden"


def load_maker():
    spec = importlib.util.spec_from_file_location("golden_make", GOLDEN / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


make = load_maker()
ROWS = make.rows()


def test_the_manifest_lists_every_golden_file_and_says_what_it_shows():
    assert {path.name for path in GOLDEN.iterdir() if path.suffix in (".hvz", ".payload")} == set(ROWS)
    assert {name: shows for name, (shows, _) in ROWS.items() if name.startswith("tiny-")} == {
        name: case.shows for name, case in make.TINY.items()
    }
    assert all(shows for shows, _ in ROWS.values())


@pytest.mark.parametrize("name", [name for name, case in make.TINY.items() if not case.adapted])
def test_the_tiny_model_writes_the_same_bytes(name):
    assert make.encode_tiny(make.TINY[name]) == (GOLDEN / name).read_bytes()


@pytest.mark.parametrize("name", make.TINY)
def test_the_tiny_model_reads_the_same_samples(name):
    case = make.TINY[name]
    model = make.tiny_model(case.transform, case.levels)
    decoded = decode_group((GOLDEN / name).read_bytes(), case.shape, 8, model)
    assert make.digest(decoded) == ROWS[name][1]
    assert np.array_equal(decoded, make.samples_of(case))


@pytest.mark.parametrize("name", make.TINY)
@pytest.mark.parametrize("arithmetic", ["numpy", *instruction_sets()])
def test_every_arithmetic_reads_the_same_bytes(name, arithmetic):
    case = make.TINY[name]
    model = make.tiny_model(case.transform, case.levels)
    operations = reference if arithmetic == "numpy" else Compiled(arithmetic)
    model = replace(model, predictor=IntegerPredictor(model.levels, operations))
    assert make.digest(decode_group((GOLDEN / name).read_bytes(), case.shape, 8, model)) == ROWS[name][1]


@pytest.mark.parametrize("name", make.TINY)
def test_payloads_begin_as_they_should(name):
    case, payload = make.TINY[name], (GOLDEN / name).read_bytes()
    start = Header.size_of(payload)
    coding = Coding.from_byte(payload[start - 1], 2)
    assert (payload[0] == ADAPTED_MARK) == case.adapted
    assert (payload[start - 3 : start - 2] == bytes([COLOURS_MARK])) == case.colours
    assert make.tiny_model(case.transform, case.levels).schedule.path_names[coding.path] == case.path
    assert case.run in (None, coding.run)


def test_the_tiny_models_are_those_of_the_golden_files():
    kinds = ((0, "usual"), (1, "usual"), (2, "usual"), (0, "chained"), (0, "luma"))
    found = [make.tiny_model(transform, levels).id.hex() for transform, levels in kinds]
    assert found == ["ab5903064a34bd8e", "290a840329613320", "301471c4e7ff09cc", "84b961d9d4d04ce1", "322fd1beab7e2876"]


def test_files_of_the_installed_models_decode():
    installed = {model_id(name) for name in list_models()}
    decoded = 0
    for path in sorted(GOLDEN.glob("good-*.hvz")):
        data = path.read_bytes()
        if container.read_header(data).model_id in installed:
            samples = hvpzip.decompress(data)
            assert hashlib.sha256(samples.tobytes()).hexdigest() == ROWS[path.name][1], path.name
            decoded += 1
    assert decoded, "no golden file of an installed model: run python tests/golden/make.py --bundled"
