"""The public interface: which names there are, that they are all there, and that having them costs nothing before they are used."""

import importlib.resources
import inspect
import sys

import pytest

import hvpzip
from hvpzip import errors
from tests.helpers.children import ran

PUBLIC = [
    "CompressOptions",
    "DecompressOptions",
    "FileInfo",
    "FileResult",
    "HvpzipError",
    "__version__",
    "compress",
    "compress_file",
    "compress_files",
    "decompress",
    "decompress_file",
    "decompress_files",
    "errors",
    "info",
    "verify",
]


def test_public_names_are_these_and_sorted() -> None:
    assert hvpzip.__all__ == PUBLIC == sorted(PUBLIC)


def test_every_public_name_is_there_and_listed() -> None:
    for name in PUBLIC:
        assert getattr(hvpzip, name) is not None
        assert name in dir(hvpzip)


@pytest.mark.parametrize("name", [name for name in PUBLIC if not name.startswith("_") and name != "errors"])
def test_every_public_name_has_a_docstring_and_comes_from_the_package(name: str) -> None:
    thing = getattr(hvpzip, name)
    assert thing.__module__.startswith("hvpzip.")
    assert inspect.getdoc(thing)


@pytest.mark.parametrize("name", ["api_secret", "np", "torch", "compress_with_report"])
def test_other_names_are_attribute_errors(name: str) -> None:
    with pytest.raises(AttributeError, match=name):
        getattr(hvpzip, name)


@pytest.mark.parametrize("name", errors.__all__)
def test_every_error_is_an_hvpzip_error(name: str) -> None:
    assert issubclass(getattr(errors, name), hvpzip.HvpzipError)


def test_public_functions_are_typed_throughout() -> None:
    for name in PUBLIC:
        thing = getattr(hvpzip, name)
        if inspect.isfunction(thing):
            signature = inspect.signature(thing)
            assert signature.return_annotation is not inspect.Signature.empty
            assert all(parameter.annotation is not inspect.Parameter.empty for parameter in signature.parameters.values()), name
    assert importlib.resources.files("hvpzip").joinpath("py.typed").is_file()


@pytest.mark.parametrize("use", ["hvpzip.compress_files", "hvpzip.info", "dir(hvpzip)"])
def test_naming_a_function_loads_neither_torch_nor_numpy(use: str) -> None:
    code = f"import sys, hvpzip; {use}; print(*sorted({{'torch', 'numpy', 'PIL', 'click'}} & set(sys.modules)))"
    done = ran([sys.executable, "-c", code], check=True)
    assert done.stdout.strip() == ""
