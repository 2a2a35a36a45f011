"""What a trail delivers to, proved before the trail is made or changed: bucket, topic and key.

Everything here may ask other hosts, so it runs ahead of the change itself (``Handler.prepare``).
"""

from opentrail.aws.cloudtrail.errors import (
    InsufficientEncryptionPolicyException,
    InsufficientS3BucketPolicyException,
    InsufficientSnsTopicPolicyException,
    InvalidCloudWatchLogsLogGroupArnException,
    InvalidCloudWatchLogsRoleArnException,
    KmsException,
    KmsKeyNotFoundException,
    S3BucketDoesNotExistException,
)
from opentrail.aws.service import ApiPorts
from opentrail.deliver.log_groups import stream_name
from opentrail.pipeline.log_destination import RoleVerdict, group_of_trail, judge_role
from opentrail.ports.key_ring import KeyAccessRefused, KeyDisabled, KeyNotFound, KeyRing, check_delivery_key
from opentrail.ports.notices import NoticeRefused, ReceiverNotFound
from opentrail.ports.object_store import AccessRefused, BucketNotFound
from opentrail.resource.account_region import AccountRegion
from opentrail.resource.delivery_layout import account_prefix
from opentrail.resource.trail import Trail

LOG_FILES = "CloudTrail"
DIGESTS = "CloudTrail-Digest"
INSIGHTS = "CloudTrail-Insight"
"""Folders of a bucket, each marked by an empty object, for a policy may let CloudTrail write to some of them only."""

_UNUSABLE_KEY = frozenset({"KMS.NotFoundException", "KMS.DisabledException", "KMS.KMSInvalidStateException"})
"""What S3 calls it when the key that an object is to be encrypted with is not there, or not to be used."""


async def check_bucket(ports: ApiPorts, trail: Trail, *folders: str) -> None:
    """Prove that the trail may deliver to each of ``folders``, and leave the empty objects that mark them.

    Raises S3BucketDoesNotExist, InsufficientS3BucketPolicy, InsufficientEncryptionPolicy, Kms.
    """
    _check_archive_owner(ports, trail)
    base = account_prefix(trail.s3_key_prefix, trail.account_id, trail.organization_id)
    bucket = ports.object_stores.bucket(trail.s3_bucket_name)
    try:
        for folder in folders:
            await bucket.check_delivery(f"{base}{folder}/", trail.arn, kms_key_id=trail.kms_key_id)
    except BucketNotFound as error:
        raise S3BucketDoesNotExistException(trail.s3_bucket_name) from error
    except AccessRefused as error:
        if error.code in _UNUSABLE_KEY:
            raise KmsException.unusable(trail.kms_key_id) from error
        if error.code.startswith("KMS."):
            raise InsufficientEncryptionPolicyException(trail.s3_bucket_name, trail.kms_key_id) from error
        raise InsufficientS3BucketPolicyException(trail.s3_bucket_name) from error


def _check_archive_owner(ports: ApiPorts, trail: Trail) -> None:
    """Raise InsufficientS3BucketPolicy for the archive of an account that the trail's has nothing to do with.

    An archive has no bucket policy that could let others in, and what is locked in it stays: so it takes deliveries of
    its own account's trails, and of those in its organization.
    """
    archive = ports.archives.get(trail.s3_bucket_name)
    if archive is None or archive.account_id in trail.account_ids:
        return
    organization = ports.organization
    accounts = (archive.account_id, trail.account_id)
    if organization is None or any(organization.account(account) is None for account in accounts):
        raise InsufficientS3BucketPolicyException(trail.s3_bucket_name)


async def check_topic(ports: ApiPorts, trail: Trail) -> None:
    """Prove that CloudTrail may publish to the trail's topic; raises InsufficientSnsTopicPolicy."""
    try:
        await ports.topics.check_topic(trail.sns_topic_arn, trail.arn)
    except (ReceiverNotFound, NoticeRefused) as error:
        raise InsufficientSnsTopicPolicyException from error


async def resolve_key(ports: ApiPorts, trail: Trail, given: str) -> str:
    """Return the ARN of the key that ``given`` names, once it is known that deliveries can be encrypted with it.

    Ids and alias names mean keys of the trail's account in the bucket's Region. What an archive holds is encrypted
    here, so the key policy is asked at once; a bucket elsewhere judges the key when it is given an object
    (``check_bucket``). Raises KmsKeyNotFound, Kms, InsufficientEncryptionPolicy.
    """
    archive = ports.archives.get(trail.s3_bucket_name)
    try:
        if archive is None:
            return await ports.key_names.key_arn(given, trail.account_id, trail.home_region)
        key = await ports.key_ring.describe(given, trail.account_id, archive.region)
    except KeyNotFound as error:
        raise KmsKeyNotFoundException(given) from error
    except KeyAccessRefused as error:
        raise InsufficientEncryptionPolicyException(trail.s3_bucket_name, given) from error
    if key.region != archive.region:
        raise KmsKeyNotFoundException(given)
    await _check_key(ports.key_ring, key.arn, trail)
    return key.arn


async def _check_key(ring: KeyRing, key_arn: str, trail: Trail) -> None:
    try:
        await check_delivery_key(ring, key_arn, trail.arn)
    except KeyNotFound as error:
        raise KmsKeyNotFoundException(key_arn) from error
    except KeyDisabled as error:
        raise KmsException.unusable(key_arn) from error
    except KeyAccessRefused as error:
        raise InsufficientEncryptionPolicyException(trail.s3_bucket_name, key_arn) from error


async def check_log_delivery(ports: ApiPorts, trail: Trail) -> None:
    """Raise unless the trail's log group is there and its role, where this installation knows it, lets CloudTrail make
    the trail's stream and write to it."""
    group = await group_of_trail(ports.log_groups, trail)
    if group is None:
        raise InvalidCloudWatchLogsLogGroupArnException.unknown()
    stream = stream_name(trail, AccountRegion(trail.account_id, trail.home_region))
    verdict = await judge_role(ports.identities, trail.cloud_watch_logs_role_arn, group, stream)
    if verdict is RoleVerdict.NOT_TRUSTING:
        raise InvalidCloudWatchLogsRoleArnException.not_trusting()
    if verdict is RoleVerdict.NOT_PERMITTED:
        raise InvalidCloudWatchLogsRoleArnException.not_permitted()
