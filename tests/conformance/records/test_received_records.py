"""CloudTrail's own records of every kind are taken in as they are."""

import json
import os
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from opentrail.event.received import problems_of, receive
from tests.conformance.records.witnesses import CORPUS

if not CORPUS.is_dir() and not os.environ.get("CI"):
    pytest.skip(f"no corpus at {CORPUS}", allow_module_level=True)

STRIPPED = {
    "eventVersion is not 1.x": 1,
    "eventID is missing": 1,
    "eventTime is missing": 1,
    "userIdentity is missing": 1,
}
"""Two published records were robbed of members that every event has."""


def test_real_records_have_no_problems() -> None:
    problems = Counter(problem for record in RECORDS for problem in problems_of(record))

    assert problems == STRIPPED


def test_real_records_come_out_with_the_members_they_had() -> None:
    sound = [record for record in RECORDS if not problems_of(record)]

    assert all(receive(record)[0] == record for record in sound)
    assert len(sound) >= 3150
    assert {record["eventType"] for record in sound} >= {"AwsApiCall", "AwsServiceEvent", "AwsConsoleSignIn"}
    assert {record["eventVersion"] for record in sound} >= {"1.03", "1.05", "1.08", "1.09", "1.10", "1.11"}


def _records() -> Iterator[dict[str, Any]]:
    for path in sorted(path for path in CORPUS.rglob("*") if path.suffix in (".json", ".cloudtrail")):
        yield from _found(json.loads(path.read_bytes()))


def _found(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict) and "eventName" in value and "eventSource" in value:
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _found(item)


RECORDS = list(_records())
