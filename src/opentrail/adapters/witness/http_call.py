"""One bounded HTTP call to a witness, its failures in the port's words."""

from collections.abc import Mapping

from aiohttp import ClientError, ClientSession, ClientTimeout
from yarl import URL

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
    host = URL(url, encoded=True).host
    try:
        async with (
            ClientSession(timeout=ClientTimeout(total=TIMEOUT_S), auto_decompress=False) as session,
            session.request(
                method, URL(url, encoded=True), headers=dict(headers), data=body, allow_redirects=False
            ) as response,
        ):
            answer = bytearray()
            async for chunk in response.content.iter_chunked(64 * 1024):
                answer += chunk
                if len(answer) > max_bytes:
                    raise WitnessRefused(f"the witness at {host} answered with more than {max_bytes} bytes")
            if response.status in _TRY_AGAIN:
                raise Unavailable(f"the witness at {host} answered {response.status}")
            if response.status not in _OK:
                raise WitnessRefused(f"the witness at {host} answered {response.status}")
            return bytes(answer)
    except (TimeoutError, ClientError, OSError) as error:
        raise Unavailable(f"the witness at {host} did not answer: {_reason(error).replace(url, str(host))}") from error


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
