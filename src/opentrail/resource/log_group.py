"""Log groups, their streams and filters (reference: CloudWatch Logs, sections 2 and 4), and the ARNs that name them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from opentrail.arn import Arn, partition_of

RETENTION_DAYS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827),
    *(2192, 2557, 2922, 3288, 3653),
)
"""The retentions that a group may have; none keeps its events for ever."""

MAX_NAME_CHARACTERS = 512
STANDARD = "STANDARD"

METRIC_FILTER = "metric"
SUBSCRIPTION_FILTER = "subscription"

_NAME = re.compile(r"[.\-_/#A-Za-z0-9]{1,512}", re.ASCII)


@dataclass(frozen=True, slots=True)
class LogGroup:
    """One log group. ``group_id`` is its own, so that a group of the same name that is made later has nothing of it.

    ``retention_days`` is 0 for a group that keeps its events for ever; ``kms_key_arn`` is the key under which what is
    written from now on is kept; empty strings mean "not set".
    """

    group_id: str
    account_id: str
    region: str
    name: str
    created_at: datetime
    retention_days: int = 0
    group_class: str = STANDARD
    is_deletion_protected: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)
    kms_key_arn: str = ""

    @property
    def arn(self) -> str:
        """The group's ARN, without the ``:*`` that most operations show behind it."""
        return log_group_arn(self.region, self.account_id, self.name)

    def keeps_since(self, now: datetime) -> int:
        """Return the timestamp (ms since 1970) of the oldest events that are shown at ``now``."""
        if not self.retention_days:
            return 0
        return max(0, milliseconds(now - timedelta(days=self.retention_days)))


@dataclass(frozen=True, slots=True)
class LogStream:
    """One stream of a group; ``stream_id`` is its own, as ``group_id`` is a group's."""

    stream_id: str
    name: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class LogFilter:
    """A metric filter or a subscription filter (``kind``) of a group, its settings in wire form."""

    kind: str
    name: str
    created_at: datetime
    settings: Mapping[str, Any]


def log_group_arn(region: str, account_id: str, name: str) -> str:
    """Return the ARN of a log group, without ``:*``."""
    return f"arn:{partition_of(region)}:logs:{region}:{account_id}:log-group:{name}"


def log_stream_arn(group_arn: str, stream: str) -> str:
    """Return the ARN of a stream of a group."""
    return f"{group_arn}:log-stream:{stream}"


def query_result_arn(region: str, account_id: str) -> str:
    """Return the name that the results of an account's queries have together."""
    return f"arn:{partition_of(region)}:logs:{region}:{account_id}:query-result:*"


def parse_group_arn(text: str) -> tuple[str, str, str]:
    """Return (Region, account, name) of a log group's ARN, with or without ``:*``. Raises ValueError."""
    arn = Arn.parse(text)
    kind, _, name = arn.resource.removesuffix(":*").partition(":")
    if arn.service != "logs" or kind != "log-group" or not _NAME.fullmatch(name):
        raise ValueError(f"not a log group's ARN: {text[:200]}")
    return arn.region, arn.account_id, name


def milliseconds(moment: datetime) -> int:
    """Return a time as CloudWatch Logs counts it, ms since 1970."""
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def day_of(timestamp: int) -> date:
    """Return the UTC day of a timestamp in ms."""
    return date(1970, 1, 1) + timedelta(days=timestamp // 86_400_000)
