"""How looked-up events are printed: as a table, as JSON lines, as CSV. Callers choose names, so nothing they chose may
act in a terminal or a spreadsheet."""

import csv
import re
import sys
from collections.abc import Iterable
from typing import Any

import orjson
import typer
from rich.text import Text

from opentrail.cli.columns import Column, fit, line
from opentrail.cli.console import output, plain

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

_TABLE = (
    Column("Time"),
    Column("Event", shrinks=1, least=24),
    Column("User", shrinks=2, least=8),
    Column("From", shrinks=3, least=9),
    Column("Result", shrinks=4, least=12),
    Column("Resources", shrinks=5, least=9),
)
_FOLLOWED = tuple(
    Column(column.title, column.shrinks, column.least, width)
    for column, width in zip(_TABLE, (20, 36, 12, 15, 22, 40), strict=True)
)

_FORMULA_SIGNS = ("=", "+", "-", "@")
_UNSEEN = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")

Row = dict[str, Any]


class EventPrinter:
    """Prints rows in one form; the header stands once. ``form`` is table, json or csv."""

    def __init__(self, form: str, *, is_following: bool) -> None:
        self._form = form
        self._is_following = is_following
        self._csv = csv.writer(sys.stdout)
        self._has_header = False

    def print(self, rows: Iterable[Row]) -> None:
        """Print rows in the order given."""
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
                "readOnly": str(event.get("readOnly", "")).lower(),
            }
            self._csv.writerow([csv_cell(values.get(column, event.get(column, ""))) for column in CSV_COLUMNS])

    def _print_table(self, rows: list[Row]) -> None:
        if not rows and not self._is_following:
            output.print("No event matches.", style="dim")
            return
        columns = _FOLLOWED if self._is_following else _TABLE
        cells = [_cells(row) for row in rows]
        widths = fit(columns, cells, output.width)
        if not self._has_header:
            output.print(line([Text(column.title, style="bold") for column in columns], widths), soft_wrap=True)
            self._has_header = True
        for row_cells in cells:
            output.print(line(row_cells, widths), soft_wrap=True)


def followed_line(row: Row, width: int) -> Text:
    """Return one event as a line of a table that has no end."""
    return line(_cells(row), fit(_FOLLOWED, [], width))


def followed_header(width: int) -> Text:
    """Return the header of such a table."""
    return line([Text(column.title, style="bold") for column in _FOLLOWED], fit(_FOLLOWED, [], width))


def _cells(row: Row) -> list[Text]:
    event = orjson.loads(row["event"])
    return [
        plain(event["eventTime"]),
        plain(f"{_service(event['eventSource'])}:{event['eventName']}"),
        plain(row["username"] or _nameless(event.get("userIdentity", {}))),
        plain(_service(event.get("sourceIPAddress", ""))),
        _result(event),
        plain(", ".join(row["resources"])),
    ]


def _nameless(identity: dict[str, Any]) -> str:
    """Return what to call a caller that has no user name."""
    if identity.get("accountId") in ("anonymous", "ANONYMOUS_PRINCIPAL"):
        return "anonymous"
    invoker = _service(str(identity.get("invokedBy", "")))
    if invoker:
        # The installation's own calls say AWSService; what the operator does in a terminal says nothing.
        return "operator" if invoker == "cloudtrail" and "type" not in identity else invoker
    return str(identity.get("accessKeyId") or identity.get("type", ""))


def _result(event: dict[str, Any]) -> Text:
    error = event.get("errorCode", "")
    if error:
        return Text(plain(error).plain, style="red")
    added = event.get("additionalEventData")
    own = added.get("opentrail", {}) if isinstance(added, dict) else {}
    if own.get("outcome") == "unknown":
        return Text(f"unknown ({plain(own.get('reason', '')).plain})", style="yellow")
    return Text("ok")


def csv_cell(value: object) -> str:
    """Return ``value`` for a CSV file that a spreadsheet may open: control characters visible, and a text that it would
    take for a formula behind an apostrophe."""
    text = plain(value).plain
    return f"'{text}" if text.startswith(_FORMULA_SIGNS) else text


def terminal_json(event: str) -> str:
    """Return an event's JSON, the same value, with the control and direction signs that JSON leaves bare escaped."""
    return _UNSEEN.sub(lambda match: f"\\u{ord(match[0]):04x}", event)


def _service(name: str) -> str:
    return name.removesuffix(".amazonaws.com")
