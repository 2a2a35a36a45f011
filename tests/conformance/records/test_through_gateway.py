"""What boto3 does through the gateway is recorded as CloudTrail records it: log files against real records."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.records.comparison import covers
from tests.conformance.records.gateway_comparison import (
    GATEWAY_EXPLAINED,
    documented,
    figures,
    is_upstreams,
    lines_of,
    table,
    verdict_of,
)
from tests.conformance.records.gateway_session import Made, make_calls
from tests.conformance.records.gateway_session import rows as call_rows
from tests.conformance.records.witnesses import CORPUS
from tests.support.moto_server import moto_server
from tests.support.server import RunningServer

if not CORPUS.is_dir() and not os.environ.get("CI"):
    pytest.skip(f"no corpus at {CORPUS}", allow_module_level=True)

pytestmark = [pytest.mark.xdist_group("through-gateway"), pytest.mark.slow]

ROWS = [row for row in call_rows() if not row.is_aside]
WITH_WITNESS = [row for row in ROWS if row.witness is not None]
WITHOUT = [row for row in ROWS if row.witness is None]
LEAST_OPERATIONS, LEAST_WITNESSES = 150, 130
NAMED_SERVICES = (
    "cloudformation",
    "cloudtrail",
    "dynamodb",
    "ec2",
    "iam",
    "kms",
    "lambda",
    "rds",
    "route53",
    "s3",
    "secretsmanager",
    "sns",
    "sqs",
    "ssm",
    "sts",
)


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, Made]]:
    """Every call of the table, made once: moto behind a whole Opentrail, events read from the delivered log files."""
    home: Path = tmp_path_factory.mktemp("through-gateway") / "home"
    with moto_server() as url:
        settings = {f"OPENTRAIL_UPSTREAM_{service}": url for service in ("KMS", "SNS", "STS")}
        server = RunningServer(home, upstream=url, settings=settings).start()
        try:
            yield {made.row.number: made for made in make_calls(server)}
        finally:
            server.close()


@pytest.mark.parametrize("row", WITH_WITNESS, ids=lambda row: row.id)
def test_the_event_is_the_real_record_but_for_explained_differences(row: Any, calls: dict[int, Made]) -> None:
    _, unexplained = verdict_of(calls[row.number])

    assert unexplained == []


@pytest.mark.parametrize("row", WITHOUT, ids=lambda row: row.id)
def test_the_event_of_a_call_without_a_real_record_is_as_documented(row: Any, calls: dict[int, Made]) -> None:
    event, expected = calls[row.number].event, row.content["expect"]

    seen = {name: event.get(name) for name in ("eventName", "readOnly", "eventCategory", "apiVersion")}
    seen |= {name: sorted(event[name] or {}) for name in ("requestParameters", "responseElements")}
    seen["resources"] = [resource.get("type") for resource in event.get("resources", ())]

    assert seen == {"eventName": row.operation.name, "apiVersion": None, "responseElements": [], "resources": []} | (
        expected
    )
    assert event["managementEvent"] is (expected["eventCategory"] == "Management")
    assert event["eventType"] == "AwsApiCall"


def test_the_table_covers_every_service_and_what_was_promised() -> None:
    witnessed = {row.operation for row in WITH_WITNESS}

    assert sorted({row.operation.service for row in ROWS}) == list(NAMED_SERVICES)
    assert len({row.operation for row in ROWS}) >= LEAST_OPERATIONS
    assert len(witnessed) >= LEAST_WITNESSES


def test_every_event_names_its_caller(calls: dict[int, Made]) -> None:
    identities = [made.event["userIdentity"] for made in calls.values()]

    assert {identity["type"] for identity in identities} == {"Root"}
    assert {identity["accountId"] for identity in identities} == {"123456789012"}
    own = [made.event["additionalEventData"]["opentrail"] for made in calls.values() if _has_own_members(made.event)]
    assert not [members for members in own if "identity" in members]


def _has_own_members(event: dict[str, Any]) -> bool:
    return "opentrail" in (event.get("additionalEventData") or {})


def test_the_documentation_has_every_explained_difference_and_the_figures(calls: dict[int, Made]) -> None:
    compared = [made for made in calls.values() if not made.row.is_aside]
    said = figures(compared)
    print(said)

    assert documented() == (table(), said)


def test_every_difference_of_the_gateway_alone_is_still_there(calls: dict[int, Made]) -> None:
    seen = [
        (made.row.operation.service, made.row.operation.name, line)
        for made in calls.values()
        if made.row.witness is not None and not made.row.is_aside
        for line in lines_of(made)
        if not is_upstreams(line, made)
    ]
    own = json.loads(GATEWAY_EXPLAINED.read_text())["rows"]

    assert [row["why"] for row in own if not any(covers(row, *difference) for difference in seen)] == []
