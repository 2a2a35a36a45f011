"""Who calls: accounts, users, roles, sessions and their access keys.

These are nouns; stores keep them, ``policy`` judges them, ``record`` writes them into events.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class PrincipalType(StrEnum):
    """The values of ``userIdentity.type`` that name somebody.

    The first four sign requests with keys of their own. Web identity and SAML users hand STS a token instead, Identity
    Center users a bearer token; services and foreign accounts are named in records alone.
    """

    ROOT = "Root"
    IAM_USER = "IAMUser"
    ASSUMED_ROLE = "AssumedRole"
    FEDERATED_USER = "FederatedUser"
    WEB_IDENTITY_USER = "WebIdentityUser"
    SAML_USER = "SAMLUser"
    IDENTITY_CENTER_USER = "IdentityCenterUser"
    AWS_SERVICE = "AWSService"
    AWS_ACCOUNT = "AWSAccount"


@dataclass(frozen=True, slots=True)
class SessionContext:
    """What a temporary credential carries into ``userIdentity.sessionContext``.

    ``issuer_*`` name the role (AssumedRole) or the user or Root that made it (FederatedUser); they are empty for a
    user's or Root's own session (GetSessionToken). ``created_at`` is None for a session whose beginning nobody saw.
    ``federated_provider`` is the web identity provider of a role session, ``ec2_role_delivery`` the version of the
    instance metadata service that handed it out ("1.0", "2.0"), ``is_assumed_root`` marks a session of AssumeRoot.
    """

    created_at: datetime | None
    is_mfa_authenticated: bool = False
    issuer_type: str = ""
    issuer_principal_id: str = ""
    issuer_arn: str = ""
    issuer_account_id: str = ""
    issuer_user_name: str = ""
    source_identity: str = ""
    federated_provider: str = ""
    ec2_role_delivery: str = ""
    is_assumed_root: bool = False


@dataclass(frozen=True, slots=True)
class OnBehalfOf:
    """The Identity Center user for whom a call is made."""

    user_id: str
    identity_store_arn: str


@dataclass(frozen=True, slots=True)
class Principal:
    """The identity behind a call, as events and policies need it.

    ``user_name`` is empty for Root, AssumedRole and FederatedUser. ``principal_id`` is the account id (Root),
    ``AIDA...`` (user), ``AROA...:session`` (assumed role), ``ACCOUNT:name`` (federated user),
    ``PROVIDER:AUDIENCE:user`` (web identity), ``NAMEQUALIFIER:user`` (SAML). ``account_id`` is the account whose record
    the call belongs to, also where records leave it out (web identity and SAML users: the role's account); empty when
    nobody said. ``identity_provider`` is of web identity and SAML users, ``invoked_by`` the service that made the call,
    ``credential_id`` the bearer token's of an Identity Center user.
    """

    type: PrincipalType
    principal_id: str
    arn: str
    account_id: str
    user_name: str = ""
    session: SessionContext | None = None
    identity_provider: str = ""
    invoked_by: str = ""
    on_behalf_of: OnBehalfOf | None = None
    credential_id: str = ""


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


@dataclass(init=False, slots=True, unsafe_hash=True)
class CallerIdentity:
    """Who an event says it was: a principal, the key used, and whether anybody verified it.

    ``is_verified`` false becomes ``additionalEventData.opentrail.identity = "claimed"``. ``principal`` is None when
    nothing but the access key id is known (or no key was given at all). Never changed; made for every call, so without
    the slow constructor that dataclasses makes for frozen classes.
    """

    principal: Principal | None
    access_key_id: str
    is_verified: bool

    def __init__(self, principal: Principal | None, access_key_id: str, is_verified: bool) -> None:
        self.principal = principal
        self.access_key_id = access_key_id
        self.is_verified = is_verified


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


@dataclass(frozen=True, slots=True)
class UpstreamOwner:
    """A user or role of an upstream as its own answers described it; its keys and sessions are joined with it.

    ``kind`` is ``user`` or ``role``, ``unique_id`` its ``AIDA...`` or ``AROA...``.
    """

    kind: str
    account_id: str
    name: str
    unique_id: str
    arn: str
