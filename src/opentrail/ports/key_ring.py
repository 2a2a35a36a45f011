"""The key ring: keys that encrypt what is delivered, each use judged by the key's policy.

Envelope encryption: ``generate_data_key`` gives a fresh AES-256 key with its sealed form (the blob); the data is
encrypted with the key, the blob kept beside it, and ``decrypt`` gives the key back to whom the key policy lets.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from opentrail.arn import Arn
from opentrail.policy.document import PolicyDocument
from opentrail.policy.evaluation import RequestPrincipal
from opentrail.ports import PortError
from opentrail.resource.key import Key

CLOUDTRAIL_PRINCIPAL = "cloudtrail.amazonaws.com"
"""Who encrypts deliveries, as key policies name it."""

TRAIL_CONTEXT = "aws:cloudtrail:arn"
"""The member of a delivery's encryption context that key policies test: the trail's ARN."""


LOGS_CONTEXT = "aws:logs:arn"
"""The member of the encryption context of log events and of query results that key policies test."""


class KeyNotFound(PortError):
    """No such key or alias, or its time of deletion has come."""


class KeyDisabled(PortError):
    """The key is there, but disabled or waiting for its deletion; the message names its state."""


class KeyAccessRefused(PortError):
    """The key policy, or the caller's own policies, do not let the caller do this; the message says which."""


class BlobInvalid(PortError):
    """The blob is none, was altered, or was sealed with another context."""


@dataclass(frozen=True, slots=True)
class KeyCaller:
    """On whose behalf a key is used: who it is, its own policies, and the condition keys of the request.

    A service of ours that acts for a trail comes from ``delivery_caller``; an API caller from
    ``aws.authorization.key_caller``.
    """

    principal: RequestPrincipal
    identity: tuple[PolicyDocument, ...] = ()
    session: PolicyDocument | None = None
    conditions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, repr=False)
class DataKey:
    """A data key: ``plaintext`` is 32 random bytes for AES-256, never to be stored; ``blob`` is kept instead."""

    plaintext: bytes
    blob: bytes
    key_arn: str


class KeyRing(Protocol):
    """Keys are named by key ARN or alias ARN, and where an account and a Region are given also by key id and
    ``alias/NAME``. Every method raises Unavailable beside what it names; nothing is ever answered from a memory that
    could be behind a change."""

    async def describe(self, key: str, account_id: str = "", region: str = "") -> Key:
        """Return the key that ``key`` names, whatever its state. Raises KeyNotFound."""
        ...

    async def generate_data_key(self, key: str, context: Mapping[str, str], caller: KeyCaller) -> DataKey:
        """Return a new data key sealed under ``key`` and bound to ``context`` (kms:GenerateDataKey).

        Raises KeyNotFound, KeyDisabled, KeyAccessRefused.
        """
        ...

    async def decrypt(self, blob: bytes, context: Mapping[str, str], caller: KeyCaller) -> bytes:
        """Return what a blob holds (kms:Decrypt); rotations in between do not matter.

        Raises KeyNotFound, KeyDisabled, KeyAccessRefused, BlobInvalid.
        """
        ...

    async def is_altered(self, blob: bytes, context: Mapping[str, str], key_arn: str) -> bool:
        """Say whether a blob is not what ``key_arn`` made for ``context``, whoever asks and whatever the key's state;
        what it holds is not told. Of a key that is gone only its name can be compared."""
        ...


def delivery_caller(trail_arn: str) -> KeyCaller:
    """Return CloudTrail acting for a trail, as CloudTrail's key policies know it (aws:SourceArn, aws:SourceAccount)."""
    account_id = Arn.parse(trail_arn).account_id
    return KeyCaller(
        RequestPrincipal(service=CLOUDTRAIL_PRINCIPAL),
        conditions={"aws:SourceArn": (trail_arn,), "aws:SourceAccount": (account_id,)},
    )


async def check_delivery_key(ring: KeyRing, key: str, trail_arn: str, object_arn: str = "") -> None:
    """Prove that CloudTrail may encrypt a trail's deliveries with ``key``: one data key is made and thrown away.

    ``object_arn``, when given, goes into the context as S3 puts it there. Raises what ``generate_data_key`` raises.
    """
    await ring.generate_data_key(key, delivery_context(trail_arn, object_arn), delivery_caller(trail_arn))


def delivery_context(trail_arn: str, object_arn: str = "") -> dict[str, str]:
    """Return the encryption context of a trail's delivered object."""
    context = {TRAIL_CONTEXT: trail_arn}
    return context | {"aws:s3:arn": object_arn} if object_arn else context


def logs_caller(arn: str) -> KeyCaller:
    """Return CloudWatch Logs acting for a log group, or for the query results of an account (``arn``), as its key
    policies know it: the service of the ARN's Region."""
    named = Arn.parse(arn)
    return KeyCaller(
        RequestPrincipal(service=f"logs.{named.region}.amazonaws.com"),
        conditions={"aws:SourceArn": (arn,), "aws:SourceAccount": (named.account_id,)},
    )


def logs_context(arn: str) -> dict[str, str]:
    """Return the encryption context of what is kept of a log group, or of an account's query results (``arn``)."""
    return {LOGS_CONTEXT: arn}
