"""A bucket elsewhere whose Object Lock keeps each statement in compliance mode, so that nobody, root included, can
replace or delete it before its date.

A statement is one object (resource/witness_layout.py). Object Lock guards versions: who holds the writing key can put
another version over a statement, or a delete marker, and the first version stays. So all versions testify, each with
the time that the store gave it; a version that is not locked in compliance mode does not.
"""

import asyncio
import base64
import hashlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson

from opentrail.clock import Clock, format_time
from opentrail.digest.statement import MAX_STATEMENT_BYTES, Statement, parse_statement
from opentrail.ports import PortError, Unavailable
from opentrail.ports.witness import Chain, Receipt, Testimony, WitnessContradicts, WitnessRefused
from opentrail.resource.delivery_layout import digest_stamp, format_digest_stamp
from opentrail.resource.witness_layout import statement_digest_key, statement_folder, statement_key

KIND = "s3-bucket"
LOCK_MODE = "COMPLIANCE"

CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 30
ATTEMPTS = 2
"""boto3's own tries; patience beyond them is the attestation's back-off."""

READS_IN_FLIGHT = 16

_PRESENT = frozenset({"PreconditionFailed", "412"})
_TO_RETRY = frozenset({"SlowDown", "RequestTimeout", "RequestTimeTooSkewed", "ConditionalRequestConflict"})
_SERVER_FAULT = 500


@dataclass(frozen=True)
class WitnessBucket:
    """Where the bucket is and what opens it; an empty ``url`` is AWS, empty keys are boto3's own search for some."""

    name: str
    bucket: str
    retention: timedelta
    url: str = ""
    region: str = "us-east-1"
    prefix: str = ""
    access_key_id: str = ""
    secret_access_key: str = ""


class S3BucketWitness:
    """Implements Witness and TestimonySource. Blocking calls run in threads."""

    def __init__(self, settings: WitnessBucket, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._making = threading.Lock()
        self._client: Any = None

    @property
    def name(self) -> str:
        return self._settings.name

    async def attest(self, statement: Statement) -> Receipt:
        """Put the statement where none is, locked for the retention; one that is there already must be the same."""
        return await asyncio.to_thread(_translating, self._attest, statement)

    async def testimonies(self, chain: Chain) -> AsyncIterator[Testimony]:
        versions = await asyncio.to_thread(_translating, lambda: list(self._versions(chain)))
        for at in range(0, len(versions), READS_IN_FLIGHT):
            some = versions[at : at + READS_IN_FLIGHT]
            reads = (asyncio.to_thread(_translating, self._read, key, version) for key, version in some)
            for testimony in await asyncio.gather(*reads):
                if testimony is not None and chain.includes(testimony.statement):
                    yield testimony

    def _attest(self, statement: Statement) -> Receipt:
        body = statement.to_bytes()
        key = statement_key(self._settings.prefix, statement.bucket, statement.key)
        until = self._clock.now() + self._settings.retention
        client = self._connected()
        try:
            output = client.put_object(
                Bucket=self._settings.bucket,
                Key=key,
                Body=body,
                ContentType="application/json",
                ContentMD5=base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode(),
                IfNoneMatch="*",
                ObjectLockMode=LOCK_MODE,
                ObjectLockRetainUntilDate=until,
            )
        except client.exceptions.ClientError as error:
            if _code(error) not in _PRESENT:
                raise
            output = {}
        return self._receipt(statement, key, output.get("VersionId", ""))

    def _receipt(self, statement: Statement, key: str, version: str) -> Receipt:
        """Read back what the bucket holds: only what is really there, and locked, is a receipt."""
        found = self._get(key, version)
        if found["Body"].read(MAX_STATEMENT_BYTES + 1) != statement.to_bytes():
            raise WitnessContradicts(f"{self._settings.bucket}/{key} holds another statement about this digest")
        if not _is_locked(found):
            raise WitnessRefused(
                f"{self._settings.bucket} did not lock the statement in {LOCK_MODE} mode: enable Object Lock on it"
            )
        evidence = {
            "bucket": self._settings.bucket,
            "key": key,
            "versionId": found.get("VersionId", ""),
            "retainUntil": format_time(found["ObjectLockRetainUntilDate"]),
        }
        return Receipt(self.name, KIND, statement, found["LastModified"], orjson.dumps(evidence))

    def _get(self, key: str, version: str) -> Any:
        parameters = {"Bucket": self._settings.bucket, "Key": key}
        if version:
            parameters["VersionId"] = version
        return self._connected().get_object(**parameters)

    def _versions(self, chain: Chain) -> Iterator[tuple[str, str]]:
        prefix = statement_folder(self._settings.prefix, chain.bucket, chain.place.folder) + "/"
        pages = self._connected().get_paginator("list_object_versions")
        for page in pages.paginate(Bucket=self._settings.bucket, Prefix=prefix):
            for version in page.get("Versions", ()):
                digest_key = statement_digest_key(version["Key"], self._settings.prefix, chain.bucket)
                if digest_key is not None and chain.place.matches(digest_key) and _is_within(digest_key, chain):
                    yield version["Key"], version["VersionId"]

    def _read(self, key: str, version: str) -> Testimony | None:
        found = self._get(key, version)
        if not _is_locked(found):
            return None
        try:
            statement = parse_statement(found["Body"].read(MAX_STATEMENT_BYTES + 1))
        except ValueError:
            return None
        if key != statement_key(self._settings.prefix, statement.bucket, statement.key):
            return None
        moment: datetime = found["LastModified"]
        return Testimony(statement, moment, f"s3://{self._settings.bucket}/{key}?versionId={version}")

    def _connected(self) -> Any:
        with self._making:
            if self._client is None:
                self._client = _make_client(self._settings)
            return self._client


def _is_within(digest_key: str, chain: Chain) -> bool:
    return format_digest_stamp(chain.start) <= digest_stamp(digest_key) <= format_digest_stamp(chain.end)


def _is_locked(found: Any) -> bool:
    return found.get("ObjectLockMode") == LOCK_MODE and "ObjectLockRetainUntilDate" in found


def _make_client(settings: WitnessBucket) -> Any:
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        max_pool_connections=READS_IN_FLIGHT,
        retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"addressing_style": "path" if settings.url else "auto"},
    )
    return boto3.session.Session().client(
        "s3",
        region_name=settings.region,
        endpoint_url=settings.url or None,
        aws_access_key_id=settings.access_key_id or None,
        aws_secret_access_key=settings.secret_access_key or None,
        config=config,
    )


def _translating(call: Callable[..., Any], *arguments: Any) -> Any:
    """Call, with botocore's errors turned into the port's."""
    import botocore.exceptions

    try:
        return call(*arguments)
    except botocore.exceptions.ClientError as error:
        raise _translate(error) from error
    except botocore.exceptions.NoCredentialsError as error:
        raise WitnessRefused(f"no key opens the witness's bucket: {error}") from error
    except (botocore.exceptions.BotoCoreError, OSError) as error:
        raise Unavailable(f"the witness's bucket did not answer: {error}") from error


def _translate(error: Any) -> PortError:
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if status >= _SERVER_FAULT or _code(error) in _TO_RETRY:
        return Unavailable(str(error))
    return WitnessRefused(str(error))


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
