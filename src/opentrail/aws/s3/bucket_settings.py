"""What an archive answers when asked for a bucket's settings: its rules in S3's words, and S3's own error for what it
does not have. Nothing here changes anything; rules are the operator's (``opentrail archive set``)."""

import re
from collections.abc import Awaitable, Callable
from typing import Any

from opentrail.aws.s3.buckets import find_archive
from opentrail.aws.s3.errors import (
    NoSuchBucketPolicy,
    NoSuchCORSConfiguration,
    NoSuchLifecycleConfiguration,
    NoSuchTagSet,
    NoSuchWebsiteConfiguration,
    ReplicationConfigurationNotFoundError,
    ServerSideEncryptionConfigurationNotFoundError,
)
from opentrail.aws.service import ApiPorts, Call, Outcome
from opentrail.ports.archives import Archive
from opentrail.protocol import Parameters
from opentrail.resource.archive import COLD_STORAGE_CLASS

Answer = Callable[[ApiPorts, Call], Awaitable[Outcome]]

_WORD = re.compile("(?<!^)(?=[A-Z])")


def _versioning(archive: Archive) -> Parameters:
    # Enabled says what holds: no write ever takes another's place, and deleting means naming a version.
    return {"Status": "Enabled", "MFADelete": "Enabled" if archive.needs_mfa_delete else "Disabled"}


def _object_lock(archive: Archive) -> Parameters:
    configuration: dict[str, Any] = {"ObjectLockEnabled": "Enabled"}
    if archive.lock is not None:
        configuration["Rule"] = {"DefaultRetention": {"Mode": archive.lock.mode.value, "Days": archive.lock.days}}
    return {"ObjectLockConfiguration": configuration}


def _encryption(archive: Archive) -> Parameters:
    if not archive.kms_key_arn:
        raise ServerSideEncryptionConfigurationNotFoundError(archive.name)
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": archive.kms_key_arn}
    rule = {"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": False}
    return {"ServerSideEncryptionConfiguration": {"Rules": [rule]}}


def _lifecycle(archive: Archive) -> Parameters:
    rules: list[dict[str, Any]] = []
    if archive.expire_after_days:
        rules.append({"ID": "expire", "Expiration": {"Days": archive.expire_after_days}})
    if archive.cold is not None:
        move = {"Days": archive.cold.after_days, "StorageClass": COLD_STORAGE_CLASS}
        rules.append({"ID": "cold", "Transitions": [move]})
    if not rules:
        raise NoSuchLifecycleConfiguration(archive.name)
    return {"Rules": [rule | {"Status": "Enabled", "Filter": {"Prefix": ""}} for rule in rules]}


def _public_access_block(_: Archive) -> Parameters:
    # Nobody reads or writes an archive unsigned, and no ACL or policy can be put on it.
    names = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    return {"PublicAccessBlockConfiguration": dict.fromkeys(names, True)}


def _ownership(_: Archive) -> Parameters:
    return {"OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}}


def _lacks(error: Callable[[str], Exception]) -> Callable[[Archive], Parameters]:
    def describe(archive: Archive) -> Parameters:
        raise error(archive.name)

    return describe


_DESCRIPTIONS: dict[str, Callable[[Archive], Parameters]] = {
    "GetBucketAccelerateConfiguration": lambda _: {},
    "GetBucketCors": _lacks(NoSuchCORSConfiguration),
    "GetBucketEncryption": _encryption,
    "GetBucketLifecycleConfiguration": _lifecycle,
    "GetBucketLogging": lambda _: {},
    "GetBucketNotificationConfiguration": lambda _: {},
    "GetBucketOwnershipControls": _ownership,
    "GetBucketPolicy": _lacks(NoSuchBucketPolicy),
    "GetBucketPolicyStatus": _lacks(NoSuchBucketPolicy),
    "GetBucketReplication": _lacks(ReplicationConfigurationNotFoundError),
    "GetBucketRequestPayment": lambda _: {"Payer": "BucketOwner"},
    "GetBucketTagging": _lacks(NoSuchTagSet),
    "GetBucketVersioning": _versioning,
    "GetBucketWebsite": _lacks(NoSuchWebsiteConfiguration),
    "GetObjectLockConfiguration": _object_lock,
    "GetPublicAccessBlock": _public_access_block,
}


def _handler(operation: str) -> Answer:
    describe = _DESCRIPTIONS[operation]

    async def handler(ports: ApiPorts, call: Call) -> Outcome:
        return Outcome(describe(find_archive(ports, call)))

    handler.__name__ = _WORD.sub("_", operation).lower()
    return handler


BUCKET_SETTINGS = {operation: _handler(operation) for operation in _DESCRIPTIONS}
"""Handlers by operation."""
