"""``opentrail logs``: the events of log groups in the terminal, as they come or searched."""

import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Annotated, Any

import orjson
import typer
from rich.text import Text

from opentrail.admin.resource_names import short_name
from opentrail.cli.console import Context, HomeOption, errors, output, plain
from opentrail.cli.event_printer import followed_header, followed_line, terminal_json
from opentrail.cli.log_query import query_logs
from opentrail.cli.lookup import parse_when
from opentrail.errors import OperatorError
from opentrail.event.lookup_attributes import resources, username

FOLLOW_SECONDS = 0.5
FOLLOW_OVERLAP = timedelta(seconds=60)
"""How far back each look of ``tail --follow`` reaches: an event carries its own time and comes a moment later."""
SEEN_EVENTS = 50_000

_EVENT_TEXTS = frozenset({"eventTime", "eventSource", "eventName"})
"""Members that every event of a trail has."""

Row = dict[str, Any]

logs_app = typer.Typer(help="The events of log groups: follow, search and query them.", no_args_is_help=True)
logs_app.command("query")(query_logs)

GroupArgument = Annotated[str, typer.Argument(metavar="GROUP", show_default=False)]
StreamOption = Annotated[
    str, typer.Option("--stream", metavar="PREFIX", help="Of streams whose names begin with this; default: all.")
]
RegionOption = Annotated[str, typer.Option(metavar="REGION", help="In this Region; default: the installation's own.")]
AccountOption = Annotated[str, typer.Option(metavar="ID", help="Of this account; default: the installation's own.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON: one event a line.")]


RawOption = Annotated[
    bool, typer.Option("--raw", help="Print a trail's events as they are, too; in a terminal they are a table.")
]


@dataclass(frozen=True)
class LogSearch:
    """What to look for in which group, and through which server or home."""

    context: Context
    group: str
    pattern: str
    start: datetime | None
    end: datetime | None
    stream_prefix: str
    region: str
    account: str

    def rows(self, *, is_newest_first: bool = False) -> Iterator[Row]:
        """Yield matching events by time."""
        after = None
        while True:
            page = self.context.run(
                "filter_log_events",
                group=self.group,
                pattern=self.pattern,
                start=_milliseconds(self.start) if self.start else 0,
                end=_milliseconds(self.end) + 1 if self.end else 0,
                stream_prefix=self.stream_prefix,
                region=self.region,
                account=self.account,
                after=after,
                is_newest_first=is_newest_first,
            )
            yield from page["events"]
            after = page["next"]
            if after is None:
                return


@logs_app.command("filter")
def filter_logs(
    context: typer.Context,
    group: GroupArgument,
    pattern: Annotated[str, typer.Argument(metavar="PATTERN", show_default=False)] = "",
    since: Annotated[str, typer.Option(metavar="WHEN", help="From then on: 90s, 15m, 2h, 7d ago, or a time.")] = "",
    until: Annotated[str, typer.Option(metavar="WHEN", help="Up to then, said the same way; default: now.")] = "",
    stream: StreamOption = "",
    max_results: Annotated[
        int, typer.Option("--max", min=1, max=100_000, metavar="N", help="At most so many events, the newest.")
    ] = 1_000,
    region: RegionOption = "",
    account: AccountOption = "",
    as_json: JsonOption = False,
    raw: RawOption = False,
    home: HomeOption = None,
) -> None:
    """Search a log group with a filter pattern, or show all of it; the oldest event comes first.

    \b
    opentrail logs filter trails '{ $.errorCode = "AccessDenied*" }' --since 1d
    """
    now = datetime.now(UTC)
    search = LogSearch(
        Context.of(context, home),
        group,
        pattern,
        parse_when(since, now),
        parse_when(until, now),
        stream,
        region,
        account,
    )
    if search.start is not None and search.start > (search.end or now):
        raise OperatorError("--since is after --until: nothing can be between them")
    newest = list(islice(search.rows(is_newest_first=True), max_results + 1))
    RowPrinter(as_json=as_json, raw=raw).print(reversed(newest[:max_results]))
    if len(newest) > max_results:
        errors.print(plain(f"opentrail: there are more; these are the newest {max_results} (--max)"), style="yellow")
    elif not newest and not as_json:
        output.print("No log event matches.", style="dim")


@logs_app.command("tail")
def tail_logs(
    context: typer.Context,
    group: GroupArgument,
    pattern: Annotated[
        str, typer.Option("--filter", metavar="PATTERN", help="Only events that this filter pattern picks.")
    ] = "",
    since: Annotated[str, typer.Option(metavar="WHEN", help="Begin then: 90s, 15m, 2h, 7d ago, or a time.")] = "10m",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on printing events as they come.")] = False,
    stream: StreamOption = "",
    region: RegionOption = "",
    account: AccountOption = "",
    as_json: JsonOption = False,
    raw: RawOption = False,
    home: HomeOption = None,
) -> None:
    """Print a log group's latest events, and with --follow those that come.

    \b
    opentrail logs tail trails --follow --filter '{ $.readOnly IS FALSE }'
    """
    start = parse_when(since, datetime.now(UTC))
    search = LogSearch(Context.of(context, home), group, pattern, start, None, stream, region, account)
    follower = LogFollower(search)
    printer = RowPrinter(as_json=as_json, raw=raw)
    printer.print(follower.fresh())
    while follow:
        time.sleep(FOLLOW_SECONDS)
        printer.print(follower.fresh(datetime.now(UTC) - FOLLOW_OVERLAP))


class LogFollower:
    """Finds the events that it did not find before."""

    def __init__(self, search: LogSearch) -> None:
        self._search = search
        self._seen: dict[tuple[int, int], None] = {}

    def fresh(self, since: datetime | None = None) -> Iterator[Row]:
        """Yield what is new from ``since`` on, or from the search's own start; the oldest comes first."""
        start = self._search.start
        if since is not None:
            start = max(since, start) if start is not None else since
        for row in replace(self._search, start=start).rows():
            place = (row["id"][0], row["id"][1])
            if place not in self._seen:
                self._seen[place] = None
                yield row
        for old in list(islice(self._seen, max(0, len(self._seen) - SEEN_EVENTS))):
            del self._seen[old]


class RowPrinter:
    """Prints events, one a line: as JSON, as time, stream and message, or, in a terminal, a trail's as a table."""

    def __init__(self, *, as_json: bool, raw: bool) -> None:
        self._as_json = as_json
        self._has_table = output.is_terminal and not raw
        self._has_header = False

    def print(self, rows: Iterable[Row]) -> None:
        for row in rows:
            event = trail_event(row["message"]) if self._has_table and not self._as_json else None
            if self._as_json:
                shown = {name: row[name] for name in ("timestamp", "stream", "message")}
                typer.echo(terminal_json(orjson.dumps(shown).decode()))
            elif event is not None:
                self._print_event(event)
            else:
                output.print(_line(row), soft_wrap=True)
        sys.stdout.flush()

    def _print_event(self, event: Row) -> None:
        if not self._has_header:
            output.print(followed_header(output.width), soft_wrap=True)
            self._has_header = True
        output.print(followed_line(event, output.width), soft_wrap=True)


def trail_event(message: str) -> Row | None:
    """Return a message that is an event of a trail as tables of events want it, None for any other."""
    try:
        event = orjson.loads(message)
    except orjson.JSONDecodeError:
        return None
    if (
        not isinstance(event, dict)
        or not event.keys() >= _EVENT_TEXTS
        or any(not isinstance(event.get(name, ""), str) for name in (*_EVENT_TEXTS, "sourceIPAddress", "errorCode"))
    ):
        return None
    if not isinstance(event.get("userIdentity", {}), dict):
        return None
    account, region = str(event.get("recipientAccountId", "")), str(event.get("awsRegion", ""))
    named = dict.fromkeys(short_name(name, account, region) for _, name in resources(event))
    return {"event": message, "username": username(event), "resources": list(named)}


def _line(row: Row) -> Text:
    moment = datetime.fromtimestamp(row["timestamp"] / 1000, UTC).isoformat(timespec="milliseconds")
    told = Text.assemble((moment.replace("+00:00", "Z"), "green"), " ", (plain(row["stream"]).plain, "cyan"), " ")
    return told + plain(row["message"])


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
