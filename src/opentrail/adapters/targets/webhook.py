"""Named webhooks: the text as the body of a signed POST, JSON where it is JSON."""

import orjson

from opentrail.outgoing.call import NoAnswer
from opentrail.outgoing.endpoint import UnusableUrl
from opentrail.outgoing.guard import DestinationRefused
from opentrail.outgoing.webhook import WebhookCaller
from opentrail.ports import Unavailable
from opentrail.ports.targets import Dispatch, TargetRefused

ANSWER_SECONDS = 10
"""From the first packet to the end of the answer's headers."""

_TRY_AGAIN = frozenset({408, 425, 429})
_SERVER_FAULT = 500


class WebhookTarget:
    """Implements Targets for one webhook: 2xx is success; 408, 425, 429 and 5xx are worth trying again."""

    def __init__(self, caller: WebhookCaller) -> None:
        self._caller = caller

    async def send(self, dispatch: Dispatch) -> None:
        body = dispatch.text.encode()
        kind = "application/json" if _is_json(body) else "text/plain; charset=UTF-8"
        try:
            status = await self._caller.post(dispatch.invocation_id, body, kind, ANSWER_SECONDS)
        except (NoAnswer, UnusableUrl, DestinationRefused) as error:
            raise Unavailable(f"the webhook did not answer: {error}") from error
        if status >= _SERVER_FAULT or status in _TRY_AGAIN:
            raise Unavailable(f"the webhook answered {status}")
        if not 200 <= status < 300:
            raise TargetRefused("INVALID_PARAMETER", f"the webhook answered {status}")


def _is_json(body: bytes) -> bool:
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    return True
