"""Imports point to a lower layer only, third-party packages stay where they belong, and ``import hvpzip`` stays quick.

The test walks the syntax trees, so it sees imports inside functions and under TYPE_CHECKING too; it fails with the offending lines.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.helpers.children import ran

ROOT = Path(__file__).resolve().parent.parent


class Layer(NamedTuple):
    rank: int
    siblings: frozenset[str] = frozenset()  # layers of the same rank that it may import
    hidden: frozenset[str] = frozenset()  # layers of a lower rank that it may not import
    third_party: frozenset[str] = frozenset()


def names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# What files, pictures and the command line have to do with: coders see samples and payloads only.
UNDER_CODEC = names("container image_io atomic source")
# A layer is a file or folder of hvpzip, by its dotted name; a folder inside another may be a layer of its own.
LAYERS = {
    "errors": Layer(0),
    "core": Layer(0, third_party=names("numpy")),
    "arguments": Layer(0),
    "threads": Layer(1),
    "progress": Layer(0),
    "device": Layer(0),
    "atomic": Layer(1),
    "ans": Layer(1, siblings=names("threads"), third_party=names("numpy")),
    "transform": Layer(1, third_party=names("numpy")),
    "source": Layer(1),
    "varint": Layer(1),
    "container": Layer(1, siblings=names("varint")),
    "image_io": Layer(1, siblings=names("atomic source threads"), third_party=names("numpy PIL")),
    "jpeg": Layer(1, siblings=names("varint"), third_party=names("imagecodecs")),
    "diffusion": Layer(2, third_party=names("numpy")),
    "diffusion.likelihood_float": Layer(2, siblings=names("diffusion"), third_party=names("torch")),
    "diffusion.posterior_float": Layer(2, siblings=names("diffusion diffusion.likelihood_float"), third_party=names("torch")),
    "nn": Layer(2, siblings=names("diffusion nn.graph"), third_party=names("numpy safetensors")),
    "nn.graph": Layer(2, siblings=names("diffusion nn"), third_party=names("numpy safetensors torch")),
    # Coders without a model, which know nothing of one; plain methods share PNG's rows with the writer of files.
    "codec.plain": Layer(3, hidden=names("container atomic source nn diffusion ans"), third_party=names("numpy PIL")),
    "codec.raster": Layer(3, hidden=UNDER_CODEC | names("nn diffusion transform"), third_party=names("numpy")),
    # Coding along the model's schedule, from what the grammar says to the group.
    "codec.payload": Layer(3, hidden=UNDER_CODEC),
    "codec.lanes": Layer(3, siblings=names("codec.payload"), hidden=UNDER_CODEC),
    "codec.report": Layer(3, siblings=names("codec.choice"), hidden=UNDER_CODEC),
    "codec.choice": Layer(3, hidden=UNDER_CODEC),
    "codec.walk": Layer(4, hidden=UNDER_CODEC, third_party=names("numpy")),
    "codec.colours": Layer(5, hidden=UNDER_CODEC, third_party=names("numpy")),
    "codec.adaptation": Layer(5, hidden=UNDER_CODEC, third_party=names("numpy")),
    "codec.cascade": Layer(6, hidden=UNDER_CODEC, third_party=names("numpy")),
    "codec.mixing": Layer(6, hidden=UNDER_CODEC | names("nn diffusion ans"), third_party=names("numpy")),
    "codec.noise_path": Layer(6, hidden=UNDER_CODEC, third_party=names("numpy")),
    "codec.efforts": Layer(6, hidden=UNDER_CODEC),
    "codec.bitsback": Layer(7, hidden=UNDER_CODEC, third_party=names("numpy")),
    "codec": Layer(8, hidden=UNDER_CODEC, third_party=names("numpy")),
    "api": Layer(9, third_party=names("numpy")),
    "": Layer(10),  # hvpzip/__init__.py and hvpzip/__main__.py: the package itself
    "cli": Layer(11, hidden=names("atomic ans transform container image_io diffusion nn codec"), third_party=names("click")),
    "pillow": Layer(11, hidden=names("atomic ans transform diffusion nn codec"), third_party=names("numpy PIL")),
    "training": Layer(11, hidden=names("api"), third_party=names("numpy torch safetensors PIL matplotlib torchdiffeq imagecodecs")),
}
# hvpzip/__main__.py starts the command line; nothing else in the package itself may reach up.
ENTRY_POINTS = {("__main__", "cli")}
OUTSIDE = {
    "benchmarks": names("hvpzip benchmarks numpy PIL imagecodecs matplotlib pyvips tifffile _typeshed"),
    "examples": names("hvpzip numpy PIL"),
}
PUBLIC = names("errors api threads")  # what code outside the package may import from it, besides its own names
# The experiments on the coder take it apart; these files alone reach further in.
INNER = {
    "benchmarks/orders.py": names("ans codec diffusion nn transform"),
    "benchmarks/clock.py": names("codec nn"),
    "benchmarks/paths.py": names("codec nn"),
    "benchmarks/experiment.py": names("nn"),
    "benchmarks/ablation.py": names("diffusion nn"),
    "benchmarks/cifar10.py": names("nn"),
    # Damage that checksums do not stop is made by computing them anew.
    "benchmarks/damage.py": names("container varint"),
    "benchmarks/specimens.py": names("image_io"),
    "benchmarks/network.py": names("codec nn transform"),
    "benchmarks/edits.py": names("codec container"),
    "benchmarks/kills.py": names("atomic cli"),
    "benchmarks/larger.py": names("image_io"),
    "benchmarks/modes.py": names("image_io"),
    "benchmarks/readers.py": names("image_io"),
}


class Import(NamedTuple):
    module: str
    line: int


def imports(tree: ast.AST, package: str) -> Iterator[Import]:
    """Every module that the tree imports, by its absolute name; ``from hvpzip import nn`` counts as hvpzip.nn."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                yield Import(f"{module}.{alias.name}", node.lineno)
        elif isinstance(node, ast.Call):
            function = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id if isinstance(node.func, ast.Name) else ""
            first = node.args[0] if node.args else None
            if isinstance(first, ast.JoinedStr) and first.values:
                first = first.values[0]  # f"hvpzip.cli.{name}": what is known of the name decides
            if function in ("import_module", "__import__") and isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield Import(first.value, node.lineno)


def layer_of(module: str) -> str:
    """The innermost layer that an hvpzip module (or a name in one) belongs to; a name of the package itself is the layer ""."""
    parts = module.split(".")[1:]
    return next((name for size in range(len(parts), 0, -1) if (name := ".".join(parts[:size])) in LAYERS), "")


def within(layer: str, others: frozenset[str]) -> bool:
    """Whether a layer is one of ``others``, or inside one of them."""
    return any(layer == other or layer.startswith(f"{other}.") for other in others)


def fault(layer: str, module: str, entry: str = "") -> str | None:
    """Why code of ``layer`` may not import ``module``, or None if it may."""
    rules = LAYERS[layer]
    top = module.split(".")[0]
    if top == "hvpzip":
        other = layer_of(module)
        if other == layer or (entry, other) in ENTRY_POINTS:
            return None
        if within(other, rules.hidden):
            return f"{layer} may not import {other}"
        if LAYERS[other].rank < rules.rank or other in rules.siblings:
            return None
        return f"{layer or 'the package'} (rank {rules.rank}) may not import {other or 'the package'} (rank {LAYERS[other].rank})"
    if top in sys.stdlib_module_names or top in rules.third_party:
        return None
    return f"{layer or 'the package'} may not import {top}"


def faults_in(source: str, file: Path) -> list[str]:
    """One line for each forbidden import of a file, with the place and the source line."""
    tree = ast.parse(source, str(file))
    parts = file.with_suffix("").parts
    package = ".".join(parts[:-1])
    found = []
    for module, line in imports(tree, package):
        if parts[0] != "hvpzip":
            problem = outside_fault(parts[0], module, INNER.get(file.as_posix(), frozenset()))
        elif layer := layer_of(".".join(parts)):
            problem = fault(layer, module)
        elif len(parts) > 2:
            problem = f"{parts[1]} has no rank: add it to LAYERS"
        else:
            problem = fault("", module, entry=parts[1])
        if problem:
            found.append(f"{file}:{line}: {problem}: {source.splitlines()[line - 1].strip()}")
    return found


def outside_fault(folder: str, module: str, inner: frozenset[str]) -> str | None:
    top = module.split(".")[0]
    if top in sys.stdlib_module_names:
        return None
    if top not in OUTSIDE[folder]:
        return f"{folder} may not import {top}"
    if top == "hvpzip" and layer_of(module) != "" and not within(layer_of(module), PUBLIC | inner):
        return f"{folder} may only use hvpzip's public names, not hvpzip.{layer_of(module)}"
    return None


def python_files(folder: str) -> list[Path]:
    return [file.relative_to(ROOT) for file in sorted((ROOT / folder).rglob("*.py"))]


@pytest.mark.parametrize("folder", ["hvpzip", "benchmarks", "examples"])
def test_imports_point_to_a_lower_layer_only(folder: str) -> None:
    files = python_files(folder)
    assert files
    found = [line for file in files for line in faults_in((ROOT / file).read_text(encoding="utf-8"), file)]
    assert not found, "\n".join(found)


def modules() -> dict[str, Path]:
    """All modules of hvpzip by their dotted names, packages by their own."""
    return {".".join(path.with_suffix("").parts).removesuffix(".__init__"): path for path in python_files("hvpzip")}


class AtOnce(ast.NodeTransformer):
    """Leaves of a module what its import runs: neither the bodies of functions nor what only a type checker sees."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        """Nothing of it."""

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        """Nothing of it."""

    def visit_If(self, node: ast.If) -> ast.AST | None:
        checking = isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        return None if checking else self.generic_visit(node)


def loaded_by(module: str, files: dict[str, Path]) -> dict[str, str]:
    """Everything that an import of the module loads, each with who imports it, through however many modules."""
    found, waiting = {}, [module]
    while waiting:
        importer = waiting.pop()
        tree = AtOnce().visit(ast.parse((ROOT / files[importer]).read_text(encoding="utf-8")))
        package = importer if files[importer].name == "__init__.py" else importer.rpartition(".")[0]
        for name, _ in imports(tree, package):
            parts = name.split(".")
            for size in range(1, len(parts) + 1):
                part = ".".join(parts[:size])
                if part in found or (part in files and part == module):
                    continue
                if part in files or size == 1:
                    found[part] = importer
                    if part in files:
                        waiting.append(part)
    return found


def imported_by(module: str, files: dict[str, Path]) -> set[str]:
    """The modules of hvpzip that a module imports, at once or in a function; not what only a type checker sees."""
    tree = Running().visit(ast.parse((ROOT / files[module]).read_text(encoding="utf-8")))
    package = module if files[module].name == "__init__.py" else module.rpartition(".")[0]
    found = set()
    for name, _ in imports(tree, package):
        if not name.endswith("."):  # of f"hvpzip.cli.{name}" a module is known when it is asked for
            found.add(name if name in files else name.rpartition(".")[0])
    return {name for name in found if name in files} - {module}


class Running(ast.NodeTransformer):
    """Leaves of a module what may run: all but what only a type checker sees."""

    visit_If = AtOnce.visit_If


# What is loaded by its name only when it is asked for: the public names, a device.
ROUND = {("hvpzip", "hvpzip.api"), ("hvpzip.nn.model", "hvpzip.nn.graph.predictor")}


def test_no_module_imports_itself_through_others() -> None:
    files = modules()
    direct = {name: {other for other in imported_by(name, files) if (name, other) not in ROUND} for name in files}
    reached = {name: set(others) for name, others in direct.items()}
    for middle in files:
        for name in files:
            if middle in reached[name]:
                reached[name] |= reached[middle]
    assert [name for name in files if name in reached[name]] == []


# What an import of a layer never loads, however indirectly: the run-time package works without what training and devices need, and what is
# asked for its version or its help answers at once.
NEVER_LOADED = {
    "": names("numpy torch PIL safetensors"),
    "cli": names("numpy torch PIL safetensors"),
    "api": names("numpy torch PIL safetensors"),
    "container": names("numpy torch PIL safetensors"),
    "ans": names("torch PIL safetensors hvpzip.nn"),
    "codec": names("torch matplotlib hvpzip.training hvpzip.container hvpzip.nn.graph"),
    "codec.plain": names("torch safetensors hvpzip.nn hvpzip.diffusion hvpzip.ans"),
    "codec.raster": names("torch PIL safetensors hvpzip.nn hvpzip.transform"),
    "transform.maps": names("numpy"),  # what a file says of itself names its map
    "diffusion.walk": names("numpy torch"),
    "diffusion.schedule": names("numpy torch"),
    "diffusion.bound": names("numpy torch"),
    "image_io": names("torch safetensors hvpzip.nn hvpzip.codec"),
}


@pytest.mark.parametrize("layer", NEVER_LOADED)
def test_no_layer_loads_indirectly_what_it_may_not_have(layer: str) -> None:
    files = modules()
    prefix = f"hvpzip.{layer}" if layer else "hvpzip"
    roots = [name for name in files if name == prefix or (layer and name.startswith(f"{prefix}."))]
    assert roots
    for root in roots:
        loaded = loaded_by(root, files)
        for name in NEVER_LOADED[layer]:
            assert name not in loaded, f"{root} loads {name}, which {loaded.get(name)} imports"


def test_an_import_through_another_module_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.py").write_text("import hvpzip.b\n")
    inside = "class C:\n    import torch.nn\n    def g(self):\n        import numpy\n"
    (tmp_path / "b.py").write_text(f"if TYPE_CHECKING:\n    import PIL\ndef f():\n    import click\n{inside}")
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    files = {"hvpzip.a": Path("a.py"), "hvpzip.b": Path("b.py")}
    assert loaded_by("hvpzip.a", files) == {"hvpzip": "hvpzip.a", "hvpzip.b": "hvpzip.a", "torch": "hvpzip.b"}


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("hvpzip/ans/rans.py", "from hvpzip.codec.bitsback import group_codec"),
        ("hvpzip/ans/rans.py", "from hvpzip.transform import colour"),
        ("hvpzip/ans/rans.py", "from ..transform import colour"),
        ("hvpzip/ans/rans.py", "from hvpzip import transform"),
        ("hvpzip/ans/rans.py", "import torch"),
        ("hvpzip/container/reader.py", "import numpy"),
        ("hvpzip/diffusion/schedule.py", "import hvpzip.nn.config"),
        ("hvpzip/codec/bitsback/group_codec.py", "from hvpzip.container import read"),
        ("hvpzip/codec/raster/coder.py", "from hvpzip.nn import bundled"),
        ("hvpzip/codec/walk/geometry.py", "from hvpzip.codec.bitsback import group_codec"),
        ("hvpzip/codec/payload.py", "import hvpzip.codec.parts"),
        ("hvpzip/api/files.py", "import click"),
        ("hvpzip/api/files.py", "def f():\n    from hvpzip.cli import main"),
        ("hvpzip/nn/model.py", "importlib.import_module('hvpzip.api')"),
        ("hvpzip/nn/model.py", "import_module(f'hvpzip.cli.{name}')"),
        ("hvpzip/training/loop.py", "from hvpzip.api import compress"),
        ("hvpzip/cli/info.py", "from hvpzip.nn import bundled"),
        ("hvpzip/errors.py", "import hvpzip.atomic"),
        ("hvpzip/unranked/new.py", "import os"),
        ("hvpzip/__init__.py", "from hvpzip.cli import main"),
        ("benchmarks/codecs.py", "from hvpzip.codec.bitsback import group_codec"),
        ("benchmarks/cifar10.py", "from hvpzip.codec.bitsback import group_codec"),
        ("examples/batch.py", "import torch"),
    ],
)
def test_forbidden_import_is_reported_with_its_line(file: str, line: str) -> None:
    (found,) = faults_in(line, Path(file))
    assert found.startswith(f"{Path(file)}:{line.count(chr(10)) + 1}: ")
    assert found.endswith(line.splitlines()[-1].strip())


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("hvpzip/nn/network.py", "from hvpzip.diffusion.schedule import Step"),
        ("hvpzip/ans/rans.py", "from hvpzip.core.tables import PHI"),
        ("hvpzip/ans/rans.py", "from .tables import PHI"),
        ("hvpzip/image_io/write.py", "from hvpzip.atomic import atomic_write"),
        ("hvpzip/cli/main.py", "from hvpzip import __version__, errors"),
        ("hvpzip/__main__.py", "from hvpzip.cli import main"),
        ("benchmarks/codecs.py", "from hvpzip.api import compress_with_report"),
        ("benchmarks/orders.py", "from hvpzip.codec.bitsback import group_codec"),
    ],
)
def test_import_downwards_is_allowed(file: str, line: str) -> None:
    assert faults_in(line, Path(file)) == []


@pytest.mark.parametrize("module", ["hvpzip", "hvpzip.api", "hvpzip.cli"])
def test_importing_the_package_loads_neither_torch_nor_numpy(module: str) -> None:
    code = f"import sys, {module}; print(*sorted({{'torch', 'numpy', 'PIL'}} & set(sys.modules)))"
    done = ran([sys.executable, "-c", code], cwd=ROOT, check=True)
    assert done.stdout.strip() == ""
