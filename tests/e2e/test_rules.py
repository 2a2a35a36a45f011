"""Rules as users set them up: calls and an application's events reach targets on moto's server, through kills too."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from tests.e2e.conftest import MakeServer
from tests.support.http_recorder import http_recorder
from tests.support.moto_server import moto_server
from tests.support.owner import a_queue, client, received
from tests.support.server import wait_until
from tests.support.tap import Tap

REGION = "us-east-1"
NOBODY = "http://127.0.0.1:9"
CREATED = json.dumps({"source": ["aws.s3"], "detail": {"eventName": ["CreateBucket"]}})


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    with moto_server() as url:
        yield url


def a_rule(events: Any, name: str, pattern: str, *targets: dict[str, Any], **more: Any) -> None:
    bus = {"EventBusName": more["EventBusName"]} if "EventBusName" in more else {}
    events.put_rule(Name=name, EventPattern=pattern, **more)
    events.put_targets(Rule=name, Targets=list(targets), **bus)


@pytest.mark.e2e
def test_a_call_reaches_queue_topic_and_another_bus(make_server: MakeServer, upstream: str) -> None:
    server = make_server(upstream=upstream).start()
    events, sqs, s3 = (client(server, name) for name in ("events", "sqs", "s3"))
    sns = client(server, "sns", upstream)
    direct, direct_arn = a_queue(sqs, "direct")
    forwarded, forwarded_arn = a_queue(sqs, "forwarded")
    told, told_arn = a_queue(sqs, "told")
    topic = sns.create_topic(Name="alarm")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=told_arn, Attributes={"RawMessageDelivery": "true"})
    bus = events.create_event_bus(Name="audit")["EventBusArn"]
    account = bus.split(":")[4]
    shaped = {"InputPathsMap": {"who": "$.detail.userIdentity.arn"}, "InputTemplate": '"made by <who>"'}
    a_rule(
        events,
        "buckets",
        CREATED,
        {"Id": "queue", "Arn": direct_arn},
        {"Id": "topic", "Arn": topic, "InputTransformer": shaped},
        {"Id": "bus", "Arn": bus},
    )
    a_rule(events, "all", '{"source":[{"prefix":"aws."}]}', {"Id": "q", "Arn": forwarded_arn}, EventBusName="audit")

    s3.create_bucket(Bucket="watched")

    event = json.loads(received(sqs, direct, 1)[0]["Body"])
    assert list(event) == [
        "version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail",
    ]  # fmt: skip
    assert event["detail-type"] == "AWS API Call via CloudTrail"
    assert event["detail"]["requestParameters"]["bucketName"] == "watched"
    assert json.loads(received(sqs, forwarded, 1)[0]["Body"]) == event
    assert received(sqs, told, 1)[0]["Body"] == f'"made by arn:aws:iam::{account}:root"'


@pytest.mark.e2e
def test_one_call_fires_each_kind_of_target(make_server: MakeServer, upstream: str) -> None:
    with http_recorder() as web:
        settings = {
            "OPENTRAIL_UPSTREAM_LAMBDA": web.url,
            "OPENTRAIL_UPSTREAM_SSM": web.url,
            "OPENTRAIL_OUTGOING_ALLOW": "127.0.0.0/8",
        }
        server = make_server(upstream=upstream, settings=settings).start()
        events, sqs, sns, logs, kinesis, states = (
            client(server, name) for name in ("events", "sqs", "sns", "logs", "kinesis", "stepfunctions")
        )
        queue, queue_arn = a_queue(sqs, "each")
        told, told_arn = a_queue(sqs, "each-told")
        topic = sns.create_topic(Name="each")["TopicArn"]
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=told_arn, Attributes={"RawMessageDelivery": "true"})
        forwarded, forwarded_arn = a_queue(sqs, "each-forwarded")
        bus = events.create_event_bus(Name="each")["EventBusArn"]
        a_rule(events, "all", '{"source":[{"prefix":"aws."}]}', {"Id": "q", "Arn": forwarded_arn}, EventBusName="each")
        logs.create_log_group(logGroupName="/aws/events/each")
        group = logs.describe_log_groups()["logGroups"][0]["logGroupArn"]
        kinesis.create_stream(StreamName="each", ShardCount=1)
        stream = kinesis.describe_stream(StreamName="each")["StreamDescription"]
        machine = states.create_state_machine(
            name="each",
            definition='{"StartAt":"a","States":{"a":{"Type":"Pass","End":true}}}',
            roleArn="arn:aws:iam::123456789012:role/r",
        )["stateMachineArn"]
        key = {"ApiKeyAuthParameters": {"ApiKeyName": "x-key", "ApiKeyValue": "open sesame"}}
        connection = events.create_connection(Name="each", AuthorizationType="API_KEY", AuthParameters=key)
        destination = events.create_api_destination(
            Name="each",
            ConnectionArn=connection["ConnectionArn"],
            InvocationEndpoint=f"{web.url}/hook",
            HttpMethod="POST",
        )["ApiDestinationArn"]
        function = "arn:aws:lambda:us-east-1:123456789012:function:each"
        automation = "arn:aws:ssm:us-east-1:123456789012:automation-definition/Stop:3"
        role = {"RoleArn": "arn:aws:iam::123456789012:role/r"}
        a_rule(
            events,
            "first",
            CREATED,
            {"Id": "queue", "Arn": queue_arn},
            {"Id": "topic", "Arn": topic},
            {"Id": "bus", "Arn": bus},
            {"Id": "group", "Arn": group},
            {"Id": "stream", "Arn": stream["StreamARN"], **role},
        )
        a_rule(
            events,
            "second",
            CREATED,
            {"Id": "machine", "Arn": machine, **role},
            {"Id": "function", "Arn": function},
            {"Id": "automation", "Arn": automation, "Input": '{"Bucket":["seen"]}', **role},
            {"Id": "destination", "Arn": destination, **role},
        )

        client(server, "s3").create_bucket(Bucket="seen-by-each")

        event = json.loads(received(sqs, queue, 1)[0]["Body"])
        assert event["detail"]["requestParameters"]["bucketName"] == "seen-by-each"
        for other in (told, forwarded):
            assert json.loads(received(sqs, other, 1)[0]["Body"]) == event
        wait_until(lambda: len(web.asked) >= 3, "function, automation and API destination")
        by_path = {asked.target: asked for asked in web.asked}
        assert json.loads(by_path["/hook"].body) == event
        assert by_path["/hook"].headers["x-key"] == "open sesame"
        assert json.loads(by_path[f"/2015-03-31/functions/{quote(function, safe='')}/invocations"].body) == event
        assert json.loads(by_path["/"].body)["Parameters"] == {"Bucket": ["seen"]}
        wait_until(lambda: bool(states.list_executions(stateMachineArn=machine)["executions"]), "an execution")
        (execution,) = states.list_executions(stateMachineArn=machine)["executions"]
        assert json.loads(states.describe_execution(executionArn=execution["executionArn"])["input"]) == event
        shard = {"ShardId": stream["Shards"][0]["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
        iterator = kinesis.get_shard_iterator(StreamName="each", **shard)["ShardIterator"]
        wait_until(lambda: bool(kinesis.get_records(ShardIterator=iterator)["Records"]), "a record")
        assert json.loads(kinesis.get_records(ShardIterator=iterator)["Records"][0]["Data"]) == event
        (logged,) = logs.filter_log_events(logGroupName="/aws/events/each")["events"]
        assert json.loads(logged["message"]) == event
        server.stop()


@pytest.mark.e2e
def test_kills_and_a_target_that_is_away_lose_no_invocation(make_server: MakeServer, upstream: str) -> None:
    link = Tap(NOBODY)
    server = make_server(upstream=link.url).start()
    sqs = client(server, "sqs", upstream)
    queue, arn = a_queue(sqs, "late")
    a_rule(client(server, "events"), "app", '{"source":["shop"]}', {"Id": "q", "Arn": arn})
    wanted = set(range(60))
    for turn in range(3):
        for number in range(turn * 20, turn * 20 + 20):
            entry = {"Source": "shop", "DetailType": "order", "Detail": json.dumps({"number": number})}
            answer = client(server, "events").put_events(Entries=[entry])
            assert answer["FailedEntryCount"] == 0
        server.kill()
        server.start()

    link.target = upstream
    messages = received(sqs, queue, len(wanted))
    server.stop()
    link.close()

    assert {json.loads(message["Body"])["detail"]["number"] for message in messages} == wanted


@pytest.mark.e2e
def test_what_a_target_refuses_is_in_the_dead_letter_queue_and_forged_sources_are_refused(
    make_server: MakeServer, upstream: str
) -> None:
    server = make_server(upstream=upstream).start()
    events, sqs = client(server, "events"), client(server, "sqs")
    letters, letters_arn = a_queue(sqs, "letters")
    gone = letters_arn.replace("letters", "gone")
    a_rule(
        events,
        "app",
        '{"source":["shop"]}',
        {"Id": "q", "Arn": gone, "InputPath": "$.detail", "DeadLetterConfig": {"Arn": letters_arn}},
    )

    answer = events.put_events(
        Entries=[
            {"Source": "shop", "DetailType": "order", "Detail": '{"number":1}'},
            {"Source": "aws.s3", "DetailType": "order", "Detail": "{}"},
            {"Source": "shop", "DetailType": "order", "Detail": "no JSON"},
            {"DetailType": "order", "Detail": "{}"},
        ]
    )

    codes = [entry.get("ErrorCode") for entry in answer["Entries"]]
    assert codes == [None, "NotAuthorizedForSourceException", "MalformedDetail", "InvalidArgument"]
    assert answer["FailedEntryCount"] == 3
    letter = received(sqs, letters, 1)[0]
    assert json.loads(letter["Body"])["id"] == answer["Entries"][0]["EventId"]
    attributes = {name: value["StringValue"] for name, value in letter["MessageAttributes"].items()}
    assert attributes["ERROR_CODE"] == "NO_RESOURCE"
    assert attributes["TARGET_ARN"] == gone
    assert attributes["RETRY_ATTEMPTS"] == "0"
