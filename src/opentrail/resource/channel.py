"""The channel: where events from outside enter the lake (reference: api, section 8)."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import orjson

from opentrail.arn import Arn, partition_of

CUSTOM_SOURCE = "Custom"
"""The source of a channel for applications of one's own."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel as Create- and UpdateChannel left it. ``destinations`` keep their wire form: event data stores."""

    arn: str
    name: str
    account_id: str
    region: str
    source: str
    destinations: tuple[dict[str, Any], ...]

    @property
    def id(self) -> str:
        """The UUID at the end of the ARN."""
        return self.arn.rpartition("/")[2]

    @property
    def event_data_stores(self) -> Sequence[str]:
        """The ARNs of the event data stores that get the channel's events."""
        return [destination["Location"] for destination in self.destinations]

    def to_json(self) -> bytes:
        """Return the snapshot that a settings entry of the journal carries."""
        return orjson.dumps(asdict(self))

    @classmethod
    def from_json(cls, data: bytes) -> "Channel":
        """Read a snapshot back; members that a newer release added take their defaults."""
        values = orjson.loads(data)
        known = {field.name for field in fields(cls)}
        channel = cls(**{name: value for name, value in values.items() if name in known})
        return replace(channel, destinations=tuple(channel.destinations))


def channel_arn(region: str, account_id: str, channel_id: str) -> str:
    """Return the ARN of the channel ``channel_id`` of ``region``."""
    return str(Arn(partition_of(region), "cloudtrail", region, account_id, f"channel/{channel_id}"))


def is_channel_arn(arn: str) -> bool:
    """Say whether an ARN is that of a channel rather than of another resource."""
    return arn.rpartition(":")[2].startswith("channel/")
