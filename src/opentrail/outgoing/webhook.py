"""One signed POST to a web hook that the operator's settings name, which may be anywhere."""

import base64
import binascii
from dataclasses import dataclass

from opentrail.clock import Clock
from opentrail.outgoing.call import Call, call
from opentrail.outgoing.guard import ANYWHERE
from opentrail.outgoing.signature import signed_headers

SECRET_PREFIX = "whsec_"  # noqa: S105 - marks a secret, is none
"""Before a secret that is given in base64, as the specification writes them; without it the text itself is the key."""


@dataclass(frozen=True)
class WebhookEndpoint:
    """Where the webhook is, and the key of its signatures. ``ca_bundle`` is a file, "" for the system's CAs."""

    url: str
    secret: str
    ca_bundle: str = ""


class WebhookCaller:
    """Posts to one endpoint, signed as ``outgoing.signature`` says."""

    def __init__(self, endpoint: WebhookEndpoint, clock: Clock) -> None:
        self._endpoint = endpoint
        self._key = read_secret(endpoint.secret)
        self._clock = clock

    async def post(self, message_id: str, body: bytes, content_type: str, seconds: float) -> int:
        """Return the answer's status; nothing else of the answer is read. Raises NoAnswer, UnusableUrl and
        DestinationRefused."""
        headers = {
            "Content-Type": content_type,
            "User-Agent": "Opentrail",
            **signed_headers(self._key, message_id, self._clock.now(), body),
        }
        endpoint = self._endpoint
        wanted = Call("POST", endpoint.url, headers, body, seconds, ca_bundle=endpoint.ca_bundle)
        return (await call(wanted, ANYWHERE)).status


def read_secret(secret: str) -> bytes:
    """Return the key that a setting names; raises ValueError when it is marked as base64 and is not."""
    if not secret.startswith(SECRET_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError(f"what follows {SECRET_PREFIX} is not base64") from error
