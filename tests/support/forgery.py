"""An attacker who owns the host, its buckets and its signing keys: a whole chain is signed again after a change."""

import gzip
from dataclasses import replace
from typing import Any

import orjson

from opentrail.clock import parse_time
from opentrail.digest.document import EVENT_TREE, sha256_hex
from opentrail.digest.merkle import tree_hash
from opentrail.digest.records import split_records
from opentrail.digest.signing import signing_text
from opentrail.digest.statement import Statement
from opentrail.digest.verification import ReadDigest, read_digest
from opentrail.ports.object_store import StoredObject
from opentrail.ports.signer import Signer
from tests.memory.object_store import InMemoryObjectStore
from tests.support.delivery import REGION


def digest_keys(bucket: InMemoryObjectStore) -> list[str]:
    """Return the keys of a bucket's digests, oldest first."""
    return sorted(key for key in bucket.objects if f"/CloudTrail-Digest/{REGION}/" in key)


def read_digests(bucket: InMemoryObjectStore) -> list[ReadDigest]:
    """Return a bucket's digests as a verifier reads them, oldest first."""
    found = [(key, bucket.objects[key]) for key in digest_keys(bucket)]
    return [read_digest(bucket.name, key, item.body, item.metadata, is_backfill=False) for key, item in found]


def statement_of_digest(digest: ReadDigest) -> Statement:
    """Return what a witness is told of a digest."""
    return Statement(
        bucket=digest.bucket,
        key=digest.key,
        sha256=digest.sha256,
        signature=digest.signature,
        fingerprint=digest.fingerprint,
        start_time=digest.start_time,
        end_time=digest.end_time,
    )


async def forge(bucket: InMemoryObjectStore, signer: Signer, event_id: str) -> None:
    """Take one event out of its log file and sign every digest from then on again, with the real keys."""
    changed = _drop_event(bucket, event_id)
    previous: tuple[str, str] | None = None
    for key in digest_keys(bucket):
        document = _open(bucket.objects[key])
        for file in document["logFiles"]:
            if file["s3Object"] == changed:
                _describe_again(file, gzip.decompress(bucket.objects[changed].body))
        if previous is not None:
            document["previousDigestHashValue"], document["previousDigestSignature"] = previous
        previous = await _sign_again(bucket, signer, key, document)


def _describe_again(file: dict[str, Any], raw: bytes) -> None:
    events = split_records(raw)
    file["hashValue"] = sha256_hex(raw)
    file[EVENT_TREE] = file[EVENT_TREE] | {"eventCount": len(events), "rootHash": tree_hash(events)}


def _drop_event(bucket: InMemoryObjectStore, event_id: str) -> str:
    for key, found in bucket.objects.items():
        if "/CloudTrail/" in key and event_id.encode() in gzip.decompress(found.body or gzip.compress(b"")):
            document = _open(found)
            document["Records"] = [event for event in document["Records"] if event["eventID"] != event_id]
            bucket.objects[key] = replace(found, body=gzip.compress(orjson.dumps(document)))
            return key
    raise AssertionError(f"{event_id} is in no log file")


async def _sign_again(
    bucket: InMemoryObjectStore, signer: Signer, key: str, document: dict[str, Any]
) -> tuple[str, str]:
    body = orjson.dumps(document)
    end_time, sha256 = document["digestEndTime"], sha256_hex(body)
    text = signing_text(end_time, bucket.name, key, sha256, document["previousDigestSignature"])
    signing = await signer.current_key(REGION, parse_time(end_time))
    assert signing.fingerprint == document["digestPublicKeyFingerprint"]
    signature = await signer.sign(REGION, signing.fingerprint, text)
    found = bucket.objects[key]
    metadata = {**found.metadata, "signature": signature}
    bucket.objects[key] = replace(found, body=gzip.compress(body), metadata=metadata)
    return sha256, signature


def _open(found: StoredObject) -> dict[str, Any]:
    document: dict[str, Any] = orjson.loads(gzip.decompress(found.body))
    return document
