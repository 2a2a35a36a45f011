"""Who is calling: keys that we know are verified; of an upstream's keys, what its answers taught is believed.

Learning is by (access key id, SHA-256 of the session token), only from successful answers of an upstream that the
operator set as trusted, and never about keys that we know ourselves. A learned identity stays a claim: the upstream
checked the signature, nobody here did.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from opentrail.arn import Arn
from opentrail.clock import Clock
from opentrail.http_message import HttpRequest
from opentrail.identity import CallerIdentity, Principal, PrincipalType, SessionContext
from opentrail.ports.identity_store import IdentityStore
from opentrail.protocol import CredentialScope, ObservedResult, Operation, Parameters
from opentrail.protocol.paths import S3_SIGNING_NAMES
from opentrail.protocol.sigv4 import SignatureError, verify

MAX_CACHED_IDENTITIES = 10_000
"""Learned identities (and keys known to be unknown) held in memory; the store has all."""

MAX_REMEMBERED_USERS = 10_000
"""IAM users whose ARN was seen, for joining with their keys."""

POISONED_KEYS = frozenset({"AKIAIOSFODNN7EXAMPLE", "ASIAIOSFODNN7EXAMPLE", "ASIAJEXAMPLEXEG2JICEA"})
"""Documentation keys that stand-ins for AWS answer with; many sessions would share one."""

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Lesson:
    """What one answer teaches: who signs with a key."""

    access_key_id: str
    session_token: str
    principal: Principal
    expires_at: datetime | None = None


def token_hash(session_token: str) -> str:
    """Return the hex SHA-256 of a session token; empty without one."""
    return hashlib.sha256(session_token.encode()).hexdigest() if session_token else ""


class CallerResolver:
    """Tells who signed a request and learns from answers. ``learns`` is true for a trusted upstream only."""

    def __init__(self, identities: IdentityStore, clock: Clock, *, learns: bool) -> None:
        self._identities = identities
        self._clock = clock
        self._learns = learns
        self._cache: OrderedDict[Key, Principal | None] = OrderedDict()
        self._changes = 0
        self._users: OrderedDict[tuple[str, str], Principal] = OrderedDict()

    async def resolve(self, request: HttpRequest, scope: CredentialScope | None) -> CallerIdentity:
        """Return who ``request`` says it is; verified only when its signature checks out with a secret we know.

        Raises Unavailable when the store cannot be asked.
        """
        if scope is None:
            return CallerIdentity(None, "", is_verified=False)
        credential = await self._identities.credential(scope.access_key_id)
        if credential is None:
            principal = await self._learned((scope.access_key_id, token_hash(scope.session_token)))
            return CallerIdentity(principal, scope.access_key_id, is_verified=False)
        now = self._clock.now()
        is_current = credential.is_active and (credential.expires_at is None or now < credential.expires_at)
        # A body that was not held may be another than the signed one, and outside S3 it says what is called.
        is_covered = request.body is not None or scope.signing_name in S3_SIGNING_NAMES
        is_verified = is_current and is_covered and credential.session_token == scope.session_token
        if is_verified:
            try:
                verify(request, scope, credential.secret_access_key, now)
            except SignatureError:
                is_verified = False
        return CallerIdentity(credential.principal, scope.access_key_id, is_verified=is_verified)

    def forget(self) -> None:
        """Drop what is cached, so that the store is asked again: another process changed what it keeps."""
        self._cache.clear()
        self._changes += 1

    def learns_from(self, operation: Operation | None, status: int) -> bool:
        """Say whether an answer to ``operation`` could teach anything."""
        if not self._learns or operation is None:
            return False
        return operation.service in {"iam", "sts"} and 200 <= status < 300

    async def learn(
        self,
        operation: Operation | None,
        scope: CredentialScope | None,
        caller: CallerIdentity,
        parameters: Parameters,
        status: int,
        result: ObservedResult,
    ) -> None:
        """Take in what a trusted upstream's successful answer teaches about keys. Raises Unavailable."""
        if not self.learns_from(operation, status) or operation is None or scope is None or result.error_code:
            return
        if operation.service == "iam":
            self._remember_users(operation, caller, result.output)
            lessons = self._key_lessons(operation, caller, result.output)
        elif operation.service == "sts":
            lessons = _session_lessons(operation, scope, caller, parameters, result.output, self._clock.now())
        else:
            return
        for lesson in lessons:
            await self._keep(lesson)

    async def _keep(self, lesson: Lesson) -> None:
        if not lesson.access_key_id or lesson.access_key_id in POISONED_KEYS:
            return
        key = (lesson.access_key_id, token_hash(lesson.session_token))
        if self._cache.get(key) == lesson.principal or await self._identities.credential(lesson.access_key_id):
            return
        known = await self._learned(key)
        if known is not None and known.arn == lesson.principal.arn and known.session is not None:
            return
        await self._identities.learn(*key, lesson.principal, lesson.expires_at)
        self._remember(key, lesson.principal)

    async def _learned(self, key: Key) -> Principal | None:
        if key in self._cache:
            return self._cache[key]
        changes = self._changes
        principal = await self._identities.learned(*key)
        if changes == self._changes:
            self._remember(key, principal)
        return principal

    def _remember(self, key: Key, principal: Principal | None) -> None:
        self._cache[key] = principal
        while len(self._cache) > MAX_CACHED_IDENTITIES:
            self._cache.popitem(last=False)

    def _remember_users(self, operation: Operation, caller: CallerIdentity, output: Parameters) -> None:
        """Note ARN and id of the users that an answer describes (CreateUser, GetUser, UpdateUser, ListUsers)."""
        if operation.name not in {"CreateUser", "GetUser", "UpdateUser", "ListUsers"}:
            return
        for user in [output.get("User"), *_list(output.get("Users"))]:
            principal = principal_of(_text(user, "Arn"), _text(user, "UserId"))
            if principal is not None and principal.type is PrincipalType.IAM_USER:
                self._users[(principal.account_id, principal.user_name)] = principal
        while len(self._users) > MAX_REMEMBERED_USERS:
            self._users.popitem(last=False)

    def _key_lessons(self, operation: Operation, caller: CallerIdentity, output: Parameters) -> list[Lesson]:
        """Join keys with their user as seen before; a user never seen teaches nothing, for its path is unknown."""
        if operation.name == "CreateAccessKey":
            keys = [output.get("AccessKey")]
        elif operation.name == "ListAccessKeys":
            keys = _list(output.get("AccessKeyMetadata"))
        else:
            return []
        account_id = caller.principal.account_id if caller.principal is not None else self._only_account()
        lessons = []
        for key in keys:
            principal = self._users.get((account_id, _text(key, "UserName")))
            if principal is not None:
                lessons.append(Lesson(_text(key, "AccessKeyId"), "", principal))
        return lessons

    def _only_account(self) -> str:
        """Return the account of all users seen, when they have one in common; else nothing can be joined."""
        accounts = {account_id for account_id, _ in self._users}
        return accounts.pop() if len(accounts) == 1 else ""


def _session_lessons(
    operation: Operation,
    scope: CredentialScope,
    caller: CallerIdentity,
    parameters: Parameters,
    output: Parameters,
    now: datetime,
) -> list[Lesson]:
    if operation.name == "GetCallerIdentity":
        principal = principal_of(_text(output, "Arn"), _text(output, "UserId"))
        return [] if principal is None else [Lesson(scope.access_key_id, scope.session_token, principal)]
    credentials = output.get("Credentials")
    if operation.name in {"AssumeRole", "AssumeRoleWithSAML", "AssumeRoleWithWebIdentity"}:
        principal = _assumed_role(parameters, output, now)
    elif operation.name == "GetFederationToken":
        federated = output.get("FederatedUser")
        principal = principal_of(_text(federated, "Arn"), _text(federated, "FederatedUserId"))
    elif operation.name == "GetSessionToken":
        principal = caller.principal
    else:
        return []
    if principal is None or not isinstance(credentials, Mapping):
        return []
    expires_at = credentials.get("Expiration")
    return [
        Lesson(
            _text(credentials, "AccessKeyId"),
            _text(credentials, "SessionToken"),
            principal,
            expires_at if isinstance(expires_at, datetime) else None,
        )
    ]


def _assumed_role(parameters: Parameters, output: Parameters, now: datetime) -> Principal | None:
    user = output.get("AssumedRoleUser")
    arn, role_arn = _text(user, "Arn"), _text(parameters, "RoleArn")
    principal = principal_of(arn, _text(user, "AssumedRoleId"))
    if principal is None or principal.type is not PrincipalType.ASSUMED_ROLE:
        return None
    session = SessionContext(
        created_at=now,
        is_mfa_authenticated=bool(_text(parameters, "TokenCode")),
        issuer_type="Role",
        issuer_principal_id=principal.principal_id.partition(":")[0],
        issuer_arn=role_arn,
        issuer_account_id=principal.account_id,
        issuer_user_name=role_arn.rpartition("/")[2],
        source_identity=_text(output, "SourceIdentity") or _text(parameters, "SourceIdentity"),
    )
    return Principal(principal.type, principal.principal_id, arn, principal.account_id, "", session)


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


def _text(value: Any, name: str) -> str:
    found = value.get(name) if isinstance(value, Mapping) else None
    return found if isinstance(found, str) else ""


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
