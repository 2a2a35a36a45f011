"""CloudWatch alarms: metric alarms and composite alarms, their state, and what their history tells."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal, get_args

import orjson

from opentrail.arn import Arn, partition_of

State = Literal["OK", "ALARM", "INSUFFICIENT_DATA"]

METRIC_ALARM = "MetricAlarm"
COMPOSITE_ALARM = "CompositeAlarm"

FIRST_REASON = "Unchecked: Initial alarm creation"

_KIND = "alarm:"


@dataclass(frozen=True, slots=True)
class AlarmState:
    """In which state an alarm is, and since when. ``reason_data`` is JSON, "" without any.

    ``suppressed_by`` says what holds a composite alarm's actions back (WaitPeriod, Alarm, ExtensionPeriod, "" for
    nothing), ``suppressed_until`` when a period ends; ``acted_on`` is the state whose actions were last carried out.
    """

    value: State
    reason: str
    updated_at: datetime
    transitioned_at: datetime
    reason_data: str = ""
    suppressed_by: str = ""
    suppressed_until: datetime | None = None
    acted_on: str = ""

    def to_json(self) -> bytes:
        return orjson.dumps(asdict(self))

    @classmethod
    def from_json(cls, kept: bytes) -> "AlarmState":
        members = orjson.loads(kept)
        for name in ("updated_at", "transitioned_at", "suppressed_until"):
            members[name] = members[name] and datetime.fromisoformat(members[name])
        return cls(**members)


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm. ``settings`` are those of PutMetricAlarm or PutCompositeAlarm in wire form, without name and tags."""

    arn: str
    name: str
    account_id: str
    region: str
    kind: str
    configured_at: datetime
    settings: Mapping[str, Any]
    state: AlarmState

    @property
    def is_composite(self) -> bool:
        return self.kind == COMPOSITE_ALARM

    @property
    def has_actions_enabled(self) -> bool:
        return bool(self.settings.get("ActionsEnabled", True))

    def actions(self, state: State) -> list[str]:
        """Return the ARNs of what the alarm does when it enters a state."""
        member = {"OK": "OKActions", "ALARM": "AlarmActions", "INSUFFICIENT_DATA": "InsufficientDataActions"}[state]
        return list(self.settings.get(member, ()))

    def destinations(self) -> set[str]:
        """Return the ARNs of what the alarm does in any state."""
        return {action for state in get_args(State) for action in self.actions(state)}


@dataclass(frozen=True, slots=True)
class HistoryItem:
    """One thing that happened to an alarm; ``kind`` is ConfigurationUpdate, StateUpdate or Action, ``data`` JSON."""

    item_id: str
    account_id: str
    region: str
    alarm_name: str
    alarm_kind: str
    at: datetime
    kind: str
    summary: str
    data: Mapping[str, Any] = field(default_factory=dict)


def alarm_arn(region: str, account_id: str, name: str) -> str:
    """Return the ARN of an alarm."""
    return f"arn:{partition_of(region)}:cloudwatch:{region}:{account_id}:{_KIND}{name}"


def alarm_name(arn: str) -> str:
    """Return the name in an alarm's ARN, "" when ``arn`` is none."""
    try:
        place = Arn.parse(arn)
    except ValueError:
        return ""
    is_alarm = place.service == "cloudwatch" and place.resource.startswith(_KIND)
    return place.resource.removeprefix(_KIND) if is_alarm else ""
