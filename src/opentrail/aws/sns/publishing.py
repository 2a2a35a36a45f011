"""Publish and PublishBatch: a message is in the journal before the call is answered, and fans out from there."""

import base64
import re
from typing import Any

import orjson

from opentrail.aws.service import ApiPorts, Call, Outcome
from opentrail.aws.sns.access import find_topic
from opentrail.aws.sns.errors import (
    BatchEntryIdsNotDistinctException,
    BatchRequestTooLongException,
    EmptyBatchRequestException,
    InvalidParameterException,
    TooManyEntriesInBatchRequestException,
)
from opentrail.ports.journal import EventEntry
from opentrail.resource.topic import Topic, notification

MAX_MESSAGE_BYTES = 256 * 1024
"""Of a message with its attributes, and of a batch."""

MAX_ENTRIES = 10
"""Of a batch; SNS's."""

_SUBJECT = re.compile(r"[\x20-\x7e]{1,100}")
_ATTRIBUTE_TYPE = re.compile(r"(String|Number|Binary|String\.Array)(\.[A-Za-z0-9_.-]{1,200})?")
_ATTRIBUTE_NAME = re.compile(r"(?!.*\.\.)[A-Za-z0-9_-][A-Za-z0-9_.-]{0,255}(?<!\.)")


async def publish(ports: ApiPorts, call: Call) -> Outcome:
    """Plan one message to all subscriptions of a topic."""
    given = call.parameters
    named = given.get("TopicArn") or given.get("TargetArn")
    if given.get("PhoneNumber"):
        raise InvalidParameterException("PhoneNumber Reason: text messages are not supported by this installation")
    if not named:
        raise InvalidParameterException("TopicArn or TargetArn Reason: no value for required parameter")
    topic = await find_topic(ports, call, named)
    message_id, entry = _message(ports, topic, given)
    return Outcome({"MessageId": message_id}, events=(entry,))


async def publish_batch(ports: ApiPorts, call: Call) -> Outcome:
    """Plan up to ten messages, each judged by itself."""
    entries = call.parameters.get("PublishBatchRequestEntries", [])
    if not entries:
        raise EmptyBatchRequestException
    if len(entries) > MAX_ENTRIES:
        raise TooManyEntriesInBatchRequestException
    if len({entry["Id"] for entry in entries}) != len(entries):
        raise BatchEntryIdsNotDistinctException
    if sum(map(_size, entries)) > MAX_MESSAGE_BYTES:
        raise BatchRequestTooLongException
    topic = await find_topic(ports, call, call.parameters["TopicArn"])
    taken: list[EventEntry] = []
    successful, failed = [], []
    for entry in entries:
        try:
            message_id, made = _message(ports, topic, entry)
        except InvalidParameterException as error:
            failed.append({"Id": entry["Id"], "Code": error.code, "Message": str(error), "SenderFault": True})
            continue
        taken.append(made)
        successful.append({"Id": entry["Id"], "MessageId": message_id})
    return Outcome({"Successful": successful, "Failed": failed}, events=tuple(taken))


def _message(ports: ApiPorts, topic: Topic, given: dict[str, Any]) -> tuple[str, EventEntry]:
    """Return a message's id and its entry. Raises InvalidParameter."""
    for member in ("MessageGroupId", "MessageDeduplicationId"):
        if given.get(member):
            raise InvalidParameterException(
                f"{member} Reason: The request includes {member} parameter that is not valid for this topic type"
            )
    subject = given.get("Subject", "")
    if not given.get("Message"):
        raise InvalidParameterException("Empty message")
    if "Subject" in given and (not _SUBJECT.fullmatch(subject) or subject.startswith(" ")):
        raise InvalidParameterException("Subject")
    if _size(given) > MAX_MESSAGE_BYTES:
        raise InvalidParameterException("Message too long")
    texts = _texts(given)
    attributes = {name: _attribute(name, value) for name, value in given.get("MessageAttributes", {}).items()}
    message_id = ports.identifiers.uuid()
    said = notification(
        topic.arn,
        message_id,
        texts.pop("default"),
        ports.clock.now(),
        subject=subject,
        attributes=attributes,
        messages=texts,
    )
    return message_id, EventEntry(said, topic.arn)


def _texts(given: dict[str, Any]) -> dict[str, str]:
    """Return the message's texts by protocol, ``default`` among them."""
    structure = given.get("MessageStructure", "")
    if structure in ("", "string"):
        return {"default": given["Message"]}
    if structure != "json":
        raise InvalidParameterException("MessageStructure")
    try:
        texts = orjson.loads(given["Message"])
    except orjson.JSONDecodeError:
        raise InvalidParameterException("Message Structure - JSON message body failed to parse") from None
    if not isinstance(texts, dict) or not isinstance(texts.get("default"), str):
        raise InvalidParameterException("Message Structure - No default entry in JSON message body")
    return {name: text for name, text in texts.items() if isinstance(text, str)}


def _attribute(name: str, given: dict[str, Any]) -> dict[str, str]:
    kind = given.get("DataType", "")
    if not _ATTRIBUTE_NAME.fullmatch(name) or not _ATTRIBUTE_TYPE.fullmatch(kind):
        raise InvalidParameterException(f"The message attribute '{name}' has no valid name and data type")
    if kind.startswith("Binary"):
        value = base64.b64encode(given.get("BinaryValue", b"")).decode()
    else:
        value = given.get("StringValue", "")
    if not value:
        raise InvalidParameterException(f"The message attribute '{name}' must contain a non-empty value for its type")
    if kind.startswith("Number"):
        try:
            float(value)
        except ValueError:
            raise InvalidParameterException(f"Could not cast message attribute '{name}' value to number.") from None
    return {"Type": kind, "Value": value}


def _size(given: dict[str, Any]) -> int:
    size = len(given.get("Message", "").encode("utf-8", "surrogatepass"))
    for name, value in given.get("MessageAttributes", {}).items():
        size += len(name) + len(value.get("DataType", "")) + len(value.get("StringValue", "").encode())
        size += len(value.get("BinaryValue", b""))
    return size
