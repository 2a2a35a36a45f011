"""What a subscription filter sends of a batch of log events: CloudWatch Logs' data message, compressed.

A message is JSON ``{"awslogs": {"data": ...}}``, the data being base64 of gzip of JSON with ``messageType``, ``owner``,
``logGroup``, ``logStream``, ``subscriptionFilters`` and ``logEvents`` (``id``, ``timestamp``, ``message``).
"""

import base64
import gzip
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import orjson

from opentrail.ports.log_store import LogEvent
from opentrail.resource.log_group import LogGroup

MAX_EVENTS_BYTES = 160 * 1024
"""JSON of the events of one message: whatever its content, a message is then below a queue's 256 KiB. A single larger
event is a message of its own."""

DESTINATIONS = frozenset({"lambda", "sqs", "sns"})
"""Services that messages are sent to. Queues and topics are none of CloudWatch Logs' own destinations, but ours."""

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
