"""Every S3 key that a trail writes or a verifier looks for, composed and read in this one place.

```
<prefix>/AWSLogs/[<organization>/]<account>/CloudTrail/<region>/YYYY/MM/DD/
    <account>_CloudTrail_<region>_<YYYYMMDDTHHMMZ>_<16>.json.gz
<prefix>/AWSLogs/[<organization>/]<account>/CloudTrail-Digest/<region>/YYYY/MM/DD/
    <account>_CloudTrail-Digest_<region>_<trail>_<home region>_<YYYYMMDDTHHMMSSZ>[_backfill].json.gz
```
Log files are named after the interval they close, digests after their end time, both in UTC; ``<region>`` is the Region
whose events or log files are inside. The organization's id stands before the account in an organization trail's keys
(reference: trails-and-delivery, sections 2 and 5).
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime

LOG_FILE_FOLDER = "CloudTrail"
DIGEST_FOLDER = "CloudTrail-Digest"
NAME_SUFFIX_LENGTH = 16

_ALPHANUMERICS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_BACKFILL_ENDING = "_backfill.json.gz"
_ENDING = ".json.gz"
_DIGEST_STAMP = "%Y%m%dT%H%M%SZ"
_DIGEST_STAMP_LENGTH = 16


def account_prefix(key_prefix: str, account_id: str, organization_id: str = "") -> str:
    """Return the folder of one account's files: ``[prefix/]AWSLogs/[organization/]account/``."""
    parts = [key_prefix, "AWSLogs", organization_id, account_id]
    return "/".join(part for part in parts if part) + "/"


def marker_key(key_prefix: str, account_id: str, organization_id: str = "") -> str:
    """Return the key of the zero-byte object that proves that a trail may write to its bucket."""
    return f"{account_prefix(key_prefix, account_id, organization_id)}{LOG_FILE_FOLDER}/"


def name_suffix(installation_id: str, trail_arn: str, region: str, first_position: str) -> str:
    """Return the 16 alphanumerics that end a log file's name.

    They are the same for the same file after a crash, and differ between installations, so that a home that was wiped
    and started again overwrites nothing in its old bucket.
    """
    seed = "\n".join((installation_id, trail_arn, region, first_position)).encode()
    number = int.from_bytes(hashlib.sha256(seed).digest(), "big")
    characters = []
    for _ in range(NAME_SUFFIX_LENGTH):
        number, index = divmod(number, len(_ALPHANUMERICS))
        characters.append(_ALPHANUMERICS[index])
    return "".join(characters)


def log_file_key(
    key_prefix: str, account_id: str, region: str, stamp: datetime, suffix: str, organization_id: str = ""
) -> str:
    """Return the key of a log file; ``stamp`` is the end of the interval that it closes."""
    moment = stamp.astimezone(UTC)
    name = f"{account_id}_CloudTrail_{region}_{moment:%Y%m%dT%H%MZ}_{suffix}{_ENDING}"
    folder = f"{account_prefix(key_prefix, account_id, organization_id)}{LOG_FILE_FOLDER}/{region}"
    return f"{folder}/{moment:%Y/%m/%d}/{name}"


@dataclass(frozen=True, slots=True)
class DigestPlace:
    """Where the digests of one chain lie: a trail's, of one account and Region."""

    account_id: str
    region: str
    trail_name: str
    home_region: str
    key_prefix: str = ""
    organization_id: str = ""

    @property
    def folder(self) -> str:
        """The prefix that a verifier lists; digests of other trails share it."""
        base = account_prefix(self.key_prefix, self.account_id, self.organization_id)
        return f"{base}{DIGEST_FOLDER}/{self.region}"

    @property
    def log_file_folder(self) -> str:
        """The folder of the log files that these digests list, with its slash; other trails' files may share it."""
        base = account_prefix(self.key_prefix, self.account_id, self.organization_id)
        return f"{base}{LOG_FILE_FOLDER}/{self.region}/"

    @property
    def _name_start(self) -> str:
        return f"{self.account_id}_CloudTrail-Digest_{self.region}_{self.trail_name}_{self.home_region}_"

    def key(self, end_time: datetime) -> str:
        """Return the key of the digest that ends at ``end_time``."""
        moment = end_time.astimezone(UTC)
        return f"{self.folder}/{moment:%Y/%m/%d}/{self._name_start}{moment.strftime(_DIGEST_STAMP)}{_ENDING}"

    def matches(self, key: str) -> bool:
        """Say whether ``key`` is named as a digest (backfill or not) of this chain."""
        pattern = rf"{re.escape(self.folder)}/\d+/\d+/\d+/{re.escape(self._name_start)}.+\.json\.gz"
        return re.fullmatch(pattern, key) is not None


def is_backfill_key(digest_key: str) -> bool:
    """Say whether a digest's key is that of a backfill digest."""
    return digest_key.endswith(_BACKFILL_ENDING)


def digest_stamp(digest_key: str) -> str:
    """Return the time part of a digest's key as it stands; stamps of one form order as text."""
    end = len(digest_key) - len(_BACKFILL_ENDING if is_backfill_key(digest_key) else _ENDING)
    return digest_key[max(0, end - _DIGEST_STAMP_LENGTH) : end]


def format_digest_stamp(moment: datetime) -> str:
    """Return ``moment`` as the key of a digest would spell it."""
    return moment.astimezone(UTC).strftime(_DIGEST_STAMP)


def is_digest_stamp(stamp: str) -> bool:
    """Say whether ``stamp`` is a time as the keys of digests have it."""
    try:
        parse_digest_stamp(stamp)
    except ValueError:
        return False
    return True


def parse_digest_stamp(stamp: str) -> datetime:
    """Return the time that a digest's key names; raises ValueError when it names none."""
    return datetime.strptime(stamp, _DIGEST_STAMP).replace(tzinfo=UTC)


def digest_region(digest_key: str) -> str:
    """Return the Region in a digest's key, "" when there is none."""
    found = re.search(rf"/{DIGEST_FOLDER}/([a-z0-9-]+)/", digest_key)
    return found[1] if found else ""


def log_file_stamp(key: str) -> datetime | None:
    """Return the minute in a log file's name, None when it is not named as one."""
    found = re.search(r"_(\d{8}T\d{4}Z)_[0-9A-Za-z]{16}\.json\.gz$", key)
    try:
        return datetime.strptime(found[1], "%Y%m%dT%H%MZ").replace(tzinfo=UTC) if found else None
    except ValueError:
        return None
