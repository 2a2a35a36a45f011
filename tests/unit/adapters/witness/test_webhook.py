"""The webhook: signed posts, answers kept, bounded, and a receiver's log that is read whole or not at all."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from opentrail.adapters.witness.kept_file import KeptFile
from opentrail.adapters.witness.webhook import WebhookReceiver, WebhookWitness, read_log
from opentrail.ports import Unavailable
from opentrail.ports.witness import WitnessRefused
from tests.builders import NOON, HandClock
from tests.conformance.ports.test_witness import a_chain, a_statement
from tests.support.webhook_receiver import SECRET, webhook_receiver
from tests.support.webhook_receiver import WebhookReceiver as Server


@pytest.fixture
def server() -> Iterator[Server]:
    with webhook_receiver() as running:
        yield running


def a_witness(server: Server, secret: str = SECRET) -> WebhookWitness:
    return WebhookWitness(WebhookReceiver("vault", server.url, secret), HandClock())


async def test_a_statement_is_posted_as_it_is_and_the_answer_kept(server: Server) -> None:
    receipt = await a_witness(server).attest(a_statement())

    [line] = server.lines
    assert orjson.loads(line)["statement"] == orjson.loads(a_statement().to_bytes())
    assert receipt.attested_at == server.now
    assert orjson.loads(receipt.evidence)["line"] == 1


async def test_a_receiver_that_tells_no_time_is_taken_at_ours(server: Server) -> None:
    server.answer = b"thank you"

    receipt = await a_witness(server).attest(a_statement())

    assert (receipt.attested_at, receipt.evidence) == (NOON, b"thank you")


async def test_another_secret_is_refused(server: Server) -> None:
    with pytest.raises(WitnessRefused, match="403"):
        await a_witness(server, "another").attest(a_statement())

    assert (server.refused, server.lines) == (1, [])


@pytest.mark.parametrize("status", [408, 429, 500, 503])
async def test_a_receiver_in_trouble_is_unavailable(server: Server, status: int) -> None:
    server.status = status

    with pytest.raises(Unavailable):
        await a_witness(server).attest(a_statement())


async def test_a_redirect_is_not_followed(server: Server) -> None:
    server.status = 307

    with pytest.raises(WitnessRefused, match="307"):
        await a_witness(server).attest(a_statement())

    assert server.requests == 1


async def test_an_answer_over_the_bound_is_refused(server: Server) -> None:
    server.answer = bytes(20_000)

    with pytest.raises(WitnessRefused, match="more than"):
        await a_witness(server).attest(a_statement())


async def test_a_receivers_log_is_a_file_that_testifies(server: Server, tmp_path: Path) -> None:
    await a_witness(server).attest(a_statement())
    path = tmp_path / "received.jsonl"
    path.write_bytes(server.log() + b"\n\n")

    [testimony] = [testimony async for testimony in KeptFile(path).testimonies(a_chain())]

    assert (testimony.statement, testimony.attested_at) == (a_statement(), server.now)


LINE = orjson.dumps({"receivedAt": "2026-03-14T00:00:00Z", "statement": orjson.loads(a_statement().to_bytes())})


@pytest.mark.parametrize(
    "damage",
    [
        b"{",
        b"[]",
        b"null",
        b'{"receivedAt":"2026-03-14T00:00:00Z"}',
        LINE.replace(b"opentrail.digest.v1", b"something else"),
        LINE.replace(b"receivedAt", b"when"),
        LINE.replace(b"2026-03-14T00:00:00Z", b"yesterday"),
        LINE.replace(b"digestSignature", b"signature"),
        LINE[:-20],
    ],
)
def test_a_damaged_line_is_refused_with_its_number(damage: bytes) -> None:
    with pytest.raises(WitnessRefused, match="line 2"):
        list(read_log(LINE + b"\n" + damage + b"\n" + LINE, "the log"))


def test_a_time_with_an_offset_is_read_as_utc() -> None:
    [testimony] = read_log(LINE.replace(b"00:00:00Z", b"02:00:00+02:00"), "the log")

    assert testimony.attested_at == datetime(2026, 3, 14, tzinfo=UTC)
