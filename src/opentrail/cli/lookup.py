"""``opentrail lookup``: Event history in the terminal, every filter combined, over all Regions at once."""

import csv
import heapq
import re
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Annotated, Any

import orjson
import typer
from rich.table import Table
from rich.text import Text

from opentrail.cli.console import Context, HomeOption, output, plain
from opentrail.errors import OperatorError

FOLLOW_SECONDS = 0.5
FOLLOW_OVERLAP = timedelta(seconds=15)
"""How far back each look of ``--follow`` reaches: events of one second arrive in no order, and calls take a while."""
SEEN_EVENTS = 50_000
CSV_COLUMNS = (
    "eventTime",
    "eventName",
    "eventSource",
    "awsRegion",
    "username",
    "sourceIPAddress",
    "readOnly",
    "errorCode",
    "accessKeyId",
    "resources",
    "eventID",
)

_AGO = re.compile(r"(\d+)([smhd])")
_AGO_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}

_COLUMNS = (("Time (UTC)", 19), ("Event", 36), ("User", 12), ("From", 12), ("Result", 8))
_WIDEST_COLUMN = 40
_FORMULA_SIGNS = ("=", "+", "-", "@")
_UNSEEN = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")

Row = dict[str, Any]


@dataclass(frozen=True)
class Search:
    """What to look for, and through which server or home."""

    context: Context
    attributes: list[tuple[str, str]]
    start: datetime | None
    end: datetime | None
    region: str
    account: str = ""

    def regions(self) -> list[str]:
        return [self.region] if self.region else self.context.run("list_regions")["regions"]

    def rows(self) -> Iterator[Row]:
        """Yield matching events of all Regions, newest first."""
        found = (self._rows_of(region) for region in self.regions())
        return heapq.merge(*found, key=lambda row: row["event_time"], reverse=True)

    def _rows_of(self, region: str) -> Iterator[Row]:
        token = ""
        while True:
            page = self.context.run(
                "lookup_events",
                region=region,
                attributes=self.attributes,
                start=self.start.isoformat() if self.start else "",
                end=self.end.isoformat() if self.end else "",
                page_token=token,
                account=self.account,
            )
            yield from page["events"]
            token = page["next_token"]
            if not token:
                return


def lookup_command(
    context: typer.Context,
    event_name: Annotated[str, typer.Option(help="Such as DeleteBucket.")] = "",
    event_source: Annotated[str, typer.Option(help="Such as s3.amazonaws.com.")] = "",
    user: Annotated[str, typer.Option(help="User name, role session name, or root.")] = "",
    access_key: Annotated[str, typer.Option(help="Access key id.")] = "",
    resource: Annotated[str, typer.Option(help="Resource name or ARN.")] = "",
    resource_type: Annotated[str, typer.Option(help="Such as AWS::S3::Bucket.")] = "",
    event_id: Annotated[str, typer.Option(help="One event.")] = "",
    read_only: Annotated[
        bool | None, typer.Option("--read-only/--write-only", help="Only reads, or only writes.")
    ] = None,
    since: Annotated[str, typer.Option(metavar="WHEN", help="90s, 15m, 2h, 7d ago, or a time (ISO 8601).")] = "",
    until: Annotated[str, typer.Option(metavar="WHEN", help="The same; default: now.")] = "",
    region: Annotated[str, typer.Option(help="Only this Region; default: all.")] = "",
    account: Annotated[str, typer.Option(help="Of this account; default: the installation's own.")] = "",
    max_results: Annotated[int, typer.Option("--max", min=1, max=100_000, help="How many events.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="One whole event a line.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Comma-separated values with a header.")] = False,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on printing events as they come.")] = False,
    home: HomeOption = None,
) -> None:
    """Search the last 90 days of management events; all filters must hold."""
    if as_json and as_csv:
        raise OperatorError("choose one of --json and --csv")
    given = {
        "EventName": event_name,
        "EventSource": event_source,
        "Username": user,
        "AccessKeyId": access_key,
        "ResourceName": resource,
        "ResourceType": resource_type,
        "EventId": event_id,
        "ReadOnly": "" if read_only is None else str(read_only).lower(),
    }
    now = datetime.now(UTC)
    search = Search(
        context=Context.of(context, home),
        attributes=[(key, value) for key, value in given.items() if value],
        start=parse_when(since, now),
        end=parse_when(until, now),
        region=region,
        account=account,
    )
    printer = Printer("json" if as_json else "csv" if as_csv else "table", is_following=follow)
    follower = Follower(search) if follow else None
    newest_first = list(islice(search.rows(), max_results))
    printer.print(reversed(newest_first) if follow else newest_first)
    if follower is not None:
        follower.skip(newest_first)
        _follow(follower, printer)


def parse_when(text: str, now: datetime) -> datetime | None:
    """Read ``15m`` (ago) or an ISO 8601 time, UTC when it names no zone; None when empty. Raises OperatorError."""
    if not text:
        return None
    ago = _AGO.fullmatch(text.strip())
    try:
        if ago:
            return now - timedelta(**{_AGO_UNITS[ago[2]]: int(ago[1])})
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError) as error:
        raise OperatorError(f"{text!r} is no time: say 15m, 2h, 7d or 2026-01-31T12:00:00Z") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class Follower:
    """Finds what came since the last look. Events that were there when it was made are never found."""

    def __init__(self, search: Search) -> None:
        self._search = search
        self._seen: dict[str, None] = {}
        self.fresh()

    def skip(self, rows: Iterable[Row]) -> None:
        """Take note of events that were shown already."""
        self._seen.update(dict.fromkeys(row["event_id"] for row in rows))
        for old in list(islice(self._seen, max(0, len(self._seen) - SEEN_EVENTS))):
            del self._seen[old]

    def fresh(self) -> list[Row]:
        """Return the events of the last FOLLOW_OVERLAP that were not seen yet, newest first."""
        since = datetime.now(UTC) - FOLLOW_OVERLAP
        latest = replace(self._search, start=since, end=None)
        found = [row for row in latest.rows() if row["event_id"] not in self._seen]
        self.skip(found)
        return found


def _follow(follower: Follower, printer: "Printer") -> None:
    while True:
        time.sleep(FOLLOW_SECONDS)
        printer.print(reversed(follower.fresh()))


class Printer:
    """Prints rows in one form; the header stands once."""

    def __init__(self, form: str, *, is_following: bool) -> None:
        self._form = form
        self._is_following = is_following
        self._csv = csv.writer(sys.stdout)
        self._has_header = False

    def print(self, rows: Iterable[Row]) -> None:
        if self._form == "json":
            for row in rows:
                typer.echo(terminal_json(row["event"]))
        elif self._form == "csv":
            self._print_csv(rows)
        else:
            self._print_table(list(rows))
        sys.stdout.flush()

    def _print_csv(self, rows: Iterable[Row]) -> None:
        if not self._has_header:
            self._csv.writerow(CSV_COLUMNS)
            self._has_header = True
        for row in rows:
            event = orjson.loads(row["event"])
            values = {
                "username": row["username"],
                "resources": " ".join(row["resources"]),
                "accessKeyId": row["access_key_id"],
            }
            self._csv.writerow([csv_cell(values.get(column, event.get(column, ""))) for column in CSV_COLUMNS])

    def _print_table(self, rows: list[Row]) -> None:
        if not rows:
            if not self._is_following:
                output.print("No event matches.", style="dim")
            return
        cells = [_cells(row) for row in rows]
        table = Table(box=None, pad_edge=False, header_style="bold", show_header=not self._has_header)
        for number, (column, following_width) in enumerate(_COLUMNS):
            # Followed events come a few at a time: fixed widths keep their columns in line.
            width = following_width if self._is_following else max(len(column), *(len(line[number]) for line in cells))
            table.add_column(column, no_wrap=True, min_width=min(width, _WIDEST_COLUMN))
        table.add_column("Resources", no_wrap=True, overflow="ellipsis")
        for line in cells:
            table.add_row(*line)
        output.print(table)
        self._has_header = self._is_following


def _cells(row: Row) -> list[Text]:
    event = orjson.loads(row["event"])
    identity = event.get("userIdentity", {})
    error = event.get("errorCode", "")
    return [
        plain(event["eventTime"].replace("T", " ").rstrip("Z")),
        plain(f"{_service(event['eventSource'])}:{event['eventName']}"),
        plain(row["username"] or _service(identity.get("invokedBy", "")) or identity.get("type", "")),
        plain(_service(event.get("sourceIPAddress", ""))),
        Text(plain(error).plain, style="red") if error else Text("ok"),
        plain(", ".join(row["resources"])),
    ]


def csv_cell(value: object) -> str:
    """Return ``value`` for a CSV file that a spreadsheet may open: control characters visible, and a text that it would
    take for a formula behind an apostrophe. Callers choose names, so both can come in."""
    text = plain(value).plain
    return f"'{text}" if text.startswith(_FORMULA_SIGNS) else text


def terminal_json(event: str) -> str:
    """Return an event's JSON, the same value, with the control and direction signs that JSON leaves bare escaped."""
    return _UNSEEN.sub(lambda match: f"\\u{ord(match[0]):04x}", event)


def _service(name: str) -> str:
    return name.removesuffix(".amazonaws.com")
