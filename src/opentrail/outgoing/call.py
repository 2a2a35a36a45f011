"""One HTTP call, bounded in time and size.

The host is resolved once, its addresses are judged, and the connection goes to those alone, with TLS for the host's
name. Redirects are not followed, proxies and credentials of the environment are not used, cookies are not kept.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from aiohttp import (
    ClientError,
    ClientResponse,
    ClientResponseError,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    TCPConnector,
)
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from opentrail.outgoing.addresses import Address, read_address
from opentrail.outgoing.endpoint import Endpoint, UnusableUrl, parse_endpoint
from opentrail.outgoing.guard import Guard

MAX_HEADER_BYTES = 8 * 1024
"""Of an answer's first line, and of each of its headers."""

MAX_HEADERS = 128
MAX_ADDRESSES = 8
"""Of one host that are judged and tried."""

CHUNK_BYTES = 64 * 1024

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Returns the addresses of a host, as text."""


class NoAnswer(Exception):
    """No complete answer in time: worth trying again. The message names the host alone."""


@dataclass(frozen=True, slots=True)
class Call:
    """What is asked. ``max_answer_bytes`` of the answer are kept, 0 for none: then nothing beyond its headers is read;
    ``ca_bundle`` is a file of CA certificates, "" for the system's."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    seconds: float = 10.0
    max_answer_bytes: int = 0
    ca_bundle: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """``is_cut`` says that the answer had more than ``max_answer_bytes``; the rest was not read."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    is_cut: bool = False


async def resolve(host: str, port: int) -> Sequence[str]:
    """Ask the system's resolver. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


async def call(wanted: Call, guard: Guard, resolve: Resolve = resolve) -> Answer:
    """Make one call and return its answer, whatever its status.

    Raises UnusableUrl and DestinationRefused before anything is sent, and NoAnswer.
    """
    endpoint = parse_endpoint(wanted.url)
    try:
        async with asyncio.timeout(wanted.seconds):
            addresses = await _addresses(endpoint, resolve)
            guard.check(endpoint, addresses)
            return await _exchange(wanted, endpoint, addresses)
    except (TimeoutError, ClientError, OSError, UnicodeError) as error:
        raise NoAnswer(f"{endpoint.host} did not answer: {_reason(error)}") from error


async def _addresses(endpoint: Endpoint, resolve: Resolve) -> Sequence[Address]:
    if endpoint.address is not None:
        return [endpoint.address]
    found = [read_address(text) for text in (await resolve(endpoint.host, endpoint.port))[:MAX_ADDRESSES]]
    if None in found:
        raise OSError("its address cannot be read")
    return [address for address in found if address is not None]


async def _exchange(wanted: Call, endpoint: Endpoint, addresses: Sequence[Address]) -> Answer:
    headers = {"Connection": "close", **wanted.headers}
    if endpoint.authorization:
        headers.setdefault("Authorization", endpoint.authorization)
    connector = TCPConnector(
        resolver=_Pinned(addresses),
        use_dns_cache=False,
        force_close=True,
        ssl=_tls(wanted.ca_bundle) if endpoint.scheme == "https" else True,
    )
    async with (
        ClientSession(
            connector=connector,
            cookie_jar=DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            timeout=ClientTimeout(total=wanted.seconds),
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
        ) as session,
        session.request(
            wanted.method,
            URL(endpoint.url, encoded=True),
            headers=headers,
            data=wanted.body,
            allow_redirects=False,
        ) as response,
    ):
        if len(response.raw_headers) > MAX_HEADERS:
            raise ClientError("its answer has too many headers")
        body, is_cut = await _read(response, wanted.max_answer_bytes)
        return Answer(response.status, dict(response.headers), body, is_cut)


async def _read(response: ClientResponse, limit: int) -> tuple[bytes, bool]:
    if not limit:
        response.close()
        return b"", False
    read = bytearray()
    async for chunk in response.content.iter_chunked(CHUNK_BYTES):
        read += chunk
        if len(read) > limit:
            response.close()
            return bytes(read[:limit]), True
    return bytes(read), False


class _Pinned(AbstractResolver):
    """Knows the addresses that were judged, and nothing else."""

    def __init__(self, addresses: Sequence[Address]) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=str(address),
                port=port,
                family=socket.AF_INET6 if address.version == 6 else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in self._addresses
        ]

    async def close(self) -> None:
        """Hold nothing open."""


@lru_cache(maxsize=16)
def _tls(ca_bundle: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca_bundle or None)


def _reason(error: BaseException) -> str:
    """Return what went wrong, without the URL, whose path and query may hold a token."""
    if isinstance(error, ClientResponseError):
        return error.message.partition("\n")[0][:200]
    return str(error) or ("too late" if isinstance(error, TimeoutError) else type(error).__name__)


__all__ = ["Answer", "Call", "NoAnswer", "Resolve", "UnusableUrl", "call", "resolve"]
