"""API destinations and the connections that they call with: which HTTP endpoint a target is, and who we are there.

A connection's secrets are no part of it: they are kept apart, sealed (port: api_destinations).
"""

from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

import orjson

from opentrail.arn import Arn, partition_of

DEFAULT_RATE_PER_SECOND = 300
"""Calls that an API destination takes a second when nothing else was said."""

_CONNECTION = "connection/"
_DESTINATION = "api-destination/"


class AuthorizationType(StrEnum):
    """How a connection proves who we are. Each value's parameters are in the member of ``AuthParameters`` it names."""

    BASIC = "BASIC"
    API_KEY = "API_KEY"
    OAUTH = "OAUTH_CLIENT_CREDENTIALS"

    @property
    def member(self) -> str:
        """The member of AuthParameters that holds what this type needs."""
        return _MEMBERS[self]


_MEMBERS = {
    AuthorizationType.BASIC: "BasicAuthParameters",
    AuthorizationType.API_KEY: "ApiKeyAuthParameters",
    AuthorizationType.OAUTH: "OAuthParameters",
}


class ConnectionState(StrEnum):
    """AUTHORIZING until a token was had, or refused; without secrets, or with refused ones, DEAUTHORIZED."""

    AUTHORIZING = "AUTHORIZING"
    AUTHORIZED = "AUTHORIZED"
    DEAUTHORIZED = "DEAUTHORIZED"


@dataclass(frozen=True, slots=True)
class Connection:
    """One connection. ``shown`` is AuthParameters in wire form without any secret; ``revision`` is another with every
    change of its secrets."""

    arn: str
    name: str
    account_id: str
    region: str
    authorization_type: AuthorizationType
    state: ConnectionState
    created_at: datetime
    modified_at: datetime
    revision: str
    authorized_at: datetime | None = None
    description: str = ""
    state_reason: str = ""
    shown: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> bytes:
        """Return what is stored of it."""
        return orjson.dumps(asdict(self), option=orjson.OPT_SORT_KEYS)

    @classmethod
    def from_json(cls, kept_bytes: bytes) -> "Connection":
        kept = orjson.loads(kept_bytes)
        kept |= {name: _moment(kept[name]) for name in ("created_at", "modified_at", "authorized_at")}
        kept["authorization_type"] = AuthorizationType(kept["authorization_type"])
        return cls(**(kept | {"state": ConnectionState(kept["state"])}))


@dataclass(frozen=True, slots=True)
class ApiDestination:
    """One API destination. In ``endpoint`` each ``*`` of the path stands for a value that a rule's target gives."""

    arn: str
    name: str
    account_id: str
    region: str
    connection_arn: str
    endpoint: str
    method: str
    created_at: datetime
    modified_at: datetime
    rate_per_second: int = DEFAULT_RATE_PER_SECOND
    description: str = ""

    def to_json(self) -> bytes:
        """Return what is stored of it."""
        return orjson.dumps(asdict(self), option=orjson.OPT_SORT_KEYS)

    @classmethod
    def from_json(cls, kept_bytes: bytes) -> "ApiDestination":
        kept = orjson.loads(kept_bytes)
        return cls(**(kept | {name: _moment(kept[name]) for name in ("created_at", "modified_at")}))


def connection_arn(region: str, account_id: str, name: str, uuid: str) -> str:
    """Return the ARN of a connection; each that is made has a ``uuid`` of its own."""
    return f"arn:{partition_of(region)}:events:{region}:{account_id}:{_CONNECTION}{name}/{uuid}"


def api_destination_arn(region: str, account_id: str, name: str, uuid: str) -> str:
    """Return the ARN of an API destination; each that is made has a ``uuid`` of its own."""
    return f"arn:{partition_of(region)}:events:{region}:{account_id}:{_DESTINATION}{name}/{uuid}"


def is_api_destination_arn(text: str) -> bool:
    """Say whether ``text`` is the ARN of an API destination."""
    try:
        arn = Arn.parse(text)
    except ValueError:
        return False
    return arn.service == "events" and arn.resource.startswith(_DESTINATION)


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
