"""The event bus: where events arrive that rules of that bus look at."""

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import orjson

from opentrail.arn import Arn, partition_of

DEFAULT_BUS = "default"
"""Every account has this bus in every Region; it is never made or deleted, and CloudTrail's events arrive on it."""

_KIND = "event-bus/"


@dataclass(frozen=True, slots=True)
class EventBus:
    """A custom event bus, or what was set of the default one. ``settings`` holds Description and Policy (the resource
    policy's text), as the API spells them."""

    arn: str
    name: str
    account_id: str
    region: str
    created_at: datetime
    modified_at: datetime
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def policy(self) -> str:
        """The resource policy's text, "" for none."""
        return str(self.settings.get("Policy", ""))

    def to_json(self) -> bytes:
        """Return the snapshot that settings entries carry."""
        return orjson.dumps(asdict(self), option=orjson.OPT_SORT_KEYS)

    @classmethod
    def from_json(cls, snapshot: bytes) -> "EventBus":
        kept = orjson.loads(snapshot)
        times = {name: datetime.fromisoformat(kept[name]) for name in ("created_at", "modified_at")}
        return cls(**(kept | times))


def event_bus_arn(region: str, account_id: str, name: str) -> str:
    """Return the ARN of the bus ``name``."""
    return f"arn:{partition_of(region)}:events:{region}:{account_id}:{_KIND}{name}"


def bus_arn_of(given: str, region: str, account_id: str) -> str:
    """Return the ARN of the bus that ``given`` names to an account's caller: a name, an ARN, "" for the default one."""
    return given if given.startswith("arn:") else event_bus_arn(region, account_id, given or DEFAULT_BUS)


def is_event_bus_arn(text: str) -> bool:
    """Say whether ``text`` is the ARN of an event bus."""
    if ":events:" not in text:
        return False
    try:
        arn = Arn.parse(text)
    except ValueError:
        return False
    return arn.service == "events" and arn.resource.startswith(_KIND) and len(arn.resource) > len(_KIND)
