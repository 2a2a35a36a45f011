"""How what leaves is signed, by the Standard Webhooks scheme, for which receivers find libraries.

``webhook-id`` (the same at every try), ``webhook-timestamp`` (Unix seconds of this try) and ``webhook-signature``:
``v1,`` and the base64 HMAC-SHA256 of ``<id>.<timestamp>.<body>``.
"""

import base64
import hashlib
import hmac
from datetime import datetime


def signed_headers(key: bytes, message_id: str, moment: datetime, body: bytes) -> dict[str, str]:
    """Return the three headers of a signed POST."""
    timestamp = int(moment.timestamp())
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(key, message_id, timestamp, body),
    }


def signature(key: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the value of ``webhook-signature``."""
    mac = hmac.new(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256)
    return "v1," + base64.b64encode(mac.digest()).decode()
