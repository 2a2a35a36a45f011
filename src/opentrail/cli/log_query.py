"""``opentrail logs query``: Logs Insights over log groups."""

import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from opentrail.cli.console import Context, HomeOption
from opentrail.cli.lookup import parse_when
from opentrail.cli.query import EXIT_REFUSED, run_and_show
from opentrail.cli.query_printer import print_csv, print_json, print_table_of
from opentrail.cli.query_session import QuerySession, Result
from opentrail.errors import OperatorError
from opentrail.logsql.parsing import MAX_LIMIT, MAX_QUERY_CHARACTERS


def query_logs(
    context: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[QUERY]", help="The query; - or nothing reads it from standard input where that is no terminal."
        ),
    ] = None,
    groups: Annotated[
        list[str] | None,
        typer.Option("--group", "-g", metavar="GROUP", help="Over this log group; several can be given."),
    ] = None,
    saved: Annotated[
        str, typer.Option("--saved", metavar="NAME", help="A saved query, over its own groups where none is given.")
    ] = "",
    since: Annotated[str, typer.Option(metavar="WHEN", help="From then on: 90s, 15m, 2h, 7d ago, or a time.")] = "1h",
    until: Annotated[str, typer.Option(metavar="WHEN", help="Up to then, said the same way; default: now.")] = "",
    limit: Annotated[
        int, typer.Option("--max", min=1, max=MAX_LIMIT, metavar="N", help="At most so many rows.")
    ] = 10_000,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print comma-separated values with a header.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON: one row a line.")] = False,
    region: Annotated[
        str, typer.Option(metavar="REGION", help="In this Region; default: the installation's own.")
    ] = "",
    account: Annotated[str, typer.Option(metavar="ID", help="Of this account; default: the installation's own.")] = "",
    home: HomeOption = None,
) -> None:
    """Query log groups in Logs Insights' language.

    \b
    opentrail logs query 'stats count(*) by eventName' -g trails --since 1d
    opentrail logs query --saved audit/calls
    """
    if as_csv and as_json:
        raise OperatorError("choose one of --csv and --json")
    chosen = Context.of(context, home)
    if saved:
        if words:
            raise OperatorError("give a query or --saved, not both")
        kept = chosen.run("saved_log_query", name=saved, region=region, account=account)
        statement, groups = kept["query"], groups or kept["groups"]
    else:
        statement = _statement(words or [])
    if not groups:
        raise OperatorError("name a log group: --group GROUP")
    now = datetime.now(UTC)
    start, end = parse_when(since, now) or now, parse_when(until, now) or now
    if start > end:
        raise OperatorError("--since is after --until: nothing can be between them")
    asked = {
        "groups": groups,
        "start": int(start.timestamp()),
        "end": int(end.timestamp()),
        "limit": limit,
        "region": region,
        "account": account,
    }
    show = print_csv if as_csv else print_json if as_json else print_table_of
    with LogQuerySession(chosen, asked) as session:
        if not run_and_show(session, statement.rstrip("\n"), show):
            raise typer.Exit(EXIT_REFUSED)


def _statement(words: list[str]) -> str:
    """Return the query of the command line, or of standard input. Raises OperatorError when there is none."""
    statement = " ".join(words)
    if statement in ("", "-"):
        statement = "" if sys.stdin.isatty() else sys.stdin.read(MAX_QUERY_CHARACTERS + 1)
        if not statement.strip():
            raise OperatorError("there is no query: give one, as an argument or on standard input")
    return statement


class LogQuerySession(QuerySession):
    """A connection to the queries of log groups; every statement is about what ``asked`` says beside it."""

    kind = "log_query"

    def __init__(self, context: Context, asked: dict[str, Any]) -> None:
        super().__init__(context)
        self._asked = asked

    def run(self, statement: str, on_look: Callable[[dict[str, Any]], None]) -> Result:
        """As of every session; of events ``@ptr`` is left out, for which a terminal has no use."""
        result = super().run(statement, on_look)
        if result.described["is_grouped"]:
            return result
        pages = ([row[:-1] for row in page] for page in result.pages)
        return replace(result, columns=result.columns[:-1], pages=pages)

    def _arguments(self, statement: str) -> dict[str, Any]:
        return {"statement": statement, **self._asked}

    def _home_commands(self) -> Any:
        # Imported only where no server does the work: it is most of a command's start-up time.
        from opentrail.wiring.log_querying import open_log_query_commands

        return open_log_query_commands(self._context.home, self._context.read_settings().settings)

    def _read_page(self, query_id: str, start: int, length: int, key: str) -> bytes:
        from opentrail.wiring.log_querying import read_log_result_page

        return read_log_result_page(self._context.home, query_id.rpartition("/")[2], start, length, key)
