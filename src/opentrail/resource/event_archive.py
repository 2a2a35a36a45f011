"""Archives of event buses and the replays of them.

An archive is filled by a rule of its own on its bus, a managed one, whose only target it is.
"""

from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import orjson

from opentrail.arn import Arn, partition_of
from opentrail.resource.event_rule import EventRule, event_rule_arn

MANAGER = "prod.vhs.events.aws.internal"
"""Who manages the rules that fill archives, as EventBridge names it."""

REPLAY_NAME = "replay-name"
"""The member of an event that says which replay brought it; archives take no such event."""

_ARCHIVE, _REPLAY = "archive/", "replay/"


@dataclass(frozen=True, slots=True)
class EventArchive:
    """One archive. ``archive_id`` names what is kept of it, and is never used again; ``pattern`` "" takes every event,
    ``retention_days`` 0 keeps for ever."""

    arn: str
    name: str
    account_id: str
    region: str
    archive_id: str
    bus_arn: str
    created_at: datetime
    pattern: str = ""
    retention_days: int = 0
    description: str = ""

    def to_json(self) -> bytes:
        """Return the snapshot that settings entries carry."""
        return orjson.dumps(asdict(self), option=orjson.OPT_SORT_KEYS)

    @classmethod
    def from_json(cls, snapshot: bytes) -> "EventArchive":
        kept = orjson.loads(snapshot)
        return cls(**(kept | {"created_at": datetime.fromisoformat(kept["created_at"])}))

    @property
    def rule(self) -> EventRule:
        """The managed rule that fills the archive."""
        name = f"Events-Archive-{self.name}"
        bus = self.bus_arn.rpartition("/")[2]
        wanted = (orjson.loads(self.pattern) if self.pattern else {}) | {REPLAY_NAME: [{"exists": False}]}
        return EventRule(
            arn=event_rule_arn(self.region, self.account_id, bus, name),
            name=name,
            bus_name=bus,
            account_id=self.account_id,
            region=self.region,
            created_by=self.account_id,
            pattern=orjson.dumps(wanted).decode(),
            targets=({"Id": name, "Arn": self.arn},),
            managed_by=MANAGER,
        )


class ReplayState(StrEnum):
    """Where a replay is; the last three are its end."""

    STARTING = "STARTING"
    RUNNING = "RUNNING"
    CANCELLING = "CANCELLING"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"
    FAILED = "FAILED"


ENDED = frozenset({ReplayState.COMPLETED, ReplayState.CANCELLED, ReplayState.FAILED})


@dataclass(frozen=True, slots=True)
class EventReplay:
    """One replay, from ``events_from`` to before ``events_until``. ``rules`` are ARNs of the only rules that see it,
    none for all of the bus; ``through`` is how far it came: time (s) and number of the last event that was taken."""

    arn: str
    name: str
    account_id: str
    region: str
    archive_arn: str
    archive_id: str
    bus_arn: str
    events_from: datetime
    events_until: datetime
    started_at: datetime
    state: ReplayState = ReplayState.STARTING
    state_reason: str = ""
    description: str = ""
    rules: tuple[str, ...] = ()
    through: tuple[int, int] | None = None
    ended_at: datetime | None = None

    def to_json(self) -> bytes:
        """Return what is stored of it."""
        return orjson.dumps(asdict(self), option=orjson.OPT_SORT_KEYS)

    @classmethod
    def from_json(cls, kept_bytes: bytes) -> "EventReplay":
        kept: dict[str, Any] = orjson.loads(kept_bytes)
        for name in ("events_from", "events_until", "started_at", "ended_at"):
            kept[name] = None if kept[name] is None else datetime.fromisoformat(kept[name])
        through = None if kept["through"] is None else tuple(kept["through"])
        given = {"state": ReplayState(kept["state"]), "rules": tuple(kept["rules"]), "through": through}
        return cls(**(kept | given))


def event_archive_arn(region: str, account_id: str, name: str) -> str:
    """Return the ARN of the archive ``name``."""
    return f"arn:{partition_of(region)}:events:{region}:{account_id}:{_ARCHIVE}{name}"


def event_replay_arn(region: str, account_id: str, name: str) -> str:
    """Return the ARN of the replay ``name``."""
    return f"arn:{partition_of(region)}:events:{region}:{account_id}:{_REPLAY}{name}"


def is_event_archive_arn(text: str) -> bool:
    """Say whether ``text`` is the ARN of an event bus's archive."""
    if ":events:" not in text:
        return False
    try:
        arn = Arn.parse(text)
    except ValueError:
        return False
    return arn.service == "events" and arn.resource.startswith(_ARCHIVE) and len(arn.resource) > len(_ARCHIVE)
