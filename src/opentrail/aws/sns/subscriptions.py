"""Subscriptions: subscribe, confirm, unsubscribe, list, their attributes (reference: SNS, section 3)."""

import hashlib
import hmac
import re
from dataclasses import replace
from datetime import timedelta

from opentrail.arn import Arn
from opentrail.aws.service import ApiPorts, Call, Outcome
from opentrail.aws.sns.access import find_subscription, find_topic
from opentrail.aws.sns.attributes import check_subscription_attributes, shown_subscription
from opentrail.aws.sns.errors import InvalidParameterException, SubscriptionLimitExceededException
from opentrail.aws.sns.paging import page_of
from opentrail.clock import format_time, parse_time
from opentrail.outgoing.endpoint import UnusableUrl, parse_endpoint
from opentrail.ports.journal import EventEntry, SettingsEntry
from opentrail.resource.topic import Subscription, confirmation

SUBSCRIPTIONS_PER_TOPIC = 10_000
"""SNS itself has 12,500,000."""

TOKEN_CHARACTERS = 96
TOKEN_LIFE = timedelta(days=2)
"""For as long a subscription can be confirmed; subscribing again sends another token."""

_PROTOCOLS = ("http", "https", "email", "email-json", "sqs", "lambda", "application")
_CONFIRMED_AT_ONCE = ("sqs", "lambda", "application")
_NOT_BUILT = ("sms", "firehose")
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,255}")
_HEX = "0123456789abcdef"


async def subscribe(ports: ApiPorts, call: Call) -> Outcome:
    """Plan a subscription. To a queue or a function of the topic's account it is confirmed at once, else its endpoint
    is asked; a pending one is asked again."""
    topic = await find_topic(ports, call, call.parameters["TopicArn"])
    protocol, endpoint = call.parameters["Protocol"], call.parameters.get("Endpoint", "")
    attributes = dict(call.parameters.get("Attributes", {}))
    _check_endpoint(ports, call, protocol, endpoint)
    check_subscription_attributes(protocol, attributes, "Attributes Reason: ")
    held = await ports.topic_store.subscriptions(topic.arn)
    found = next((each for each in held if (each.protocol, each.endpoint) == (protocol, endpoint)), None)
    if found is not None and found.attributes != attributes:
        raise InvalidParameterException("Attributes Reason: Subscription already exists with different attributes")
    if found is None and len(held) >= SUBSCRIPTIONS_PER_TOPIC:
        raise SubscriptionLimitExceededException
    if found is not None and found.is_confirmed:
        return Outcome({"SubscriptionArn": found.arn})
    made = found or Subscription(
        arn=f"{topic.arn}:{ports.identifiers.uuid()}",
        topic_arn=topic.arn,
        protocol=protocol,
        endpoint=endpoint,
        account_id=call.account_id,
        principal=call.caller.arn,
        attributes=attributes,
    )
    if protocol in _CONFIRMED_AT_ONCE and call.account_id == topic.account_id:
        confirmed = replace(made, is_confirmed=True, was_authenticated=True)
        return Outcome({"SubscriptionArn": made.arn}, settings=(SettingsEntry(made.arn, confirmed.to_json()),))
    return _asked(ports, call, made)


def _asked(ports: ApiPorts, call: Call, subscription: Subscription) -> Outcome:
    token = ports.identifiers.token(TOKEN_CHARACTERS, _HEX)
    now = ports.clock.now()
    pending = replace(subscription, token_digest=_digest(token), token_until=format_time(now + TOKEN_LIFE))
    shown = subscription.arn if call.parameters.get("ReturnSubscriptionArn") else "pending confirmation"
    said = confirmation(subscription, ports.identifiers.uuid(), token, now)
    return Outcome(
        {"SubscriptionArn": shown},
        settings=(SettingsEntry(subscription.arn, pending.to_json()),),
        events=(EventEntry(said, subscription.topic_arn),),
    )


async def confirm_subscription(ports: ApiPorts, call: Call) -> Outcome:
    """Plan that a subscription gets messages; only whom its endpoint told knows the token."""
    topic = await find_topic(ports, call, call.parameters["TopicArn"])
    found = await subscription_of_token(ports, topic.arn, call.parameters["Token"])
    needs = call.parameters.get("AuthenticateOnUnsubscribe", "").lower() == "true"
    confirmed = replace(
        found, is_confirmed=True, was_authenticated=True, needs_authentication_to_end=needs, token_until=""
    )
    return Outcome({"SubscriptionArn": found.arn}, settings=(SettingsEntry(found.arn, confirmed.to_json()),))


async def subscription_of_token(ports: ApiPorts, topic_arn: str, token: str) -> Subscription:
    """Return the subscription that a token confirms, again if it did so before. Raises InvalidParameter."""
    digest = _digest(token)
    for held in await ports.topic_store.subscriptions(topic_arn):
        is_it = bool(held.token_digest) and hmac.compare_digest(held.token_digest, digest)
        if is_it and (held.is_confirmed or ports.clock.now() <= parse_time(held.token_until)):
            return held
    raise InvalidParameterException("Token")


async def unsubscribe(ports: ApiPorts, call: Call) -> Outcome:
    """Plan the end of a subscription."""
    found = await find_subscription(ports, call, call.parameters["SubscriptionArn"])
    return Outcome(settings=(SettingsEntry(found.arn, None),), weakens_record=True)


async def list_subscriptions(ports: ApiPorts, call: Call) -> Outcome:
    """List the subscriptions to the topics of account and Region."""
    return _listed(call, list(await ports.topic_store.subscriptions_of(call.account_id, call.region)))


async def list_subscriptions_by_topic(ports: ApiPorts, call: Call) -> Outcome:
    """List the subscriptions to a topic."""
    topic = await find_topic(ports, call, call.parameters["TopicArn"])
    return _listed(call, list(await ports.topic_store.subscriptions(topic.arn)))


async def get_subscription_attributes(ports: ApiPorts, call: Call) -> Outcome:
    """Show a subscription."""
    found = await find_subscription(ports, call, call.parameters["SubscriptionArn"])
    return Outcome({"Attributes": shown_subscription(found, await ports.topic_store.topic(found.topic_arn))})


async def set_subscription_attributes(ports: ApiPorts, call: Call) -> Outcome:
    """Plan one attribute's new value; an empty one unsets it."""
    found = await find_subscription(ports, call, call.parameters["SubscriptionArn"])
    name, value = call.parameters["AttributeName"], call.parameters.get("AttributeValue", "")
    attributes = {key: kept for key, kept in found.attributes.items() if key != name}
    if value and not (name == "FilterPolicy" and value.strip() == "{}"):
        attributes[name] = value
    check_subscription_attributes(found.protocol, attributes if name in attributes else attributes | {name: ""}, "")
    changed = replace(found, attributes=attributes)
    return Outcome(settings=(SettingsEntry(found.arn, changed.to_json()),), weakens_record=True)


def _listed(call: Call, subscriptions: list[Subscription]) -> Outcome:
    page, token = page_of(call, subscriptions, lambda each: each.arn)
    shown = [
        {
            "SubscriptionArn": each.arn if each.is_confirmed else "PendingConfirmation",
            "Owner": each.account_id,
            "Protocol": each.protocol,
            "Endpoint": each.endpoint,
            "TopicArn": each.topic_arn,
        }
        for each in page
    ]
    return Outcome({"Subscriptions": shown, **token})


def _check_endpoint(ports: ApiPorts, call: Call, protocol: str, endpoint: str) -> None:
    """Raise InvalidParameter unless messages can be sent there."""
    if protocol in _NOT_BUILT:
        raise InvalidParameterException(f"Protocol Reason: {protocol} is not supported by this installation")
    if protocol not in _PROTOCOLS:
        raise InvalidParameterException(f"Amazon SNS does not support this protocol string: {protocol}")
    if protocol in ("http", "https"):
        _check_url(protocol, endpoint)
    elif protocol in ("email", "email-json"):
        if not ports.sends_mail:
            raise InvalidParameterException(f"Protocol Reason: {protocol} needs the setting mail.server")
        if not _ADDRESS.fullmatch(endpoint):
            raise InvalidParameterException("Email address")
    elif protocol == "application":
        _check_named(ports, call, endpoint)
    else:
        _check_arn(call, protocol, endpoint)


def _check_url(protocol: str, endpoint: str) -> None:
    try:
        scheme = parse_endpoint(endpoint).scheme
    except UnusableUrl as error:
        raise InvalidParameterException(f"Endpoint Reason: {error}") from error
    if scheme != protocol:
        raise InvalidParameterException("Endpoint must match the specified protocol")


def _check_arn(call: Call, protocol: str, endpoint: str) -> None:
    kinds = {"sqs": "SQS", "lambda": "Lambda"}
    try:
        arn = Arn.parse(endpoint)
    except ValueError:
        raise InvalidParameterException(f"{kinds[protocol]} endpoint ARN") from None
    is_right = arn.service == protocol and arn.region and (protocol == "sqs" or arn.resource.startswith("function:"))
    if not is_right or arn.account_id != call.account_id:
        raise InvalidParameterException(f"{kinds[protocol]} endpoint ARN")
    if protocol == "sqs" and arn.resource.endswith(".fifo"):
        raise InvalidParameterException("Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics")


def _check_named(ports: ApiPorts, call: Call, endpoint: str) -> None:
    """Mobile push is not here; a target that the settings name stands in the place of an application."""
    try:
        arn = Arn.parse(endpoint)
    except ValueError:
        raise InvalidParameterException("Application endpoint arn invalid") from None
    if arn.account_id != call.account_id or not ports.named_targets.permits(arn):
        raise InvalidParameterException("Endpoint Reason: the settings of this installation name no such target")


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
