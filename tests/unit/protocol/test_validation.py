"""Validation messages, as AWS words them."""

from typing import Any

import pytest

from opentrail.protocol import Operation
from opentrail.protocol.patterns import compile_pattern
from opentrail.protocol.validation import MAX_VIOLATIONS, ValidationError, validate

PREFIX = "1 validation error detected: "

CASES: list[tuple[str, str, dict[str, Any], str]] = [
    (
        "cloudtrail",
        "CreateTrail",
        {},
        "2 validation errors detected: Value null at 'name' failed to satisfy constraint: Member must not be null; "
        "Value null at 's3BucketName' failed to satisfy constraint: Member must not be null",
    ),
    (
        "cloudtrail",
        "UpdateEventDataStore",
        {"EventDataStore": "abc", "RetentionPeriod": 3654},
        PREFIX + "Value '3654' at 'retentionPeriod' failed to satisfy constraint: "
        "Member must have value less than or equal to 3653",
    ),
    (
        "cloudtrail",
        "LookupEvents",
        {"MaxResults": 0},
        PREFIX + "Value '0' at 'maxResults' failed to satisfy constraint: "
        "Member must have value greater than or equal to 1",
    ),
    (
        "cloudtrail",
        "LookupEvents",
        {"LookupAttributes": [{"AttributeKey": "Color", "AttributeValue": "red"}]},
        PREFIX + "Value 'Color' at 'lookupAttributes.1.member.attributeKey' failed to satisfy constraint: "
        "Member must satisfy enum value set: [EventId, EventName, ReadOnly, Username, ResourceType, ResourceName, "
        "EventSource, AccessKeyId]",
    ),
    (
        "iam",
        "CreateUser",
        {"UserName": "a b"},
        PREFIX + "Value 'a b' at 'userName' failed to satisfy constraint: "
        r"Member must satisfy regular expression pattern: [\w+=,.@-]+",
    ),
    (
        "iam",
        "ChangePassword",
        {"OldPassword": "", "NewPassword": "x"},
        "2 validation errors detected: Value at 'oldPassword' failed to satisfy constraint: "
        "Member must have length greater than or equal to 1; Value at 'oldPassword' failed to satisfy constraint: "
        r"Member must satisfy regular expression pattern: [\u0009\u000A\u000D\u0020-\u00FF]+",
    ),
    (
        "logs",
        "TagResource",
        {"resourceArn": "arn:aws:logs:us-east-1:123456789012:log-group:x", "tags": {"k": "v" * 257}},
        PREFIX + "Value '{k=" + "v" * 253 + "...' at 'tags' failed to satisfy constraint: Map value must satisfy "
        "constraint: [Member must have length less than or equal to 256, Member must satisfy regular expression "
        r"pattern: ^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$]",
    ),
]


@pytest.mark.parametrize(("service", "name", "parameters", "message"), CASES)
def test_messages_are_those_of_aws(service: str, name: str, parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        validate(Operation(service, name), parameters)

    assert str(caught.value) == message


def test_valid_parameters_pass() -> None:
    validate(Operation("cloudtrail", "CreateTrail"), {"Name": "t", "S3BucketName": "b", "TagsList": [{"Key": "k"}]})
    validate(Operation("sts", "GetCallerIdentity"), {})
    validate(Operation("cloudtrail", "StopLogging"), {"Name": "t"})


def test_letters_beyond_ascii_are_letters_where_the_pattern_says_so() -> None:
    role = {"RoleArn": "arn:aws:iam::123456789012:role/r", "RoleSessionName": "session"}

    validate(Operation("sts", "AssumeRole"), role | {"Tags": [{"Key": "équipe", "Value": "rouge 紅"}]})
    with pytest.raises(ValidationError):
        validate(Operation("sts", "AssumeRole"), role | {"Tags": [{"Key": "a*b", "Value": "x"}]})
    with pytest.raises(ValidationError):
        validate(Operation("iam", "CreateUser"), {"UserName": "é"})


def test_a_message_tells_a_bounded_number_of_violations() -> None:
    bad = [{"AttributeKey": "x", "AttributeValue": "y"}] * 5000

    with pytest.raises(ValidationError) as caught:
        validate(Operation("cloudtrail", "LookupEvents"), {"LookupAttributes": bad})

    assert str(caught.value).startswith(f"{MAX_VIOLATIONS} validation errors detected: ")
    assert len(str(caught.value)) < 10_000


def test_a_long_value_is_cut_in_the_message() -> None:
    with pytest.raises(ValidationError) as caught:
        validate(Operation("iam", "CreateUser"), {"UserName": "x" * 100_000})

    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        (r"[\p{L}]+", "é", True),
        (r"[\P{L}]+", "é", False),
        (r"\p{Print}*", "~ ", True),
        ("[\\u0020-\\uD7FF\\uE000-\\uFFFD\\uD800\\uDC00-\\uDBFF\\uDFFF\\r\\n\\t]*", "😀", True),
        (r"\d+", "٣", False),
        (r"[a-z]\]x", "a]x", True),
    ],
)
def test_javas_patterns_mean_what_they_mean_in_java(pattern: str, text: str, matches: bool) -> None:
    compiled = compile_pattern(pattern)

    assert compiled is not None
    assert bool(compiled.fullmatch(text)) is matches


def test_a_pattern_that_python_cannot_say_is_none() -> None:
    assert compile_pattern(r"[\p{all}]*") is None
