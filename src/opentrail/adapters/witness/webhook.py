"""An append-only webhook: each statement is posted to it, signed with a shared secret; its answer is kept.

The receiver must store what it was sent, with the time, where the sender cannot change it. A GET on the same URL, with
``bucket``, ``prefix``, ``from`` and ``to`` in its query and signed alike, may answer what it stored as JSON lines; a
receiver that cannot hands its log to the verifier as a file.
"""

import hashlib
import hmac
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import orjson

from opentrail.adapters.witness.http_call import call
from opentrail.clock import Clock, format_time
from opentrail.digest.statement import MAX_STATEMENT_BYTES, Statement, statement_of
from opentrail.ports.witness import Chain, Receipt, Testimony, WitnessRefused

KIND = "webhook"
SIGNATURE_HEADER = "Opentrail-Signature"
TIME_HEADER = "Opentrail-Time"

MAX_ANSWER_BYTES = 16 * 1024
"""Of the answer to a post, which is kept whole."""

MAX_LOG_BYTES = 256 * 1024 * 1024
"""Of the answer to a question: 200,000 statements, ten years of five Regions' hourly digests."""

_SPAN = timedelta(days=31)
"""A longer question is asked in pieces of this length."""


@dataclass(frozen=True)
class WebhookReceiver:
    """Where statements are posted, and the secret that signs them."""

    name: str
    url: str
    secret: str


class WebhookWitness:
    """Implements Witness and TestimonySource."""

    def __init__(self, receiver: WebhookReceiver, clock: Clock) -> None:
        self._receiver = receiver
        self._clock = clock

    @property
    def name(self) -> str:
        return self._receiver.name

    async def attest(self, statement: Statement) -> Receipt:
        """Post the statement; any 2xx answer is a receipt. The time is the answer's ``receivedAt``, else ours."""
        body = statement.to_bytes()
        answer = await call("POST", self._receiver.url, self._headers(body), body, MAX_ANSWER_BYTES)
        return Receipt(self.name, KIND, statement, _received_at(answer) or self._clock.now(), answer)

    async def testimonies(self, chain: Chain) -> AsyncIterator[Testimony]:
        start = chain.start
        while start <= chain.end:
            end = min(start + _SPAN, chain.end)
            for testimony in read_log(await self._ask(chain, start, end), self._receiver.url):
                if chain.includes(testimony.statement) and start <= testimony.statement.end_time <= end:
                    yield testimony
            start = end + timedelta(seconds=1)

    async def _ask(self, chain: Chain, start: datetime, end: datetime) -> bytes:
        query = urlencode(
            {"bucket": chain.bucket, "prefix": chain.place.folder, "from": format_time(start), "to": format_time(end)}
        )
        url = f"{self._receiver.url}?{query}"
        return await call("GET", url, self._headers(query.encode()), b"", MAX_LOG_BYTES)

    def _headers(self, text: bytes) -> dict[str, str]:
        """Return the headers that say who asks: HMAC-SHA256 over the time, a dot and the body (or the query)."""
        moment = format_time(self._clock.now())
        signature = sign(self._receiver.secret, moment, text)
        return {"Content-Type": "application/json", TIME_HEADER: moment, SIGNATURE_HEADER: f"sha256={signature}"}


def sign(secret: str, moment: str, text: bytes) -> str:
    """Return the hex HMAC-SHA256 that a receiver checks."""
    return hmac.new(secret.encode(), moment.encode() + b"." + text, hashlib.sha256).hexdigest()


def read_log(raw: bytes, origin: str) -> Iterator[Testimony]:
    """Yield what a receiver's log holds: JSON lines ``{"receivedAt": ..., "statement": {...}}``, blank ones aside.

    Raises WitnessRefused at a line of another form: a damaged log must not pass for a short one.
    """
    for number, line in enumerate(raw.splitlines(), 1):
        if line.strip():
            yield _read_line(line, number, origin)


def _read_line(line: bytes, number: int, origin: str) -> Testimony:
    received_at = _received_at(line)
    if received_at is None or len(line) > 2 * MAX_STATEMENT_BYTES:
        raise WitnessRefused(f"line {number} of {origin} is not what a witness received: it has no receivedAt")
    try:
        statement = statement_of(orjson.loads(line).get("statement"))
    except ValueError as error:
        raise WitnessRefused(f"line {number} of {origin} is not what a witness received: {error}") from error
    return Testimony(statement, received_at, f"{origin}, line {number}")


def _received_at(answer: bytes) -> datetime | None:
    try:
        document = orjson.loads(answer)
        moment = datetime.fromisoformat(str(document["receivedAt"]))
    except (ValueError, TypeError, KeyError):
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
