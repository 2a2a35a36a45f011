"""Saved queries as boto3 sees them."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from opentrail.aws.logs import query_definitions
from tests.builders import a_credential, a_user, a_user_principal
from tests.support.api import ApiInThread

Connect = Callable[..., Any]

QUERY = "stats count(*) by eventName"


@pytest.fixture
def logs(connect: Connect) -> Any:
    return connect("logs")


def save(logs: Any, name: str, **more: Any) -> str:
    return str(logs.put_query_definition(**{"name": name, "queryString": QUERY, **more})["queryDefinitionId"])


def names(logs: Any, **asked: Any) -> list[str]:
    return [one["name"] for one in logs.describe_query_definitions(**asked)["queryDefinitions"]]


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises(ClientError) as refused:
        call()
    return str(refused.value.response["Error"]["Code"])


def test_a_definition_is_kept_changed_as_a_whole_and_deleted(logs: Any) -> None:
    made = save(logs, "audit/calls", logGroupNames=["trails"], parameters=[{"name": "who", "defaultValue": "a"}])
    [shown] = logs.describe_query_definitions()["queryDefinitions"]

    assert save(logs, "audit/all", queryDefinitionId=made, queryString="fields @message") == made
    [changed] = logs.describe_query_definitions()["queryDefinitions"]
    answer = logs.delete_query_definition(queryDefinitionId=made)

    modified = shown.pop("lastModified")
    assert modified > 1_700_000_000_000
    assert shown == {
        "queryLanguage": "CWLI",
        "queryDefinitionId": made,
        "name": "audit/calls",
        "queryString": QUERY,
        "logGroupNames": ["trails"],
        "parameters": [{"name": "who", "defaultValue": "a"}],
    }
    assert (changed["name"], changed["queryString"], changed["logGroupNames"]) == ("audit/all", "fields @message", [])
    assert answer["success"] is True
    assert logs.describe_query_definitions()["queryDefinitions"] == []


def test_definitions_come_by_name_in_pages_and_by_prefix(logs: Any, connect: Connect) -> None:
    for name in ("b/2", "a", "b/1"):
        save(logs, name)

    first = logs.describe_query_definitions(maxResults=2)
    rest = logs.describe_query_definitions(maxResults=2, nextToken=first["nextToken"])

    assert [one["name"] for one in first["queryDefinitions"] + rest["queryDefinitions"]] == ["a", "b/1", "b/2"]
    assert "nextToken" not in rest
    assert names(logs, queryDefinitionNamePrefix="b/") == ["b/1", "b/2"]
    assert names(logs, queryLanguage="SQL") == names(connect("logs", region="eu-west-1")) == []


def test_a_repeated_call_means_the_same_definition(logs: Any) -> None:
    token = "0" * 36

    assert save(logs, "a", clientToken=token) == save(logs, "a", clientToken=token) != save(logs, "a")


def test_what_cannot_be_is_refused(logs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert code_of(lambda: save(logs, "a", queryDefinitionId="other")) == "ResourceNotFoundException"
    assert code_of(lambda: logs.delete_query_definition(queryDefinitionId="other")) == "ResourceNotFoundException"
    assert code_of(lambda: save(logs, "a", queryLanguage="SQL")) == "InvalidParameterException"
    assert code_of(lambda: save(logs, "a" * 256)) == "InvalidParameterException"
    assert code_of(lambda: logs.describe_query_definitions(nextToken="x")) == "InvalidParameterException"

    monkeypatch.setattr(query_definitions, "DEFINITIONS_PER_REGION", 1)
    made = save(logs, "a")
    assert code_of(lambda: save(logs, "b")) == "LimitExceededException"
    assert save(logs, "c", queryDefinitionId=made) == made


def test_each_call_needs_its_own_action(connect: Connect, api: ApiInThread) -> None:
    policy = (
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"logs:PutQueryDefinition","Resource":"*"}]}'
    )
    credential = a_credential(a_user_principal(), "AKIAREADER0000000001")
    api.do(api.world.identities.create_user(a_user("anaya", saving=policy)))
    api.do(api.world.identities.add_credential(credential))
    mine = connect("logs", credential=credential)

    made = save(mine, "a")

    assert code_of(mine.describe_query_definitions) == "AccessDeniedException"
    assert code_of(lambda: mine.delete_query_definition(queryDefinitionId=made)) == "AccessDeniedException"
