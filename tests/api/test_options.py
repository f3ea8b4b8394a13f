"""Options are declared once: the keywords, the command line and the classes say the same."""

import inspect
from dataclasses import fields
from typing import get_type_hints

import pytest

import hvpzip
from hvpzip.api import CompressOptions, DecompressOptions, options
from hvpzip.cli import compress, decompress
from hvpzip.cli.app import app
from hvpzip.cli.console import Console
from hvpzip.cli.options import gathered

SIDES = [
    (CompressOptions, options.CompressKeywords, compress.command),
    (DecompressOptions, options.DecompressKeywords, decompress.command),
]


@pytest.mark.parametrize(("made", "keywords", "command"), SIDES)
def test_keywords_are_the_fields_by_name_and_type(made: type, keywords: type, command: object) -> None:
    assert get_type_hints(keywords) == {field.name: get_type_hints(made)[field.name] for field in fields(made)}


@pytest.mark.parametrize(("made", "keywords", "command"), SIDES)
def test_the_command_line_sets_every_field_and_leaves_the_defaults(made: type, keywords: type, command: object, monkeypatch) -> None:
    seen = []
    monkeypatch.setattr(f"{command.callback.__module__}.run_transfer", lambda console, job, *rest: seen.append(job.options) or 0)
    with command.make_context("command", ["-"], **app.context_settings) as context:
        command.invoke(context)
    assert seen == [made()]
    assert {field.name for field in fields(made)} <= {option.name for option in command.params}


@pytest.mark.parametrize(("made", "keywords", "command"), SIDES)
def test_every_field_is_explained(made: type, keywords: type, command: object) -> None:
    told = "".join(inspect.getdoc(known) or "" for known in made.__mro__)
    for field in fields(made):
        assert f"{field.name}:" in told


@pytest.mark.parametrize("call", [hvpzip.compress_file, hvpzip.decompress_file])
def test_unknown_keywords_and_bad_values_are_refused_before_anything_is_read(call) -> None:
    with pytest.raises(TypeError, match="efort"):
        call("missing", efort=1)
    with pytest.raises(ValueError, match="threads must be 0"):
        call("missing", threads=-1)


def test_a_command_that_lacks_an_option_cannot_be_made() -> None:
    with pytest.raises(TypeError, match="no_progress, quiet, verbose of console"):
        gathered(console=Console)(lambda console: 0)
