"""Which subscriptions get a message of a topic: those in force at the message's place in the journal that want it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import structlog

from opentrail.pattern.errors import InvalidFilterPolicy
from opentrail.pattern.filter_policy import Attribute, Scope, message_view, parse_filter_policy
from opentrail.pattern.matcher import Matcher, compile_predicate
from opentrail.resource.delivery_policy import (
    HTTP_AGE_SECONDS,
    MAIL_AGE_SECONDS,
    MAIL_ATTEMPTS,
    MANAGED_AGE_SECONDS,
    MANAGED_ATTEMPTS,
    InvalidDeliveryPolicy,
    delays_of,
    effective_retries,
    retries_of,
)
from opentrail.resource.topic import CONFIRMATION, Subscription, Topic, is_subscription_arn, is_topic_arn

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Copy:
    """A message as one subscription gets it: ``event`` is its JSON, ``target`` how it is delivered."""

    subscription: Subscription
    event: bytes
    target: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _InForce:
    subscription: Subscription
    wants: Matcher | None
    scope: Scope


class TopicFanOut:
    """The topics and subscriptions in force, told in the journal's order. ``prepare`` hears of their endpoints."""

    def __init__(self, prepare: Callable[[str], None] = lambda destination: None) -> None:
        self._prepare = prepare
        self._topics: dict[str, Topic] = {}
        self._subscriptions: dict[str, dict[str, _InForce]] = {}

    @staticmethod
    def is_about(scope: str) -> bool:
        """Say whether settings of ``scope`` are a topic's or a subscription's."""
        return is_topic_arn(scope) or is_subscription_arn(scope)

    def put_in_force(self, arn: str, snapshot: bytes | None) -> None:
        """Take up new settings, None for the end of what they are about."""
        if is_topic_arn(arn):
            self._topics.pop(arn, None)
            if snapshot is not None:
                self._topics[arn] = Topic.from_json(snapshot)
            return
        topic_arn = arn.rpartition(":")[0]
        held = self._subscriptions.setdefault(topic_arn, {})
        held.pop(arn, None)
        if snapshot is not None:
            subscription = Subscription.from_json(snapshot)
            held[arn] = _in_force(subscription)
            self._prepare(subscription.endpoint)
        elif not held:
            del self._subscriptions[topic_arn]

    def known(self) -> set[str]:
        """Return the ARNs of all that is in force."""
        return self._topics.keys() | {arn for held in self._subscriptions.values() for arn in held}

    def copies(self, topic_arn: str, entry: bytes) -> Iterator[Copy]:
        """Yield the message for each subscription that gets it. Raises ValueError for what is no message."""
        topic, message = self._topics.get(topic_arn), orjson.loads(entry)
        if not isinstance(message, dict):
            raise ValueError("it is no message of a topic")
        if topic is None:
            return
        only = message.pop("SubscriptionArn", None)
        texts = message.pop("Messages", {})
        for arn, held in self._subscriptions.get(topic_arn, {}).items():
            if message.get("Type") == CONFIRMATION:
                if arn == only:
                    yield Copy(held.subscription, orjson.dumps(message), _target(topic, held.subscription))
                continue
            text = texts.get(held.subscription.protocol, message["Message"])
            if held.subscription.is_confirmed and _is_wanted(held, text, message):
                said = orjson.dumps(message | {"Message": text})
                yield Copy(held.subscription, said, _target(topic, held.subscription))


def _in_force(subscription: Subscription) -> _InForce:
    policy = subscription.attributes.get("FilterPolicy", "")
    by_body = subscription.attributes.get("FilterPolicyScope") == "MessageBody"
    scope: Scope = "MessageBody" if by_body else "MessageAttributes"
    if not policy:
        return _InForce(subscription, None, scope)
    try:
        return _InForce(subscription, compile_predicate(parse_filter_policy(policy, scope)), scope)
    except InvalidFilterPolicy:
        _log.exception(
            "a stored filter policy cannot be read; its subscription gets all", subscription=subscription.arn
        )
        return _InForce(subscription, None, scope)


def _is_wanted(held: _InForce, text: str, message: Mapping[str, Any]) -> bool:
    if held.wants is None:
        return True
    given = message.get("MessageAttributes", {})
    attributes = {name: Attribute(each["Type"], each["Value"]) for name, each in given.items()}
    return bool(held.wants(message_view(held.scope, text, attributes)))


def _target(topic: Topic, subscription: Subscription) -> dict[str, Any]:
    target: dict[str, Any] = {
        "Id": subscription.id,
        "Arn": subscription.arn,
        "Protocol": subscription.protocol,
        "Endpoint": subscription.endpoint,
        "Raw": subscription.is_raw,
        "SignatureVersion": topic.attributes.get("SignatureVersion", "1"),
        "DisplayName": topic.attributes.get("DisplayName", ""),
    }
    target |= _patience(topic, subscription)
    redrive = subscription.attributes.get("RedrivePolicy", "")
    if redrive:
        target["DeadLetterConfig"] = {"Arn": orjson.loads(redrive)["deadLetterTargetArn"]}
    return target


def _patience(topic: Topic, subscription: Subscription) -> dict[str, Any]:
    if subscription.protocol in ("sqs", "lambda", "application"):
        return _policy(MANAGED_ATTEMPTS, MANAGED_AGE_SECONDS)
    if subscription.protocol not in ("http", "https"):
        return _policy(MAIL_ATTEMPTS, MAIL_AGE_SECONDS)
    own, topics = subscription.attributes.get("DeliveryPolicy", ""), topic.attributes.get("DeliveryPolicy", "")
    try:
        retries = effective_retries(topics, own)
    except InvalidDeliveryPolicy:
        retries = retries_of("", "healthyRetryPolicy")
    return _policy(retries["numRetries"], HTTP_AGE_SECONDS) | {"RetryDelays": delays_of(retries)}


def _policy(attempts: int, seconds: int) -> dict[str, Any]:
    return {"RetryPolicy": {"MaximumRetryAttempts": attempts, "MaximumEventAgeInSeconds": seconds}}
