"""The accepted Logs Insights queries, verbatim over received events: rows as plain Python finds them."""

from collections import Counter
from typing import Any

import orjson
import pytest

from tests.support.corpus import real_events, shared
from tests.support.log_engine import Row, evaluate

START = 1_763_683_200_000

Events = list[tuple[int, dict[str, Any]]]


@pytest.fixture(scope="module")
def received() -> Events:
    """Return 1,000 of the received events of every kind, two to a millisecond."""
    found = [event for _, event in real_events() if isinstance(event.get("eventName"), str)]
    step = max(1, len(found) // 1_000)
    return [(START + at // 2, event) for at, event in enumerate(found[::step])]


def queries() -> list[str]:
    return shared("acceptance", "logs-insights.txt").read_text().split("----\n")


def rows_of(events: Events, query: str) -> list[Row]:
    return evaluate([(at, orjson.dumps(event).decode()) for at, event in events], query)


def text_at(event: Any, path: str) -> str | None:
    for name in path.split("."):
        event = event.get(name) if isinstance(event, dict) else None
    return event if isinstance(event, str) else None


def picked(event: dict[str, Any], *paths: str) -> Row:
    found = ((path, text_at(event, path)) for path in paths)
    return {path: value for path, value in found if value is not None}


def shown_times(rows: list[Row]) -> list[str]:
    return [row["@timestamp"] for row in rows]


def without_times(rows: list[Row]) -> list[Row]:
    return [{name: value for name, value in row.items() if name != "@timestamp"} for row in rows]


def as_counted(rows: list[Row]) -> Counter[tuple[tuple[str, str], ...]]:
    return Counter(tuple(sorted(row.items())) for row in rows)


def test_calls_of_root_are_the_newest_hundred(received: Events) -> None:
    rows = rows_of(received, queries()[0])

    paths = ("eventName", "sourceIPAddress", "userAgent")
    newest = [picked(event, *paths) for _, event in reversed(received) if text_at(event, "userIdentity.type") == "Root"]
    assert 0 < len(rows) <= 100
    assert without_times(rows) == newest[:100]
    assert shown_times(rows) == sorted(shown_times(rows), reverse=True)


def test_users_are_counted(received: Events) -> None:
    rows = rows_of(received, queries()[1])

    counted = Counter(text_at(event, "userIdentity.userName") for _, event in received)
    assert len(rows) == min(20, len(counted)) > 1
    assert [int(row["actionCount"]) for row in rows] == sorted(counted.values(), reverse=True)[:20]
    assert all(counted[row.get("userIdentity.userName")] == int(row["actionCount"]) for row in rows)


def test_errors_are_found(received: Events) -> None:
    rows = rows_of(received, queries()[2])

    paths = ("eventName", "errorCode", "errorMessage")
    expected = [picked(event, *paths) for _, event in received if "Error" in (text_at(event, "errorCode") or "")]
    assert as_counted(without_times(rows)) == as_counted(expected)
    assert rows


def test_calls_on_buckets_are_counted(received: Events) -> None:
    rows = rows_of(received, queries()[3])

    paths = ("eventName", "requestParameters.bucketName")
    of_s3 = [picked(event, *paths) for _, event in received if text_at(event, "eventSource") == "s3.amazonaws.com"]
    counts = [int(row.pop("accessCount")) for row in rows]
    assert {tuple(sorted(row.items())): count for row, count in zip(rows, counts, strict=True)} == as_counted(of_s3)
    assert counts == sorted(counts, reverse=True)
    assert rows
