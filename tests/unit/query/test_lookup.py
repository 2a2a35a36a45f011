"""From history pages to LookupEvents' members, and the checks of its input."""

from datetime import UTC, datetime, timedelta

import orjson
import pytest

from opentrail.ports.event_history import LookupKey, LookupPage
from opentrail.query import lookup

NOW = datetime(2024, 5, 10, 12, tzinfo=UTC)
EVENT = {
    "userIdentity": {"type": "IAMUser", "userName": "alice", "accessKeyId": "AKIA1"},
    "eventTime": "2024-05-10T11:59:58Z",
    "eventSource": "s3.amazonaws.com",
    "eventName": "CreateBucket",
    "requestParameters": {"bucketName": "pond"},
    "eventID": "id-1",
    "readOnly": False,
    "resources": [{"ARN": "arn:aws:s3:::pond"}],
}


def test_a_page_becomes_events_with_every_member() -> None:
    data = orjson.dumps(EVENT)

    assert lookup.lookup_events(LookupPage((data,), "")) == [
        {
            "EventId": "id-1",
            "EventName": "CreateBucket",
            "ReadOnly": "false",
            "AccessKeyId": "AKIA1",
            "EventTime": datetime(2024, 5, 10, 11, 59, 58, tzinfo=UTC),
            "EventSource": "s3.amazonaws.com",
            "Username": "alice",
            "Resources": [
                {"ResourceName": "arn:aws:s3:::pond"},
                {"ResourceType": "AWS::S3::Bucket", "ResourceName": "pond"},
            ],
            "CloudTrailEvent": data.decode(),
        }
    ]


def test_absent_members_are_left_out_but_resources_is_a_list() -> None:
    event = lookup.lookup_event(b'{"eventID":"id-2","eventTime":"noon"}')

    assert event == {"EventId": "id-2", "Resources": [], "CloudTrailEvent": '{"eventID":"id-2","eventTime":"noon"}'}


def test_a_start_after_the_end_is_refused_and_one_instant_is_a_range() -> None:
    with pytest.raises(lookup.InvalidTimeRange):
        lookup.check_time_range(NOW, NOW - timedelta(seconds=1), NOW)

    assert lookup.check_time_range(NOW, NOW, NOW) == lookup.TimeRange(NOW, NOW)


def test_a_start_before_the_retention_is_open_and_a_later_one_is_kept() -> None:
    old, recent = NOW - timedelta(days=91), NOW - timedelta(days=89)

    assert lookup.check_time_range(old, None, NOW) == lookup.TimeRange(None, None)
    assert lookup.check_time_range(recent, None, NOW) == lookup.TimeRange(recent, None)


def test_some_characters_of_a_value_count_twice() -> None:
    assert lookup.attribute_cost("abc") == 3
    assert lookup.attribute_cost("a_b c,d\n") == 12


def test_attribute_keys_are_case_sensitive() -> None:
    assert lookup.lookup_key("ResourceName") is LookupKey.RESOURCE_NAME
    assert lookup.lookup_key("resourcename") is None
