"""One bounded HTTP call to a witness, its failures in the port's words."""

from collections.abc import Mapping

from opentrail.outgoing.call import Call, NoAnswer
from opentrail.outgoing.call import call as call_out
from opentrail.outgoing.endpoint import UnusableUrl, parse_endpoint
from opentrail.outgoing.guard import ANYWHERE, DestinationRefused
from opentrail.ports import Unavailable
from opentrail.ports.witness import WitnessRefused

TIMEOUT_S = 30
"""For the whole call; patience beyond it is the attestation's back-off."""

_OK = range(200, 300)
_TRY_AGAIN = frozenset({408, 425, 429, *range(500, 600)})


async def call(method: str, url: str, headers: Mapping[str, str], body: bytes, max_bytes: int) -> bytes:
    """Send one request and return the answer's body. A redirect is no answer: what the settings name is what is asked.

    Raises Unavailable, and WitnessRefused for a client's error or an answer longer than ``max_bytes``; both name the
    host alone, since the rest of a URL may hold a token.
    """
    try:
        host = parse_endpoint(url).host
        answer = await call_out(Call(method, url, headers, body, TIMEOUT_S, max_bytes), ANYWHERE)
    except UnusableUrl as error:
        raise WitnessRefused(f"the witness cannot be called: {error}") from error
    except (NoAnswer, DestinationRefused) as error:
        raise Unavailable(f"the witness at {error}") from error
    if answer.is_cut:
        raise WitnessRefused(f"the witness at {host} answered with more than {max_bytes} bytes")
    if answer.status in _TRY_AGAIN:
        raise Unavailable(f"the witness at {host} answered {answer.status}")
    if answer.status not in _OK:
        raise WitnessRefused(f"the witness at {host} answered {answer.status}")
    return answer.body
