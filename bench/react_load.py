"""Calls of the benchmark of reactions: signed IAM CreateUser over a few connections, at a rate or as fast as it goes.

The numbers in the users' names tell the calls apart; those named ``hit-`` are what the rules are about.
"""

import asyncio
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

import httptools

CONNECTIONS = 32

_HEAD = (
    "POST / HTTP/1.1\r\nHost: iam.amazonaws.com\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    "Authorization: AWS4-HMAC-SHA256 Credential=AKIAUPSTREAM00000001/20260101/us-east-1/iam/aws4_request, "
    "SignedHeaders=host;x-amz-date, Signature=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\r\n"
    "X-Amz-Date: 20260101T000000Z\r\nUser-Agent: Boto3/1.44.5 md/Botocore#1.44.5 ua/2.1 os/linux lang/python\r\n"
    "Content-Length: {length}\r\n\r\n"
)


def create_user(number: int, *, hits: bool) -> bytes:
    """Return a call as the bytes of its request."""
    body = f"Action=CreateUser&Version=2010-05-08&UserName={'hit' if hits else 'miss'}-{number}"
    return (_HEAD.format(length=len(body)) + body).encode()


@dataclass
class Calls:
    """What was called: by number, when a call began and when it was answered (the monotonic clock, seconds), and the
    answers that are no 200."""

    began: dict[int, float] = field(default_factory=dict)
    answered: dict[int, float] = field(default_factory=dict)
    refused: dict[int, bytes] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Calls answered a second."""
        return len(self.answered) / self.seconds


class _Connection(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._parser = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        self.last = data
        self._parser.feed_data(data)

    def connection_lost(self, error: Exception | None) -> None:
        if not self._answer.done():
            self._answer.set_exception(error or ConnectionError("the gateway closed the connection"))

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= 200:
            self._answer.set_result(status)

    async def call(self, request: bytes) -> int:
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        self._transport.close()


async def call_all(url: str, numbers: Iterable[int], rate: float = 0, one_in: int = 1) -> Calls:
    """Make a call for each number, ``rate`` a second (0: as fast as CONNECTIONS callers go); one in ``one_in`` hits.

    A call that finds every connection busy is late, and begins when it is made.
    """
    calls, waiting = Calls(), enumerate(numbers)
    loop, place = asyncio.get_running_loop(), urlsplit(url)
    connections = [
        (await loop.create_connection(_Connection, str(place.hostname), place.port or 80))[1]
        for _ in range(CONNECTIONS)
    ]
    started = time.monotonic()

    async def caller(connection: _Connection) -> None:
        for place, number in _taken(waiting):
            if rate:
                await asyncio.sleep(max(0.0, started + place / rate - time.monotonic()))
            request = create_user(number, hits=number % one_in == 0)
            calls.began[number] = time.monotonic()
            status = await connection.call(request)
            calls.answered[number] = time.monotonic()
            if status != 200:
                calls.refused[number] = connection.last

    await asyncio.gather(*map(caller, connections))
    calls.seconds = time.monotonic() - started
    for connection in connections:
        connection.close()
    return calls


def _taken(numbers: Iterator[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield what other callers leave."""
    yield from numbers
