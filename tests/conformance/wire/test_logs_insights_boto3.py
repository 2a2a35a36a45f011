"""Logs Insights as boto3 sees it: how queries start, end, are shown page by page, stopped and refused."""

import base64
import json
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError

from opentrail.identity import Credential
from opentrail.ports.query_engine import QueryFailed, QueryTimedOut
from opentrail.query import log_queries
from tests.builders import ACCOUNT, REGION, a_credential, a_user, a_user_principal
from tests.support.api import ApiInThread

Connect = Callable[..., Any]

GROUP = "/audit/trails"


@pytest.fixture
def logs(connect: Connect) -> Any:
    client = connect("logs")
    client.create_log_group(logGroupName=GROUP)
    return client


def start(logs: Any, query: str = "fields a", **more: Any) -> str:
    groups = {} if any("Group" in name for name in more) else {"logGroupName": GROUP}
    answer = logs.start_query(startTime=1_763_683_200, endTime=1_763_686_800, queryString=query, **groups, **more)
    return str(answer["queryId"])


def ended(logs: Any, query_id: str, **more: Any) -> dict[str, Any]:
    deadline = time.monotonic() + 30
    while True:
        answer: dict[str, Any] = logs.get_query_results(queryId=query_id, **more)
        if answer["status"] not in ("Scheduled", "Running"):
            return answer
        assert time.monotonic() < deadline
        time.sleep(0.02)


def refused(call: Callable[[], object]) -> dict[str, Any]:
    with pytest.raises(ClientError) as caught:
        call()
    response: dict[str, Any] = dict(caught.value.response)
    return response


def test_a_query_answers_its_rows_with_what_it_took(logs: Any, api: ApiInThread) -> None:
    api.world.log_query_engine.pages = [[["x", "p1"], [None, "p2"]]]

    answer = ended(logs, start(logs))

    assert answer["status"] == "Complete"
    assert answer["queryLanguage"] == "CWLI"
    assert answer["results"] == [
        [{"field": "a", "value": "x"}, {"field": "@ptr", "value": "p1"}],
        [{"field": "@ptr", "value": "p2"}],
    ]
    assert answer["statistics"] == {
        "recordsMatched": 2500.0,
        "recordsScanned": 0.0,
        "estimatedRecordsSkipped": 0.0,
        "bytesScanned": 1234.0,
        "estimatedBytesSkipped": 0.0,
        "logGroupsScanned": 1.0,
        "resultCount": 2.0,
    }


def test_results_are_paged(logs: Any, api: ApiInThread) -> None:
    api.world.log_query_engine.pages = [[[str(at), "p"] for at in range(1000)], [["last", "p"]]]
    query_id = start(logs)
    first = ended(logs, query_id, maxItems=600)

    second = logs.get_query_results(queryId=query_id, maxItems=600, nextToken=first["nextToken"])

    assert [len(page["results"]) for page in (first, second)] == [600, 401]
    assert second["results"][-1][0]["value"] == "last"
    assert "nextToken" not in second
    other = start(logs)
    error = refused(lambda: logs.get_query_results(queryId=other, nextToken=first["nextToken"]))
    assert error["Error"]["Message"] == "The specified nextToken is invalid."


@pytest.mark.parametrize(
    ("failure", "status"), [(QueryFailed("too large"), "Failed"), (QueryTimedOut("too long"), "Timeout")]
)
def test_a_query_that_fails_says_so(logs: Any, api: ApiInThread, failure: QueryFailed, status: str) -> None:
    api.world.log_query_engine.failure = failure

    answer = ended(logs, start(logs))

    assert (answer["status"], answer["results"]) == (status, [])


def test_a_running_query_is_stopped_once(logs: Any, api: ApiInThread) -> None:
    api.world.log_query_engine.may_run.clear()
    query_id = start(logs)

    assert logs.stop_query(queryId=query_id)["success"] is True

    assert logs.get_query_results(queryId=query_id)["status"] == "Cancelled"
    assert refused(lambda: logs.stop_query(queryId=query_id))["Error"]["Code"] == "InvalidParameterException"
    api.world.log_query_engine.may_run.set()


def test_queries_are_listed_newest_first_with_their_source(logs: Any, api: ApiInThread) -> None:
    logs.create_log_group(logGroupName="other")
    first = start(logs, "fields a")
    api.world.clock.advance(1)
    second = start(logs, "stats count(*)", logGroupNames=["other"])
    ended(logs, first)
    ended(logs, second)

    listed = logs.describe_queries()["queries"]

    assert [query["queryId"] for query in listed] == [second, first]
    assert listed[1]["queryString"] == f'SOURCE "{GROUP}" START=1763683200000 END=1763686800000 | fields a'
    assert (listed[0]["logGroupName"], listed[0]["status"]) == ("other", "Complete")
    assert [query["queryId"] for query in logs.describe_queries(logGroupName=GROUP)["queries"]] == [first]
    assert logs.describe_queries(status="Failed")["queries"] == []
    page = logs.describe_queries(maxResults=1)
    assert [query["queryId"] for query in page["queries"]] == [second]
    rest = logs.describe_queries(maxResults=1, nextToken=page["nextToken"])
    assert [query["queryId"] for query in rest["queries"]] == [first]


def test_a_malformed_query_tells_where(logs: Any) -> None:
    answer = refused(lambda: start(logs, "fields a | count(*)"))

    message = "unexpected symbol found count at line 1 and position 12"
    assert answer["Error"] == {"Code": "MalformedQueryException", "Message": message}
    assert answer["queryCompileError"] == {"location": {"startCharOffset": 11, "endCharOffset": 16}, "message": message}


@pytest.mark.parametrize(
    ("given", "code", "message"),
    [
        (
            {"logGroupName": "gone"},
            "ResourceNotFoundException",
            f"Log group 'gone' does not exist for account ID '{ACCOUNT}'",
        ),
        ({"logGroupName": GROUP, "logGroupNames": [GROUP]}, "InvalidParameterException", "Exactly one of"),
        ({"logGroupNames": []}, "InvalidParameterException", "Exactly one of"),
        ({"logGroupNames": ["x"] * 51}, "InvalidParameterException", "no more than 50"),
        ({"logGroupName": GROUP, "queryLanguage": "SQL"}, "InvalidParameterException", "queries in SQL"),
        ({"logGroupName": GROUP, "limit": 100_001}, "InvalidParameterException", "100000"),
    ],
)
def test_what_cannot_be_asked_is_refused(logs: Any, given: dict[str, Any], code: str, message: str) -> None:
    error = refused(lambda: start(logs, **given))["Error"]

    assert error["Code"] == code
    assert message in error["Message"]


def test_a_query_that_is_not_there_is_refused(logs: Any) -> None:
    for call in (logs.get_query_results, logs.stop_query):
        assert refused(partial(call, queryId="none"))["Error"]["Code"] == "ResourceNotFoundException"


def test_more_queries_than_the_quota_do_not_wait(logs: Any, api: ApiInThread, monkeypatch: pytest.MonkeyPatch) -> None:
    assert log_queries.CONCURRENT_QUERIES == 100
    monkeypatch.setattr(log_queries, "CONCURRENT_QUERIES", 3)
    api.world.log_query_engine.may_run.clear()
    for _ in range(3):
        start(logs)

    assert refused(lambda: start(logs))["Error"]["Code"] == "LimitExceededException"
    api.world.log_query_engine.may_run.set()


def test_a_query_needs_leave_for_each_of_its_groups(logs: Any, connect: Connect, api: ApiInThread) -> None:
    logs.create_log_group(logGroupName="other")
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{GROUP}"
    policy = {"Effect": "Allow", "Action": ["logs:StartQuery", "logs:GetQueryResults"], "Resource": f"{arn}:*"}
    reader = connect("logs", credential=_user(api, json.dumps({"Version": "2012-10-17", "Statement": [policy]})))

    assert start(reader, logGroupIdentifiers=[arn])
    error = refused(lambda: start(reader, logGroupNames=[GROUP, "other"]))["Error"]
    assert error["Code"] == "AccessDeniedException"
    assert "log-group:other:log-stream:" in error["Message"]


def _user(api: ApiInThread, policy: str) -> Credential:
    credential = a_credential(a_user_principal(), "AKIAREADER0000000001")
    api.do(api.world.identities.create_user(a_user("anaya", reading=policy)))
    api.do(api.world.identities.add_credential(credential))
    return credential


def test_a_record_is_shown_by_its_pointer_and_fields_by_their_share(logs: Any, api: ApiInThread) -> None:
    logs.create_log_stream(logGroupName=GROUP, logStreamName="one")
    now = int(time.time() * 1000)
    told = [{"timestamp": now, "message": '{"a": {"b": [1, true, null]}}'}, {"timestamp": now, "message": "plain"}]
    logs.put_log_events(logGroupName=GROUP, logStreamName="one", logEvents=told)
    [group] = api.do(api.world.log_groups.all_groups())
    pointer = base64.b64encode(f"{group.group_id}/{now}/1".encode()).decode()

    record = logs.get_log_record(logRecordPointer=pointer)["logRecord"]

    assert record.pop("@ingestionTime").isdecimal()
    assert record == {
        "@timestamp": str(now),
        "@message": '{"a": {"b": [1, true, null]}}',
        "@logStream": "one",
        "@log": f"{ACCOUNT}:{GROUP}",
        "@ptr": pointer,
        "a.b.0": "1",
        "a.b.1": "1",
    }
    for wrong, code in (
        (base64.b64encode(f"{group.group_id}/{now}/9".encode()).decode(), "ResourceNotFoundException"),
        (base64.b64encode(f"elsewhere/{now}/1".encode()).decode(), "ResourceNotFoundException"),
        ("???", "InvalidParameterException"),
    ):
        assert refused(partial(logs.get_log_record, logRecordPointer=wrong))["Error"]["Code"] == code
    fields = {one["name"]: one["percent"] for one in logs.get_log_group_fields(logGroupName=GROUP)["logGroupFields"]}
    assert fields == {
        **dict.fromkeys(("@ingestionTime", "@log", "@logStream", "@message", "@timestamp"), 100),
        **{"a.b.0": 50, "a.b.1": 50},
    }
