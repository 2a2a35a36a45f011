"""Rules as users set them up: calls and an application's events reach targets on moto's server, through kills too."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from tests.e2e.conftest import MakeServer
from tests.support.moto_server import moto_server
from tests.support.server import RunningServer, wait_until
from tests.support.tap import Tap

REGION = "us-east-1"
NOBODY = "http://127.0.0.1:9"
CREATED = json.dumps({"source": ["aws.s3"], "detail": {"eventName": ["CreateBucket"]}})


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    with moto_server() as url:
        yield url


def client(server: RunningServer, service: str, url: str = "") -> Any:
    key = server.owner_key()
    return boto3.client(
        service,
        endpoint_url=url or server.ready["gateway_url"],
        region_name=REGION,
        aws_access_key_id=key["access_key_id"],
        aws_secret_access_key=key["secret_access_key"],
    )


def a_queue(sqs: Any, name: str) -> tuple[str, str]:
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    return url, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def received(sqs: Any, url: str, number: int) -> list[dict[str, Any]]:
    """Return the messages of a queue once there are ``number`` different ones, by the id of their event."""
    found: dict[str, dict[str, Any]] = {}

    def is_there() -> bool:
        for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]).get(
            "Messages", ()
        ):
            found[message["Body"]] = message
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return len(found) >= number

    wait_until(is_there, f"{number} messages")
    return list(found.values())


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
