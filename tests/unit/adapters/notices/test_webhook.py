"""What a webhook is sent, how it is signed, and what becomes of its answers."""

import asyncio
import base64
import hashlib
import hmac
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from opentrail.adapters.notices import webhook as module
from opentrail.adapters.notices.receivers import Receivers
from opentrail.adapters.notices.webhook import Webhook
from opentrail.outgoing.signature import signature
from opentrail.outgoing.webhook import WebhookEndpoint, read_secret
from opentrail.ports import PortError, Unavailable
from opentrail.ports.notices import WEBHOOK, Notice, NoticeRefused, ReceiverNotFound
from tests.builders import HandClock
from tests.support.tls import make_authority

TRAIL = "arn:aws:cloudtrail:us-east-1:123456789012:trail/audit"
NOTICE = Notice("n-1", WEBHOOK, TRAIL, "eu-west-1", "logs", "AWSLogs/x.json.gz", datetime(2026, 1, 1, tzinfo=UTC))
SECRET = "a secret of thirty-two characters"


@dataclass
class Receiver:
    """A server that answers every request with ``answer`` and keeps what came."""

    answer: bytes
    url: str = ""
    lines: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        self.lines.append(head[0])
        self.headers.append({name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])})
        self.bodies.append(await reader.readexactly(int(self.headers[-1]["content-length"])))
        if self.answer:
            writer.write(self.answer)
            writer.close()


@asynccontextmanager
async def a_receiver(
    answer: bytes = b"HTTP/1.1 204 No Content\r\n\r\n", tls: ssl.SSLContext | None = None
) -> AsyncIterator[Receiver]:
    receiver = Receiver(answer)
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, ssl=tls)
    scheme = "http" if tls is None else "https"
    receiver.url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield receiver
    finally:
        server.close()


def a_webhook(url: str, secret: str = SECRET, **more: str) -> Webhook:
    return Webhook(WebhookEndpoint(url, secret, **more), HandClock())


async def test_a_notice_is_posted_as_json() -> None:
    async with a_receiver() as receiver:
        await a_webhook(receiver.url + "/hooks/a%20b?token=1").send(NOTICE)

    assert receiver.lines == ["POST /hooks/a%20b?token=1 HTTP/1.1"]
    assert receiver.headers[0]["content-type"] == "application/json"
    assert receiver.headers[0]["host"] == receiver.url.removeprefix("http://")
    assert json.loads(receiver.bodies[0]) == {
        "type": "log_file.delivered",
        "timestamp": "2026-01-01T00:00:00Z",
        "data": {
            "trailARN": TRAIL,
            "awsRegion": "eu-west-1",
            "s3Bucket": "logs",
            "s3ObjectKey": ["AWSLogs/x.json.gz"],
        },
    }


@pytest.mark.parametrize(
    ("secret", "key"),
    [(SECRET, SECRET.encode()), ("whsec_" + base64.b64encode(bytes(range(24))).decode(), bytes(range(24)))],
)
async def test_what_is_posted_is_signed_with_id_time_and_body(secret: str, key: bytes) -> None:
    async with a_receiver() as receiver:
        await a_webhook(receiver.url, secret).send(NOTICE)

    headers, body = receiver.headers[0], receiver.bodies[0]
    assert headers["webhook-id"] == "n-1"
    assert headers["webhook-timestamp"] == str(int(HandClock().now().timestamp()))
    signed = f"n-1.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"


def test_the_signature_is_that_of_the_specifications_example() -> None:
    key = read_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")

    made = signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')

    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


async def test_a_second_try_has_the_same_id_and_body() -> None:
    async with a_receiver() as receiver:
        await a_webhook(receiver.url).send(NOTICE)
        await a_webhook(receiver.url).send(NOTICE)

    assert receiver.bodies[0] == receiver.bodies[1]
    assert receiver.headers[0]["webhook-id"] == receiver.headers[1]["webhook-id"]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n", NoticeRefused),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", NoticeRefused),
        (b"HTTP/1.1 401 Unauthorized\r\n\r\n", NoticeRefused),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", ReceiverNotFound),
        (b"HTTP/1.1 410 Gone\r\n\r\n", ReceiverNotFound),
        (b"HTTP/1.1 429 Too Many Requests\r\n\r\n", Unavailable),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", Unavailable),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 9, Unavailable),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", Unavailable),
        (b"HTTP/1.1 200 OK\r\n", Unavailable),
        (b"<html>welcome</html>\r\n\r\n", Unavailable),
        (b"HTTP/2 200\r\n\r\n", Unavailable),
    ],
)
async def test_only_an_answer_of_2xx_is_taken_for_success(answer: bytes, expected: type[PortError]) -> None:
    async with a_receiver(answer) as receiver:
        with pytest.raises(expected):
            await a_webhook(receiver.url).send(NOTICE)

    assert len(receiver.lines) == 1


async def test_interim_answers_are_passed_over_and_the_body_is_not_waited_for() -> None:
    answer = b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n"
    async with a_receiver(answer) as receiver:
        await a_webhook(receiver.url).send(NOTICE)


async def test_a_server_that_does_not_answer_in_time_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.05)
    async with a_receiver(b"") as receiver:
        with pytest.raises(Unavailable):
            await a_webhook(receiver.url).send(NOTICE)


async def test_a_server_that_is_down_is_worth_trying_again() -> None:
    with pytest.raises(Unavailable):
        await a_webhook("http://127.0.0.1:1/").send(NOTICE)


async def test_a_certificate_is_judged_by_the_cas_of_the_settings(tmp_path: Path) -> None:
    authority = make_authority(tmp_path, "127.0.0.1")
    async with a_receiver(tls=authority.server_context()) as receiver:
        with pytest.raises(Unavailable):
            await a_webhook(receiver.url).send(NOTICE)
        assert receiver.lines == []

        await a_webhook(receiver.url, ca_bundle=str(authority.ca_file)).send(NOTICE)

    assert len(receiver.lines) == 1


async def test_each_receiver_gets_what_is_meant_for_it() -> None:
    class Topics:
        sent: list[Notice] = []  # noqa: RUF012 - one test

        async def send(self, notice: Notice) -> None:
            self.sent.append(notice)

    topics = Topics()
    topic_notice = Notice("n-2", "arn:aws:sns:x", TRAIL, "eu-west-1", "logs", "k", NOTICE.delivered_at)
    async with a_receiver() as receiver:
        receivers = Receivers(topics, a_webhook(receiver.url))
        await receivers.send(topic_notice)
        await receivers.send(NOTICE)

    assert topics.sent == [topic_notice]
    assert len(receiver.lines) == 1
    with pytest.raises(ReceiverNotFound):
        await Receivers(topics).send(NOTICE)
