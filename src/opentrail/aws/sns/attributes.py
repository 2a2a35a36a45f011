"""Attributes of topics and subscriptions: what may be set, what is shown (reference: SNS, sections 2 and 3)."""

import orjson

from opentrail.arn import Arn
from opentrail.aws.sns.errors import InvalidParameterException
from opentrail.pattern.errors import InvalidFilterPolicy
from opentrail.pattern.filter_policy import Scope, parse_filter_policy
from opentrail.policy.document import MalformedPolicy, parse_policy
from opentrail.resource.delivery_policy import (
    InvalidDeliveryPolicy,
    effective_retries,
    is_overriding_disabled,
    retries_of,
)
from opentrail.resource.topic import Subscription, Topic

MAX_DISPLAY_NAME = 100
MAX_POLICY_BYTES = 30_720

_TOPIC_ATTRIBUTES = frozenset(
    {"DisplayName", "Policy", "DeliveryPolicy", "SignatureVersion", "TracingConfig", "FifoTopic"}
)
_NOT_BUILT = {
    "KmsMasterKeyId": "encryption with KMS keys",
    "ContentBasedDeduplication": "FIFO topics",
    "FifoThroughputScope": "FIFO topics",
    "ArchivePolicy": "archives of messages",
    "DataProtectionPolicy": "data protection policies",
    "ReplayPolicy": "replays of messages",
    "SubscriptionRoleArn": "Firehose",
}
_SUBSCRIPTION_ATTRIBUTES = frozenset(
    {"RawMessageDelivery", "FilterPolicy", "FilterPolicyScope", "DeliveryPolicy", "RedrivePolicy"}
)
_RAW_PROTOCOLS = frozenset({"http", "https", "sqs"})
_ACTIONS = (
    *("GetTopicAttributes", "SetTopicAttributes", "AddPermission", "RemovePermission", "DeleteTopic"),
    *("Subscribe", "ListSubscriptionsByTopic", "Publish"),
)


def default_policy(topic_arn: str) -> str:
    """Return the policy that a new topic has: everybody who acts for its account may use it."""
    statement = {
        "Sid": "__default_statement_ID",
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": [f"SNS:{action}" for action in _ACTIONS],
        "Resource": topic_arn,
        "Condition": {"StringEquals": {"AWS:SourceOwner": Arn.parse(topic_arn).account_id}},
    }
    policy = {"Version": "2008-10-17", "Id": "__default_policy_ID", "Statement": [statement]}
    return orjson.dumps(policy).decode()


def check_topic_attribute(name: str, value: str, where: str) -> None:
    """Raise InvalidParameter unless a topic's attribute may have this value; ``where`` stands in its message."""
    if name in _NOT_BUILT and value not in ("", "false"):
        raise InvalidParameterException(f"{where} Reason: {_NOT_BUILT[name]} are not supported by this installation")
    if name not in _TOPIC_ATTRIBUTES and name not in _NOT_BUILT:
        raise InvalidParameterException("AttributeName")
    if name == "FifoTopic" and value.lower() == "true":
        raise InvalidParameterException(f"{where} Reason: FIFO topics are not supported by this installation")
    if name == "DisplayName" and len(value) > MAX_DISPLAY_NAME:
        raise InvalidParameterException("DisplayName")
    if name == "SignatureVersion" and value not in ("1", "2"):
        raise InvalidParameterException("SignatureVersion")
    if name == "TracingConfig" and value != "PassThrough":
        raise InvalidParameterException(f"{where} Reason: tracing is not supported by this installation")
    if name == "Policy":
        _check_policy(value)
    if name == "DeliveryPolicy":
        _check_delivery_policy(value, "defaultHealthyRetryPolicy")


def check_subscription_attributes(protocol: str, attributes: dict[str, str], where: str) -> None:
    """Raise InvalidParameter unless a subscription may have these attributes together."""
    for name, value in attributes.items():
        if name in _NOT_BUILT:
            raise InvalidParameterException(
                f"{where} Reason: {_NOT_BUILT[name]} are not supported by this installation"
            )
        if name not in _SUBSCRIPTION_ATTRIBUTES:
            raise InvalidParameterException("AttributeName")
        if name == "RawMessageDelivery":
            _check_raw(protocol, value)
    scope = attributes.get("FilterPolicyScope", "MessageAttributes")
    if scope not in ("MessageAttributes", "MessageBody"):
        raise InvalidParameterException("FilterPolicyScope: Invalid value. Please use MessageAttributes or MessageBody")
    by_body: Scope = "MessageBody" if scope == "MessageBody" else "MessageAttributes"
    if attributes.get("FilterPolicy"):
        try:
            parse_filter_policy(attributes["FilterPolicy"], by_body)
        except InvalidFilterPolicy as error:
            raise InvalidParameterException(f"{where}FilterPolicy: {error}") from error
    _check_delivery_policy(attributes.get("DeliveryPolicy", ""), "healthyRetryPolicy")
    _check_redrive(attributes.get("RedrivePolicy", ""))


def shown_topic(topic: Topic, confirmed: int, pending: int) -> dict[str, str]:
    """Return the attributes of GetTopicAttributes."""
    policy = topic.attributes.get("DeliveryPolicy", "")
    retries = retries_of(policy, "defaultHealthyRetryPolicy")
    effective = {
        "http": {
            "defaultHealthyRetryPolicy": retries,
            "disableSubscriptionOverrides": is_overriding_disabled(policy),
            "defaultRequestPolicy": {"headerContentType": "text/plain; charset=UTF-8"},
        }
    }
    return {
        "TopicArn": topic.arn,
        "Owner": topic.account_id,
        "DisplayName": "",
        **topic.attributes,
        "EffectiveDeliveryPolicy": orjson.dumps(effective).decode(),
        "SubscriptionsConfirmed": str(confirmed),
        "SubscriptionsPending": str(pending),
        "SubscriptionsDeleted": "0",
    }


def shown_subscription(subscription: Subscription, topic: Topic | None) -> dict[str, str]:
    """Return the attributes of GetSubscriptionAttributes; its topic may be gone."""
    shown = {
        "SubscriptionArn": subscription.arn,
        "TopicArn": subscription.topic_arn,
        "Protocol": subscription.protocol,
        "Endpoint": subscription.endpoint,
        "Owner": subscription.account_id,
        "PendingConfirmation": str(not subscription.is_confirmed).lower(),
        "ConfirmationWasAuthenticated": str(subscription.was_authenticated).lower(),
        "RawMessageDelivery": "false",
        "SubscriptionPrincipal": subscription.principal,
        **{name: value for name, value in subscription.attributes.items() if value},
    }
    if shown.get("FilterPolicy"):
        shown.setdefault("FilterPolicyScope", "MessageAttributes")
    if subscription.protocol in ("http", "https"):
        topics = topic.attributes.get("DeliveryPolicy", "") if topic is not None else ""
        retries = effective_retries(topics, subscription.attributes.get("DeliveryPolicy", ""))
        shown["EffectiveDeliveryPolicy"] = orjson.dumps({"healthyRetryPolicy": retries}).decode()
    return shown


def _check_raw(protocol: str, value: str) -> None:
    if value.lower() not in ("true", "false", ""):
        raise InvalidParameterException("Attributes Reason: RawMessageDelivery: Invalid value. Must be true or false.")
    if value.lower() == "true" and protocol not in _RAW_PROTOCOLS:
        said = f"Attributes Reason: RawMessageDelivery: Delivery protocol [{protocol}] does not support raw message "
        raise InvalidParameterException(said + "delivery.")


def _check_policy(value: str) -> None:
    if len(value.encode()) > MAX_POLICY_BYTES:
        raise InvalidParameterException("Policy Error: too long")
    try:
        parse_policy(value)
    except MalformedPolicy as error:
        raise InvalidParameterException(f"Policy Error: {error}") from error


def _check_delivery_policy(value: str, member: str) -> None:
    try:
        retries_of(value, member)
    except InvalidDeliveryPolicy as error:
        raise InvalidParameterException(f"DeliveryPolicy: {error}") from error


def _check_redrive(value: str) -> None:
    if not value:
        return
    try:
        arn = Arn.parse(orjson.loads(value)["deadLetterTargetArn"])
    except (ValueError, TypeError, KeyError, AttributeError):
        raise InvalidParameterException("RedrivePolicy: deadLetterTargetArn must be the ARN of a queue") from None
    if arn.service != "sqs" or arn.resource.endswith(".fifo"):
        raise InvalidParameterException("RedrivePolicy: deadLetterTargetArn must be the ARN of a standard queue")
