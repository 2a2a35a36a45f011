"""The rule of an event bus: what it looks for, in which state it is, and the targets that it invokes."""

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

import orjson

from opentrail.arn import Arn, partition_of
from opentrail.resource.event_bus import DEFAULT_BUS, event_bus_arn

_KIND = "rule/"


class RuleState(StrEnum):
    """Whether a rule is looked at, and whether it sees management events that only read."""

    ENABLED = "ENABLED"
    DISABLED = "DISABLED"
    WITH_ALL_MANAGEMENT_EVENTS = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"


@dataclass(frozen=True, slots=True)
class EventRule:
    """One rule. ``pattern`` is its event pattern as given; ``targets`` are in wire form, by the order of their Id;
    ``managed_by`` names who alone changes the rule, "" for its account."""

    arn: str
    name: str
    bus_name: str
    account_id: str
    region: str
    created_by: str
    pattern: str
    state: RuleState = RuleState.ENABLED
    description: str = ""
    role_arn: str = ""
    targets: tuple[dict[str, Any], ...] = field(default=())
    managed_by: str = ""

    @property
    def bus_arn(self) -> str:
        return event_bus_arn(self.region, self.account_id, self.bus_name)

    def to_json(self) -> bytes:
        """Return the snapshot that settings entries carry."""
        return orjson.dumps(asdict(self), option=orjson.OPT_SORT_KEYS)

    @classmethod
    def from_json(cls, snapshot: bytes) -> "EventRule":
        kept = orjson.loads(snapshot)
        return cls(**(kept | {"state": RuleState(kept["state"]), "targets": tuple(kept["targets"])}))


def event_rule_arn(region: str, account_id: str, bus_name: str, name: str) -> str:
    """Return the ARN of the rule ``name``; the default bus is not named in it."""
    place = name if bus_name == DEFAULT_BUS else f"{bus_name}/{name}"
    return f"arn:{partition_of(region)}:events:{region}:{account_id}:{_KIND}{place}"


def rule_arn_on(bus_arn: str, name: str) -> str:
    """Return the ARN of the rule ``name`` of a bus."""
    bus = Arn.parse(bus_arn)
    return event_rule_arn(bus.region, bus.account_id, bus.resource.removeprefix("event-bus/"), name)


def is_event_rule_arn(text: str) -> bool:
    """Say whether ``text`` is the ARN of an event bus's rule."""
    if ":events:" not in text:
        return False
    try:
        arn = Arn.parse(text)
    except ValueError:
        return False
    return arn.service == "events" and arn.resource.startswith(_KIND) and len(arn.resource) > len(_KIND)
