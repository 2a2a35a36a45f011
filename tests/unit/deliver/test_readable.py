"""What people read of events, alarms and texts: one title line, few lines, nothing that controls a terminal."""

import json

import pytest

from opentrail.deliver.readable import MAX_TITLE, readable

DENIED = {
    "detail-type": "AWS API Call via CloudTrail",
    "source": "aws.s3",
    "account": "123456789012",
    "time": "2026-11-20T10:00:00Z",
    "region": "us-east-1",
    "detail": {
        "eventName": "DeleteBucket",
        "userIdentity": {"type": "IAMUser", "arn": "arn:aws:iam::123456789012:user/bob"},
        "errorCode": "AccessDenied",
        "errorMessage": "no\nway",
        "sourceIPAddress": "203.0.113.9",
        "userAgent": "aws-cli",
        "requestParameters": {"bucketName": "logs"},
        "eventID": "e-1",
    },
}


def test_a_call_is_told_by_what_who_where_and_how_it_ended() -> None:
    said = readable(json.dumps(DENIED))

    assert said.title == "DeleteBucket by arn:aws:iam::123456789012:user/bob: AccessDenied"
    assert said.text.splitlines() == [
        "2026-11-20T10:00:00Z 123456789012 us-east-1 aws.s3",
        "error: no way",
        "from 203.0.113.9, aws-cli",
        'with {"bucketName":"logs"}',
        "event e-1",
    ]
    assert said.is_summary


def test_an_alarm_is_told_by_its_state_and_reason() -> None:
    alarm = {"AlarmName": "root-used", "NewStateValue": "ALARM", "NewStateReason": "crossed", "AlarmDescription": None}

    said = readable(json.dumps(alarm))

    assert (said.title, said.text) == ("ALARM: root-used", "crossed")


@pytest.mark.parametrize(
    ("text", "title", "shown"),
    [
        ('"made by bob"', "made by bob", "made by bob"),
        ("made by bob", "made by bob", "made by bob"),
        ("[1]", "Opentrail", "[\n  1\n]"),
        ("", "Opentrail", ""),
        ('{"detail-type":1,"detail":{}}', "Opentrail", '{\n  "detail-type": 1,\n  "detail": {}\n}'),
    ],
)
def test_other_texts_are_shown_as_they_are(text: str, title: str, shown: str) -> None:
    said = readable(text)

    assert (said.title, said.text, said.is_summary) == (title, shown, False)


def test_a_subject_is_the_title_and_nothing_in_it_breaks_the_line() -> None:
    said = readable('"a\\u001b[31m"', "one\r\nBcc: two" + "x" * 300)

    assert said.title.startswith("one  Bcc: two")
    assert len(said.title) == MAX_TITLE
    assert said.text == "a [31m"


def test_hostile_values_in_an_event_stay_within_their_lines() -> None:
    detail = {"eventName": "A\nB", "userIdentity": ["x"], "sourceIPAddress": {"a": "b\n"}, "userAgent": "u\n" * 9_999}

    said = readable(json.dumps({"detail-type": "t", "detail": detail}))

    assert said.title == "A B"
    assert len(said.text.splitlines()) == 2
    assert len(said.text) < 1_000
