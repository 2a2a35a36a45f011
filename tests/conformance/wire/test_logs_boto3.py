"""CloudWatch Logs as boto3 sees it: groups, streams, events, tags and filters, with the service's own answers."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from opentrail.identity import Credential
from tests.builders import ACCOUNT, REGION, a_credential, a_user, a_user_principal
from tests.support.api import ApiInThread, recorded
from tests.support.corpus import shared

Connect = Callable[..., Any]

GROUP = "/audit/trails"
GROUP_ARN = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{GROUP}"


@pytest.fixture
def logs(connect: Connect) -> Any:
    return connect("logs")


@pytest.fixture
def group(logs: Any) -> str:
    logs.create_log_group(logGroupName=GROUP)
    logs.create_log_stream(logGroupName=GROUP, logStreamName="one")
    return GROUP


def error_of(call: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(ClientError) as refused:
        call()
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


def now_ms() -> int:
    return int(time.time() * 1000)


def put(logs: Any, *events: tuple[int, str], stream: str = "one", **more: Any) -> Any:
    told = [{"timestamp": timestamp, "message": message} for timestamp, message in events]
    return logs.put_log_events(logGroupName=GROUP, logStreamName=stream, logEvents=told, **more)


def user(api: ApiInThread, policy: str) -> Credential:
    credential = a_credential(a_user_principal(), "AKIAREADER0000000001")
    api.do(api.world.identities.create_user(a_user("anaya", reading=policy)))
    api.do(api.world.identities.add_credential(credential))
    return credential


def test_a_group_is_described_as_the_service_describes_it(logs: Any) -> None:
    logs.create_log_group(logGroupName=GROUP, tags={"env": "test"})
    logs.put_retention_policy(logGroupName=GROUP, retentionInDays=90)

    [shown] = logs.describe_log_groups()["logGroups"]

    created = shown.pop("creationTime")
    assert abs(created - now_ms()) < 60_000
    assert shown == {
        "logGroupName": GROUP,
        "retentionInDays": 90,
        "metricFilterCount": 0,
        "arn": f"{GROUP_ARN}:*",
        "storedBytes": 0,
        "logGroupClass": "STANDARD",
        "logGroupArn": GROUP_ARN,
        "deletionProtectionEnabled": False,
    }
    logs.delete_retention_policy(logGroupName=GROUP)
    assert "retentionInDays" not in logs.describe_log_groups()["logGroups"][0]
    assert "storedBytes" not in logs.describe_log_groups(logGroupNamePattern="trails")["logGroups"][0]


def test_groups_are_paged_in_the_order_of_their_names(logs: Any) -> None:
    for name in ("b", "a/2", "a/1", "A"):
        logs.create_log_group(logGroupName=name)

    pages = list(logs.get_paginator("describe_log_groups").paginate(PaginationConfig={"PageSize": 3}))
    assert [group["logGroupName"] for page in pages for group in page["logGroups"]] == ["A", "a/1", "a/2", "b"]
    assert [len(page["logGroups"]) for page in pages] == [3, 1]
    named = logs.describe_log_groups(logGroupNamePrefix="a/")["logGroups"]
    assert [group["logGroupName"] for group in named] == ["a/1", "a/2"]
    identified = logs.describe_log_groups(logGroupIdentifiers=["b", named[0]["logGroupArn"]])["logGroups"]
    assert [group["logGroupName"] for group in identified] == ["a/1", "b"]
    listed = logs.list_log_groups(logGroupNamePattern="^a/1|xyz")["logGroups"]
    assert listed == [{key: named[0][key] for key in ("logGroupName", "logGroupArn", "logGroupClass")}]


def test_what_breaks_the_rules_of_groups_is_refused_in_the_service_s_words(logs: Any, group: str) -> None:
    refused = [
        lambda: logs.create_log_group(logGroupName=GROUP),
        lambda: logs.create_log_group(logGroupName="x" * 513),
        lambda: logs.create_log_group(logGroupName="AWS/own"),
        lambda: logs.delete_log_group(logGroupName="missing"),
        lambda: logs.describe_log_groups(logGroupNamePrefix="a", logGroupNamePattern="b"),
        lambda: logs.describe_log_groups(nextToken="garbage"),
        lambda: logs.put_retention_policy(logGroupName=GROUP, retentionInDays=2),
        lambda: logs.describe_log_streams(logGroupName=GROUP, logGroupIdentifier=GROUP),
    ]

    assert [error_of(call) for call in refused] == [
        ("ResourceAlreadyExistsException", "The specified log group already exists"),
        (
            "InvalidParameterException",
            "Invalid LogGroup or LogStream, both must have length less than or equal to 512.",
        ),
        ("InvalidParameterException", "Log groups starting with AWS/ are reserved for AWS."),
        ("ResourceNotFoundException", "The specified log group does not exist."),
        (
            "InvalidParameterException",
            "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.",
        ),
        ("InvalidParameterException", "The specified nextToken is invalid."),
        (
            "InvalidParameterException",
            "1 validation error detected: Value '2' at 'retentionInDays' failed to satisfy constraint: Member must "
            "satisfy enum value set: [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, "
            "2557, 2922, 3288, 3653]",
        ),
        ("ValidationException", "LogGroup name and LogGroup ARN are mutually exclusive parameters."),
    ]


def test_a_protected_group_is_not_deleted(logs: Any, group: str) -> None:
    logs.put_log_group_deletion_protection(logGroupIdentifier=GROUP_ARN, deletionProtectionEnabled=True)
    assert error_of(lambda: logs.delete_log_group(logGroupName=GROUP))[0] == "ValidationException"

    logs.put_log_group_deletion_protection(logGroupIdentifier=GROUP, deletionProtectionEnabled=False)
    logs.delete_log_group(logGroupName=GROUP)
    assert logs.describe_log_groups()["logGroups"] == []


def test_tags_of_both_generations_are_the_same_tags(logs: Any, group: str) -> None:
    logs.tag_resource(resourceArn=GROUP_ARN, tags={"a": "1", "b": "2"})
    logs.tag_log_group(logGroupName=GROUP, tags={"b": "3", "c": ""})
    logs.untag_resource(resourceArn=GROUP_ARN, tagKeys=["a", "missing"])

    assert logs.list_tags_for_resource(resourceArn=GROUP_ARN)["tags"] == {"b": "3", "c": ""}
    logs.untag_log_group(logGroupName=GROUP, tags=["b"])
    assert logs.list_tags_log_group(logGroupName=GROUP)["tags"] == {"c": ""}
    many = {str(number): "" for number in range(50)}
    assert error_of(lambda: logs.tag_resource(resourceArn=GROUP_ARN, tags=many))[0] == "TooManyTagsException"
    assert error_of(lambda: logs.tag_resource(resourceArn=GROUP_ARN, tags={"aws:x": ""}))[0] == (
        "InvalidParameterException"
    )


def test_streams_are_described_by_name_and_by_their_last_event(logs: Any, group: str) -> None:
    logs.create_log_stream(logGroupName=GROUP, logStreamName="two")
    now = now_ms()
    put(logs, (now - 5, "a"), (now, "b"))

    streams = logs.describe_log_streams(logGroupIdentifier=GROUP_ARN)["logStreams"]
    assert [stream["logStreamName"] for stream in streams] == ["one", "two"]
    assert (streams[0]["firstEventTimestamp"], streams[0]["lastEventTimestamp"]) == (now - 5, now)
    assert streams[0]["arn"] == f"{GROUP_ARN}:log-stream:one"
    assert set(streams[1]) == {"logStreamName", "creationTime", "arn", "storedBytes"}
    by_time = {"orderBy": "LastEventTime", "descending": True, "limit": 1}
    first = logs.describe_log_streams(logGroupName=GROUP, **by_time)
    second = logs.describe_log_streams(logGroupName=GROUP, nextToken=first["nextToken"], **by_time)
    assert [page["logStreams"][0]["logStreamName"] for page in (first, second)] == ["one", "two"]
    assert "nextToken" not in second
    again = error_of(lambda: logs.create_log_stream(logGroupName=GROUP, logStreamName="one"))
    assert again == ("ResourceAlreadyExistsException", "The specified log stream already exists")


def test_a_stream_made_again_has_nothing_of_the_one_before(logs: Any, group: str) -> None:
    put(logs, (now_ms(), "old"))
    logs.delete_log_stream(logGroupName=GROUP, logStreamName="one")
    assert error_of(lambda: put(logs, (now_ms(), "lost"))) == (
        "ResourceNotFoundException",
        "The specified log stream does not exist.",
    )

    logs.create_log_stream(logGroupName=GROUP, logStreamName="one")

    assert logs.filter_log_events(logGroupName=GROUP)["events"] == []


def test_events_are_paged_forwards_and_backwards_until_the_same_token_comes_back(logs: Any, group: str) -> None:
    now = now_ms()
    put(logs, *((now + number, str(number)) for number in range(5)))

    def page(**how: Any) -> tuple[str, Any]:
        answer = logs.get_log_events(logGroupName=GROUP, logStreamName="one", limit=2, **how)
        return "".join(event["message"] for event in answer["events"]), answer

    shown, answer = page(startFromHead=True)
    seen = [shown]
    while True:
        shown, following = page(startFromHead=True, nextToken=answer["nextForwardToken"])
        if following["nextForwardToken"] == answer["nextForwardToken"]:
            break
        answer = following
        seen.append(shown)
    assert seen == ["01", "23", "4"]
    shown, answer = page()
    assert shown == "34"
    assert page(nextToken=answer["nextBackwardToken"])[0] == "12"
    assert page(startTime=now + 1, endTime=now + 3, startFromHead=True)[0] == "12"
    assert error_of(lambda: page(nextToken="f/garbage")) == (
        "InvalidParameterException",
        "The specified nextToken is invalid.",
    )


def test_a_forward_token_of_an_empty_stream_finds_what_comes_later(logs: Any, group: str) -> None:
    empty = logs.get_log_events(logGroupName=GROUP, logStreamName="one", startFromHead=True)
    assert empty["events"] == []

    put(logs, (now_ms(), "later"))

    token = empty["nextForwardToken"]
    found = logs.get_log_events(logGroupName=GROUP, logStreamName="one", nextToken=token, startFromHead=True)
    assert [event["message"] for event in found["events"]] == ["later"]


def test_what_is_too_old_too_new_or_expired_is_reported_and_the_rest_kept(logs: Any, group: str) -> None:
    now, day = now_ms(), 86_400_000
    assert put(logs, (now - 15 * day, "old"))["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 1}
    assert put(logs, (now, "kept"), (now + 3 * 3_600_000, "new"))["rejectedLogEventsInfo"] == {
        "tooNewLogEventStartIndex": 1
    }
    logs.put_retention_policy(logGroupName=GROUP, retentionInDays=1)
    told = put(logs, (now - day - 60_000, "expired"), (now - day // 2, "kept too"))
    assert told["rejectedLogEventsInfo"] == {"expiredLogEventEndIndex": 1}

    kept = logs.filter_log_events(logGroupName=GROUP)["events"]
    assert [event["message"] for event in kept] == ["kept too", "kept"]
    assert "rejectedLogEventsInfo" not in put(logs, (now, "fine"), sequenceToken="whatever")


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ([(2, "b"), (1, "a")], "Log events in a single PutLogEvents request must be in chronological order."),
        (
            [(0, "a"), (86_400_001, "b")],
            "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.",
        ),
        (
            [(0, "")],
            "1 validation error detected: Value '' at 'logEvents.1.member.message' failed to satisfy constraint: "
            "Member must have length greater than or equal to 1",
        ),
    ],
)
def test_a_batch_that_breaks_the_rules_is_refused_whole(
    logs: Any, group: str, events: list[tuple[int, str]], message: str
) -> None:
    start = now_ms() - 100_000_000

    refused = error_of(lambda: put(logs, *((start + offset, text) for offset, text in events)))

    assert refused == ("InvalidParameterException", message)
    assert logs.filter_log_events(logGroupName=GROUP)["events"] == []


def test_a_group_s_events_are_filtered_over_streams_in_order(logs: Any, group: str) -> None:
    logs.create_log_stream(logGroupName=GROUP, logStreamName="two")
    now = now_ms()
    put(logs, (now, '{"n": 1}'), (now + 2, '{"n": 3}'))
    put(logs, (now + 1, '{"n": 2}'), (now + 3, "text"), stream="two")

    def found(**how: Any) -> list[str]:
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=GROUP, **how)
        return [event["message"] for page in pages for event in page["events"]]

    assert found() == ['{"n": 1}', '{"n": 2}', '{"n": 3}', "text"]
    assert found(filterPattern="{ $.n > 1 }") == ['{"n": 2}', '{"n": 3}']
    assert found(startTime=now + 1, endTime=now + 2) == ['{"n": 2}', '{"n": 3}']
    assert found(logStreamNames=["two"]) == ['{"n": 2}', "text"]
    assert found(logStreamNamePrefix="o", PaginationConfig={"PageSize": 1}) == ['{"n": 1}', '{"n": 3}']
    assert found(startFromHead=False, PaginationConfig={"PageSize": 3})[0] == "text"
    first = logs.filter_log_events(logGroupName=GROUP, limit=1)
    event = first["events"][0]
    assert (event["logStreamName"], event["timestamp"], len(event["eventId"])) == ("one", now, 56)
    assert first["searchedLogStreams"] == []
    other = {"logGroupName": GROUP, "filterPattern": "x", "nextToken": first["nextToken"]}
    assert error_of(lambda: logs.filter_log_events(**other))[1] == "The specified nextToken is invalid."
    assert error_of(lambda: logs.filter_log_events(logGroupName=GROUP, filterPattern="{ $.a == 1 }")) == (
        "InvalidParameterException",
        "Invalid metric filter pattern",
    )
    assert error_of(lambda: logs.filter_log_events(logGroupName=GROUP, limit=10_001))[1] == (
        "1 validation error detected: Value '10001' at 'limit' failed to satisfy constraint: "
        "Member must have value less than or equal to 10000"
    )


TRANSFORMATION = {"metricName": "Calls", "metricNamespace": "Audit", "metricValue": "1"}


def test_metric_filters_are_kept_as_they_were_set(logs: Any, group: str) -> None:
    logs.put_metric_filter(
        logGroupName=GROUP,
        filterName="root",
        filterPattern='{ $.userIdentity.type = "Root" }',
        metricTransformations=[{**TRANSFORMATION, "defaultValue": 0}],
    )

    [shown] = logs.describe_metric_filters(logGroupName=GROUP)["metricFilters"]

    assert shown.pop("creationTime") > 0
    assert shown == {
        "filterName": "root",
        "filterPattern": '{ $.userIdentity.type = "Root" }',
        "metricTransformations": [{**TRANSFORMATION, "defaultValue": 0.0}],
        "logGroupName": GROUP,
        "applyOnTransformedLogs": False,
    }
    assert logs.describe_log_groups()["logGroups"][0]["metricFilterCount"] == 1
    found = logs.describe_metric_filters(metricName="Calls", metricNamespace="Audit")["metricFilters"]
    assert [one["filterName"] for one in found] == ["root"]
    assert logs.describe_metric_filters(metricName="Other", metricNamespace="Audit")["metricFilters"] == []
    logs.delete_metric_filter(logGroupName=GROUP, filterName="root")
    assert error_of(lambda: logs.delete_metric_filter(logGroupName=GROUP, filterName="root"))[0] == (
        "ResourceNotFoundException"
    )


def test_metric_filters_that_break_the_rules_are_refused(logs: Any, group: str) -> None:
    def refused(pattern: str = "x", **changes: Any) -> tuple[str, str]:
        transformation = {**TRANSFORMATION, **changes}
        return error_of(
            lambda: logs.put_metric_filter(
                logGroupName=GROUP, filterName="f", filterPattern=pattern, metricTransformations=[transformation]
            )
        )

    assert refused(metricValue="$.values[*]") == (
        "InvalidParameterException",
        "Invalid metric transformation: metric value $.values[*] must be a valid number",
    )
    assert refused("{ $.a = 1 }", dimensions={"a": "$.a"}, defaultValue=1)[0] == "InvalidParameterException"
    assert refused("term", dimensions={"a": "$.a"})[0] == "InvalidParameterException"
    assert refused("{ $.a == 1 }") == ("InvalidParameterException", "Invalid metric filter pattern")
    for number in range(5):
        logs.put_metric_filter(
            logGroupName=GROUP,
            filterName=str(number),
            filterPattern="{ $.a = %x% }",
            metricTransformations=[TRANSFORMATION],
        )
    assert refused("%y%") == ("LimitExceededException", "Resource limit exceeded.")


def test_subscription_filters_are_kept_and_bounded(logs: Any, group: str) -> None:
    function = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f"

    def subscribe(name: str, destination: str = function, **more: Any) -> Any:
        return logs.put_subscription_filter(
            logGroupName=GROUP, filterName=name, filterPattern="", destinationArn=destination, **more
        )

    subscribe("a")
    [shown] = logs.describe_subscription_filters(logGroupName=GROUP)["subscriptionFilters"]
    assert shown.pop("creationTime") > 0
    assert shown == {
        "filterName": "a",
        "logGroupName": GROUP,
        "filterPattern": "",
        "destinationArn": function,
        "distribution": "ByLogStream",
        "applyOnTransformedLogs": False,
    }
    stream = f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/s"
    assert error_of(lambda: subscribe("b", stream)) == (
        "InvalidParameterException",
        "destinationArn for vendor kinesis cannot be used without roleArn",
    )
    subscribe("b", stream, roleArn=f"arn:aws:iam::{ACCOUNT}:role/r")
    assert error_of(lambda: subscribe("c")) == ("LimitExceededException", "Resource limit exceeded.")
    other = f"arn:aws:lambda:{REGION}:222222222222:function:f"
    assert error_of(lambda: subscribe("c", other))[0] == "AccessDeniedException"
    logs.delete_subscription_filter(logGroupName=GROUP, filterName="a")
    assert error_of(lambda: logs.delete_subscription_filter(logGroupName=GROUP, filterName="a")) == (
        "ResourceNotFoundException",
        "The specified subscription filter does not exist.",
    )


def test_another_account_and_region_have_groups_of_their_own(logs: Any, group: str, connect: Connect) -> None:
    elsewhere = connect("logs", region="eu-west-1")

    assert elsewhere.describe_log_groups()["logGroups"] == []
    assert error_of(lambda: elsewhere.filter_log_events(logGroupIdentifier=GROUP_ARN)) == (
        "ResourceNotFoundException",
        "The specified log group does not exist.",
    )


def test_a_policy_decides_by_action_group_and_stream(api: ApiInThread, connect: Connect, logs: Any, group: str) -> None:
    logs.create_log_group(logGroupName="other")
    policy = (
        '{"Version": "2012-10-17", "Statement": ['
        f'{{"Effect": "Allow", "Action": "logs:*", "Resource": "{GROUP_ARN}:*"}},'
        f'{{"Effect": "Deny", "Action": "logs:PutLogEvents", "Resource": "{GROUP_ARN}:log-stream:one"}}]}}'
    )
    theirs = connect("logs", credential=user(api, policy))

    assert theirs.describe_log_streams(logGroupName=GROUP)["logStreams"]
    theirs.create_log_stream(logGroupName=GROUP, logStreamName="two")
    put(theirs, (now_ms(), "fine"), stream="two")
    assert error_of(lambda: put(theirs, (now_ms(), "not fine")))[0] == "AccessDeniedException"
    code, message = error_of(lambda: theirs.filter_log_events(logGroupName="other"))
    assert code == "AccessDeniedException"
    assert message.endswith(
        f"is not authorized to perform: logs:FilterLogEvents on resource: arn:aws:logs:{REGION}:{ACCOUNT}:"
        "log-group:other:log-stream: because no identity-based policy allows the logs:FilterLogEvents action"
    )
    assert error_of(theirs.describe_log_groups)[0] == "AccessDeniedException"


def test_calls_are_on_record_without_what_was_logged(api: ApiInThread, logs: Any, group: str) -> None:
    put(logs, (now_ms(), "the password is hunter2"))
    logs.get_log_events(logGroupName=GROUP, logStreamName="one")

    created, *_, stored, read = recorded(api.world)
    assert (created["eventSource"], created["eventName"]) == ("logs.amazonaws.com", "CreateLogGroup")
    assert created["requestParameters"] == {"logGroupName": GROUP}
    assert (stored["eventName"], stored["requestParameters"]["logStreamName"]) == ("PutLogEvents", "one")
    assert "hunter2" not in str(recorded(api.world))
    assert read["readOnly"] is True


def test_the_acceptance_filters_are_taken_and_kept_verbatim(logs: Any, group: str) -> None:
    cases = json.loads(shared("acceptance", "metric-filters.json").read_text())

    for case in cases:
        transformation = {**TRANSFORMATION, "metricName": case["metric"]}
        logs.put_metric_filter(
            logGroupName=GROUP,
            filterName=case["name"],
            filterPattern=case["pattern"],
            metricTransformations=[transformation],
        )

    kept = logs.describe_metric_filters(logGroupName=GROUP)["metricFilters"]
    assert {one["filterName"]: one["filterPattern"] for one in kept} == {
        case["name"]: case["pattern"] for case in cases
    }
