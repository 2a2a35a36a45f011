"""Topics of a real SNS endpoint (moto's server): what is published, what a check finds, how refusals are read."""

import gc
import json
import weakref
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import boto3
import pytest

from opentrail.adapters.notices import sns
from opentrail.adapters.notices.sns import SnsEndpoint, SnsTopics
from opentrail.ports import Unavailable
from opentrail.ports.notices import Notice, NoticeRefused, ReceiverNotFound
from tests.support.moto_server import moto_server

TRAIL = "arn:aws:cloudtrail:eu-west-1:123456789012:trail/audit"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with moto_server() as url:
        yield url


@pytest.fixture
def topics(url: str) -> Iterator[SnsTopics]:
    topics = SnsTopics(SnsEndpoint(url, "testing", "testing"))
    yield topics
    topics.close()


def client(url: str, service: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=url,
        region_name="eu-west-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )


def a_topic(url: str, **attributes: str) -> str:
    return str(client(url, "sns").create_topic(Name=f"files-{uuid4()}", Attributes=attributes)["TopicArn"])


def a_notice(topic_arn: str) -> Notice:
    return Notice("id-1", topic_arn, TRAIL, "us-east-1", "logs", "AWSLogs/x.json.gz", datetime(2026, 1, 1, tzinfo=UTC))


async def test_a_notice_is_published_in_the_topics_own_region_as_cloudtrails_message(
    url: str, topics: SnsTopics
) -> None:
    topic_arn = a_topic(url)
    queue = client(url, "sqs").create_queue(QueueName=f"queue-{uuid4()}")["QueueUrl"]
    arn = client(url, "sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    client(url, "sns").subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=arn)

    await topics.send(a_notice(topic_arn))

    (message,) = client(url, "sqs").receive_message(QueueUrl=queue)["Messages"]
    envelope = json.loads(message["Body"])
    assert envelope["Message"] == '{"s3Bucket":"logs","s3ObjectKey":["AWSLogs/x.json.gz"]}'
    assert not envelope.keys() & {"Subject", "MessageAttributes"}


async def test_topics_of_ever_other_regions_keep_no_more_clients_than_stated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[weakref.ref[Any]] = []

    class Client:
        def get_topic_attributes(self, **_: str) -> dict[str, Any]:
            return {}

    def make(_endpoint: SnsEndpoint, _region: str) -> Client:
        made.append(weakref.ref(client := Client()))
        return client

    monkeypatch.setattr(sns, "_make_client", make)
    topics = SnsTopics(SnsEndpoint("http://127.0.0.1:1", "testing", "testing"))

    for number in range(3 * sns.MAX_CLIENTS):
        await topics.check_topic(f"arn:aws:sns:made-up-{number}:123456789012:t", TRAIL)
    topics.close()

    assert len(made) == 3 * sns.MAX_CLIENTS
    gc.collect()
    assert sum(reference() is not None for reference in made) <= sns.MAX_CLIENTS + 1


async def test_a_topic_with_sns_own_policy_is_accepted(url: str, topics: SnsTopics) -> None:
    await topics.check_topic(a_topic(url), TRAIL)


async def test_a_topic_whose_policy_leaves_cloudtrail_out_is_refused(url: str, topics: SnsTopics) -> None:
    topic_arn = a_topic(url)
    statement = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sns:Publish"}
    document = {"Version": "2012-10-17", "Statement": [statement | {"Resource": topic_arn}]}
    client(url, "sns").set_topic_attributes(
        TopicArn=topic_arn, AttributeName="Policy", AttributeValue=json.dumps(document)
    )

    with pytest.raises(NoticeRefused) as caught:
        await topics.check_topic(topic_arn, TRAIL)

    assert caught.value.code == "AuthorizationError"


@pytest.mark.parametrize("topic_arn", ["arn:aws:sns:eu-west-1:123456789012:absent", "no ARN"])
async def test_a_topic_that_is_not_there_is_not_found(topics: SnsTopics, topic_arn: str) -> None:
    with pytest.raises(ReceiverNotFound):
        await topics.check_topic(topic_arn, TRAIL)
    with pytest.raises(ReceiverNotFound):
        await topics.send(a_notice(topic_arn))


async def test_without_an_upstream_there_is_no_topic() -> None:
    with pytest.raises(ReceiverNotFound):
        await SnsTopics(None).check_topic("arn:aws:sns:eu-west-1:123456789012:files", TRAIL)


async def test_a_server_that_is_down_is_worth_trying_again() -> None:
    topics = SnsTopics(SnsEndpoint("http://127.0.0.1:1", "testing", "testing"))

    with pytest.raises(Unavailable):
        await topics.send(a_notice("arn:aws:sns:eu-west-1:123456789012:files"))
