"""The webhook that the operator's settings name: one signed POST for each delivered log file.

Signed as the Standard Webhooks specification has it, so that receivers verify with the libraries made for that:
``webhook-id`` (the notice's), ``webhook-timestamp`` (Unix seconds of this try) and ``webhook-signature``: ``v1,`` and
the base64 HMAC-SHA256 of ``<id>.<timestamp>.<body>``. The URL may be a private address, since the operator named it; so
redirects are not followed, proxies of the environment not used, and nothing of the answer but its status is read.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

import orjson

from opentrail.clock import Clock, format_time
from opentrail.ports import Unavailable
from opentrail.ports.notices import Notice, NoticeRefused, ReceiverNotFound

ANSWER_SECONDS = 10
"""From the first packet to the end of the answer's headers."""

MAX_HEADER_BYTES = 16 * 1024
"""Of an answer; more is no answer."""

MAX_INTERIM_ANSWERS = 3
"""Of status 1xx, which come before the answer."""

SECRET_PREFIX = "whsec_"  # noqa: S105 - marks a secret, is none
"""Before a secret that is given in base64, as the specification writes them; without it the text itself is the key."""

_TIMED_OUT, _TOO_MANY, _SERVER_FAULT = 408, 429, 500
_GONE = frozenset({404, 410})


@dataclass(frozen=True)
class WebhookEndpoint:
    """Where the webhook is, and the key of its signatures. ``ca_bundle`` is a file, "" for the system's CAs."""

    url: str
    secret: str
    ca_bundle: str = ""


class Webhook:
    """Implements NoticeSender for the receiver WEBHOOK."""

    def __init__(self, endpoint: WebhookEndpoint, clock: Clock) -> None:
        self._url = urlsplit(endpoint.url)
        self._key = read_secret(endpoint.secret)
        self._clock = clock
        self._tls = ssl.create_default_context(cafile=endpoint.ca_bundle or None)

    async def send(self, notice: Notice) -> None:
        body = notice_body(notice)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                status = await self._post(self._request(notice.notice_id, body))
        except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            raise Unavailable(f"the webhook did not answer: {error or 'too late'}") from error
        _judge(status)

    def _request(self, notice_id: str, body: bytes) -> bytes:
        timestamp = int(self._clock.now().timestamp())
        headers = {
            "Host": self._url.netloc.rpartition("@")[2],
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "User-Agent": "Opentrail",
            "webhook-id": notice_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(self._key, notice_id, timestamp, body),
            "Connection": "close",
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        target = (self._url.path or "/") + (f"?{self._url.query}" if self._url.query else "")
        return f"POST {target} HTTP/1.1\r\n{lines}\r\n".encode() + body

    async def _post(self, request: bytes) -> int:
        is_tls = self._url.scheme == "https"
        reader, writer = await asyncio.open_connection(
            self._url.hostname,
            self._url.port or (443 if is_tls else 80),
            ssl=self._tls if is_tls else None,
            limit=MAX_HEADER_BYTES,
        )
        try:
            writer.write(request)
            await writer.drain()
            for _ in range(1 + MAX_INTERIM_ANSWERS):
                status = _status(await reader.readuntil(b"\r\n\r\n"))
                if status >= 200:
                    return status
            raise ValueError("too many interim answers")
        finally:
            writer.transport.abort()


def read_secret(secret: str) -> bytes:
    """Return the key that a setting names; raises ValueError when it is marked as base64 and is not."""
    if not secret.startswith(SECRET_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError(f"what follows {SECRET_PREFIX} is not base64") from error


def signature(key: bytes, notice_id: str, timestamp: int, body: bytes) -> str:
    """Return the value of ``webhook-signature``."""
    mac = hmac.new(key, f"{notice_id}.{timestamp}.".encode() + body, hashlib.sha256)
    return "v1," + base64.b64encode(mac.digest()).decode()


def notice_body(notice: Notice) -> bytes:
    """Return the JSON that is posted: the same bytes at every try."""
    content = {
        "type": "log_file.delivered",
        "timestamp": format_time(notice.delivered_at),
        "data": {
            "trailARN": notice.trail_arn,
            "awsRegion": notice.region,
            "s3Bucket": notice.bucket,
            "s3ObjectKey": [notice.key],
        },
    }
    return orjson.dumps(content)


def _status(head: bytes) -> int:
    """Return the status of an answer's head; raises ValueError when it is not HTTP."""
    protocol, _, rest = head.partition(b" ")
    code = rest[:3]
    if protocol not in (b"HTTP/1.1", b"HTTP/1.0") or not code.isdigit() or len(code) != 3:
        raise ValueError("the answer is not HTTP")
    return int(code)


def _judge(status: int) -> None:
    """Raise the port's error for any status but 2xx."""
    if status < 300:
        return
    if status in _GONE:
        raise ReceiverNotFound(f"the webhook answered {status}")
    if status >= _SERVER_FAULT or status in (_TIMED_OUT, _TOO_MANY):
        raise Unavailable(f"the webhook answered {status}")
    raise NoticeRefused(str(status), f"the webhook answered {status}")
