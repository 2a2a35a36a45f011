"""The webhook that the operator's settings name: one signed POST for each delivered log file.

Signed as the Standard Webhooks specification has it (``opentrail.outgoing.signature``), so that receivers verify with
the libraries made for that. The URL may be a private address, since the operator named it; nothing of the answer but
its status is read.
"""

import base64
import binascii
from dataclasses import dataclass

import orjson

from opentrail.clock import Clock, format_time
from opentrail.outgoing.call import Call, NoAnswer, call
from opentrail.outgoing.endpoint import UnusableUrl
from opentrail.outgoing.guard import ANYWHERE
from opentrail.outgoing.signature import signed_headers
from opentrail.ports import Unavailable
from opentrail.ports.notices import Notice, NoticeRefused, ReceiverNotFound

ANSWER_SECONDS = 10
"""From the first packet to the end of the answer's headers."""

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
        self._endpoint = endpoint
        self._key = read_secret(endpoint.secret)
        self._clock = clock

    async def send(self, notice: Notice) -> None:
        body = notice_body(notice)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Opentrail",
            **signed_headers(self._key, notice.notice_id, self._clock.now(), body),
        }
        wanted = Call("POST", self._endpoint.url, headers, body, ANSWER_SECONDS, ca_bundle=self._endpoint.ca_bundle)
        try:
            answer = await call(wanted, ANYWHERE)
        except (NoAnswer, UnusableUrl) as error:
            raise Unavailable(f"the webhook did not answer: {error}") from error
        _judge(answer.status)


def read_secret(secret: str) -> bytes:
    """Return the key that a setting names; raises ValueError when it is marked as base64 and is not."""
    if not secret.startswith(SECRET_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError(f"what follows {SECRET_PREFIX} is not base64") from error


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


def _judge(status: int) -> None:
    """Raise the port's error for any status but 2xx."""
    if status < 300:
        return
    if status in _GONE:
        raise ReceiverNotFound(f"the webhook answered {status}")
    if status >= _SERVER_FAULT or status in (_TIMED_OUT, _TOO_MANY):
        raise Unavailable(f"the webhook answered {status}")
    raise NoticeRefused(str(status), f"the webhook answered {status}")
