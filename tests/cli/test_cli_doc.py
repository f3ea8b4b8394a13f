"""docs/cli.md shows the help texts as they are, and its table of JSON keys is complete.

After a change of the help, ``HVPZIP_REWRITE=1 pytest tests/cli/test_cli_doc.py`` writes the texts into the page; look at the difference.
"""

import os
import re
from pathlib import Path

import click
import pytest

from hvpzip import api
from hvpzip.cli.app import app

DOC = Path(__file__).parents[2] / "docs" / "cli.md"
BLOCK = re.compile(r"^<!-- help: (.*?) ?-->\n```text\n(.*?)```$", re.MULTILINE | re.DOTALL)


def help_text(command: str) -> str:
    """The help of ``hvpzip COMMAND`` at the width of the page, whatever terminal the test runs in."""
    with click.Context(app, info_name="hvpzip", terminal_width=100, help_option_names=["-h", "--help"]) as parent:
        if not command:
            return app.get_help(parent) + "\n"
        child = app.get_command(parent, command)
        assert child is not None
        with click.Context(child, info_name=command, parent=parent, terminal_width=100) as context:
            return child.get_help(context) + "\n"


def test_help_texts_on_the_page_are_those_of_the_program() -> None:
    page = DOC.read_text(encoding="utf-8")
    if os.environ.get("HVPZIP_REWRITE"):
        page = BLOCK.sub(lambda found: f"<!-- help: {found[1]}{' ' if found[1] else ''}-->\n```text\n{help_text(found[1])}```", page)
        DOC.write_text(page, encoding="utf-8")
    blocks = dict(BLOCK.findall(page))
    with click.Context(app) as context:
        assert set(blocks) == {"", *app.list_commands(context)}
    for command, text in blocks.items():
        assert text == help_text(command)


@pytest.mark.parametrize("key", api.JSON_KEYS)
def test_every_json_key_is_documented(key: str) -> None:
    rows = [line for line in DOC.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    assert any(f"`{key}`" in row.split("|")[1] for row in rows)


def test_exit_statuses_are_documented() -> None:
    page = DOC.read_text(encoding="utf-8")
    assert [int(status) for status in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)] == [0, 1, 2, 130, 143]
