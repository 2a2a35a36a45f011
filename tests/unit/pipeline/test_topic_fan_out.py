"""Which subscriptions get a message, in what form, and with what patience."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from opentrail.pipeline.topic_fan_out import Copy, TopicFanOut
from opentrail.resource.topic import Subscription, Topic, confirmation, notification, topic_arn

ARN = topic_arn("us-east-1", "123456789012", "alarms")
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
HIGH = {"level": {"Type": "String", "Value": "high"}}


def a_fan_out(*subscriptions: Subscription, **attributes: str) -> TopicFanOut:
    made = TopicFanOut()
    made.put_in_force(ARN, Topic(ARN, "alarms", "123456789012", "us-east-1", NOON, attributes).to_json())
    for each in subscriptions:
        made.put_in_force(each.arn, each.to_json())
    return made


def a_subscription(name: str = "a", protocol: str = "https", **changes: Any) -> Subscription:
    attributes = changes.pop("attributes", {})
    values = {"is_confirmed": True} | changes
    return Subscription(f"{ARN}:{name}", ARN, protocol, "https://a.example", "123456789012", "p", attributes, **values)


def copies(fan_out: TopicFanOut, message: str = "m", **more: Any) -> dict[str, Copy]:
    said = notification(ARN, "id", message, NOON, **more)
    return {copy.subscription.id: copy for copy in fan_out.copies(ARN, said)}


def test_a_message_goes_to_every_confirmed_subscription_in_force() -> None:
    fan_out = a_fan_out(a_subscription("a"), a_subscription("b", is_confirmed=False), a_subscription("c"))
    fan_out.put_in_force(f"{ARN}:c", None)

    found = copies(fan_out, subject="s", attributes=HIGH)

    assert list(found) == ["a"]
    assert orjson.loads(found["a"].event) == {
        "Type": "Notification",
        "MessageId": "id",
        "TopicArn": ARN,
        "Subject": "s",
        "Message": "m",
        "Timestamp": "2026-11-20T12:00:00.000Z",
        "MessageAttributes": HIGH,
    }


def test_an_endpoint_is_told_as_soon_as_its_subscription_is_in_force() -> None:
    told: list[str] = []

    TopicFanOut(told.append).put_in_force(f"{ARN}:a", a_subscription().to_json())

    assert told == ["https://a.example"]


def test_a_topic_that_is_gone_tells_nobody() -> None:
    fan_out = a_fan_out(a_subscription())
    fan_out.put_in_force(ARN, None)

    assert copies(fan_out) == {}


@pytest.mark.parametrize(
    ("attributes", "message", "is_wanted"),
    [
        ({"FilterPolicy": '{"level":["high"]}'}, "m", True),
        ({"FilterPolicy": '{"level":["low"]}'}, "m", False),
        ({"FilterPolicy": '{"other":["high"]}'}, "m", False),
        ({"FilterPolicy": '{"a":{"b":[1]}}', "FilterPolicyScope": "MessageBody"}, '{"a":{"b":1}}', True),
        ({"FilterPolicy": '{"a":{"b":[1]}}', "FilterPolicyScope": "MessageBody"}, '{"a":{"b":2}}', False),
        ({"FilterPolicy": '{"a":{"b":[1]}}', "FilterPolicyScope": "MessageBody"}, "no JSON", False),
    ],
)
def test_a_filter_policy_decides_by_attributes_or_body(
    attributes: dict[str, str], message: str, is_wanted: bool
) -> None:
    fan_out = a_fan_out(a_subscription(attributes=attributes))

    assert bool(copies(fan_out, message, attributes=HIGH)) is is_wanted


def test_each_protocol_gets_the_text_that_is_meant_for_it() -> None:
    fan_out = a_fan_out(a_subscription("web"), a_subscription("queue", "sqs"))

    found = copies(fan_out, "default", messages={"sqs": "short"})

    texts = {name: orjson.loads(copy.event)["Message"] for name, copy in found.items()}
    assert texts == {"web": "default", "queue": "short"}
    assert all("Messages" not in orjson.loads(copy.event) for copy in found.values())


def test_a_request_to_confirm_goes_to_its_subscription_alone() -> None:
    asked = a_subscription("b", is_confirmed=False)
    fan_out = a_fan_out(a_subscription("a"), asked)

    found = list(fan_out.copies(ARN, confirmation(asked, "id", "token", NOON)))

    assert [copy.subscription.id for copy in found] == ["b"]
    assert orjson.loads(found[0].event)["Token"] == "token"
    assert "SubscriptionArn" not in orjson.loads(found[0].event)


def test_patience_is_the_protocols_or_the_delivery_policys() -> None:
    policy = '{"healthyRetryPolicy":{"numRetries":4,"numNoDelayRetries":1,"minDelayTarget":2,"maxDelayTarget":5}}'
    redrive = '{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:123456789012:letters"}'
    own = a_subscription("own", attributes={"DeliveryPolicy": policy, "RedrivePolicy": redrive})
    fan_out = a_fan_out(a_subscription("plain"), own, a_subscription("queue", "sqs"), a_subscription("mail", "email"))

    targets = {name: copy.target for name, copy in copies(fan_out).items()}

    assert targets["plain"]["RetryDelays"] == [20.0, 20.0, 20.0]
    assert targets["own"]["RetryDelays"] == [0.0, 3.0, 4.0, 5.0]
    assert targets["own"]["RetryPolicy"] == {"MaximumRetryAttempts": 4, "MaximumEventAgeInSeconds": 3600}
    assert targets["own"]["DeadLetterConfig"] == {"Arn": "arn:aws:sqs:us-east-1:123456789012:letters"}
    assert targets["queue"]["RetryPolicy"]["MaximumRetryAttempts"] == 100_015
    assert targets["mail"]["RetryPolicy"] == {"MaximumRetryAttempts": 50, "MaximumEventAgeInSeconds": 21_600}


def test_a_topic_may_keep_its_subscriptions_from_policies_of_their_own() -> None:
    retries = {"numRetries": 2, "minDelayTarget": 1, "maxDelayTarget": 1}
    topics = {"http": {"defaultHealthyRetryPolicy": retries, "disableSubscriptionOverrides": True}}
    own = a_subscription("own", attributes={"DeliveryPolicy": '{"healthyRetryPolicy":{"numRetries":4}}'})

    [copy] = copies(a_fan_out(own, DeliveryPolicy=orjson.dumps(topics).decode())).values()

    assert copy.target["RetryDelays"] == [1.0, 1.0]
