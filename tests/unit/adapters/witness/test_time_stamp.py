"""Time-stamps count only when they are by the service that is trusted, over this statement, in answer to this query."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from opentrail.adapters.witness.time_stamp import KeptTimeStamps, TimeStampService, TimeStampWitness
from opentrail.digest.receipt import format_receipt
from opentrail.digest.statement import Statement
from opentrail.ports.witness import Testimony, WitnessRefused
from opentrail.resource.witness_layout import receipt_key
from tests.conformance.ports.test_witness import a_chain, a_statement
from tests.memory.object_store import InMemoryObjectStore, InMemoryObjectStores
from tests.support.time_stamp_server import Authority, SetClockReplies, TimeStampServer, refuse, time_stamp_server

THEN = datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def server(authority: Authority) -> Iterator[TimeStampServer]:
    with time_stamp_server(SetClockReplies(authority, lambda: THEN)) as running:
        yield running


@pytest.fixture
def witness(server: TimeStampServer, authority: Authority) -> TimeStampWitness:
    return TimeStampWitness(TimeStampService("vault", server.url, authority.certificates))


async def kept(witness: TimeStampWitness, statement: Statement, token: bytes, key: str = "") -> list[Testimony]:
    """Put a receipt beside the digest and ask."""
    store = InMemoryObjectStore("logs")
    body = format_receipt(statement, "vault", "time-stamp", THEN, token)
    await store.put_if_absent(key or receipt_key(statement.key, "vault"), body, content_type="application/json")
    source = KeptTimeStamps(witness, InMemoryObjectStores(store))
    return [testimony async for testimony in source.testimonies(a_chain())]


async def test_the_time_is_that_of_the_token(witness: TimeStampWitness) -> None:
    receipt = await witness.attest(a_statement())

    assert receipt.attested_at == THEN
    [testimony] = await kept(witness, a_statement(), receipt.evidence)
    assert (testimony.statement, testimony.attested_at) == (a_statement(), THEN)


async def test_a_service_that_the_root_does_not_vouch_for_is_refused(
    server: TimeStampServer, witness: TimeStampWitness
) -> None:
    server.reply = SetClockReplies(Authority(), lambda: THEN)

    with pytest.raises(WitnessRefused, match="does not verify"):
        await witness.attest(a_statement())


async def test_a_certificate_of_the_same_names_with_another_key_is_refused(
    server: TimeStampServer, witness: TimeStampWitness, authority: Authority
) -> None:
    server.reply = SetClockReplies(Authority(authority.name), lambda: THEN)

    with pytest.raises(WitnessRefused, match="does not verify"):
        await witness.attest(a_statement())


async def test_an_earlier_answer_to_the_same_question_is_refused(
    server: TimeStampServer, witness: TimeStampWitness
) -> None:
    first = await witness.attest(a_statement())
    server.reply = lambda _: first.evidence

    with pytest.raises(WitnessRefused, match="Nonce"):
        await witness.attest(a_statement())


async def test_a_rejection_is_refused_with_the_services_words(
    server: TimeStampServer, witness: TimeStampWitness
) -> None:
    server.reply = refuse

    with pytest.raises(WitnessRefused, match="not today"):
        await witness.attest(a_statement())


@pytest.mark.parametrize("answer", [b"", b"\x30\x80", b"<html>not here</html>", b"\x30\x03\x02\x01\x00"])
async def test_an_answer_that_is_none_is_refused(
    server: TimeStampServer, witness: TimeStampWitness, answer: bytes
) -> None:
    server.reply = lambda _: answer

    with pytest.raises(WitnessRefused):
        await witness.attest(a_statement())


async def test_an_endless_answer_is_refused(server: TimeStampServer, witness: TimeStampWitness) -> None:
    server.reply = lambda _: bytes(10_000_000)

    with pytest.raises(WitnessRefused, match="more than"):
        await witness.attest(a_statement())


async def test_a_token_of_another_statement_says_nothing(witness: TimeStampWitness) -> None:
    token = (await witness.attest(a_statement())).evidence
    changed = a_statement(signature="aa" * 256)

    assert await kept(witness, changed, token) == []


async def test_a_token_under_another_digests_name_says_nothing(witness: TimeStampWitness) -> None:
    statement = a_statement()
    token = (await witness.attest(statement)).evidence
    other = receipt_key(a_statement(statement.end_time - timedelta(hours=1)).key, "vault")

    assert await kept(witness, statement, token, other) == []


@pytest.mark.parametrize("at", range(0, 1200, 97))
async def test_a_token_with_a_changed_byte_says_nothing_or_the_same(witness: TimeStampWitness, at: int) -> None:
    token = bytearray((await witness.attest(a_statement())).evidence)
    token[at] ^= 0x41

    found = await kept(witness, a_statement(), bytes(token))

    assert [(one.statement, one.attested_at) for one in found] in ([], [(a_statement(), THEN)])


def test_certificates_without_a_root_are_no_trust(authority: Authority) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding

    for pem in (b"", b"nonsense", authority.certificate.public_bytes(Encoding.PEM)):
        with pytest.raises(ValueError, match=r"."):
            TimeStampWitness(TimeStampService("vault", "http://127.0.0.1:9", pem))
