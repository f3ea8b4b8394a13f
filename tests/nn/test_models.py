"""Model files: what is written is read back, and whatever is damaged is refused by name."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from safetensors.torch import load_file as load_torch_file
from safetensors.torch import save_file as save_torch_file

from hvpzip.errors import ModelError
from hvpzip.nn import bundled
from hvpzip.nn.config import NetworkConfig
from hvpzip.nn.formats import MAX_EXPONENT, MIN_EXPONENT, WEIGHT_MAX
from hvpzip.nn.graph.export import export, integer_cascade, quantise
from hvpzip.nn.graph.network import Cascade
from hvpzip.nn.graph.ops import weight_exponents
from hvpzip.nn.identity import identity, identity_with_path
from hvpzip.nn.self_test import self_test
from tests.helpers.damage import flipped
from tests.helpers.tiny import tiny_path_tensors, tiny_tensors


@pytest.fixture(scope="module")
def cascade(tiny_model) -> Cascade:
    """Float weights with heads that are not zero."""
    torch.manual_seed(5)
    cascade = Cascade(tiny_model.config, tiny_model.schedule)
    source = integer_cascade(tiny_model.config, tiny_model.schedule, tiny_model.levels).state_dict()
    cascade.load_state_dict({k: v for k, v in source.items() if "closed_form" in k}, strict=False)
    with torch.no_grad():
        for head in (head for network in cascade.networks for head in network.heads):
            head.out.weight.normal_(0, 0.2)
    return cascade


@pytest.fixture(scope="module")
def written(tmp_path_factory, cascade) -> Path:
    """A folder of models: two of them, ``good`` is the default."""
    folder = tmp_path_factory.mktemp("models")
    export(cascade, None, folder / "good", {"steps": 7})
    averaged = {name: 0.5 * p.detach() for name, p in cascade.named_parameters()}
    export(cascade, averaged, folder / "averaged", {})
    (folder / "index.json").write_text(json.dumps({"default": "good", "models": ["averaged", "good"]}))
    return folder


@pytest.fixture
def models(tmp_path, written, monkeypatch) -> Path:
    """A copy of the folder that may be damaged, as the one where models are installed."""
    folder = tmp_path / "models"
    shutil.copytree(written, folder)
    monkeypatch.setattr(bundled, "models_folder", lambda: folder)
    return folder


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_an_exported_model_loads_with_the_same_weights_and_id(models, cascade):
    model = bundled.load_model()
    assert model.name == "good"
    assert model.id == bundled.model_id("good")
    assert len(model.id) == 8
    assert (model.config, model.schedule) == (cascade.config, cascade.schedule)
    expected = quantise(cascade)
    for number, level in enumerate(model.levels):
        for name, layer in level.named_layers():
            for part in ("weight", "bias", "exponent"):
                assert np.array_equal(getattr(layer, part), expected.pop(f"networks.{number}.{name}.{part}"))
        for index, form in enumerate(level.closed_forms):
            for part, values in form._asdict().items():
                assert np.array_equal(values, expected.pop(f"networks.{number}.closed_form.{index}.{part}"))
    assert not expected
    assert json.loads((models / "good" / "config.json").read_text())["training"] == {"steps": 7}


def test_models_are_found_by_id_and_listed_with_the_default_first(models):
    assert bundled.list_models() == ["good", "averaged"]
    other = bundled.load_model("averaged")
    assert other.id != bundled.model_id("good")
    assert bundled.find_model(other.id).name == "averaged"


def test_averaged_weights_are_exported_instead_of_the_live_ones(models, cascade):
    found = load_file(models / "averaged" / "weights.safetensors")
    name = "networks.0.trunk.embed.weight"
    exponent = weight_exponents(0.5 * cascade.networks[0].trunk.embed.weight, 0.5 * cascade.networks[0].trunk.embed.bias)
    expected = torch.round(0.5 * cascade.get_parameter(name).detach() * torch.exp2(exponent)[:, None, None, None])
    assert np.array_equal(found[name], expected.numpy())


def test_exponents_are_the_largest_that_keep_weights_in_int8():
    weight = torch.tensor([1.0, 0.99, 127.0, 0.001, 0.0]).reshape(5, 1, 1, 1)
    assert weight_exponents(weight, torch.zeros(5)).tolist() == [6, 7, 0, MAX_EXPONENT, MAX_EXPONENT]
    # ... and accumulators below 2**24: a bias of 1000 in 1/32 leaves room for 2**9 only.
    assert weight_exponents(weight[4:], torch.tensor([1000.0])).tolist() == [9]


def test_a_weight_that_no_int8_says_is_exported_as_the_largest_that_one_does(cascade, tmp_path):
    out = cascade.networks[0].heads[0].out
    weight, bias = out.weight.detach().clone(), torch.zeros_like(out.bias)
    weight[0, 0], weight[0, 1] = 16.5, -15.5
    name = "networks.0.heads.0.out"
    model = export(cascade, {f"{name}.weight": weight, f"{name}.bias": bias}, tmp_path / "loud", {})
    layer = model.levels[0].heads[0].out
    assert layer.exponent[0] == MIN_EXPONENT
    assert layer.weight[0, :2, 0, 0].tolist() == [WEIGHT_MAX, -round(15.5 * 2**MIN_EXPONENT)]


def test_an_unknown_name_is_refused_with_those_that_are_there(models):
    with pytest.raises(ModelError, match=r"'best'.*good, averaged"):
        bundled.load_model("best")


def test_an_unknown_id_is_named_with_those_that_are_there(models):
    with pytest.raises(ModelError, match=rf"00112233445566ff.*good \({bundled.model_id('good').hex()}\)"):
        bundled.find_model(bytes.fromhex("00112233445566ff"))


@pytest.mark.parametrize("settings", [None, "", "{", '{"format": 1, "id": "no number"}', '{"format": 9}'])
def test_damaged_settings_of_one_model_are_no_matter_to_another(models, settings):
    good, averaged = bundled.model_id("good"), bundled.model_id("averaged")
    path = models / "good" / "config.json"
    path.unlink() if settings is None else path.write_text(settings)
    assert bundled.find_model(averaged).name == "averaged"
    assert bundled.stated_ids() == {"good": None, "averaged": averaged}
    with pytest.raises(
        ModelError, match=rf"{good.hex()}, which is not installed; installed are good \(damaged\), averaged \({averaged.hex()}\)$"
    ):
        bundled.find_model(good)
    for name in ("good", None):  # it is the default
        with pytest.raises(ModelError, match=r"^model good"):
            bundled.load_model(name)


@pytest.mark.parametrize("file", ["weights.safetensors", "config.json"])
@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "text"])
def test_a_damaged_file_is_refused_with_the_models_name(models, file, damage):
    path = models / "good" / file
    data = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes({"empty": b"", "cut": data[: len(data) // 2], "text": b"not a model"}[damage])
    with pytest.raises(ModelError, match=rf"model good: .*{file}"):
        bundled.load_model()


@pytest.mark.parametrize("place", [-1, -1000, -5000])
def test_a_flipped_bit_in_the_weights_changes_the_id_and_is_refused(models, place):
    path = models / "good" / "weights.safetensors"
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    with pytest.raises(ModelError, match="model good: its contents have id"):
        bundled.load_model()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format", 2),
        ("id", "not hexadecimal"),
        ("id", None),
        ("network", {"channels": 0}),
        ("network", {"width": 8}),
        ("network", None),
        ("schedule", {"levels": [{"steps": [], "paths": {}}]}),
        ("schedule", []),
    ],
)
def test_settings_that_are_none_are_refused_with_the_models_name(models, key, value):
    edit(models / "good" / "config.json", **{key: value})
    with pytest.raises(ModelError, match="model good"):
        bundled.load_model()


@pytest.mark.parametrize("key", ["format", "id", "network", "schedule", "self_test"])
def test_a_setting_that_is_missing_is_refused_with_the_models_name(models, key):
    path = models / "good" / "config.json"
    path.write_text(json.dumps({k: v for k, v in json.loads(path.read_text()).items() if k != key}))
    with pytest.raises(ModelError, match=f"model good.*{key}"):
        bundled.load_model()


def test_another_id_is_refused(models):
    edit(models / "good" / "config.json", id="0011223344556677")
    with pytest.raises(ModelError, match=r"model good: its contents have id .* not 0011223344556677"):
        bundled.load_model()


def test_a_self_test_on_the_first_models_grid_is_known(models):
    model = bundled.load_model()
    schedules = [layers.schedule for layers in model.levels]
    config = models / "good" / "config.json"
    config.write_text(json.dumps({key: value for key, value in json.loads(config.read_text()).items() if key != "self_test_grid"}))
    with pytest.raises(ModelError, match="self-test differs"):
        bundled.load_model()
    edit(config, self_test=self_test(model.predictor, schedules, (24, 40)))
    assert bundled.load_model().id == model.id


@pytest.mark.parametrize("grid", [[8], [0, 4], [1000, 1000], "no", [2.5, 3]])
def test_a_self_test_on_no_grid_is_refused(models, grid):
    edit(models / "good" / "config.json", self_test_grid=grid)
    with pytest.raises(ModelError, match=r"model good: the settings in config.json are damaged"):
        bundled.load_model()


def test_a_self_test_that_differs_is_refused(models):
    edit(models / "good" / "config.json", self_test="0" * 64)
    with pytest.raises(ModelError, match="model good: arithmetic on device 'cpu' is not exact"):
        bundled.load_model()


@pytest.mark.parametrize("wrong", ["extra", "missing", "shape", "unproved"])
def test_tensors_that_do_not_belong_to_their_settings_are_refused_even_with_a_matching_id(models, cascade, wrong):
    path = models / "good" / "weights.safetensors"
    tensors = load_file(path)
    name = "networks.1.heads.0.out.weight"
    if wrong == "extra":
        tensors["other"] = tensors[name].copy()
    elif wrong == "missing":
        del tensors["networks.1.heads.0.out.exponent"]
    elif wrong == "shape":
        tensors[name] = tensors[name][:-1].copy()
    else:
        tensors["networks.1.heads.0.out.exponent"][0] = 1
    save_file(tensors, path)
    edit(models / "good" / "config.json", id=identity(cascade.config, cascade.schedule, tensors).hex())
    with pytest.raises(ModelError, match="model good: "):
        bundled.load_model()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float8_e4m3fn, torch.int64, torch.uint8, torch.bool])
def test_a_tensor_of_another_type_is_refused(models, dtype):
    path = models / "good" / "weights.safetensors"
    tensors = load_torch_file(path)
    name = "networks.0.trunk.embed.weight"
    save_torch_file({**tensors, name: tensors[name].to(dtype)}, path)
    with pytest.raises(ModelError, match=rf"model good: .*{name}"):
        bundled.load_model()


def test_no_truncation_or_flipped_bit_of_the_tensors_names_shapes_and_places_is_accepted(models):
    """The beginning of the file, which safetensors itself takes apart: one bit of every ninth byte, and every length up to its end."""
    path = models / "good" / "weights.safetensors"
    data = path.read_bytes()
    size = 8 + int.from_bytes(data[:8], "little")
    damaged = [data[:length] for length in (*range(0, size, 97), *range(size - 2, size + 3), len(data) - 1)]
    damaged += [flipped(data, 8 * place + place % 8) for place in range(0, size, 9)]
    for contents in (*damaged, data + b"\0", b"\xff" * 8 + data[8:]):
        path.write_bytes(contents)
        with pytest.raises(ModelError, match=r"model good: .*") as caught:
            bundled.load_model()
        assert "\n" not in str(caught.value)


def test_settings_nested_without_end_are_refused(models):
    (models / "good" / "config.json").write_text("[" * 200_000)
    with pytest.raises(ModelError, match=r"model good: config\.json"):
        bundled.load_model()


def test_only_the_file_of_that_name_and_kind_is_read(models):
    """Weights as torch pickles them are no weights here: what unpickling would run is never run."""
    path = models / "good" / "weights.safetensors"
    torch.save(load_torch_file(path), path.with_suffix(".pt"))
    path.write_bytes(path.with_suffix(".pt").read_bytes())
    with pytest.raises(ModelError, match=r"model good: weights\.safetensors is missing or damaged"):
        bundled.load_model()


def test_no_index_or_a_damaged_one_is_one_clear_error(models, monkeypatch, tmp_path):
    (models / "index.json").write_text("{")
    with pytest.raises(ModelError, match=r"index\.json"):
        bundled.list_models()
    monkeypatch.undo()
    monkeypatch.setattr(bundled, "__file__", str(tmp_path / "hvpzip" / "nn" / "bundled.py"))
    shutil.rmtree(models)
    with pytest.raises(ModelError, match="no models are installed"):
        bundled.models_folder()


def test_every_setting_enters_the_id(tiny_model):
    tensors = tiny_tensors()
    seen = {identity(tiny_model.config, tiny_model.schedule, tensors)}
    seen.add(identity(NetworkConfig(channels=9), tiny_model.schedule, tensors))
    one, *rest = tiny_model.schedule.levels
    seen.add(identity(tiny_model.config, type(tiny_model.schedule)(levels=(one, *rest, one)), tensors))
    for name in ("networks.0.trunk.embed.bias", "networks.0.trunk.embed.exponent", "networks.1.closed_form.2.coupling"):
        changed = {**tensors, name: tensors[name].copy()}
        changed[name][0] += 1
        seen.add(identity(tiny_model.config, tiny_model.schedule, changed))
    assert len(seen) == 6


def test_network_settings_survive_plain_data_and_unknown_ones_are_named():
    config = NetworkConfig(channels=24, transform=2)
    assert NetworkConfig.from_dict(config.to_dict()) == config
    with pytest.raises(ValueError, match="width"):
        NetworkConfig.from_dict({"width": 8})
    with pytest.raises(ValueError, match="components"):
        NetworkConfig(components=0)


def test_a_device_without_torch_is_one_clear_line(models, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModelError, match=r"^device 'cuda' needs torch, which is not installed: pip install 'hvpzip\[torch\]'$"):
        bundled.load_model(device="cuda")


def test_a_device_that_is_not_there_is_refused_by_name(models):
    with pytest.raises(ModelError, match=r"there is no device 'nonsense'"):
        bundled.load_model(device="nonsense")


@pytest.fixture
def with_path(models) -> Path:
    """A model with a noise path beside ``good``."""
    tensors, folder = tiny_path_tensors(), models / "path"
    folder.mkdir()
    save_file(tensors, folder / "weights.safetensors")
    found = identity_with_path(bundled.model_id("good"), "5/3", 2, 2, tensors)
    told = {"format": 1, "id": found.hex(), "photo_model": "good", "noise_path": {"map": "5/3", "depth": 2, "components": 2}}
    (folder / "config.json").write_text(json.dumps({**told, "usual_share": 0.75}))
    (models / "index.json").write_text(json.dumps({"default": "good", "models": ["good", "path"]}))
    return folder


def test_a_model_with_a_noise_path_is_its_photo_model_and_more(with_path):
    model, photo = bundled.load_model("path"), bundled.load_model("good")
    assert model.noise_path is not None
    assert model.noise_path.depth == 2
    assert (model.name, model.usual_share) == ("path", 0.75)
    assert model.id == bundled.model_id("path") != photo.id
    assert model.schedule == photo.schedule
    assert photo.noise_path is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"id": "00" * 8}, "contents have id"),
        ({"noise_path": {"map": "5/3"}}, "damaged"),
        ({"noise_path": {"map": "5/3", "depth": 3, "components": 2}}, "contents have id"),
        ({"photo_model": "path"}, "noise path itself"),
        ({"photo_model": "none"}, "missing or damaged"),
    ],
)
def test_a_damaged_model_with_a_noise_path_is_refused(with_path, changes, words):
    edit(with_path / "config.json", **changes)
    with pytest.raises(ModelError, match=words):
        bundled.load_model("path")
    assert bundled.load_model("good").name == "good"
