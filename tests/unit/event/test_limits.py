"""Size rules of an event."""

from typing import Any

import orjson
import pytest

from opentrail.event.fields import add_own_members, in_order
from opentrail.event.limits import CONTENT_LIMITS, EVENT_LIMIT_BYTES, TEXT_LIMIT_BYTES, bound_event


@pytest.mark.parametrize("field", ["userAgent", "errorCode", "errorMessage", "requestID"])
def test_a_long_text_field_is_cut_at_one_kilobyte(field: str) -> None:
    event = {"eventName": "X", field: "ä" * 2000}

    bound_event(event)

    assert event[field] == "ä" * (TEXT_LIMIT_BYTES // 2)


@pytest.mark.parametrize("field", sorted(CONTENT_LIMITS))
def test_content_is_kept_at_its_limit_and_omitted_one_byte_over(field: str) -> None:
    overhead = len(orjson.dumps({"k": ""}))
    at_limit: dict[str, Any] = {field: {"k": "x" * (CONTENT_LIMITS[field] - overhead)}}
    over: dict[str, Any] = {field: {"k": "x" * (CONTENT_LIMITS[field] - overhead + 1)}}

    bound_event(at_limit)
    bound_event(over)

    assert "omitted" not in at_limit[field]
    assert over[field]["omitted"] is True
    assert over[field]["originalSize"] == CONTENT_LIMITS[field] + 1


def test_what_opentrail_says_survives_an_omission() -> None:
    event: dict[str, Any] = {"additionalEventData": {"x": "y" * 40_000}}
    add_own_members(event, outcome="unknown")

    bound_event(event)

    assert event["additionalEventData"]["opentrail"] == {"outcome": "unknown"}
    assert event["additionalEventData"]["omitted"] is True


def test_too_many_resources_are_dropped_from_the_end() -> None:
    event: dict[str, Any] = {"resources": [{"ARN": f"arn:{number}" * 40} for number in range(500)]}

    bound_event(event)

    assert event["resources"][0] == {"ARN": "arn:0" * 40}
    assert 0 < len(event["resources"]) < 500


def test_no_combination_exceeds_the_whole_events_limit() -> None:
    event: dict[str, Any] = {name: {"k": "x" * (limit - 20)} for name, limit in CONTENT_LIMITS.items()}
    event |= {
        "eventSource": "s" * 300_000,
        "userIdentity": {"type": "Root", "arn": "a" * 300_000},
        "odd": ["x" * 9_000],
    }

    encoded = bound_event(event)

    assert len(encoded) <= EVENT_LIMIT_BYTES
    assert encoded == orjson.dumps(event)
    assert event["userIdentity"] == {"type": "Root"}


def test_fields_come_in_cloudtrails_order_and_unknown_ones_follow() -> None:
    event = {"zebra": 1, "eventID": "e", "userIdentity": {}, "eventVersion": "1.11"}

    assert list(in_order(event)) == ["eventVersion", "userIdentity", "eventID", "zebra"]


def test_own_members_add_up_and_none_is_no_member() -> None:
    event: dict[str, Any] = {"additionalEventData": {"SignatureVersion": "SigV4"}}

    add_own_members(event, identity="claimed", signingRegion=None)
    add_own_members(event, outcome="unknown")

    assert event["additionalEventData"] == {
        "SignatureVersion": "SigV4",
        "opentrail": {"identity": "claimed", "outcome": "unknown"},
    }
