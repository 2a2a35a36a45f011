"""Messages of ``application/vnd.amazon.eventstream`` as services send them.

A message is: total length and headers' length (4 bytes each, big-endian), CRC-32 of these eight bytes, headers,
payload, CRC-32 of all before it. A header is: name's length (1 byte), name, type 7 (string), value's length (2 bytes),
value.
"""

from binascii import crc32
from collections.abc import Mapping
from struct import pack


def encode_message(headers: Mapping[str, str], payload: bytes) -> bytes:
    """Return one message with string headers."""
    fields = b"".join(
        pack("!B", len(name)) + name.encode() + b"\x07" + pack("!H", len(value.encode())) + value.encode()
        for name, value in headers.items()
    )
    prelude = pack("!II", 16 + len(fields) + len(payload), len(fields))
    start = prelude + pack("!I", crc32(prelude)) + fields + payload
    return start + pack("!I", crc32(start))


def encode_event(kind: str, payload: bytes, content_type: str = "application/json") -> bytes:
    """Return an event of type ``kind``."""
    return encode_message({":message-type": "event", ":event-type": kind, ":content-type": content_type}, payload)


def encode_exception(kind: str, payload: bytes) -> bytes:
    """Return an error that ends a stream which began well."""
    return encode_message(
        {":message-type": "exception", ":exception-type": kind, ":content-type": "application/json"}, payload
    )
