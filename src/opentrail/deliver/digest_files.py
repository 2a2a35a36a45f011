"""Digest files: from the files that a trail delivered to the signed object that lists them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from opentrail.clock import format_time
from opentrail.digest.document import SIGNATURE_ALGORITHM, ChainLink, DigestSpan, ListedFile, format_digest, sha256_hex
from opentrail.digest.signing import signing_text
from opentrail.ports.delivery_log import DigestPlan, LogFilePlan
from opentrail.resource.account_region import AccountRegion
from opentrail.resource.delivery_layout import DigestPlace
from opentrail.resource.trail import Trail


@dataclass(frozen=True, slots=True)
class UnsignedDigest:
    """A digest's bytes and what its signature must be over."""

    plan: DigestPlan
    text: bytes

    def signed(self, signature: str) -> DigestPlan:
        """Return the plan to store: these bytes with their signature."""
        return replace(self.plan, signature=signature)


def digest_place(trail: Trail, place: AccountRegion) -> DigestPlace:
    """Return where the digests of one chain of a trail lie."""
    return DigestPlace(
        place.account_id, place.region, trail.name, trail.home_region, trail.s3_key_prefix, trail.organization_id
    )


def chain_link(plan: DigestPlan) -> ChainLink:
    """Return what the next digest says of ``plan``."""
    return ChainLink(plan.bucket, plan.key, sha256_hex(plan.body), plan.signature)


def close_digest_file(
    trail: Trail,
    place: AccountRegion,
    span: tuple[datetime, datetime],
    files: Sequence[LogFilePlan],
    previous: ChainLink | None,
    fingerprint: str,
    *,
    is_final: bool,
) -> UnsignedDigest:
    """Turn the files delivered in ``span`` into the digest of that span, to be signed by the key ``fingerprint``.

    The same input gives the same bytes. Files are listed in the order they were delivered.
    """
    start_time, end_time = span
    key = digest_place(trail, place).key(end_time)
    bucket = trail.s3_bucket_name
    body = format_digest(
        DigestSpan(place.account_id, bucket, key, start_time, end_time),
        [
            ListedFile(
                file.bucket,
                file.key,
                file.sha256,
                file.oldest_event_time,
                file.newest_event_time,
                file.event_count,
                file.tree_hash,
            )
            for file in files
        ],
        previous,
        fingerprint,
    )
    plan = DigestPlan(
        trail_arn=trail.arn,
        account_id=place.account_id,
        region=place.region,
        bucket=bucket,
        key=key,
        start_time=start_time,
        end_time=end_time,
        body=body,
        signature="",
        fingerprint=fingerprint,
        previous_key=previous.key if previous else "",
        is_final=is_final,
    )
    text = signing_text(format_time(end_time), bucket, key, sha256_hex(body), previous.signature if previous else None)
    return UnsignedDigest(plan, text)


def digest_metadata(plan: DigestPlan) -> dict[str, str]:
    """Return the user metadata that a digest object carries."""
    return {"signature": plan.signature, "signature-algorithm": SIGNATURE_ALGORITHM}
