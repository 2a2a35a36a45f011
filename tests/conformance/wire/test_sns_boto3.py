"""SNS by boto3: topics, subscriptions and messages, and every error that is documented for what is built."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from opentrail.ports.journal import EventEntry
from tests.builders import ACCOUNT, REGION
from tests.conformance.wire.conftest import Connect
from tests.support.api import ApiInThread

QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:q"


@pytest.fixture
def sns(connect: Connect) -> Any:
    return connect("sns")


def refusal(call: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(ClientError) as refused:
        call()
    return refused.value.response["Error"]["Code"], refused.value.response["Error"]["Message"]


def messages(api: ApiInThread, topic: str) -> list[dict[str, Any]]:
    entries = [each for each in api.world.journal.entries() if isinstance(each, EventEntry)]
    return [json.loads(entry.event) for entry in entries if entry.audience == topic]


def test_a_topic_is_made_shown_changed_tagged_and_deleted(sns: Any) -> None:
    topic = sns.create_topic(Name="t", Attributes={"DisplayName": "d"}, Tags=[{"Key": "a", "Value": "b"}])["TopicArn"]

    assert topic == f"arn:aws:sns:{REGION}:{ACCOUNT}:t"
    assert sns.create_topic(Name="t")["TopicArn"] == topic
    assert sns.list_topics()["Topics"] == [{"TopicArn": topic}]
    shown = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
    assert (shown["Owner"], shown["DisplayName"], shown["SubscriptionsConfirmed"]) == (ACCOUNT, "d", "0")
    assert json.loads(shown["Policy"])["Id"] == "__default_policy_ID"
    assert json.loads(shown["EffectiveDeliveryPolicy"])["http"]["defaultHealthyRetryPolicy"]["numRetries"] == 3

    sns.set_topic_attributes(TopicArn=topic, AttributeName="DisplayName", AttributeValue="")
    sns.tag_resource(ResourceArn=topic, Tags=[{"Key": "c", "Value": ""}])
    sns.untag_resource(ResourceArn=topic, TagKeys=["a"])
    sns.add_permission(TopicArn=topic, Label="l", AWSAccountId=["222222222222"], ActionName=["Publish"])

    shown = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
    assert shown["DisplayName"] == ""
    assert json.loads(shown["Policy"])["Statement"][1]["Principal"] == {"AWS": "arn:aws:iam::222222222222:root"}
    assert sns.list_tags_for_resource(ResourceArn=topic)["Tags"] == [{"Key": "c", "Value": ""}]
    sns.remove_permission(TopicArn=topic, Label="l")
    sns.delete_topic(TopicArn=topic)
    sns.delete_topic(TopicArn=topic)
    assert sns.list_topics()["Topics"] == []
    assert refusal(lambda: sns.get_topic_attributes(TopicArn=topic)) == ("NotFound", "Topic does not exist")
    assert refusal(lambda: sns.list_tags_for_resource(ResourceArn=topic))[0] == "ResourceNotFound"


def test_a_subscription_is_made_confirmed_changed_and_ended(sns: Any, api: ApiInThread) -> None:
    topic = sns.create_topic(Name="t")["TopicArn"]
    url = "https://example.com/hook"

    queue = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=QUEUE)["SubscriptionArn"]
    pending = sns.subscribe(TopicArn=topic, Protocol="https", Endpoint=url, ReturnSubscriptionArn=True)
    again = sns.subscribe(TopicArn=topic, Protocol="https", Endpoint=url)

    arn = pending["SubscriptionArn"]
    assert arn.startswith(topic + ":")
    assert again["SubscriptionArn"] == "pending confirmation"
    listed = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert sorted(each["SubscriptionArn"] for each in listed) == sorted(["PendingConfirmation", queue])
    assert refusal(lambda: sns.confirm_subscription(TopicArn=topic, Token="x"))[1] == "Invalid parameter: Token"
    old, token = (each["Token"] for each in messages(api, topic))
    assert refusal(lambda: sns.confirm_subscription(TopicArn=topic, Token=old))[1] == "Invalid parameter: Token"
    assert sns.confirm_subscription(TopicArn=topic, Token=token)["SubscriptionArn"] == arn

    sns.set_subscription_attributes(
        SubscriptionArn=arn, AttributeName="FilterPolicy", AttributeValue='{"level":["high"]}'
    )
    shown = sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
    assert (shown["PendingConfirmation"], shown["FilterPolicyScope"]) == ("false", "MessageAttributes")
    assert token not in json.dumps(shown)
    sns.unsubscribe(SubscriptionArn=arn)
    gone = refusal(lambda: sns.get_subscription_attributes(SubscriptionArn=arn))
    assert gone == ("NotFound", "Subscription does not exist")
    assert [each["SubscriptionArn"] for each in sns.list_subscriptions()["Subscriptions"]] == [queue]


def test_a_token_holds_for_two_days(sns: Any, api: ApiInThread) -> None:
    topic = sns.create_topic(Name="t")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="https", Endpoint="https://example.com/")
    token = messages(api, topic)[0]["Token"]
    held = api.do(api.world.topic_store.subscriptions(topic))[0]

    assert held.token_digest != token
    api.world.clock.advance(2 * 86_400 + 1)
    assert api.world.clock.now().isoformat() > held.token_until


def test_messages_are_in_the_journal_with_what_their_publisher_said(sns: Any, api: ApiInThread) -> None:
    topic = sns.create_topic(Name="t")["TopicArn"]
    given = {"n": {"DataType": "Number", "StringValue": "1"}, "b": {"DataType": "Binary", "BinaryValue": b"\x00"}}

    first = sns.publish(TopicArn=topic, Message="m", Subject="s", MessageAttributes=given)["MessageId"]
    sns.publish(TargetArn=topic, Message='{"default":"d","sqs":"q"}', MessageStructure="json")
    batch = sns.publish_batch(
        TopicArn=topic,
        PublishBatchRequestEntries=[{"Id": "1", "Message": "x"}, {"Id": "2", "Message": "y", "Subject": "\n"}],
    )

    said = messages(api, topic)
    assert (said[0]["MessageId"], said[0]["Subject"]) == (first, "s")
    assert said[0]["MessageAttributes"] == {
        "n": {"Type": "Number", "Value": "1"},
        "b": {"Type": "Binary", "Value": "AA=="},
    }
    assert (said[1]["Message"], said[1]["Messages"]) == ("d", {"sqs": "q"})
    assert [each["Id"] for each in batch["Successful"]] == ["1"]
    assert [(each["Id"], each["Code"], each["SenderFault"]) for each in batch["Failed"]] == [
        ("2", "InvalidParameter", True)
    ]
    assert len(said) == 3


def test_what_breaks_the_rules_is_refused_in_snss_words(sns: Any) -> None:
    topic = sns.create_topic(Name="t")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=QUEUE)

    def subscribe(protocol: str, endpoint: str, **attributes: str) -> tuple[str, str]:
        return refusal(
            lambda: sns.subscribe(TopicArn=topic, Protocol=protocol, Endpoint=endpoint, Attributes=attributes)
        )

    def publish(**given: Any) -> tuple[str, str]:
        return refusal(lambda: sns.publish(**({"TopicArn": topic, "Message": "m"} | given)))

    code = "InvalidParameter"
    assert refusal(lambda: sns.create_topic(Name="a b")) == (code, "Invalid parameter: Topic Name")
    assert "FIFO" in refusal(lambda: sns.create_topic(Name="a.fifo"))[1]
    assert refusal(lambda: sns.create_topic(Name="t", Attributes={"DisplayName": "x"})) == (
        code,
        "Invalid parameter: Attributes Reason: Topic already exists with different attributes",
    )
    assert refusal(lambda: sns.create_topic(Name="t", Tags=[{"Key": "k", "Value": "v"}]))[1].startswith(
        "Invalid parameter: Tags Reason: Topic already exists with different tags"
    )
    assert refusal(
        lambda: sns.set_topic_attributes(TopicArn=topic, AttributeName="KmsMasterKeyId", AttributeValue="alias/x")
    )[1].endswith("are not supported by this installation")
    assert subscribe("fax", "1") == (
        code,
        "Invalid parameter: Amazon SNS does not support this protocol string: fax",
    )
    assert subscribe("sms", "+491")[1].endswith("sms is not supported by this installation")
    named = f"arn:aws:opentrail:{QUEUE.split(':')[3]}:{QUEUE.split(':')[4]}:target/none"
    assert subscribe("application", named)[1].endswith("name no such target")
    assert subscribe("application", "none") == (code, "Invalid parameter: Application endpoint arn invalid")
    assert subscribe("email", "a@b.example")[1].endswith("email needs the setting mail.server")
    assert subscribe("https", "http://example.com/")[1].endswith("must match the specified protocol")
    assert subscribe("https", "https://127.1/")[0] == code
    assert subscribe("sqs", QUEUE, RawMessageDelivery="true") == (
        code,
        "Invalid parameter: Attributes Reason: Subscription already exists with different attributes",
    )
    assert subscribe("sqs", QUEUE + "2", FilterPolicy='{"a":{"b":["c"]}}') == (
        code,
        "Invalid parameter: Attributes Reason: FilterPolicy: Filter policy scope MessageAttributes does not support "
        "nested filter policy",
    )
    assert publish(Message="") == (code, "Invalid parameter: Empty message")
    assert publish(Subject="a\nb") == (code, "Invalid parameter: Subject")
    assert publish(Message="x" * (256 * 1024 + 1)) == (code, "Invalid parameter: Message too long")
    assert publish(MessageStructure="json")[0] == code
    assert publish(TopicArn=topic + "x") == ("NotFound", "Topic does not exist")
    assert publish(TopicArn=topic.replace(ACCOUNT, "999999999999"))[0] == "AuthorizationError"
    assert refusal(lambda: sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=[]))[0].endswith(
        "EmptyBatchRequest"
    )
