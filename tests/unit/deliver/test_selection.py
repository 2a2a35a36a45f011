"""Whose file an event goes into: Regions, global service events, selectors."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from opentrail.deliver.selection import GLOBAL_EVENT_SOURCES, TrailSelection
from opentrail.ports.journal import EventEntry
from opentrail.record import names
from tests.builders import a_trail, an_event

LEADER, ELSEWHERE = "us-east-1", "eu-west-1"
IAM = an_event("CreateUser", eventSource="iam.amazonaws.com")
EC2 = an_event("RunInstances", eventSource="ec2.amazonaws.com")
EC2_ELSEWHERE = EC2 | {"awsRegion": ELSEWHERE}
STS_ELSEWHERE = an_event("AssumeRole", eventSource="sts.amazonaws.com", awsRegion=ELSEWHERE)


def region_of(event: dict[str, Any], **trail: Any) -> str | None:
    place = TrailSelection(a_trail(is_logging=True, **trail)).place_of(event)
    return place.region if place else None


@pytest.mark.parametrize(
    ("trail", "delivered"),
    [
        ({"region": LEADER}, [LEADER, LEADER, None]),
        ({"region": LEADER, "includes_global_service_events": False}, [None, LEADER, None]),
        ({"region": LEADER, "is_multi_region": True}, [LEADER, LEADER, ELSEWHERE]),
        ({"region": ELSEWHERE}, [None, None, ELSEWHERE]),
        ({"region": ELSEWHERE, "includes_global_service_events": False}, [None, None, ELSEWHERE]),
        ({"region": ELSEWHERE, "is_multi_region": True}, [LEADER, LEADER, ELSEWHERE]),
    ],
)
def test_global_service_events_are_the_first_regions_and_asked_for_by_its_trails(
    trail: dict[str, Any], delivered: list[str | None]
) -> None:
    assert [region_of(event, **trail) for event in (IAM, EC2, EC2_ELSEWHERE)] == delivered


def test_a_regional_event_of_a_global_service_is_its_regions() -> None:
    assert region_of(STS_ELSEWHERE, region=ELSEWHERE, includes_global_service_events=False) == ELSEWHERE


@pytest.mark.parametrize("leader", ["cn-north-1", "us-gov-west-1"])
def test_every_partition_has_a_first_region(leader: str) -> None:
    event = IAM | {"awsRegion": leader}

    assert region_of(event, region=leader) == leader
    assert region_of(event, region=leader, includes_global_service_events=False) is None


def test_what_is_recorded_in_the_first_region_is_what_trails_take_for_global() -> None:
    table = orjson.loads((Path(names.__file__).parent / "data" / "names.json").read_bytes())

    assert {names.event_source(service) for service in table["global"]["services"]} == GLOBAL_EVENT_SOURCES


def test_left_out_event_source_is_left_out_of_management_events_only() -> None:
    selectors = (
        {
            "FieldSelectors": [
                {"Field": "eventCategory", "Equals": ["Management"]},
                {"Field": "eventSource", "NotEquals": ["ec2.amazonaws.com", "s3.amazonaws.com"]},
            ]
        },
        {
            "FieldSelectors": [
                {"Field": "eventCategory", "Equals": ["Data"]},
                {"Field": "resources.type", "Equals": ["AWS::S3::Object"]},
            ]
        },
    )
    bucket = an_event("CreateBucket", eventSource="s3.amazonaws.com")
    read = an_event(
        "GetObject",
        eventSource="s3.amazonaws.com",
        eventCategory="Data",
        managementEvent=False,
        resources=[{"type": "AWS::S3::Object", "ARN": "arn:aws:s3:::b/k"}],
    )

    taken = [
        region_of(event, event_selectors=(), advanced_event_selectors=selectors) for event in (IAM, EC2, bucket, read)
    ]

    assert taken == [LEADER, None, None, LEADER]


@pytest.mark.parametrize(
    "changes", [{"recipientAccountId": "999999999999"}, {"recipientAccountId": None}, {"awsRegion": None}]
)
def test_event_of_another_account_or_of_no_place_is_nobodys(changes: dict[str, Any]) -> None:
    assert region_of(EC2 | changes) is None


def test_trail_that_does_not_log_takes_nothing() -> None:
    selection = TrailSelection(a_trail(is_logging=False, is_multi_region=True))

    assert selection.choose(EventEntry(orjson.dumps(EC2))) is None
