"""``opentrail query``: SQL over event data stores and Event history."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from opentrail.cli.console import Context, HomeOption, errors, plain
from opentrail.cli.query_printer import print_csv, print_json, print_table_of
from opentrail.cli.query_session import QuerySession, Result, StatementRefused
from opentrail.errors import OperatorError

PROGRESS_AFTER_SECONDS = 1.0
"""A query that takes longer shows how far it is."""

EXIT_REFUSED = 1
EVENT_HISTORY = "event_history"
SAMPLES_SHOWN = 5
MAX_STATEMENT_BYTES = 64 * 1024

Show = Callable[[Result], None]


def query_command(
    context: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SQL]", help="The statement; - or nothing reads it from standard input where that is no terminal."
        ),
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print comma-separated values with a header.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON: one row a line.")] = False,
    parquet: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the result as a Parquet file.", dir_okay=False)
    ] = None,
    samples: Annotated[
        bool, typer.Option("--samples", help="Print sample queries instead: all, or those for the words given.")
    ] = False,
    home: HomeOption = None,
) -> None:
    """Query event data stores and Event history in SQL.

    FROM takes event_history, or an event data store's id, ARN or name. Without a statement: a prompt.
    """
    if sum([as_csv, as_json, parquet is not None]) > 1:
        raise OperatorError("choose one of --csv, --json and --parquet")
    if samples:
        print_samples(" ".join(words or []))
        return
    chosen = Context.of(context, home)
    show = _shown_as(as_csv=as_csv, as_json=as_json, parquet=parquet)
    statement = " ".join(words or [])
    if statement in ("", "-") and not sys.stdin.isatty():
        statement = sys.stdin.read(MAX_STATEMENT_BYTES)
        if not statement.strip():
            raise OperatorError("there is no statement: give one, as an argument or on standard input")
    with QuerySession(chosen) as session:
        if statement.strip() in ("", "-"):
            # Imported here because only the prompt needs it.
            from opentrail.cli.query_prompt import QueryPrompt

            history = chosen.home.path / "query-history"
            QueryPrompt(session, history, lambda text: run_and_show(session, text, show), print_samples).run()
        elif not run_and_show(session, statement, show):
            raise typer.Exit(EXIT_REFUSED)


def run_and_show(session: QuerySession, statement: str, show: Show) -> bool:
    """Run a statement and show its result, or the place where it is wrong; say whether it was run."""
    try:
        with _progress() as on_look:
            result = session.run(statement, on_look)
    except StatementRefused as refusal:
        print_refusal(statement, refusal)
        return False
    show(result)
    return True


def print_samples(words: str) -> None:
    """Print the sample queries that fit ``words``, the best first, as statements to run; all of them without."""
    # Imported here because only samples need it.
    from opentrail.query.sample_queries import PLACEHOLDER, sample_queries, search_samples

    found = [sample for sample, _ in search_samples(words)[:SAMPLES_SHOWN]] if words else sample_queries()
    if not found:
        raise OperatorError(f"no sample query fits {words!r}; `opentrail query --samples` prints all")
    for sample in found:
        table = EVENT_HISTORY if sample.of == "management" else PLACEHOLDER
        typer.echo(f"-- {sample.name}\n-- {sample.description}\n{sample.sql.replace(PLACEHOLDER, table)};\n")


def print_refusal(statement: str, refusal: StatementRefused) -> None:
    """Print why a statement is refused, below the line that is wrong with its place marked."""
    lines = statement.splitlines()
    if 0 < refusal.line <= len(lines):
        shown, before = _window(lines[refusal.line - 1], refusal.column)
        number = f"{refusal.line} | "
        errors.print(plain(number + shown))
        errors.print(Text(" " * (len(number) + before) + "^", style="bold red"))
    errors.print("opentrail: ", style="bold red", end="")
    where = f"line {refusal.line}:{refusal.column}: " if refusal.line else ""
    errors.print(plain(where + refusal.message))


def _window(text: str, column: int) -> tuple[str, int]:
    """Return the part of a long line around a column, and how many characters of it come before."""
    width = max(40, errors.width - 8)
    start = max(0, min(column - 1 - width // 2, len(text) - width))
    return text[start : start + width], len(plain(text[start : column - 1]).plain)


@contextmanager
def _progress() -> Iterator[Callable[[dict[str, Any]], None]]:
    """Show how far a long query is, on a terminal."""
    bar = Progress(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(),
        console=errors, transient=True, disable=not sys.stderr.isatty(),
    )  # fmt: skip
    task = bar.add_task("Queued", total=None)

    def on_look(described: dict[str, Any]) -> None:
        if described["seconds"] < PROGRESS_AFTER_SECONDS:
            return
        bar.start()
        part, rows = described["progress"], described["rows"]
        what = "Queued" if described["status"] == "QUEUED" else f"Running, {rows:,} rows" if rows else "Running"
        bar.update(task, description=what, total=None if part is None else 1.0, completed=part or 0.0)

    try:
        yield on_look
    finally:
        bar.stop()


def _shown_as(*, as_csv: bool, as_json: bool, parquet: Path | None) -> Show:
    if parquet is not None:
        return lambda result: _write_parquet(parquet, result)
    return print_csv if as_csv else print_json if as_json else print_table_of


def _write_parquet(path: Path, result: Result) -> None:
    from opentrail.wiring.querying import write_parquet

    rows = write_parquet(path, result.columns, result.pages)
    errors.print(plain(f"{rows:,} rows written to {path}."))
