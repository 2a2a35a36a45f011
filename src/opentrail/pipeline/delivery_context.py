"""What every part of trail delivery works with, and the bounds that hold for each trail."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from opentrail.event import Event
from opentrail.ports.delivery_log import DeliveryLog
from opentrail.ports.journal import Journal
from opentrail.ports.object_store import ObjectStores
from opentrail.ports.signer import Signer
from opentrail.ports.trail_store import TrailStore

FIRST_RETRY = timedelta(seconds=1)
LONGEST_RETRY = timedelta(minutes=5)

GIVE_UP_AFTER = timedelta(days=30)
"""CloudTrail's own patience with a bucket; a file older than this is given up, with a gap on record."""

GIVEN_UP_AT = datetime(1970, 1, 1, tzinfo=UTC)
"""Delivery time of a plan that was given up: before every digest, so that none lists it."""

CUT_LOOSE = "cut from the journal before delivery"
"""Why events are missing that the journal had to let go to stay within its bound."""

UNDELIVERABLE = "not deliverable for 30 days"
"""Why events are missing in a bucket that did not take them for as long as GIVE_UP_AFTER."""

MAX_OPEN_BYTES = 45 * 1000 * 1000
"""Events that one trail's open files hold in memory before all are closed; below the 50 MB that a file may have."""

PUTS_IN_FLIGHT = 8
"""Objects of one trail on their way at a time."""

GapReport = Callable[[str, str, datetime, datetime, int | None, str], Event]
"""(account, Region, from, until, number of events if known, reason) -> the event that puts a gap on record."""


@dataclass(frozen=True)
class DeliveryCounts:
    """What was delivered since the start and how often it failed, by kind: log_file, digest_file or notice."""

    delivered: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    given_up: Counter[str] = field(default_factory=Counter)


LOG_FILE, DIGEST_FILE, NOTICE = "log_file", "digest_file", "notice"


@dataclass(frozen=True)
class DeliveryContext:
    """The ports and settings of trail delivery. Intervals are at least a second."""

    journal: Journal
    delivery_log: DeliveryLog
    object_stores: ObjectStores
    signer: Signer
    installation_id: str
    log_file_interval: timedelta
    digest_interval: timedelta
    report_gap: GapReport | None = None
    trails: TrailStore | None = None
    """The API's view, asked only when settings entries were cut from the journal unread."""
    receivers: tuple[str, ...] = ()
    """Who is told of every delivered log file, beside the topic that its trail names."""
    counts: DeliveryCounts = field(default_factory=DeliveryCounts)


class Backoff:
    """When to try a failing destination again: after 1 s, then twice as long each time, at most 5 minutes."""

    def __init__(self) -> None:
        self._delay = timedelta(0)
        self._until: datetime | None = None

    @property
    def is_failing(self) -> bool:
        """True from the first failure to the next success."""
        return self._until is not None

    def must_wait(self, now: datetime) -> bool:
        """Say whether it is too early to try again."""
        return self._until is not None and now < self._until

    def fail(self, now: datetime) -> None:
        """Note a failure."""
        self._delay = min(max(self._delay * 2, FIRST_RETRY), LONGEST_RETRY)
        self._until = now + self._delay

    def succeed(self) -> None:
        """Note a success."""
        self._delay = timedelta(0)
        self._until = None
