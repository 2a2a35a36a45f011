"""Who is calling: keys that we know are verified; of an upstream's keys, what its answers taught is believed.

Learning is by (access key id, SHA-256 of the session token), only from successful answers of an upstream that the
operator set as trusted, and never about keys that we know ourselves. A learned identity stays a claim: the upstream
checked the signature, nobody here did. All that was learned is in the store; what is kept here is a cache.
"""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace

from opentrail.capture.federation import federated_caller, federated_user
from opentrail.capture.lessons import (
    TEACHING,
    Lesson,
    lesson_of,
    merged,
    named_keys,
    owners_of,
    principal_of,
    user_principal,
    with_issuer,
)
from opentrail.clock import Clock
from opentrail.http_message import HttpRequest
from opentrail.identity import CallerIdentity, Principal, PrincipalType, SessionContext
from opentrail.ports.identity_store import IdentityStore
from opentrail.protocol import CredentialScope, ObservedResult, Operation, Parameters
from opentrail.protocol.paths import S3_SIGNING_NAMES
from opentrail.protocol.signatures import verify
from opentrail.protocol.sigv4 import SignatureError

__all__ = ["CallerResolver", "principal_of", "token_hash"]

MAX_CACHED_IDENTITIES = 10_000
"""Learned identities (and keys known to be unknown) held in memory; the store has all."""

CACHE_SECONDS = 10.0
"""For how long an identity is believed that expired meanwhile, or of which another process learned more."""

MAX_NAMED_KEYS = 1_000
"""Keys taken from one answer: as many as IAM puts on a page."""

POISONED_KEYS = frozenset({"AKIAIOSFODNN7EXAMPLE", "ASIAIOSFODNN7EXAMPLE", "ASIAJEXAMPLEXEG2JICEA"})
"""Documentation keys that stand-ins for AWS answer with; many sessions would share one."""

BEARER_HEADER = "x-amz-sso_bearer_token"
"""Where calls of Identity Center's portal carry the token of who calls."""

Key = tuple[str, str]


def token_hash(session_token: str) -> str:
    """Return the hex SHA-256 of a session token; empty without one."""
    return hashlib.sha256(session_token.encode(errors="replace")).hexdigest() if session_token else ""


class CallerResolver:
    """Tells who signed a request and learns from answers. ``learns`` is true for a trusted upstream only.

    Several processes may each have one over the same store; ``forget`` when another of them changed something.
    """

    def __init__(
        self,
        identities: IdentityStore,
        clock: Clock,
        *,
        learns: bool,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._identities = identities
        self._clock = clock
        self._learns = learns
        self._monotonic = monotonic
        self._cache: OrderedDict[Key, tuple[float, Principal | None]] = OrderedDict()
        self._changes = 0

    async def resolve(
        self, request: HttpRequest, scope: CredentialScope | None, operation: Operation | None = None
    ) -> CallerIdentity:
        """Return who ``request`` says it is; verified only when its signature checks out with a secret we know.

        A caller who exchanges a web identity token or SAML assertion for a role is the user that this names, whatever
        signature came with it: STS asks for none. Which account's record the call belongs to is not for such a claim
        to say. Raises Unavailable when the store cannot be asked.
        """
        if operation is not None and operation.service == "sts":
            federated = federated_caller(operation, request)
            if federated is not None:
                return CallerIdentity(federated, "", is_verified=False)
        if scope is None:
            return CallerIdentity(await self._bearer(request, operation), "", is_verified=False)
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
        return self._learns and operation in TEACHING and 200 <= status < 300

    async def learn(
        self,
        operation: Operation | None,
        scope: CredentialScope | None,
        caller: CallerIdentity,
        parameters: Parameters,
        status: int,
        result: ObservedResult,
    ) -> CallerIdentity:
        """Take in what a trusted upstream's successful answer teaches; return the caller, as the answer names it where
        it says more than the request did. Raises Unavailable."""
        if not self.learns_from(operation, status) or operation is None or result.error_code:
            return caller
        caller = self._told(operation, caller, parameters, result.output)
        owners = owners_of(operation, parameters, result.output)
        if owners:
            await self._identities.note_upstream_owners(owners)
        for key_lesson in await self._key_lessons(operation, caller, parameters, result.output):
            await self._keep(key_lesson)
        lesson = lesson_of(operation, scope, caller, parameters, result.output, self._clock.now())
        if lesson is None:
            return caller
        learned = await self._keep(await self._with_role(lesson))
        is_own_key = scope is not None and (lesson.access_key_id, lesson.token) == _key_of(scope)
        if is_own_key and caller.principal is None and learned is not None:
            return replace(caller, principal=learned)
        return caller

    def _told(
        self, operation: Operation, caller: CallerIdentity, parameters: Parameters, output: Parameters
    ) -> CallerIdentity:
        principal = federated_user(operation, parameters, output)
        return caller if principal is None else replace(caller, principal=principal)

    async def _keep(self, lesson: Lesson) -> Principal | None:
        """Keep a lesson, joined with what is known of its key; return what is known then, None for what is not to be
        learned."""
        if not (lesson.access_key_id or lesson.token) or lesson.access_key_id in POISONED_KEYS:
            return None
        if lesson.access_key_id and await self._identities.credential(lesson.access_key_id):
            return None
        key = (lesson.access_key_id, token_hash(lesson.token))
        known = await self._learned(key)
        principal = merged(known, lesson.principal)
        if principal != known:
            await self._identities.learn(*key, principal, lesson.expires_at)
            self._remember(key, principal)
        return principal

    async def _with_role(self, lesson: Lesson) -> Lesson:
        """Complete a role session of which only its name is known by the role's ARN, if an answer ever told that."""
        principal = lesson.principal
        if principal.type is not PrincipalType.ASSUMED_ROLE or principal.session is not None:
            return lesson
        session = with_issuer(SessionContext(None), principal, "")
        role = await self._identities.upstream_owner("role", principal.account_id, session.issuer_user_name)
        if role is not None and role.unique_id == session.issuer_principal_id:
            session = replace(session, issuer_arn=role.arn)
        return replace(lesson, principal=replace(principal, session=session))

    async def _key_lessons(
        self, operation: Operation, caller: CallerIdentity, parameters: Parameters, output: Parameters
    ) -> list[Lesson]:
        """Join keys with their user as seen before; a user never seen teaches nothing, for its path is unknown."""
        account_id = caller.principal.account_id if caller.principal is not None else ""
        lessons = []
        for access_key_id, user_name in named_keys(operation, parameters, output)[:MAX_NAMED_KEYS]:
            owner = await self._identities.upstream_owner("user", account_id, user_name) if user_name else None
            if owner is not None:
                lessons.append(Lesson(access_key_id, "", user_principal(owner)))
        return lessons

    async def _bearer(self, request: HttpRequest, operation: Operation | None) -> Principal | None:
        """Return the Identity Center user whose token an unsigned call carries; without its name when nobody told."""
        token = request.headers.get(BEARER_HEADER) if operation is not None and operation.service == "sso" else ""
        if not token:
            return None
        known = await self._learned(("", token_hash(token)))
        return known or Principal(PrincipalType.IDENTITY_CENTER_USER, "", "", "")

    async def _learned(self, key: Key) -> Principal | None:
        cached = self._cache.get(key)
        if cached is not None and self._monotonic() < cached[0]:
            return cached[1]
        changes = self._changes
        principal = await self._identities.learned(*key)
        if cached is not None and cached[1] == principal:
            principal = cached[1]  # the same object: what the record remembers of a caller goes by it
        if changes == self._changes:
            self._remember(key, principal)
        return principal

    def _remember(self, key: Key, principal: Principal | None) -> None:
        self._cache[key] = (self._monotonic() + CACHE_SECONDS, principal)
        while len(self._cache) > MAX_CACHED_IDENTITIES:
            self._cache.popitem(last=False)


def _key_of(scope: CredentialScope) -> Key:
    return scope.access_key_id, scope.session_token
