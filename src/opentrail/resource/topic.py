"""SNS topics, their subscriptions and messages: what settings entries carry, and what the journal holds to be sent.

A message in the journal is a JSON object whose audience is the topic's ARN: the members of SNS's notification without
those of its signature, beside ``Messages`` (texts by protocol, where the publisher gave several), ``SubscriptionArn``
and ``Token`` (of a SubscriptionConfirmation, which is for that subscription alone).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson

from opentrail.arn import Arn, partition_of

NOTIFICATION = "Notification"
CONFIRMATION = "SubscriptionConfirmation"


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic. ``attributes`` holds what was set, as it was given."""

    arn: str
    name: str
    account_id: str
    region: str
    created_at: datetime
    attributes: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> bytes:
        """Return the snapshot that settings entries carry."""
        return orjson.dumps(asdict(self), option=orjson.OPT_SORT_KEYS)

    @classmethod
    def from_json(cls, snapshot: bytes) -> "Topic":
        kept = orjson.loads(snapshot)
        return cls(**(kept | {"created_at": datetime.fromisoformat(kept["created_at"])}))


@dataclass(frozen=True, slots=True)
class Subscription:
    """One subscription. Of a token that confirms it only the SHA-256 is kept, with until when it does."""

    arn: str
    topic_arn: str
    protocol: str
    endpoint: str
    account_id: str
    principal: str
    attributes: dict[str, str] = field(default_factory=dict)
    is_confirmed: bool = False
    was_authenticated: bool = False
    needs_authentication_to_end: bool = False
    token_digest: str = ""
    token_until: str = ""

    @property
    def id(self) -> str:
        return self.arn.rpartition(":")[2]

    @property
    def is_raw(self) -> bool:
        return self.attributes.get("RawMessageDelivery", "false").lower() == "true"

    def to_json(self) -> bytes:
        """Return the snapshot that settings entries carry."""
        return orjson.dumps(asdict(self), option=orjson.OPT_SORT_KEYS)

    @classmethod
    def from_json(cls, snapshot: bytes) -> "Subscription":
        return cls(**orjson.loads(snapshot))


def topic_arn(region: str, account_id: str, name: str) -> str:
    """Return the ARN of the topic ``name``."""
    return f"arn:{partition_of(region)}:sns:{region}:{account_id}:{name}"


def is_topic_arn(text: str) -> bool:
    """Say whether ``text`` is the ARN of a topic."""
    return _colons(text) == 0


def is_subscription_arn(text: str) -> bool:
    """Say whether ``text`` is the ARN of a subscription."""
    return _colons(text) == 1


def topic_of(subscription_arn: str) -> str:
    """Return the ARN of the topic that a subscription is of."""
    return subscription_arn.rpartition(":")[0]


def format_moment(moment: datetime) -> str:
    """Format a time as messages have it, to the millisecond."""
    return moment.astimezone(UTC).isoformat("T", "milliseconds").replace("+00:00", "Z")


def notification(
    topic: str,
    message_id: str,
    message: str,
    moment: datetime,
    *,
    subject: str = "",
    attributes: Mapping[str, Mapping[str, str]] | None = None,
    messages: Mapping[str, str] | None = None,
) -> bytes:
    """Return the journal's entry of a published message; append it with the topic's ARN as audience.

    ``attributes`` are message attributes by name, each with Type and Value; ``messages`` the texts of single protocols.
    """
    document: dict[str, Any] = {"Type": NOTIFICATION, "MessageId": message_id, "TopicArn": topic}
    if subject:
        document["Subject"] = subject
    document |= {"Message": message, "Timestamp": format_moment(moment)}
    if attributes:
        document["MessageAttributes"] = dict(attributes)
    if messages:
        document["Messages"] = dict(messages)
    return orjson.dumps(document)


def confirmation(subscription: Subscription, message_id: str, token: str, moment: datetime) -> bytes:
    """Return the journal's entry that asks a subscription's endpoint to confirm it."""
    said = f"You have chosen to subscribe to the topic {subscription.topic_arn}.\n"
    document = {
        "Type": CONFIRMATION,
        "MessageId": message_id,
        "Token": token,
        "TopicArn": subscription.topic_arn,
        "Message": said + "To confirm the subscription, visit the SubscribeURL included in this message.",
        "Timestamp": format_moment(moment),
        "SubscriptionArn": subscription.arn,
    }
    return orjson.dumps(document)


def _colons(text: str) -> int:
    """Return how many colons the resource of an ARN of SNS has, -1 for any other text."""
    if ":sns:" not in text:
        return -1
    try:
        arn = Arn.parse(text)
    except ValueError:
        return -1
    return arn.resource.count(":") if arn.service == "sns" else -1
