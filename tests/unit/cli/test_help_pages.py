"""Every help page, at 100 columns, reads whole: no cut summaries, no types of the language, nothing too wide."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from opentrail.cli import app
from opentrail.cli.help_pages import WIDTH


def command_lines(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    for name, inner in getattr(command, "commands", {}).items():
        yield from command_lines(inner, (*path, name))


PATHS = list(command_lines(typer.main.get_command(app)))


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_a_help_page_is_whole(path: tuple[str, ...]) -> None:
    page = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": str(WIDTH), "TERMINAL_WIDTH": str(WIDTH)}).output

    assert page.startswith("Usage:")
    assert not re.search(r"[a-z,;:]\.\.\.$", page, re.MULTILINE), page
    assert not re.search(r"<[\w\[\] |]+>|\b(STR|INTEGER)\b", page), page
    assert max(map(len, page.splitlines())) <= WIDTH


def test_every_command_was_looked_at() -> None:
    assert {("serve",), ("lookup",), ("users", "create"), ("signing-keys", "list")} <= set(PATHS)
