"""Notices: who is told that a log file was delivered, and what is still to be told.

At least once: a notice is stored in the transaction that confirms its file (``DeliveryLog.confirm``) and removed when
its receiver has taken it. Its id stays the same however often it is sent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from opentrail.ports import PortError

WEBHOOK = "webhook"
"""The receiver that the operator's settings name; every other receiver is the ARN of an SNS topic."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One delivered log file, and one receiver to tell about it: a topic's ARN, or WEBHOOK.

    ``notice_id`` is unique to file, trail and receiver. ``region`` is the file's Region, ``failures`` how often the
    notice was postponed.
    """

    notice_id: str
    receiver: str
    trail_arn: str
    region: str
    bucket: str
    key: str
    delivered_at: datetime
    failures: int = 0


class ReceiverNotFound(PortError):
    """The topic does not exist (SNS: NotFound), or there is nowhere to look for it."""


class NoticeRefused(PortError):
    """The receiver refuses notices; ``code`` is its own error code, such as AuthorizationError."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class NoticeLog(Protocol):
    """The notices still to be sent. Every method is durable on return and raises Unavailable."""

    async def receivers(self) -> Sequence[str]:
        """Return the receivers for which a notice is pending, in no particular order."""
        ...

    async def pending(self, receiver: str, now: datetime, limit: int) -> Sequence[Notice]:
        """Return at most ``limit`` notices to a receiver: those never postponed, oldest by time of delivery first, then
        those postponed until ``now`` or before. Where there is no room for all of the former, the last one returned is
        the newest of them."""
        ...

    async def postpone(self, until: Mapping[str, datetime]) -> None:
        """Let notices, by their id, wait until a time each, and count that; one that is not there is passed over."""
        ...

    async def remove(self, notice_ids: Sequence[str]) -> None:
        """Strike out notices that were sent, or given up; one that is not there is passed over."""
        ...


class NoticeSender(Protocol):
    """Sends one notice to the receiver that it names."""

    async def send(self, notice: Notice) -> None:
        """Return once the receiver has taken the notice. Raises ReceiverNotFound, NoticeRefused and Unavailable."""
        ...


class Topics(Protocol):
    """The SNS topics that trails name."""

    async def check_topic(self, topic_arn: str, trail_arn: str) -> None:
        """Prove that the topic is there and that its policy lets CloudTrail publish for this trail; nothing is sent.

        Raises ReceiverNotFound, NoticeRefused and Unavailable.
        """
        ...
