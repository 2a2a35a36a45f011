"""Events as bytes: the one JSON form that journal, history and log files share."""

import orjson

from opentrail.event import Event


def encode_event(event: Event) -> bytes:
    """Return the compact UTF-8 JSON of ``event``, keys in their order."""
    return orjson.dumps(event)


def decode_event(data: bytes) -> Event:
    """Parse one event; raises ValueError when ``data`` is not a JSON object."""
    event = orjson.loads(data)
    if not isinstance(event, dict):
        raise ValueError("an event is a JSON object")
    return event
