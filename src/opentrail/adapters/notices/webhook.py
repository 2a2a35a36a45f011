"""The webhook that the operator's settings name: one signed POST for each delivered log file.

Signed as the Standard Webhooks specification has it (``opentrail.outgoing.signature``), so that receivers verify with
the libraries made for that. The URL may be a private address, since the operator named it; nothing of the answer but
its status is read.
"""

import orjson

from opentrail.clock import Clock, format_time
from opentrail.outgoing.call import NoAnswer
from opentrail.outgoing.endpoint import UnusableUrl
from opentrail.outgoing.guard import DestinationRefused
from opentrail.outgoing.webhook import WebhookCaller, WebhookEndpoint
from opentrail.ports import Unavailable
from opentrail.ports.notices import Notice, NoticeRefused, ReceiverNotFound

ANSWER_SECONDS = 10
"""From the first packet to the end of the answer's headers."""

_TIMED_OUT, _TOO_MANY, _SERVER_FAULT = 408, 429, 500
_GONE = frozenset({404, 410})


class Webhook:
    """Implements NoticeSender for the receiver WEBHOOK."""

    def __init__(self, endpoint: WebhookEndpoint, clock: Clock) -> None:
        self._caller = WebhookCaller(endpoint, clock)

    async def send(self, notice: Notice) -> None:
        body = notice_body(notice)
        try:
            status = await self._caller.post(notice.notice_id, body, "application/json", ANSWER_SECONDS)
        except (NoAnswer, UnusableUrl, DestinationRefused) as error:
            raise Unavailable(f"the webhook did not answer: {error}") from error
        _judge(status)


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
