"""What kind of event an operation makes: read-only or not, management or data (reference: events, sections 3 and 11).

Services are named as botocore names them, operations as their service model does.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from opentrail.event.tables import load_table

_FOLDER = Path(__file__).parent / "data"


def is_read_only(service: str, operation: str) -> bool:
    """Say whether events of the operation carry ``readOnly: true``: by table, else by the first word of its name.

    A dry run keeps the class of its operation.
    """
    reading, writing, prefixes = _read_only_tables()
    if operation in writing.get(service, ()):
        return False
    return operation in reading.get(service, ()) or _starts_with_word(operation, prefixes)


def is_data_event(service: str, operation: str) -> bool:
    """Say whether events of the operation are data events; all others are management events."""
    return any(is_row_of(row, operation) for row in data_event_rows(service))


def data_event_rows(service: str) -> Sequence[Mapping[str, Any]]:
    """Return the rows of the service's data events: resource type, operations and where they name the resource."""
    return _data_events().get(service, ())


def is_row_of(row: Mapping[str, Any], operation: str) -> bool:
    """Say whether a row of a table is about ``operation``: it names it, or every operation (``*``), or none."""
    operations = row.get("operations", "*")
    return operations == "*" or operation in operations or "*" in operations


def _starts_with_word(operation: str, words: Sequence[str]) -> bool:
    return any(operation.startswith(word) and not operation[len(word) : len(word) + 1].islower() for word in words)


@cache
def _read_only_tables() -> tuple[Mapping[str, Sequence[str]], Mapping[str, Sequence[str]], Sequence[str]]:
    table = load_table(_FOLDER, "read_only")
    return table["read_only"], table["writing"], tuple(table["prefixes"])


@cache
def _data_events() -> Mapping[str, Sequence[Mapping[str, Any]]]:
    rows: dict[str, list[Mapping[str, Any]]] = {}
    for row in load_table(_FOLDER, "data_events")["rows"]:
        rows.setdefault(row["service"], []).append(row)
    return rows
