"""The names in trail operations and their rules: trails, buckets, prefixes, topics, keys, log groups.

Pure checks, each raising the error that CloudTrail documents for it (reference: trails-and-delivery, section 1).
"""

import re
from dataclasses import dataclass

from opentrail.arn import trail_arn
from opentrail.aws.cloudtrail.errors import (
    CloudTrailARNInvalidException,
    InvalidCloudWatchLogsLogGroupArnException,
    InvalidCloudWatchLogsRoleArnException,
    InvalidKmsKeyIdException,
    InvalidS3BucketNameException,
    InvalidS3PrefixException,
    InvalidSnsTopicNameException,
    InvalidTrailNameException,
)
from opentrail.resource.bucket_name import is_bucket_name

TRAIL_NAME_MIN_LENGTH = 3
TRAIL_NAME_MAX_LENGTH = 128
S3_PREFIX_MAX_LENGTH = 200
SNS_TOPIC_MAX_LENGTH = 256

_TRAIL_NAME = re.compile(r"[A-Za-z0-9._-]+", re.ASCII)
_TRAIL_ARN = re.compile(
    r"arn:aws[a-z-]*:cloudtrail:[a-z0-9][a-z0-9-]{0,62}:\d{12}:trail/(?P<name>[A-Za-z0-9._-]+)", re.ASCII
)
_ADJACENT_PUNCTUATION = re.compile(r"[._-]{2}")
_IP_ADDRESS = re.compile(r"\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}", re.ASCII)
_PREFIX = re.compile(r"[^\x00-\x1f\x7f]*")
_TOPIC = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_TOPIC_ARN = re.compile(r"arn:[a-z-]+:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]+", re.ASCII)
_KEY_ID = r"(mrk-[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})"
_ALIAS = r"alias/[A-Za-z0-9:/_-]+"
_KMS_KEY = re.compile(rf"({_KEY_ID}|{_ALIAS}|arn:[a-z-]+:kms:[a-z0-9-]+:\d{{12}}:(key/{_KEY_ID}|{_ALIAS}))", re.ASCII)
_LOG_GROUP_ARN = re.compile(
    r"arn:[a-z-]+:logs:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):log-group:[A-Za-z0-9_./#-]{1,512}:\*", re.ASCII
)
_ROLE_ARN = re.compile(r"arn:[a-z-]+:iam::(?P<account>\d{12}):role/[\w+=,.@/-]{1,512}", re.ASCII)


@dataclass(frozen=True, slots=True)
class TrailReference:
    """What a caller named a trail by. ``is_arn`` false: a bare name, which means a trail of the called Region."""

    given: str
    arn: str
    is_arn: bool


def check_trail_name(name: str) -> None:
    """Raise InvalidTrailNameException unless ``name`` may name a trail."""
    if len(name) < TRAIL_NAME_MIN_LENGTH:
        raise InvalidTrailNameException.too_short(TRAIL_NAME_MIN_LENGTH, len(name))
    if len(name) > TRAIL_NAME_MAX_LENGTH:
        raise InvalidTrailNameException.too_long(TRAIL_NAME_MAX_LENGTH, len(name))
    if not _TRAIL_NAME.fullmatch(name):
        raise InvalidTrailNameException.bad_characters()
    if not name[0].isalnum():
        raise InvalidTrailNameException.bad_start()
    if not name[-1].isalnum():
        raise InvalidTrailNameException.bad_end()
    if _ADJACENT_PUNCTUATION.search(name):
        raise InvalidTrailNameException.adjacent_punctuation()
    if _IP_ADDRESS.fullmatch(name):
        raise InvalidTrailNameException.ip_address()


def trail_reference(given: str, region: str, account_id: str) -> TrailReference:
    """Read a trail's name or ARN as the operations take it; raises InvalidTrailName or CloudTrailARNInvalid."""
    if not given.startswith("arn:"):
        check_trail_name(given)
        return TrailReference(given, trail_arn(region, account_id, given), is_arn=False)
    check_trail_arn(given)
    return TrailReference(given, given, is_arn=True)


def check_trail_arn(text: str) -> None:
    """Raise CloudTrailARNInvalidException unless ``text`` has the form of a trail's ARN, every part of it.

    The account has 12 digits, partition and Region are names such as there may be, the trail's name keeps the rules
    for names. Whether there is such a trail is another question, with another answer.
    """
    arn = _TRAIL_ARN.fullmatch(text)
    if arn is None:
        raise CloudTrailARNInvalidException.malformed(text)
    try:
        check_trail_name(arn["name"])
    except InvalidTrailNameException as error:
        raise CloudTrailARNInvalidException.malformed(text) from error


def check_bucket_name(bucket: str) -> None:
    """Raise InvalidS3BucketNameException unless S3 allows a bucket of this name."""
    if not is_bucket_name(bucket):
        raise InvalidS3BucketNameException(bucket[:300])


def check_key_prefix(prefix: str) -> None:
    """Raise InvalidS3PrefixException unless delivered keys may start with ``prefix`` ("" is none)."""
    if len(prefix) > S3_PREFIX_MAX_LENGTH:
        raise InvalidS3PrefixException.too_long(S3_PREFIX_MAX_LENGTH)
    if prefix.startswith("/") or prefix.endswith("/"):
        raise InvalidS3PrefixException.bad_slash(prefix)
    if not _PREFIX.fullmatch(prefix):
        raise InvalidS3PrefixException.bad_characters()


def check_topic_name(topic: str) -> None:
    """Raise InvalidSnsTopicNameException unless ``topic`` is a standard topic's name or ARN (FIFO topics take none)."""
    if len(topic) > SNS_TOPIC_MAX_LENGTH or not (_TOPIC.fullmatch(topic) or _TOPIC_ARN.fullmatch(topic)):
        raise InvalidSnsTopicNameException(topic)


def check_kms_key(key: str) -> None:
    """Raise InvalidKmsKeyIdException unless ``key`` is one of the four ways to name a KMS key."""
    if not _KMS_KEY.fullmatch(key):
        raise InvalidKmsKeyIdException(key)


def check_log_group(group_arn: str, role_arn: str, region: str, account_id: str) -> None:
    """Raise unless a log group's and a role's ARN are given, both of the account, the group in the Region."""
    if not group_arn:
        raise InvalidCloudWatchLogsLogGroupArnException.missing()
    group = _LOG_GROUP_ARN.fullmatch(group_arn)
    if group is None or (group["region"], group["account"]) != (region, account_id):
        raise InvalidCloudWatchLogsLogGroupArnException.not_usable()
    if not role_arn:
        raise InvalidCloudWatchLogsRoleArnException.missing()
    role = _ROLE_ARN.fullmatch(role_arn)
    if role is None or role["account"] != account_id:
        raise InvalidCloudWatchLogsRoleArnException.not_usable(role_arn)
