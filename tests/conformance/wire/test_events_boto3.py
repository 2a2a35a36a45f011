"""EventBridge by boto3 and the AWS CLI: connections, API destinations, buses' policies, archives, replays."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from opentrail.ports.journal import EventEntry
from tests.builders import ACCOUNT, REGION, a_credential, a_user, a_user_principal
from tests.conformance.wire.conftest import Connect
from tests.support.api import ApiInThread
from tests.support.clients import require_aws_cli

SECRET = "canary-that-nobody-may-see"
BASIC = {"BasicAuthParameters": {"Username": "u", "Password": SECRET}}
OAUTH = {
    "OAuthParameters": {
        "ClientParameters": {"ClientID": "id", "ClientSecret": SECRET},
        "AuthorizationEndpoint": "https://login.example/token",
        "HttpMethod": "POST",
        "OAuthHttpParameters": {"BodyParameters": [{"Key": "k", "Value": SECRET, "IsValueSecret": True}]},
    },
    "InvocationHttpParameters": {"HeaderParameters": [{"Key": "X-K", "Value": SECRET, "IsValueSecret": True}]},
}


@pytest.fixture
def events(connect: Connect) -> Any:
    return connect("events")


def refusal(call: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(ClientError) as refused:
        call()
    return refused.value.response["Error"]["Code"], refused.value.response["Error"]["Message"]


def test_connections_and_api_destinations_live_as_the_service_model_says(events: Any) -> None:
    made = events.create_connection(Name="c", AuthorizationType="BASIC", AuthParameters=BASIC)
    arn = made["ConnectionArn"]
    assert made["ConnectionState"] == "AUTHORIZED"
    shown = events.describe_connection(Name="c")
    assert (shown["ConnectionArn"], shown["CreationTime"]) == (arn, made["CreationTime"])
    assert shown["AuthParameters"] == {"BasicAuthParameters": {"Username": "u"}}
    given = {"ConnectionArn": arn, "InvocationEndpoint": "https://example.com/in", "HttpMethod": "POST"}
    destination = events.create_api_destination(Name="d", **given)["ApiDestinationArn"]

    shown = events.describe_api_destination(Name="d")
    assert shown.items() >= (given | {"ApiDestinationArn": destination, "ApiDestinationState": "ACTIVE"}).items()
    assert shown["InvocationRateLimitPerSecond"] == 300
    events.update_api_destination(Name="d", HttpMethod="PUT", InvocationRateLimitPerSecond=9)
    (listed,) = events.list_api_destinations(ConnectionArn=arn)["ApiDestinations"]
    assert (listed["HttpMethod"], listed["InvocationRateLimitPerSecond"]) == ("PUT", 9)
    events.update_connection(Name="c", AuthorizationType="OAUTH_CLIENT_CREDENTIALS", AuthParameters=OAUTH)
    assert events.list_connections(NamePrefix="c")["Connections"][0]["ConnectionState"] == "AUTHORIZING"
    assert events.deauthorize_connection(Name="c")["ConnectionState"] == "DEAUTHORIZED"
    assert events.delete_connection(Name="c")["ConnectionState"] == "DELETING"
    events.delete_api_destination(Name="d")

    assert refusal(lambda: events.describe_connection(Name="c")) == (
        "ResourceNotFoundException",
        "Failed to describe the connection(s). Connection 'c' does not exist.",
    )
    assert refusal(lambda: events.describe_api_destination(Name="d"))[0] == "ResourceNotFoundException"
    assert refusal(lambda: events.create_connection(Name="c", AuthorizationType="NONE", AuthParameters={}))[0] == (
        "ValidationException"
    )


def test_no_record_and_no_answer_holds_a_secret(api: ApiInThread, events: Any) -> None:
    for name, kind, auth in (("b", "BASIC", BASIC), ("o", "OAUTH_CLIENT_CREDENTIALS", OAUTH)):
        events.create_connection(Name=name, AuthorizationType=kind, AuthParameters=auth)
        events.update_connection(Name=name, AuthParameters=auth)
    key = {"ApiKeyAuthParameters": {"ApiKeyName": "X-Key", "ApiKeyValue": SECRET}}
    events.create_connection(Name="k", AuthorizationType="API_KEY", AuthParameters=key)
    refusal(lambda: events.create_connection(Name="k", AuthorizationType="API_KEY", AuthParameters=key | BASIC))
    too_long = {"BasicAuthParameters": {"Username": "u", "Password": SECRET * 100}}
    refusal(lambda: events.create_connection(Name="l", AuthorizationType="BASIC", AuthParameters=too_long))

    arn = f"arn:aws:events:{REGION}:{ACCOUNT}:api-destination/d/11111111-2222-4333-8444-555555555555"
    events.put_rule(Name="r", EventPattern='{"source":["a"]}')
    headers = {"Authorization": SECRET, "X-Api-Key": SECRET}
    http = {"HeaderParameters": headers, "QueryStringParameters": {"access_token": SECRET}}
    events.put_targets(Rule="r", Targets=[{"Id": "1", "Arn": arn, "HttpParameters": http}])

    answers = [events.describe_connection(Name=name) for name in "bok"]
    recorded = [entry.event for entry in api.world.journal.entries() if isinstance(entry, EventEntry)]

    assert SECRET not in str(answers)
    assert not [event for event in recorded if SECRET.encode() in event]
    created = [event for event in map(json.loads, recorded) if event["eventName"] == "CreateConnection"]
    assert created[0]["requestParameters"]["authParameters"]["basicAuthParameters"]["password"] == (
        "HIDDEN_DUE_TO_SECURITY_REASONS"
    )
    assert created[0]["requestParameters"]["name"] == "b"


def test_who_is_not_allowed_may_not(api: ApiInThread, connect: Connect) -> None:
    allowed = {
        "Effect": "Allow",
        "Action": "events:*",
        "Resource": f"arn:aws:events:{REGION}:{ACCOUNT}:connection/mine",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    api.do(api.world.identities.create_user(a_user(only=policy)))
    credential = a_credential(a_user_principal(), "AKIAUSER000000000001")
    api.do(api.world.identities.add_credential(credential))
    events = connect("events", credential=credential)

    events.create_connection(Name="mine", AuthorizationType="BASIC", AuthParameters=BASIC)

    for call in (
        lambda: events.describe_connection(Name="other"),
        lambda: events.list_connections(),
        lambda: events.describe_api_destination(Name="mine"),
    ):
        assert refusal(call)[0] == "AccessDeniedException"


@pytest.mark.slow
def test_the_aws_cli_makes_changes_and_ends_them(api: ApiInThread, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("[default]\ncli_follow_urlparam = false\n", encoding="utf-8")
    environment = {
        "AWS_CONFIG_FILE": str(config),
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "AWS_ENDPOINT_URL": api.url,
        "AWS_ACCESS_KEY_ID": a_credential().access_key_id,
        "AWS_SECRET_ACCESS_KEY": a_credential().secret_access_key,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_MAX_ATTEMPTS": "1",
    }

    def aws(*arguments: str) -> Any:
        command = [require_aws_cli(), "events", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else {}

    basic = f"BasicAuthParameters={{Username=u,Password={SECRET}}}"
    arn = aws("create-connection", "--name", "c", "--authorization-type", "BASIC", "--auth-parameters", basic)[
        "ConnectionArn"
    ]
    endpoint = ("--invocation-endpoint", "https://example.com/*", "--http-method", "POST")
    target = aws("create-api-destination", "--name", "d", "--connection-arn", arn, *endpoint)["ApiDestinationArn"]
    aws("put-rule", "--name", "r", "--event-pattern", '{"source":["aws.s3"]}')
    put = aws(
        "put-targets", "--rule", "r", "--targets", f"Id=1,Arn={target},HttpParameters={{PathParameterValues=[x]}}"
    )
    assert put["FailedEntryCount"] == 0
    aws("update-api-destination", "--name", "d", "--invocation-rate-limit-per-second", "1")
    assert aws("describe-api-destination", "--name", "d")["InvocationRateLimitPerSecond"] == 1
    assert aws("list-connections")["Connections"][0]["Name"] == "c"
    aws("delete-api-destination", "--name", "d")
    assert aws("delete-connection", "--name", "c")["ConnectionState"] == "DELETING"


def test_a_buss_policy_is_put_shown_and_removed(events: Any) -> None:
    events.put_permission(Action="events:PutEvents", Principal="222222222222", StatementId="one")
    events.put_permission(Action="events:PutEvents", Principal="*", StatementId="two")

    statements = json.loads(events.describe_event_bus()["Policy"])["Statement"]
    assert [statement["Sid"] for statement in statements] == ["one", "two"]
    events.remove_permission(StatementId="one")
    assert "one" not in events.describe_event_bus()["Policy"]
    events.remove_permission(RemoveAllPermissions=True)
    assert "Policy" not in events.describe_event_bus()
    assert refusal(lambda: events.remove_permission(StatementId="two")) == (
        "ResourceNotFoundException",
        "EventBus does not have a policy.",
    )


def test_archives_and_replays_live_as_the_service_model_says(events: Any) -> None:
    bus = events.describe_event_bus()["Arn"]
    made = events.create_archive(ArchiveName="a", EventSourceArn=bus, EventPattern='{"source":["shop"]}')
    shown = events.describe_archive(ArchiveName="a")
    assert shown.items() >= {"EventSourceArn": bus, "State": "ENABLED", "EventCount": 0, "RetentionDays": 0}.items()
    assert shown["CreationTime"] == made["CreationTime"]
    events.update_archive(ArchiveName="a", RetentionDays=3)
    assert [each["RetentionDays"] for each in events.list_archives(EventSourceArn=bus)["Archives"]] == [3]
    assert events.list_rules()["Rules"][0]["ManagedBy"] == "prod.vhs.events.aws.internal"
    span = {"EventStartTime": 1_790_000_000, "EventEndTime": 1_790_000_100}
    start = {"ReplayName": "r", "EventSourceArn": made["ArchiveArn"], "Destination": {"Arn": bus}, **span}
    assert events.start_replay(**start)["State"] == "STARTING"
    assert events.describe_replay(ReplayName="r")["EventStartTime"].timestamp() == 1_790_000_000
    assert [each["ReplayName"] for each in events.list_replays()["Replays"]] == ["r"]
    assert events.cancel_replay(ReplayName="r")["State"] == "CANCELLING"
    events.delete_archive(ArchiveName="a")

    assert refusal(lambda: events.cancel_replay(ReplayName="r"))[0] == "IllegalStatusException"
    assert refusal(lambda: events.start_replay(**start)) == (
        "ResourceNotFoundException",
        "Archive a does not exist.",
    )
