"""What kind of event an operation makes: read-only or not, management or data (reference: events, sections 3 and 11).

Services are named as botocore names them, operations as their service model does.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

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
    operations = _data_events().get(service, ())
    return operation in operations or "*" in operations


def _starts_with_word(operation: str, words: Sequence[str]) -> bool:
    return any(operation.startswith(word) and not operation[len(word) : len(word) + 1].islower() for word in words)


@cache
def _read_only_tables() -> tuple[Mapping[str, Sequence[str]], Mapping[str, Sequence[str]], Sequence[str]]:
    table = load_table(_FOLDER, "read_only")
    return table["read_only"], table["writing"], tuple(table["prefixes"])


@cache
def _data_events() -> Mapping[str, Sequence[str]]:
    return load_table(_FOLDER, "data_events")
