"""Our record of a call has the shape of CloudTrail's own record of it."""

import json
import os
from datetime import UTC, datetime
from functools import cache

import pytest

from opentrail.clock import RandomIdentifiers
from opentrail.event import Event
from opentrail.http_message import HttpResponse
from opentrail.protocol.responses import format_error, format_response
from opentrail.protocol.scope import read_scope
from opentrail.record.events import EventBuilder
from tests.conformance.records.comparison import EXPLAINED, covers, differences, unexplained
from tests.conformance.records.witnesses import CORPUS, Witness, caller_of, request_of, response_output, witnesses

NOW = datetime(2023, 7, 10, 12, 24, 29, tzinfo=UTC)

if not CORPUS.is_dir() and not os.environ.get("CI"):
    pytest.skip(f"no corpus at {CORPUS}", allow_module_level=True)

WITNESSES = list(witnesses())


@pytest.mark.parametrize("witness", WITNESSES, ids=lambda witness: witness.id)
def test_our_record_has_the_shape_of_the_real_one(witness: Witness) -> None:
    lines = differences(_our_record(witness.id), witness.record)

    assert unexplained(witness.operation.service, witness.operation.name, lines) == []


def test_the_witnesses_cover_every_service_with_complete_events() -> None:
    counted: dict[str, set[str]] = {}
    for witness in WITNESSES:
        counted.setdefault(witness.operation.service, set()).add(witness.operation.name)

    assert {name: len(operations) >= least for name, least in _LEAST.items() for operations in [counted[name]]} == (
        dict.fromkeys(_LEAST, True)
    )


def test_every_explained_difference_is_still_there() -> None:
    rows = json.loads(EXPLAINED.read_text())["rows"]
    seen = [
        (witness.operation.service, witness.operation.name, line)
        for witness in WITNESSES
        for line in differences(_our_record(witness.id), witness.record)
    ]

    needless = [row["why"] for row in rows if not any(covers(row, *difference) for difference in seen)]

    assert needless == []


_LEAST = {"cloudtrail": 9, "ec2": 90, "iam": 50, "kms": 4, "lambda": 9, "s3": 25, "sts": 4}


@cache
def _our_record(witness_id: str) -> Event:
    witness = next(item for item in WITNESSES if item.id == witness_id)
    builder = EventBuilder(
        default_account_id=witness.record["recipientAccountId"],
        default_region="us-east-1",
        regions=lambda: (),
        identifiers=RandomIdentifiers(),
    )
    request = request_of(witness)
    event = builder.begin(request, witness.operation, read_scope(request), caller_of(witness.record), NOW)
    return builder.finish(event, witness.operation, _response(witness), NOW)


def _response(witness: Witness) -> HttpResponse:
    code = witness.record.get("errorCode")
    if code:
        message = witness.record.get("errorMessage") or ""
        return format_error(
            witness.operation, code.removeprefix("Client."), message, 400, "4f3b1c2d-0000-4000-8000-000000000000"
        )
    return format_response(witness.operation, response_output(witness), "4f3b1c2d-0000-4000-8000-000000000000")
