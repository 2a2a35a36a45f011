"""``opentrail lookup``: Event history in the terminal, every filter combined, over all Regions at once."""

import heapq
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Annotated

import typer

from opentrail.cli.console import Context, HomeOption
from opentrail.cli.event_printer import EventPrinter, Row
from opentrail.errors import OperatorError

FOLLOW_SECONDS = 0.5
FOLLOW_OVERLAP = timedelta(seconds=15)
"""How far back each look of ``--follow`` reaches: events of one second arrive in no order, and calls take a while."""
SEEN_EVENTS = 50_000

_AGO = re.compile(r"(\d+)([smhd])")
_AGO_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True)
class Search:
    """What to look for, and through which server or home."""

    context: Context
    attributes: list[tuple[str, str]]
    start: datetime | None
    end: datetime | None
    region: str
    account: str = ""
    resource: str = ""
    """A resource as the table shows it or as the record has it; empty: any."""

    def regions(self) -> list[str]:
        return [self.region] if self.region else self.context.run("list_regions")["regions"]

    def rows(self) -> Iterator[Row]:
        """Yield matching events of all Regions, newest first, each once."""
        found = [rows for region in self.regions() for rows in self._alternatives(region)]
        merged = heapq.merge(*found, key=lambda row: row["event_time"], reverse=True)
        return _once(merged) if self.resource else merged

    def _alternatives(self, region: str) -> Iterator[Iterator[Row]]:
        """Yield a lookup for each name under which the resource may be on record in the Region."""
        if not self.resource:
            yield self._rows_of(region, self.attributes)
            return
        asked = {"name": self.resource, "region": region, "account": self.account}
        for name in self.context.run("resource_spellings", **asked)["spellings"]:
            yield self._rows_of(region, [*self.attributes, ("ResourceName", name)])

    def _rows_of(self, region: str, attributes: list[tuple[str, str]]) -> Iterator[Row]:
        token = ""
        while True:
            page = self.context.run(
                "lookup_events",
                region=region,
                attributes=attributes,
                start=self.start.isoformat() if self.start else "",
                end=self.end.isoformat() if self.end else "",
                page_token=token,
                account=self.account,
            )
            yield from page["events"]
            token = page["next_token"]
            if not token:
                return


def _once(rows: Iterable[Row]) -> Iterator[Row]:
    """Yield rows that come ordered by time, leaving out events that came in the same second already."""
    second, seen = "", set[str]()
    for row in rows:
        if row["event_time"] != second:
            second, seen = row["event_time"], set()
        if row["event_id"] not in seen:
            seen.add(row["event_id"])
            yield row


def lookup_command(
    context: typer.Context,
    event_name: Annotated[str, typer.Option(metavar="NAME", help="Called exactly this, such as DeleteBucket.")] = "",
    event_source: Annotated[str, typer.Option(metavar="SOURCE", help="Of this service: s3, or s3.amazonaws.com.")] = "",
    user: Annotated[str, typer.Option(metavar="NAME", help="By this user name, role session name, or root.")] = "",
    access_key: Annotated[str, typer.Option(metavar="ID", help="Signed with this access key.")] = "",
    resource: Annotated[
        str,
        typer.Option(
            metavar="NAME|ARN", help="That touched this resource: its name as the table shows it, or its ARN."
        ),
    ] = "",
    resource_type: Annotated[
        str, typer.Option(metavar="TYPE", help="That touched a resource of this type, such as AWS::S3::Bucket.")
    ] = "",
    event_id: Annotated[str, typer.Option(metavar="ID", help="The one event with this id.")] = "",
    read_only: Annotated[
        bool | None, typer.Option("--read-only/--write-only", help="Only those that read, or only those that change.")
    ] = None,
    since: Annotated[
        str,
        typer.Option(
            metavar="WHEN", help="From then on: 90s, 15m, 2h, 7d ago, or a time such as 2026-01-31T12:00:00Z."
        ),
    ] = "",
    until: Annotated[str, typer.Option(metavar="WHEN", help="Up to then, said the same way; default: now.")] = "",
    region: Annotated[str, typer.Option(metavar="REGION", help="In this Region; default: all.")] = "",
    account: Annotated[str, typer.Option(metavar="ID", help="Of this account; default: the installation's own.")] = "",
    max_results: Annotated[
        int,
        typer.Option(
            "--max", min=1, max=100_000, metavar="N", help="At most so many events, the newest; up to 100,000."
        ),
    ] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON: one whole event a line.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print comma-separated values with a header.")] = False,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on printing events as they come.")] = False,
    home: HomeOption = None,
) -> None:
    """Search the last 90 days of management events.

    Every filter that is given must hold. The newest event comes first.
    """
    if as_json and as_csv:
        raise OperatorError("choose one of --json and --csv")
    given = {
        "EventName": event_name,
        "EventSource": f"{event_source}.amazonaws.com" if event_source and "." not in event_source else event_source,
        "Username": user,
        "AccessKeyId": access_key,
        "ResourceType": resource_type,
        "EventId": event_id,
        "ReadOnly": "" if read_only is None else str(read_only).lower(),
    }
    now = datetime.now(UTC)
    start, end = parse_when(since, now), parse_when(until, now)
    if start is not None and start > (end or now):
        raise OperatorError("--since is after --until: nothing can be between them")
    search = Search(
        context=Context.of(context, home),
        attributes=[(key, value) for key, value in given.items() if value],
        start=start,
        end=end,
        region=region,
        account=account,
        resource=resource,
    )
    if region:
        enabled = search.context.run("list_regions")["regions"]
        if region not in enabled:
            raise OperatorError(f"nothing was recorded in {region}; Regions with events: {', '.join(enabled)}")
    printer = EventPrinter("json" if as_json else "csv" if as_csv else "table", is_following=follow)
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


def _follow(follower: Follower, printer: EventPrinter) -> None:
    while True:
        time.sleep(FOLLOW_SECONDS)
        printer.print(reversed(follower.fresh()))
