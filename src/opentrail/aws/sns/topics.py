"""Topics: create, delete, list, their attributes and permissions (reference: SNS, section 2)."""

import re
from dataclasses import replace
from typing import Any

import orjson

from opentrail.arn import Arn, root_arn
from opentrail.aws.service import ApiPorts, Call, Outcome
from opentrail.aws.sns.access import find_topic
from opentrail.aws.sns.attributes import check_topic_attribute, default_policy, shown_topic
from opentrail.aws.sns.errors import InvalidParameterException, TopicLimitExceededException
from opentrail.aws.sns.paging import page_of
from opentrail.aws.sns.tags import merged_tags
from opentrail.ports.journal import SettingsEntry
from opentrail.resource.topic import Topic, is_topic_arn, topic_arn

TOPICS_PER_REGION = 10_000
"""Of one account. SNS itself has 100,000."""

_NAME = re.compile(r"[A-Za-z0-9_-]{1,256}")


async def create_topic(ports: ApiPorts, call: Call) -> Outcome:
    """Plan a topic; one that is there already is answered if it has the same attributes and tags."""
    name, attributes = call.parameters["Name"], dict(call.parameters.get("Attributes", {}))
    if name.endswith(".fifo"):
        raise InvalidParameterException("Topic Name Reason: FIFO topics are not supported by this installation")
    if not _NAME.fullmatch(name):
        raise InvalidParameterException("Topic Name")
    if call.parameters.get("DataProtectionPolicy"):
        attributes["DataProtectionPolicy"] = call.parameters["DataProtectionPolicy"]
    for attribute, value in attributes.items():
        check_topic_attribute(attribute, value, "Attributes")
    arn = topic_arn(call.region, call.account_id, name)
    tags = merged_tags({}, call.parameters.get("Tags", ()))
    found = await ports.topic_store.topic(arn)
    if found is not None:
        return await _same_topic(ports, found, attributes, tags)
    if len(await ports.topic_store.topics(call.account_id, call.region)) >= TOPICS_PER_REGION:
        raise TopicLimitExceededException
    attributes = {"Policy": default_policy(arn)} | _kept(attributes)
    topic = Topic(arn, name, call.account_id, call.region, ports.clock.now(), attributes)
    return Outcome(
        {"TopicArn": arn},
        settings=(SettingsEntry(arn, topic.to_json()),),
        before=lambda: ports.trails.set_tags(arn, tags),
    )


async def _same_topic(ports: ApiPorts, found: Topic, attributes: dict[str, str], tags: dict[str, str]) -> Outcome:
    if any(found.attributes.get(name, "") != value for name, value in _kept(attributes).items()):
        raise InvalidParameterException("Attributes Reason: Topic already exists with different attributes")
    if tags and dict(await ports.trails.tags(found.arn)) != tags:
        raise InvalidParameterException("Tags Reason: Topic already exists with different tags")
    return Outcome({"TopicArn": found.arn})


async def delete_topic(ports: ApiPorts, call: Call) -> Outcome:
    """Plan the end of a topic and its subscriptions; one that is not there is gone already."""
    arn = call.parameters["TopicArn"]
    is_own = is_topic_arn(arn) and Arn.parse(arn).account_id == call.account_id
    if is_own and await ports.topic_store.topic(arn) is None:
        return Outcome()
    topic = await find_topic(ports, call, arn)
    ended = [SettingsEntry(each.arn, None) for each in await ports.topic_store.subscriptions(topic.arn)]
    return Outcome(settings=(*ended, SettingsEntry(topic.arn, None)), weakens_record=True)


async def list_topics(ports: ApiPorts, call: Call) -> Outcome:
    """List the topics of account and Region."""
    topics = await ports.topic_store.topics(call.account_id, call.region)
    page, token = page_of(call, topics, lambda topic: topic.arn)
    return Outcome({"Topics": [{"TopicArn": topic.arn} for topic in page], **token})


async def get_topic_attributes(ports: ApiPorts, call: Call) -> Outcome:
    """Show a topic."""
    topic = await find_topic(ports, call, call.parameters["TopicArn"])
    subscriptions = await ports.topic_store.subscriptions(topic.arn)
    confirmed = sum(each.is_confirmed for each in subscriptions)
    return Outcome({"Attributes": shown_topic(topic, confirmed, len(subscriptions) - confirmed)})


async def set_topic_attributes(ports: ApiPorts, call: Call) -> Outcome:
    """Plan one attribute's new value; an empty policy is the default one again."""
    topic = await find_topic(ports, call, call.parameters["TopicArn"])
    name, value = call.parameters["AttributeName"], call.parameters.get("AttributeValue", "")
    if name == "FifoTopic":
        raise InvalidParameterException("AttributeName")
    if name == "Policy" and not value:
        value = default_policy(topic.arn)
    check_topic_attribute(name, value, "AttributeValue")
    attributes = {key: kept for key, kept in topic.attributes.items() if key != name} | _kept({name: value})
    return _changed(topic, attributes)


async def add_permission(ports: ApiPorts, call: Call) -> Outcome:
    """Plan a statement of the topic's policy that lets accounts in."""
    topic = await find_topic(ports, call, call.parameters["TopicArn"])
    policy, label = _policy(topic), call.parameters["Label"]
    if any(statement.get("Sid") == label for statement in policy["Statement"]):
        raise InvalidParameterException("Statement already exists")
    accounts = call.parameters["AWSAccountId"]
    if not accounts or not all(re.fullmatch(r"\d{12}", account) for account in accounts):
        raise InvalidParameterException("AWSAccountId")
    principals = [root_arn(account) for account in accounts]
    actions = [f"SNS:{action}" for action in call.parameters["ActionName"]]
    statement = {
        "Sid": label,
        "Effect": "Allow",
        "Principal": {"AWS": principals if len(principals) > 1 else principals[0]},
        "Action": actions if len(actions) > 1 else actions[0],
        "Resource": topic.arn,
    }
    return _with_policy(topic, policy | {"Statement": [*policy["Statement"], statement]})


async def remove_permission(ports: ApiPorts, call: Call) -> Outcome:
    """Plan the end of a statement of the topic's policy; one that is not there is gone already."""
    topic = await find_topic(ports, call, call.parameters["TopicArn"])
    policy = _policy(topic)
    left = [each for each in policy["Statement"] if each.get("Sid") != call.parameters["Label"]]
    return _with_policy(topic, policy | {"Statement": left})


def _policy(topic: Topic) -> dict[str, Any]:
    policy: dict[str, Any] = orjson.loads(topic.attributes.get("Policy") or default_policy(topic.arn))
    statements = policy.get("Statement", [])
    return policy | {"Statement": statements if isinstance(statements, list) else [statements]}


def _with_policy(topic: Topic, policy: dict[str, Any]) -> Outcome:
    text = orjson.dumps(policy).decode()
    if policy["Statement"]:
        check_topic_attribute("Policy", text, "Policy")
    return _changed(topic, topic.attributes | {"Policy": text})


def _changed(topic: Topic, attributes: dict[str, str]) -> Outcome:
    changed = replace(topic, attributes=attributes)
    return Outcome(settings=(SettingsEntry(topic.arn, changed.to_json()),), weakens_record=True)


def _kept(attributes: dict[str, str]) -> dict[str, str]:
    """Return the attributes that are kept: not those that only say that something is not wished."""
    return {name: value for name, value in attributes.items() if value and value.lower() != "false"}
