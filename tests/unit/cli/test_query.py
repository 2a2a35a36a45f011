"""`opentrail query`: what it prints, and how it shows where a statement is wrong."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from rich.console import Console
from typer.testing import CliRunner

from opentrail.adapters.query_engine.result_table import ResultTable
from opentrail.cli import app, console, query_printer
from opentrail.cli.query import print_refusal, print_samples
from opentrail.cli.query_printer import print_csv, print_json, print_table_of
from opentrail.cli.query_prompt import SqlCompleter
from opentrail.cli.query_session import Result, Row, StatementRefused
from opentrail.errors import OperatorError

COLUMNS = [("name", "varchar"), ("n", "bigint"), ("ok", "boolean"), ("m", "map(varchar, varchar)"), ("name", "varchar")]
ROWS: list[Row] = [["=cmd\x1b[2J", "12", "true", '{"a":{"b":1}}', "x"], [None, "-3", "false", None, "y"]]


def a_result(rows: list[Row] = ROWS, columns: list[tuple[str, str]] = COLUMNS) -> Result:
    took = {"events_scanned": 10, "events_matched": 4, "bytes_scanned": 2500, "run_time_ms": 40}

    def pages() -> Iterator[list[Row]]:
        for at in range(0, len(rows), 1000):
            yield rows[at : at + 1000]

    return Result("q", columns, len(rows), took, pages())


def test_csv_has_a_header_and_no_cell_that_a_spreadsheet_would_run(capsys: pytest.CaptureFixture[str]) -> None:
    print_csv(a_result())

    lines = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert lines[0] == ["name", "n", "ok", "m", "name"]
    assert lines[1] == ["'=cmd\\x1b[2J", "12", "true", '{"a":{"b":1}}', "x"]
    assert lines[2][0] == ""


def test_json_has_values_of_their_types_and_labels_that_differ(capsys: pytest.CaptureFixture[str]) -> None:
    print_json(a_result())

    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first == {"name": "=cmd\x1b[2J", "n": 12, "ok": True, "m": {"a": {"b": 1}}, "name_2": "x"}
    assert second == {"name": None, "n": -3, "ok": False, "m": None, "name_2": "y"}


def test_a_table_is_cut_and_says_what_the_query_took(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query_printer, "TABLE_ROWS", 1)

    print_table_of(a_result())

    printed = capsys.readouterr()
    assert "\x1b[2J" not in printed.out
    assert len(printed.out.splitlines()) == 2
    assert "1 more rows" in printed.err
    assert "2 rows; 10 events scanned, 4 matched, 2.5 kB read in 0.04 s" in printed.err


def test_a_row_too_wide_for_the_terminal_is_shown_a_member_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Console(file=io.StringIO(), force_terminal=True, width=40, color_system=None)
    monkeypatch.setattr(query_printer, "output", terminal)

    print_table_of(a_result())

    assert isinstance(terminal.file, io.StringIO)
    assert terminal.file.getvalue().splitlines() == [
        "row 1",
        "name  =cmd\\x1b[2J",
        "n     12",
        "ok    true",
        'm     {"a":{"b":1}}',
        "name  x",
        "row 2",
        "n     -3",
        "ok    false",
        "name  y",
    ]


def test_parquet_keeps_types_and_appears_whole(tmp_path: Path) -> None:
    columns = [
        ("n", "bigint"),
        ("x", "double"),
        ("at", "timestamp"),
        ("z", "timestamp with time zone"),
        ("n", "varchar"),
    ]
    rows: list[Row] = [["1", "1.5", "2026-01-02 03:04:05.678", "2026-01-02 03:04:05.678 UTC", "a"], [None] * 5]

    assert ResultTable(columns).write(tmp_path / "r.parquet", iter([rows])) == 2

    table = pq.read_table(tmp_path / "r.parquet")
    assert [str(kind) for kind in table.schema.types] == [
        "int64", "double", "timestamp[us]", "timestamp[us, tz=UTC]", "string",
    ]  # fmt: skip
    first, second = table.to_pylist()
    assert (first["n"], first["x"], first["n_2"]) == (1, 1.5, "a")
    assert first["at"] == first["z"].replace(tzinfo=None)
    assert set(second.values()) == {None}
    assert [path.name for path in tmp_path.iterdir()] == ["r.parquet"]


def test_a_refused_statement_is_shown_with_its_place_marked(capsys: pytest.CaptureFixture[str]) -> None:
    print_refusal("SELECT a,\n  nothing\nFROM b", StatementRefused("Column 'nothing' cannot be resolved", 2, 3))

    shown, mark, said = capsys.readouterr().err.splitlines()
    assert shown == "2 |   nothing"
    assert shown[mark.index("^")] == "n"
    assert said == "opentrail: line 2:3: Column 'nothing' cannot be resolved"


def test_the_place_in_a_long_line_stays_in_sight(capsys: pytest.CaptureFixture[str]) -> None:
    statement = "SELECT " + ", ".join(f"column_{at}" for at in range(100)) + ", nothing FROM b"

    print_refusal(statement, StatementRefused("no", 1, statement.index("nothing") + 1))

    shown, mark, _ = capsys.readouterr().err.splitlines()
    assert shown[mark.index("^") :].startswith("nothing")
    assert len(shown) <= console.errors.width


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("SELECT * FROM ev", ["event_history"]),
        ("select * from ", ["event_history", '"my-store"']),
        ("SELECT useridentity.t", ["useridentity.type"]),
        ("SELECT events", ["eventsource"]),
        ("sel", ["select"]),
        ("SELECT ", []),
    ],
)
def test_completion_knows_tables_columns_and_words(typed: str, found: list[str]) -> None:
    tables: dict[str, Any] = {
        "tables": [{"name": "event_history"}, {"name": "my-store"}],
        "columns": {"CLOUDTRAIL": dict.fromkeys(["useridentity", "useridentity.type", "eventsource", "eventname"], "")},
    }

    completions = SqlCompleter(tables).get_completions(Document(typed), CompleteEvent())

    assert [completion.text for completion in completions] == found


def test_samples_are_printed_as_statements_to_run(capsys: pytest.CaptureFixture[str]) -> None:
    print_samples("who deleted a bucket")

    printed = capsys.readouterr().out
    assert printed.startswith("-- Who deleted a bucket\n")
    assert "FROM event_history\n" in printed
    assert printed.count(";\n") == 5
    with pytest.raises(OperatorError, match="no sample query fits"):
        print_samples("xyzzy")


def test_all_samples_are_printed_without_words(capsys: pytest.CaptureFixture[str]) -> None:
    print_samples("")

    assert capsys.readouterr().out.count(";\n") >= 60


def test_without_a_statement_and_a_terminal_there_is_nothing_to_ask(tmp_path: Path) -> None:
    finished = CliRunner().invoke(app, ["--home", str(tmp_path), "query"], input="\n")

    assert isinstance(finished.exception, OperatorError)
    assert "there is no statement" in str(finished.exception)
