"""A validation's digests put before a witness: collects them as they are validated, then asks and judges."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta

from opentrail.digest.verdicts import NOT_FOUND, Finding, FindingKind
from opentrail.digest.verification import ReadDigest
from opentrail.ports.witness import Chain, TestimonySource
from opentrail.query.log_validation import ValidationRequest
from opentrail.query.witness_check import LATE_AFTER, WitnessFinding, WitnessVerdict, check_witness
from opentrail.resource.delivery_layout import DigestPlace

SPILL = timedelta(hours=1)
"""How far past the end of its range a validation looks at digests."""

_KEPT = (
    "digestPublicKeyFingerprint",
    "digestStartTime",
    "digestEndTime",
    "previousDigestS3Bucket",
    "previousDigestS3Object",
    "previousDigestHashValue",
    "previousDigestSignature",
)


class WitnessedValidation:
    """Takes a validation's digests and findings; ``findings`` is asked once these are whole, once for each witness."""

    def __init__(self, request: ValidationRequest) -> None:
        self._request = request
        self._digests: dict[tuple[str, str], ReadDigest] = {}
        self._invalid: set[tuple[str, str]] = set()

    def on_digest(self, digest: ReadDigest) -> None:
        """Take a digest whose own signature is valid; of its content only what a witness is asked about is kept."""
        members = {name: digest.members.get(name) for name in _KEPT}
        self._digests[digest.bucket, digest.key] = replace(digest, members=members, raw=b"")

    def on_finding(self, finding: Finding) -> None:
        """Take a finding: of a digest that is there and invalid a witness is not asked, it was told on already."""
        if finding.kind is FindingKind.DIGEST and not finding.is_valid and finding.verdict != NOT_FOUND:
            self._invalid.add((finding.bucket, finding.key))

    async def findings(
        self, source: TestimonySource, now: datetime, late_after: timedelta = LATE_AFTER
    ) -> AsyncIterator[WitnessFinding]:
        """Yield what ``source`` says of the digests in range and of those it alone knows. Raises what it raises."""
        start, end = self._request.start_time, self._request.end_time + SPILL
        digests = [digest for digest in self._digests.values() if start <= digest.end_time <= end]
        chains = [Chain(bucket, place, start, end) for bucket, place in self._places()]
        async for finding in check_witness(source, chains, digests, now, late_after):
            is_told = finding.verdict is WitnessVerdict.MISSING and (finding.bucket, finding.key) in self._invalid
            if not is_told:
                yield finding

    def _places(self) -> set[tuple[str, DigestPlace]]:
        """Return where the chain lies, and where it led: a trail's bucket and prefix may have changed."""
        place = self._request.place
        led = {(bucket, replace(place, key_prefix=_prefix(key))) for bucket, key in self._digests}
        return {(self._request.bucket, place), *led}


def _prefix(key: str) -> str:
    return key[: key.index("AWSLogs/")].rstrip("/") if "AWSLogs/" in key else ""


def summary_line(name: str, verdicts: Counter[WitnessVerdict]) -> str:
    """Return the closing line about one witness: how many digests it attests, and what is wrong with the others."""
    total = sum(verdicts.values())
    if not total:
        return f"{name}: no digests to ask about"
    rest = [
        f"{count}/{total} {verdict.value}" for verdict, count in verdicts.items() if count and verdict != "attested"
    ]
    return ", ".join([f"{name}: {verdicts[WitnessVerdict.ATTESTED]}/{total} digests attested", *rest])
