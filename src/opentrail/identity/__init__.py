"""Who calls: accounts, users, roles, sessions and their access keys.

These are nouns; stores keep them, ``policy`` judges them, ``record`` writes them into events.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class PrincipalType(StrEnum):
    """The ``userIdentity.type`` values that can sign a request of ours."""

    ROOT = "Root"
    IAM_USER = "IAMUser"
    ASSUMED_ROLE = "AssumedRole"
    FEDERATED_USER = "FederatedUser"


@dataclass(frozen=True, slots=True)
class SessionContext:
    """What a temporary credential carries into ``userIdentity.sessionContext``.

    ``issuer_*`` name the role (AssumedRole) or are empty (GetSessionToken of a user or Root).
    """

    created_at: datetime
    is_mfa_authenticated: bool = False
    issuer_type: str = ""
    issuer_principal_id: str = ""
    issuer_arn: str = ""
    issuer_account_id: str = ""
    issuer_user_name: str = ""
    source_identity: str = ""


@dataclass(frozen=True, slots=True)
class Principal:
    """The identity behind an access key, as events and policies need it.

    ``user_name`` is empty for Root and AssumedRole. ``principal_id`` is the account id (Root), ``AIDA...`` (user),
    ``AROA...:session`` (assumed role).
    """

    type: PrincipalType
    principal_id: str
    arn: str
    account_id: str
    user_name: str = ""
    session: SessionContext | None = None


@dataclass(frozen=True, slots=True)
class Credential:
    """An access key we know, with its secret in the clear, in memory only.

    ``session_token`` is empty for long-lived keys; ``expires_at`` is None for them. ``is_imported`` marks an upstream's
    key pair registered by ``opentrail keys import``. ``session_policy`` narrows what a session may do.
    """

    access_key_id: str
    secret_access_key: str
    principal: Principal
    session_token: str = ""
    expires_at: datetime | None = None
    is_active: bool = True
    is_imported: bool = False
    session_policy: str = ""

    def __repr__(self) -> str:
        return f"Credential({self.access_key_id}, {self.principal.arn})"


@dataclass(frozen=True, slots=True)
class CallerIdentity:
    """Who an event says it was: a principal, the key used, and whether anybody verified it.

    ``is_verified`` false becomes ``additionalEventData.opentrail.identity = "claimed"``. ``principal`` is None when
    nothing but the access key id is known (or no key was given at all).
    """

    principal: Principal | None
    access_key_id: str
    is_verified: bool


@dataclass(frozen=True, slots=True)
class User:
    """An IAM user of an account of ours. ``policies`` are name -> policy document (JSON text)."""

    account_id: str
    name: str
    user_id: str
    arn: str
    path: str
    created_at: datetime
    policies: dict[str, str]


@dataclass(frozen=True, slots=True)
class Role:
    """An IAM role of an account of ours, with its trust policy (JSON text)."""

    account_id: str
    name: str
    role_id: str
    arn: str
    path: str
    created_at: datetime
    trust_policy: str
    policies: dict[str, str]
    max_session_seconds: int = 3600


Json = dict[str, Any]
