"""What a subscription filter sends of a batch of log events: CloudWatch Logs' data message, compressed.

A message is JSON ``{"awslogs": {"data": ...}}``, the data being base64 of gzip of JSON with ``messageType``, ``owner``,
``logGroup``, ``logStream``, ``subscriptionFilters`` and ``logEvents`` (``id``, ``timestamp``, ``message``).
"""

import base64
import gzip
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from opentrail.ports.log_store import LogEvent
from opentrail.resource.log_group import LogGroup
from opentrail.resource.named_target import NAMED_SERVICE

MAX_EVENTS_BYTES = 160 * 1024
"""JSON of the events of one message: whatever its content, a message is then below a queue's 256 KiB. A single larger
event is a message of its own."""

DESTINATIONS = frozenset({"lambda", "kinesis", "firehose", "sqs", "sns", NAMED_SERVICE})
"""Services that messages are sent to. Queues, topics and targets of the settings are none of CloudWatch Logs' own
destinations, but ours."""

LOG_DATA = "LogData"
"""The member of a target that says that the text is a message of a subscription filter; its value is the key by which
streams of records keep them together."""

_DIGITS = 56


@dataclass(frozen=True, slots=True)
class DataMessage:
    """One message; ``key`` is made of its content alone."""

    text: bytes
    key: str


def data_messages(group: LogGroup, stream: str, filter_name: str, events: Sequence[LogEvent]) -> Iterator[DataMessage]:
    """Yield the messages of one stream's events that a filter picked, in order; the same for the same events."""
    for part in _parts([_event(group, event, at) for at, event in enumerate(events)]):
        data = orjson.dumps(
            {
                "messageType": "DATA_MESSAGE",
                "owner": group.account_id,
                "logGroup": group.name,
                "logStream": stream,
                "subscriptionFilters": [filter_name],
                "logEvents": part,
            }
        )
        packed = base64.b64encode(gzip.compress(data, mtime=0)).decode()
        yield DataMessage(orjson.dumps({"awslogs": {"data": packed}}), hashlib.sha256(data).hexdigest())


def packed_data(text: str) -> bytes:
    """Return the gzip bytes that a message holds: what a stream of records gets."""
    return base64.b64decode(orjson.loads(text)["awslogs"]["data"])


def unpacked(text: str) -> dict[str, Any]:
    """Return the members of a message's data."""
    data: dict[str, Any] = orjson.loads(gzip.decompress(packed_data(text)))
    return data


def _event(group: LogGroup, event: LogEvent, number: int) -> dict[str, str | int]:
    message = event.message.encode(errors="replace").decode()
    made = "\n".join((group.group_id, event.stream_id, str(event.ingested_at), event.position, str(number), message))
    salt = int.from_bytes(hashlib.sha256(made.encode()).digest()[:16], "big")
    return {
        "id": f"{event.timestamp:016d}{salt:040d}"[:_DIGITS],
        "timestamp": event.timestamp,
        "message": message,
    }


def _parts(events: Sequence[dict[str, str | int]]) -> Iterator[list[dict[str, str | int]]]:
    part: list[dict[str, str | int]] = []
    size_bytes = 0
    for event in events:
        added = len(orjson.dumps(event))
        if part and size_bytes + added > MAX_EVENTS_BYTES:
            yield part
            part, size_bytes = [], 0
        part.append(event)
        size_bytes += added
    if part:
        yield part
