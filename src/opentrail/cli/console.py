"""What all commands share: the home they work on, and how they print."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from opentrail import __version__
from opentrail.cli.columns import Column, fit, line
from opentrail.errors import OperatorError
from opentrail.home import Home
from opentrail.settings import HOME_VARIABLE, SettingsReport, read_settings

DEFAULT_HOME = Path("~/.opentrail")

HomeOption = Annotated[
    Path | None,
    typer.Option("--home", metavar="DIR", help="The home folder (default: OPENTRAIL_HOME, else ~/.opentrail)."),
]

PIPED_WIDTH = 250
"""Columns of a table that goes into a file or another program, where no terminal says how wide it is."""

output = Console(highlight=False, width=None if sys.stdout.isatty() else PIPED_WIDTH)
errors = Console(stderr=True, soft_wrap=True, highlight=False)


def print_error(sentence: str) -> None:
    """Print one sentence for the operator on standard error."""
    errors.print("opentrail: ", style="bold red", end="")
    for part in sentence.splitlines():
        errors.print(plain(part))


def plain(text: object) -> Text:
    """Return ``text`` for a terminal: never as markup, control characters made visible."""
    return Text("".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in str(text)))


def visible_line(text: str) -> str:
    """Return one line of tab-separated fields for a terminal or a pipe, every other control character made visible, so
    that a hostile name can neither steer a terminal nor feign a line of its own."""
    return "\t".join(plain(part).plain for part in text.split("\t"))


def print_table(
    columns: Sequence[str | Column], rows: Sequence[Sequence[str]], empty: str, *, is_cut: bool = True
) -> None:
    """Print rows as a table, or the sentence ``empty`` when there are none.

    Where the terminal is narrow the last column is cut, unless ``is_cut`` is false, and others as they say themselves.
    """
    if not rows:
        output.print(empty, style="dim")
        return
    shown = [Column(column) if isinstance(column, str) else column for column in columns]
    if is_cut and isinstance(columns[-1], str):
        shown[-1] = Column(columns[-1], shrinks=1, least=24)
    cells = [[plain(cell) for cell in row] for row in rows]
    widths = fit(shown, cells, output.width)
    for line_cells in ([Text(column.title, style="bold") for column in shown], *cells):
        output.print(line(line_cells, widths), soft_wrap=True)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        output.print(f"opentrail {__version__}")
        raise typer.Exit


@dataclass(frozen=True)
class Context:
    """The home folder and settings file that the options before the command name."""

    home: Home
    settings_file: Path | None

    @staticmethod
    def from_options(
        context: typer.Context,
        home: Annotated[
            Path,
            typer.Option(
                "--home",
                metavar="DIR",
                envvar=HOME_VARIABLE,
                show_envvar=False,
                show_default=False,
                help="The home folder (default: OPENTRAIL_HOME, else ~/.opentrail).",
            ),
        ] = DEFAULT_HOME,
        settings: Annotated[
            Path | None,
            typer.Option("--settings", metavar="FILE", help="The settings file (default: settings.toml in the home)."),
        ] = None,
        version: Annotated[
            bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
        ] = False,
    ) -> None:
        """CloudTrail that you run yourself: every API call on record, tamper-evident, found with the tools you have."""
        context.obj = Context(Home(home.expanduser().absolute()), settings)

    @staticmethod
    def of(context: typer.Context, home: Path | None = None) -> "Context":
        """Return the context of a command; its own ``--home`` wins over the one before its name."""
        found: Context = context.find_object(Context) or Context(Home(DEFAULT_HOME.expanduser()), None)
        if home is not None:
            return Context(Home(home.expanduser().absolute()), found.settings_file)
        return found

    def read_settings(self, options: Mapping[str, object] | None = None) -> SettingsReport:
        """Read this home's settings. Raises SettingsError."""
        if self.settings_file is not None and not self.settings_file.exists():
            raise OperatorError(f"there is no settings file {self.settings_file}")
        return read_settings(self.settings_file or self.home.settings_file, options=options)

    def run(self, command: str, **arguments: Any) -> dict[str, Any]:
        """Run an administrative command: in the server that holds the home, else in this process."""
        if self.home.serving() is not None:
            # Imported here because commands that ask no server start a tenth of a second sooner without it.
            from opentrail.admin import control

            return asyncio.run(control.call(self.home.control_socket, command, arguments))
        # Imported only where no server does the work: it is most of a command's start-up time.
        from opentrail.wiring.commands import run_command

        return asyncio.run(run_command(self.home, self.read_settings().settings, command, arguments))
