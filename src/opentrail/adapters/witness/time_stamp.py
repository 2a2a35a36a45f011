"""A time-stamp service (RFC 3161): it signs that the statement's hash existed at a time of its own clock.

It keeps nothing, so its tokens are kept: in the metadata store and beside the digests (resource/witness_layout.py).
Who owns the host can delete tokens and ask for new ones, and cannot have one of an earlier time. A token counts when
it verifies up to a root certificate that the verifier chose.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.x509 import Certificate, load_pem_x509_certificates
from rfc3161_client import (
    HashAlgorithm,
    PKIStatus,
    TimeStampRequest,
    TimestampRequestBuilder,
    TimeStampResponse,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from opentrail.adapters.witness.http_call import call
from opentrail.digest.receipt import parse_receipt
from opentrail.digest.statement import Statement
from opentrail.ports.object_store import ObjectNotFound, ObjectStores
from opentrail.ports.witness import Chain, Receipt, Testimony, WitnessRefused
from opentrail.resource.witness_layout import receipt_digest_key, receipt_folder, receipt_key

KIND = "time-stamp"

MAX_TOKEN_BYTES = 64 * 1024
"""A token with its certificates takes 2 to 8 KB."""

_SHA256 = "2.16.840.1.101.3.4.2.1"
_HEADERS = {"Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply"}


@dataclass(frozen=True)
class TimeStampService:
    """Where the service answers, and the PEM certificates that it is trusted by: roots, and others between."""

    name: str
    url: str
    certificates: bytes


class TimeStampWitness:
    """Implements Witness. Raises ValueError when there is no certificate to verify tokens with."""

    def __init__(self, service: TimeStampService) -> None:
        self._service = service
        self._roots, self._others = _split(service.certificates)

    @property
    def name(self) -> str:
        return self._service.name

    async def attest(self, statement: Statement) -> Receipt:
        """Have the statement's SHA-256 stamped. A token that does not verify is refused, so is a nonce not ours."""
        query = TimestampRequestBuilder().data(statement.to_bytes()).hash_algorithm(HashAlgorithm.SHA256)
        request = query.nonce(nonce=True).cert_request(cert_request=True).build()
        answer = await call("POST", self._service.url, _HEADERS, request.as_bytes(), MAX_TOKEN_BYTES)
        attested_at = await asyncio.to_thread(self.verified_time, answer, statement, request)
        return Receipt(self.name, KIND, statement, attested_at, answer)

    def verified_time(self, token: bytes, statement: Statement, request: TimeStampRequest | None = None) -> datetime:
        """Return when the service signed ``statement``; raises WitnessRefused when ``token`` does not say so.

        Blocks for a millisecond or two.
        """
        try:
            response = decode_timestamp_response(token)
            if PKIStatus(response.status) is not PKIStatus.GRANTED:
                raise WitnessRefused(f"the time-stamp service {self.name} refused: {_reason(response)}")
            self._verify(response, statement, request)
        except (ValueError, VerificationError) as error:
            raise WitnessRefused(f"a time-stamp of {self.name} does not verify: {error}") from error
        moment = response.tst_info.gen_time
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)

    def _verify(self, response: TimeStampResponse, statement: Statement, request: TimeStampRequest | None) -> None:
        if response.tst_info.message_imprint.hash_algorithm.dotted_string != _SHA256:
            raise ValueError("it is not over a SHA-256 hash")
        builder = VerifierBuilder(
            roots=list(self._roots),
            intermediates=list(self._others),
            nonce=request.nonce if request is not None else None,
        )
        builder.build().verify(response, statement.imprint())


class KeptTimeStamps:
    """The service's tokens as they lie beside the digests (TestimonySource)."""

    def __init__(self, witness: TimeStampWitness, stores: ObjectStores) -> None:
        self._witness = witness
        self._stores = stores

    async def testimonies(self, chain: Chain) -> AsyncIterator[Testimony]:
        """Yield what verifies. What does not is as good as absent: anybody who can write there may have put it."""
        store = self._stores.bucket(chain.bucket)
        folder = receipt_folder(chain.place.folder + "/")
        start_after = receipt_key(chain.place.key(chain.start), "")
        async for summary in store.list(folder, start_after):
            digest_key = receipt_digest_key(summary.key, self._witness.name)
            if digest_key is None or not chain.place.matches(digest_key):
                continue
            if digest_key > chain.place.key(chain.end):
                return
            try:
                body = (await store.get(summary.key)).body
                statement, token = parse_receipt(body)
                moment = await asyncio.to_thread(self._witness.verified_time, token, statement)
            except (ObjectNotFound, ValueError, WitnessRefused):
                continue
            if chain.includes(statement) and statement.key == digest_key:
                yield Testimony(statement, moment, f"s3://{chain.bucket}/{summary.key}")


def _split(pem: bytes) -> tuple[list[Certificate], list[Certificate]]:
    certificates = load_pem_x509_certificates(pem)
    roots = [certificate for certificate in certificates if certificate.issuer == certificate.subject]
    if not roots:
        raise ValueError("there is no root certificate (one that issued itself) among them")
    return roots, [certificate for certificate in certificates if certificate not in roots]


def _reason(response: TimeStampResponse) -> str:
    return " ".join(str(text) for text in response.status_string) or PKIStatus(response.status).name
