"""What the answers of a trusted upstream teach: who signs with a key, and which users and roles there are.

Pure: an answer comes in, lessons come out; ``callers`` joins them with what is known and keeps them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from opentrail.arn import Arn, root_arn
from opentrail.capture.federation import identity_center_user
from opentrail.identity import CallerIdentity, Principal, PrincipalType, SessionContext, UpstreamOwner
from opentrail.protocol import CredentialScope, Operation, Parameters

TEACHING = frozenset(
    {
        *(Operation("iam", f"{verb}User") for verb in ("Create", "Get")),
        *(Operation("iam", f"{verb}Role") for verb in ("Create", "CreateServiceLinked", "Get")),
        *(Operation("iam", name) for name in ("ListUsers", "ListRoles", "GetAccountAuthorizationDetails")),
        *(Operation("iam", name) for name in ("CreateAccessKey", "ListAccessKeys", "GetAccessKeyLastUsed")),
        *(Operation("sts", f"AssumeRole{how}") for how in ("", "WithSAML", "WithWebIdentity")),
        *(Operation("sts", f"Get{what}") for what in ("CallerIdentity", "FederationToken", "SessionToken")),
        Operation("sts", "AssumeRoot"),
        Operation("sso", "GetRoleCredentials"),
        Operation("sso-oidc", "CreateToken"),
        Operation("sso-oidc", "CreateTokenWithIAM"),
    }
)
"""Operations whose answers say something of identities; no other answer is looked into."""

_ACCOUNT_ID_LENGTH = 12


@dataclass(frozen=True, slots=True)
class Lesson:
    """What one answer teaches: who signs with a key, or (empty key id) who brings a bearer token."""

    access_key_id: str
    token: str
    principal: Principal
    expires_at: datetime | None = None


def owners_of(operation: Operation, parameters: Parameters, output: Parameters) -> list[UpstreamOwner]:
    """Return the users and roles that an answer describes with their ARN and unique id."""
    described: list[tuple[str, Any]] = []
    if operation.service == "iam":
        described += [("user", user) for user in _members(output, "User", "Users", "UserDetailList")]
        described += [("role", role) for role in _members(output, "Role", "Roles", "RoleDetailList")]
    elif operation.name.startswith("AssumeRole"):
        role_id = text_of(output.get("AssumedRoleUser"), "AssumedRoleId").partition(":")[0]
        described.append(("role", {"Arn": parameters.get("RoleArn"), "RoleId": role_id}))
    owners = (_owner(kind, text_of(each, "Arn"), text_of(each, f"{kind.title()}Id")) for kind, each in described)
    return [owner for owner in owners if owner is not None]


def named_keys(operation: Operation, parameters: Parameters, output: Parameters) -> list[tuple[str, str]]:
    """Return (access key id, user name) of the users' keys that an answer of IAM lists."""
    if operation.service != "iam":
        return []
    if operation.name == "GetAccessKeyLastUsed":
        return [(text_of(parameters, "AccessKeyId"), text_of(output, "UserName"))]
    keys = _members(output, "AccessKey", "AccessKeyMetadata")
    return [(text_of(key, "AccessKeyId"), text_of(key, "UserName")) for key in keys]


def lesson_of(
    operation: Operation,
    scope: CredentialScope | None,
    caller: CallerIdentity,
    parameters: Parameters,
    output: Parameters,
    now: datetime,
) -> Lesson | None:
    """Return what an answer of STS or Identity Center teaches of one key or token."""
    if operation.service == "sso-oidc":
        user = identity_center_user(text_of(output, "idToken"))
        return Lesson("", text_of(output, "accessToken"), user) if user is not None else None
    if operation.service == "sso":
        return _role_credentials(caller, parameters, output.get("roleCredentials"), now)
    if operation.service != "sts":
        return None
    if operation.name == "GetCallerIdentity":
        principal = principal_of(text_of(output, "Arn"), text_of(output, "UserId"))
        return Lesson(scope.access_key_id, scope.session_token, principal) if scope and principal else None
    principal = _session_of(operation, caller, parameters, output, now)
    credentials = output.get("Credentials")
    if principal is None or not isinstance(credentials, Mapping):
        return None
    expires_at = credentials.get("Expiration")
    return Lesson(
        text_of(credentials, "AccessKeyId"),
        text_of(credentials, "SessionToken"),
        principal,
        expires_at if isinstance(expires_at, datetime) else None,
    )


def _session_of(
    operation: Operation, caller: CallerIdentity, parameters: Parameters, output: Parameters, now: datetime
) -> Principal | None:
    """Return whose the temporary credentials are that an answer of STS hands out."""
    has_mfa = bool(text_of(parameters, "TokenCode"))
    if operation.name == "AssumeRoot":
        return _assumed_root(parameters, output, now)
    if operation.name.startswith("AssumeRole"):
        return _assumed_role(caller, parameters, output, now)
    maker = caller.principal
    if maker is None or maker.session is not None:
        return None
    if operation.name == "GetSessionToken":
        return replace(maker, session=SessionContext(now, has_mfa))
    user = output.get("FederatedUser")
    principal = principal_of(text_of(user, "Arn"), text_of(user, "FederatedUserId"))
    return replace(principal, session=issued_by(maker, now)) if principal is not None else None


def issued_by(maker: Principal, now: datetime) -> SessionContext:
    """Return the session of a federated user that a user or Root made."""
    return SessionContext(
        created_at=now,
        issuer_type=maker.type.value,
        issuer_principal_id=maker.principal_id,
        issuer_arn=maker.arn,
        issuer_account_id=maker.account_id,
        issuer_user_name=maker.user_name,
    )


def _assumed_role(
    caller: CallerIdentity, parameters: Parameters, output: Parameters, now: datetime
) -> Principal | None:
    user = output.get("AssumedRoleUser")
    principal = principal_of(text_of(user, "Arn"), text_of(user, "AssumedRoleId"))
    if principal is None or principal.type is not PrincipalType.ASSUMED_ROLE:
        return None
    asker = caller.principal
    inherited = asker.session.source_identity if asker is not None and asker.session is not None else ""
    session = SessionContext(
        created_at=now,
        is_mfa_authenticated=bool(text_of(parameters, "TokenCode")),
        source_identity=text_of(output, "SourceIdentity") or text_of(parameters, "SourceIdentity") or inherited,
        federated_provider=_web_identity_provider(asker),
    )
    return replace(principal, session=with_issuer(session, principal, text_of(parameters, "RoleArn")))


def _web_identity_provider(asker: Principal | None) -> str:
    is_web_identity = asker is not None and asker.type is PrincipalType.WEB_IDENTITY_USER
    return asker.identity_provider if asker is not None and is_web_identity else ""


def with_issuer(session: SessionContext, principal: Principal, role_arn: str) -> SessionContext:
    """Return a role's session with its ``sessionIssuer``; ``role_arn`` is empty when the role's path is not known."""
    role_name = principal.arn.partition(":assumed-role/")[2].partition("/")[0]
    return replace(
        session,
        issuer_type="Role",
        issuer_principal_id=principal.principal_id.partition(":")[0],
        issuer_arn=role_arn,
        issuer_account_id=principal.account_id,
        issuer_user_name=role_name,
    )


def _assumed_root(parameters: Parameters, output: Parameters, now: datetime) -> Principal | None:
    target = text_of(parameters, "TargetPrincipal")
    account_id = target if ":" not in target else target.split(":", 5)[4] if target.count(":") >= 5 else ""
    if len(account_id) != _ACCOUNT_ID_LENGTH or not account_id.isdigit():
        return None
    session = SessionContext(now, source_identity=text_of(output, "SourceIdentity"), is_assumed_root=True)
    arn = target if ":" in target else root_arn(account_id)
    return Principal(PrincipalType.ROOT, account_id, arn, account_id, session=session)


def _role_credentials(caller: CallerIdentity, parameters: Parameters, given: Any, now: datetime) -> Lesson | None:
    """A role session for an Identity Center user; which role it is, only GetCallerIdentity will tell."""
    key_id, token = text_of(given, "accessKeyId"), text_of(given, "sessionToken")
    if not key_id or not token:
        return None
    person = caller.principal.on_behalf_of if caller.principal is not None else None
    principal = Principal(
        PrincipalType.ASSUMED_ROLE,
        "",
        "",
        text_of(parameters, "accountId"),
        session=SessionContext(now),
        on_behalf_of=person,
    )
    return Lesson(key_id, token, principal, _moment(given.get("expiration")))


def _moment(milliseconds: Any) -> datetime | None:
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def principal_of(arn_text: str, unique_id: str) -> Principal | None:
    """Return the principal that an ARN names (Root, user, assumed role, federated user), or None for anything else."""
    try:
        arn = Arn.parse(arn_text)
    except ValueError:
        return None
    kind, _, name = arn.resource.partition("/")
    if arn.service == "iam" and arn.resource == "root":
        return Principal(PrincipalType.ROOT, unique_id or arn.account_id, arn_text, arn.account_id)
    if arn.service == "iam" and kind == "user" and name:
        user_name = name.rpartition("/")[2]
        return Principal(PrincipalType.IAM_USER, unique_id, arn_text, arn.account_id, user_name)
    if arn.service == "sts" and kind == "assumed-role" and name:
        return Principal(PrincipalType.ASSUMED_ROLE, unique_id, arn_text, arn.account_id)
    if arn.service == "sts" and kind == "federated-user" and name:
        return Principal(PrincipalType.FEDERATED_USER, unique_id, arn_text, arn.account_id)
    return None


def user_principal(owner: UpstreamOwner) -> Principal:
    """Return a user of an upstream as who signs with its keys."""
    return Principal(PrincipalType.IAM_USER, owner.unique_id, owner.arn, owner.account_id, owner.name)


def merged(known: Principal | None, told: Principal) -> Principal:
    """Return what is known of a key after it was told again: the newer description with what only the older has.

    An answer to GetCallerIdentity knows neither when a session began nor for whom.
    """
    if known is None or known.arn not in ("", told.arn):
        return told
    session = told.session
    if known.session is not None and (session is None or session.created_at is None):
        has_issuer = session is None or bool(known.session.issuer_arn)
        session = known.session if has_issuer else _begun_as(known.session, session)
    return replace(told, session=session, on_behalf_of=told.on_behalf_of or known.on_behalf_of)


def _begun_as(begun: SessionContext, told: SessionContext | None) -> SessionContext:
    if told is None:
        return begun
    return replace(
        begun,
        issuer_type=told.issuer_type,
        issuer_principal_id=told.issuer_principal_id,
        issuer_arn=told.issuer_arn,
        issuer_account_id=told.issuer_account_id,
        issuer_user_name=told.issuer_user_name,
    )


def text_of(value: Any, name: str) -> str:
    """Return a text member of an answer; empty when there is none."""
    found = value.get(name) if isinstance(value, Mapping) else None
    return found if isinstance(found, str) else ""


def _members(output: Parameters, single: str, *lists: str) -> Iterator[Any]:
    if single in output:
        yield output[single]
    for name in lists:
        found = output.get(name)
        yield from found if isinstance(found, list) else ()


def _owner(kind: str, arn_text: str, unique_id: str) -> UpstreamOwner | None:
    try:
        arn = Arn.parse(arn_text)
    except ValueError:
        return None
    found, _, path = arn.resource.partition("/")
    name = path.rpartition("/")[2]
    if arn.service != "iam" or found != kind or not name or not unique_id:
        return None
    return UpstreamOwner(kind, arn.account_id, name, unique_id, arn_text)
