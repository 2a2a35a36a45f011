"""How a query's result is printed: as a table, CSV or JSON lines. What is in it was chosen by strangers, so nothing of
it may act in a terminal or a spreadsheet."""

import csv
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import orjson
import typer
from rich.text import Text

from opentrail.cli.columns import GAP, Column, fit, line
from opentrail.cli.console import errors, output, plain
from opentrail.cli.event_printer import csv_cell, terminal_json
from opentrail.cli.query_session import Result, Row
from opentrail.resource.lake_query import unique_labels

TABLE_ROWS = 1000
"""Rows that a table shows; of more it says how many there are."""

LEAST_WIDTH = 12
CELL_CHARACTERS = 500
"""Of a cell no more goes into a table."""

_NUMBERS = frozenset({"tinyint", "smallint", "integer", "bigint", "real", "double"})


def print_csv(result: Result) -> None:
    """Print a header and every row; NULL is an empty field."""
    writer = csv.writer(sys.stdout)
    writer.writerow([csv_cell(label) for label, _ in result.columns])
    for page in result.pages:
        writer.writerows([["" if value is None else csv_cell(value) for value in row] for row in page])
    sys.stdout.flush()


def print_json(result: Result) -> None:
    """Print each row as a JSON object of its own line: numbers, booleans, arrays and objects as such."""
    labels = unique_labels([label for label, _ in result.columns])
    readers = [_reader(kind) for _, kind in result.columns]
    for page in result.pages:
        for row in page:
            values = (None if value is None else read(value) for read, value in zip(readers, row, strict=True))
            typer.echo(terminal_json(orjson.dumps(dict(zip(labels, values, strict=True))).decode()))


def print_table_of(result: Result) -> None:
    """Print up to TABLE_ROWS rows in columns, then on standard error what the query took."""
    shown = list(islice(_rows(result), TABLE_ROWS))
    if shown:
        _print_rows(result.columns, shown)
    if result.rows > len(shown):
        errors.print(plain(f"... {result.rows - len(shown):,} more rows: --csv, --json and --parquet give all."))
    errors.print(Text(_summary(result), style="dim"))


def _rows(result: Result) -> Iterator[Row]:
    for page in result.pages:
        yield from page


def _print_rows(columns: Sequence[tuple[str, str]], rows: Sequence[Row]) -> None:
    # The widest give way first; a time is never cut, and a result of one column neither.
    shown = [
        Column(label, 0 if len(columns) == 1 or kind.startswith("timestamp") else 1 + _longest(rows, at), LEAST_WIDTH)
        for at, (label, kind) in enumerate(columns)
    ]
    cells = [[_cell(value) for value in row] for row in rows]
    titles = [plain(column.title) for column in shown]
    shown = [
        Column(title.plain, column.shrinks, max(LEAST_WIDTH, len(title)))
        for column, title in zip(shown, titles, strict=True)
    ]
    widths = fit(shown, cells, output.width)
    if output.is_terminal and len(widths) > 1 and sum(widths) + GAP * (len(widths) - 1) > output.width:
        _print_records(titles, cells, rows)
        return
    for number, row_cells in enumerate([[Text(title.plain, style="bold") for title in titles], *cells]):
        if number:
            row_cells = [
                _aligned(cell, kind, width) for cell, (_, kind), width in zip(row_cells, columns, widths, strict=True)
            ]
        output.print(line(row_cells, widths), soft_wrap=True)


def _print_records(titles: Sequence[Text], cells: Sequence[Sequence[Text]], rows: Sequence[Row]) -> None:
    """Print what is too wide for a terminal's lines one member a line, and only those that are there."""
    width = max(len(title) for title in titles)
    for number, (row_cells, row) in enumerate(zip(cells, rows, strict=True), 1):
        output.print(Text(f"row {number:,}", style="dim"))
        for title, cell, value in zip(titles, row_cells, row, strict=True):
            if value is not None:
                padded = title.plain + " " * (width + GAP - len(title))
                output.print(Text.assemble((padded, "bold"), cell), soft_wrap=True)


def _longest(rows: Sequence[Row], at: int) -> int:
    return max(len(row[at] or "") for row in rows)


def _cell(value: str | None) -> Text:
    return Text("-", style="dim") if value is None else plain(value[:CELL_CHARACTERS])


def _aligned(cell: Text, kind: str, width: int) -> Text:
    if kind not in _NUMBERS or len(cell) >= width:
        return cell
    return Text(" " * (width - len(cell))).append_text(cell)


def _summary(result: Result) -> str:
    took = result.described
    return (
        f"{result.rows:,} {'row' if result.rows == 1 else 'rows'}; {took['events_scanned']:,} events scanned, "
        f"{took['events_matched']:,} matched, {_size(took['bytes_scanned'])} read in {took['run_time_ms'] / 1000:.2f} s"
    )


def _size(count: int) -> str:
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000  # type: ignore[assignment]
    return f"{count:.1f} GB"


def _reader(kind: str) -> Callable[[str], Any]:
    """Return what reads a column's texts as JSON has them."""
    if kind == "boolean":
        return lambda text: text == "true"
    if kind in _NUMBERS:
        return _number
    if kind.startswith(("row(", "array(", "map(", "json")):
        return _document
    return str


def _number(text: str) -> Any:
    try:
        return int(text) if text.lstrip("-").isdecimal() else float(text)
    except ValueError:
        return text


def _document(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
