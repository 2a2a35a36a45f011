"""Who signed: verified by a secret we know, learned from a trusted upstream, or claimed."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from opentrail.capture.callers import CallerResolver, principal_of, token_hash
from opentrail.http_message import HttpRequest
from opentrail.identity import CallerIdentity, Credential, OnBehalfOf, Principal, PrincipalType, SessionContext
from opentrail.protocol import CredentialScope, ObservedResult, Operation
from opentrail.protocol.scope import read_scope
from opentrail.protocol.sigv4 import sign
from tests.memory.identity_store import InMemoryIdentityStore

ACCOUNT = "123456789012"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
USER_ARN = f"arn:aws:iam::{ACCOUNT}:user/team/ann"
ANN = Principal(PrincipalType.IAM_USER, "AIDAANN", USER_ARN, ACCOUNT, "ann")
KEY = "AKIAUPSTREAM00000001"
NOBODY = CallerIdentity(None, KEY, is_verified=False)


class FixedClock:
    def now(self) -> datetime:
        return NOW


class HandClock:
    def __init__(self) -> None:
        self.moment = NOW

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return self.moment.timestamp()

    def turn(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


def a_scope(key: str = KEY, token: str = "", signing_name: str = "sts") -> CredentialScope:
    return CredentialScope(key, "us-east-1", signing_name, "AWS4-HMAC-SHA256", NOW, False, token)


def signed(key: str, secret: str, token: str = "", at: datetime = NOW) -> HttpRequest:
    request = HttpRequest("GET", "/bucket/key", (("Host", "h"),), b"", "127.0.0.1")
    return sign(
        request,
        access_key_id=key,
        secret_access_key=secret,
        region="us-east-1",
        signing_name="s3",
        now=at,
        session_token=token,
    )


async def learn(
    resolver: CallerResolver,
    name: str,
    output: dict[str, Any],
    *,
    service: str = "sts",
    scope: CredentialScope | None = None,
    caller: CallerIdentity = NOBODY,
    parameters: dict[str, Any] | None = None,
    status: int = 200,
) -> None:
    result = ObservedResult(output, "", "", "request")
    await resolver.learn(Operation(service, name), scope or a_scope(), caller, parameters or {}, status, result)


async def resolve(resolver: CallerResolver, scope: CredentialScope | None) -> CallerIdentity:
    return await resolver.resolve(HttpRequest("GET", "/", (), b"", "127.0.0.1"), scope)


IDENTITY = {"UserId": "AIDAANN", "Account": ACCOUNT, "Arn": USER_ARN}


async def test_an_unsigned_call_has_no_caller() -> None:
    resolver = CallerResolver(InMemoryIdentityStore(), FixedClock(), learns=True)

    assert await resolve(resolver, None) == CallerIdentity(None, "", is_verified=False)


async def test_an_unknown_key_is_a_claim() -> None:
    resolver = CallerResolver(InMemoryIdentityStore(), FixedClock(), learns=True)

    assert await resolve(resolver, a_scope()) == NOBODY


@pytest.mark.parametrize(
    ("secret", "at", "is_verified"),
    [
        ("right", NOW, True),
        ("wrong", NOW, False),
        ("right", NOW - timedelta(minutes=6), False),
    ],
)
async def test_a_key_we_know_is_verified_by_its_signature(secret: str, at: datetime, is_verified: bool) -> None:
    store = InMemoryIdentityStore()
    await store.add_credential(Credential("AKIAIMPORTED00000001", "right", ANN, is_imported=True))
    resolver = CallerResolver(store, FixedClock(), learns=False)
    request = signed("AKIAIMPORTED00000001", secret, at=at)

    caller = await resolver.resolve(request, read_scope(request))

    assert caller == CallerIdentity(ANN, "AKIAIMPORTED00000001", is_verified=is_verified)


@pytest.mark.parametrize(
    "changes",
    [{"is_active": False}, {"expires_at": NOW}, {"session_token": "other"}],
)
async def test_a_key_that_does_not_hold_any_more_verifies_nothing(changes: dict[str, Any]) -> None:
    store = InMemoryIdentityStore()
    await store.add_credential(Credential("AKIAOURS000000000001", "right", ANN, **changes))
    resolver = CallerResolver(store, FixedClock(), learns=False)
    request = signed("AKIAOURS000000000001", "right")

    assert not (await resolver.resolve(request, read_scope(request))).is_verified


@pytest.mark.parametrize(("signing_name", "is_verified"), [("iam", False), ("s3", True)])
async def test_a_body_that_was_not_held_verifies_nobody_where_it_says_what_is_called(
    signing_name: str, is_verified: bool
) -> None:
    identities = InMemoryIdentityStore()
    await identities.add_credential(Credential(KEY, "secret", ANN))
    request = sign(
        HttpRequest("POST", "/", (("Host", "h"),), b"Action=ListUsers", "127.0.0.1"),
        access_key_id=KEY,
        secret_access_key="secret",
        region="us-east-1",
        signing_name=signing_name,
        now=NOW,
    )
    swapped = replace(request, body=None, body_size_bytes=2**21)

    caller = await CallerResolver(identities, FixedClock(), learns=False).resolve(swapped, read_scope(swapped))

    assert caller == CallerIdentity(ANN, KEY, is_verified=is_verified)


async def test_get_caller_identity_teaches_the_signing_key_and_stays_a_claim() -> None:
    store = InMemoryIdentityStore()
    resolver = CallerResolver(store, FixedClock(), learns=True)
    await resolve(resolver, a_scope())

    await learn(resolver, "GetCallerIdentity", IDENTITY)

    assert await resolve(resolver, a_scope()) == CallerIdentity(ANN, KEY, is_verified=False)
    assert await store.learned(KEY, "") == ANN


async def test_a_session_is_learned_with_its_token_only() -> None:
    resolver = CallerResolver(InMemoryIdentityStore(), FixedClock(), learns=True)

    await learn(resolver, "GetCallerIdentity", IDENTITY, scope=a_scope(token="one"))

    assert (await resolve(resolver, a_scope(token="one"))).principal == ANN
    assert (await resolve(resolver, a_scope(token="two"))).principal is None
    assert (await resolve(resolver, a_scope())).principal is None


async def test_assume_role_teaches_the_session_it_gives_out() -> None:
    store = InMemoryIdentityStore()
    resolver = CallerResolver(store, FixedClock(), learns=True)
    arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/auditor/monday"
    expires_at = NOW + timedelta(hours=1)

    await learn(
        resolver,
        "AssumeRole",
        {
            "Credentials": {
                "AccessKeyId": "ASIASESSION000000001",
                "SecretAccessKey": "s",
                "SessionToken": "token",
                "Expiration": expires_at,
            },
            "AssumedRoleUser": {"AssumedRoleId": "AROA1:monday", "Arn": arn},
        },
        parameters={"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/team/auditor", "SourceIdentity": "ann"},
    )

    principal = (await resolve(resolver, a_scope("ASIASESSION000000001", "token"))).principal
    assert principal is not None
    assert (principal.type, principal.principal_id, principal.arn) == (PrincipalType.ASSUMED_ROLE, "AROA1:monday", arn)
    assert principal.session is not None
    assert principal.session.created_at == NOW
    assert principal.session.issuer_arn == f"arn:aws:iam::{ACCOUNT}:role/team/auditor"
    assert (principal.session.issuer_principal_id, principal.session.issuer_user_name) == ("AROA1", "auditor")
    assert principal.session.source_identity == "ann"

    await learn(
        resolver,
        "GetCallerIdentity",
        {"UserId": "AROA1:monday", "Account": ACCOUNT, "Arn": arn},
        scope=a_scope("ASIASESSION000000001", "token"),
    )
    assert (await resolve(resolver, a_scope("ASIASESSION000000001", "token"))).principal == principal


@pytest.mark.parametrize(
    ("name", "output"),
    [
        ("CreateAccessKey", {"AccessKey": {"UserName": "ann", "AccessKeyId": KEY, "SecretAccessKey": "s"}}),
        ("ListAccessKeys", {"AccessKeyMetadata": [{"UserName": "ann", "AccessKeyId": KEY}]}),
    ],
)
async def test_a_users_keys_are_learned_once_the_user_was_seen(name: str, output: dict[str, Any]) -> None:
    resolver = CallerResolver(InMemoryIdentityStore(), FixedClock(), learns=True)

    await learn(resolver, name, output, service="iam")
    assert (await resolve(resolver, a_scope())).principal is None

    user = {"User": {"UserName": "ann", "UserId": "AIDAANN", "Arn": USER_ARN}}
    await learn(resolver, "GetUser", user, service="iam")
    await learn(resolver, name, output, service="iam")
    assert (await resolve(resolver, a_scope())).principal == ANN


async def test_what_another_process_learned_is_known_after_forgetting() -> None:
    store = InMemoryIdentityStore()
    resolver = CallerResolver(store, FixedClock(), learns=True)
    assert (await resolve(resolver, a_scope())).principal is None

    await store.learn(KEY, "", ANN, None)
    resolver.forget()

    assert (await resolve(resolver, a_scope())).principal == ANN


async def test_an_untrusted_upstream_teaches_nothing() -> None:
    resolver = CallerResolver(InMemoryIdentityStore(), FixedClock(), learns=False)

    await learn(resolver, "GetCallerIdentity", IDENTITY)

    assert (await resolve(resolver, a_scope())).principal is None


@pytest.mark.parametrize("status", [400, 403, 500, 302])
async def test_a_failed_call_teaches_nothing(status: int) -> None:
    resolver = CallerResolver(InMemoryIdentityStore(), FixedClock(), learns=True)

    await learn(resolver, "GetCallerIdentity", IDENTITY, status=status)

    assert (await resolve(resolver, a_scope())).principal is None


async def test_a_key_we_know_is_never_relearned() -> None:
    store = InMemoryIdentityStore()
    root = Principal(PrincipalType.ROOT, ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT)
    await store.add_credential(Credential(KEY, "secret", root, is_imported=True))
    resolver = CallerResolver(store, FixedClock(), learns=True)

    await learn(resolver, "GetCallerIdentity", IDENTITY)

    assert (await resolve(resolver, a_scope())).principal == root
    assert await store.learned(KEY, "") is None


@pytest.mark.parametrize("name", ["GetSessionToken", "GetFederationToken"])
async def test_a_documentation_key_that_many_sessions_share_is_not_learned(name: str) -> None:
    resolver = CallerResolver(InMemoryIdentityStore(), FixedClock(), learns=True)

    await learn(
        resolver,
        name,
        {
            "Credentials": {"AccessKeyId": "AKIAIOSFODNN7EXAMPLE", "SessionToken": "t"},
            "FederatedUser": {"Arn": f"arn:aws:sts::{ACCOUNT}:federated-user/ann", "FederatedUserId": "1:ann"},
        },
        caller=CallerIdentity(ANN, KEY, is_verified=False),
    )

    assert (await resolve(resolver, a_scope("AKIAIOSFODNN7EXAMPLE", "t"))).principal is None


@pytest.mark.parametrize("output", [{}, {"Arn": 7}, {"Arn": "nonsense"}, {"Arn": "arn:aws:s3:::bucket"}])
async def test_an_answer_that_makes_no_sense_teaches_nothing(output: dict[str, Any]) -> None:
    resolver = CallerResolver(InMemoryIdentityStore(), FixedClock(), learns=True)

    for name in ("GetCallerIdentity", "AssumeRole", "GetSessionToken", "GetFederationToken"):
        await learn(resolver, name, output)
    for name in ("CreateAccessKey", "ListAccessKeys", "CreateUser", "ListUsers"):
        await learn(resolver, name, output, service="iam")

    assert (await resolve(resolver, a_scope())).principal is None


@pytest.mark.parametrize(
    ("arn", "kind", "user_name"),
    [
        (f"arn:aws:iam::{ACCOUNT}:root", PrincipalType.ROOT, ""),
        (USER_ARN, PrincipalType.IAM_USER, "ann"),
        (f"arn:aws-cn:sts::{ACCOUNT}:assumed-role/r/s", PrincipalType.ASSUMED_ROLE, ""),
        (f"arn:aws:sts::{ACCOUNT}:federated-user/ann", PrincipalType.FEDERATED_USER, ""),
    ],
)
def test_an_arn_names_its_principal(arn: str, kind: PrincipalType, user_name: str) -> None:
    principal = principal_of(arn, "ID")

    assert principal is not None
    assert (principal.type, principal.account_id, principal.user_name) == (kind, ACCOUNT, user_name)


def test_the_hash_of_no_token_is_empty() -> None:
    assert token_hash("") == ""
    assert len(token_hash("t")) == 64


ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/team/auditor"
SESSION_ARN = f"arn:aws:sts::{ACCOUNT}:assumed-role/auditor/monday"
SESSION_KEY = "ASIASESSION000000001"
GIVEN = {"AccessKeyId": SESSION_KEY, "SecretAccessKey": "s", "SessionToken": "token"}
ASSUMED = {"Credentials": GIVEN, "AssumedRoleUser": {"AssumedRoleId": "AROA1:monday", "Arn": SESSION_ARN}}


def a_learner(store: InMemoryIdentityStore | None = None) -> CallerResolver:
    return CallerResolver(store or InMemoryIdentityStore(), FixedClock(), learns=True)


async def the_session(resolver: CallerResolver) -> Principal:
    principal = (await resolve(resolver, a_scope(SESSION_KEY, "token"))).principal
    assert principal is not None
    return principal


async def test_users_seen_are_joined_with_their_keys_by_another_process_and_after_a_restart() -> None:
    store = InMemoryIdentityStore()
    user = {"User": {"UserName": "ann", "UserId": "AIDAANN", "Arn": USER_ARN}}
    key = {"AccessKey": {"UserName": "ann", "AccessKeyId": KEY, "SecretAccessKey": "s"}}

    await learn(a_learner(store), "CreateUser", user, service="iam")
    await learn(a_learner(store), "CreateAccessKey", key, service="iam")

    assert (await resolve(a_learner(store), a_scope())).principal == ANN


async def test_when_a_key_was_used_last_tells_whose_it_is() -> None:
    resolver = a_learner()
    await learn(
        resolver, "ListUsers", {"Users": [{"UserName": "ann", "UserId": "AIDAANN", "Arn": USER_ARN}]}, service="iam"
    )

    await learn(resolver, "GetAccessKeyLastUsed", {"UserName": "ann"}, service="iam", parameters={"AccessKeyId": KEY})

    assert (await resolve(resolver, a_scope())).principal == ANN


async def test_get_session_token_teaches_the_same_user_with_a_session() -> None:
    resolver = a_learner()
    ann = CallerIdentity(ANN, KEY, is_verified=False)

    await learn(resolver, "GetSessionToken", {"Credentials": GIVEN}, caller=ann, parameters={"TokenCode": "123456"})

    assert await the_session(resolver) == replace(ANN, session=SessionContext(NOW, is_mfa_authenticated=True))


async def test_get_federation_token_teaches_a_federated_user_issued_by_the_caller() -> None:
    resolver = a_learner()
    arn = f"arn:aws:sts::{ACCOUNT}:federated-user/guest"
    output = {"Credentials": GIVEN, "FederatedUser": {"Arn": arn, "FederatedUserId": f"{ACCOUNT}:guest"}}

    await learn(resolver, "GetFederationToken", output, caller=CallerIdentity(ANN, KEY, is_verified=False))

    assert await the_session(resolver) == Principal(
        PrincipalType.FEDERATED_USER,
        f"{ACCOUNT}:guest",
        arn,
        ACCOUNT,
        session=SessionContext(NOW, False, "IAMUser", "AIDAANN", USER_ARN, ACCOUNT, "ann"),
    )


async def test_a_chained_role_keeps_the_source_identity_and_names_its_own_issuer() -> None:
    resolver = a_learner()
    first = SessionContext(NOW, True, "Role", "AROA0", "arn:aws:iam::1:role/first", "1", "first", source_identity="ann")
    caller = CallerIdentity(
        Principal(PrincipalType.ASSUMED_ROLE, "AROA0:s", "arn:aws:sts::1:assumed-role/first/s", "1", session=first),
        "ASIAFIRST",
        is_verified=False,
    )

    await learn(resolver, "AssumeRole", ASSUMED, caller=caller, parameters={"RoleArn": ROLE_ARN})

    session = (await the_session(resolver)).session
    assert session == SessionContext(NOW, False, "Role", "AROA1", ROLE_ARN, ACCOUNT, "auditor", source_identity="ann")


async def test_assume_root_teaches_a_root_session_of_the_target() -> None:
    resolver = a_learner()

    await learn(resolver, "AssumeRoot", {"Credentials": GIVEN}, parameters={"TargetPrincipal": "111122223333"})

    session = SessionContext(NOW, is_assumed_root=True)
    arn = "arn:aws:iam::111122223333:root"
    assert await the_session(resolver) == Principal(
        PrincipalType.ROOT, "111122223333", arn, "111122223333", session=session
    )


async def test_a_role_session_met_midway_has_its_issuer_but_no_beginning() -> None:
    resolver = a_learner()
    await learn(
        resolver, "GetRole", {"Role": {"RoleName": "auditor", "RoleId": "AROA1", "Arn": ROLE_ARN}}, service="iam"
    )
    midway = {"UserId": "AROA1:monday", "Account": ACCOUNT, "Arn": SESSION_ARN}

    await learn(resolver, "GetCallerIdentity", midway, scope=a_scope(SESSION_KEY, "token"))

    session = SessionContext(None, False, "Role", "AROA1", ROLE_ARN, ACCOUNT, "auditor")
    assert (await the_session(resolver)).session == session


async def test_the_path_of_a_role_that_nobody_described_is_not_guessed() -> None:
    resolver = a_learner()
    midway = {"UserId": "AROA1:monday", "Account": ACCOUNT, "Arn": SESSION_ARN}

    await learn(resolver, "GetCallerIdentity", midway, scope=a_scope(SESSION_KEY, "token"))

    session = SessionContext(None, False, "Role", "AROA1", "", ACCOUNT, "auditor")
    assert (await the_session(resolver)).session == session


async def test_an_answer_that_names_the_caller_names_it_for_its_own_call_too() -> None:
    resolver = a_learner()
    result = ObservedResult(IDENTITY, "", "", "request")

    told = await resolver.learn(Operation("sts", "GetCallerIdentity"), a_scope(), NOBODY, {}, 200, result)

    assert told == CallerIdentity(ANN, KEY, is_verified=False)


def federated_request(action: str, **parameters: str) -> HttpRequest:
    body = urlencode({"Action": action, "Version": "2011-06-15", "RoleArn": ROLE_ARN, **parameters}).encode()
    headers = (("Host", "h"), ("Content-Type", "application/x-www-form-urlencoded"))
    return HttpRequest("POST", "/", headers, body, "127.0.0.1")


async def test_who_exchanges_a_web_identity_token_is_a_claim_and_its_role_session_is_learned() -> None:
    resolver = a_learner()
    operation = Operation("sts", "AssumeRoleWithWebIdentity")
    request = federated_request(operation.name, RoleSessionName="monday", WebIdentityToken="Atza|opaque")

    caller = await resolver.resolve(request, None, operation)
    output = {
        **ASSUMED,
        "SubjectFromWebIdentityToken": "repo:one",
        "Audience": "sts",
        "Provider": "https://id.example.com",
    }
    result = ObservedResult(output, "", "", "request")
    told = await resolver.learn(operation, None, caller, {"RoleArn": ROLE_ARN}, 200, result)

    provider = f"arn:aws:iam::{ACCOUNT}:oidc-provider/id.example.com"
    assert caller == CallerIdentity(Principal(PrincipalType.WEB_IDENTITY_USER, "", "", ""), "", is_verified=False)
    assert told.principal is not None
    assert (told.principal.principal_id, told.is_verified) == (f"{provider}:sts:repo:one", False)
    session = (await the_session(resolver)).session
    assert session is not None
    assert (session.federated_provider, session.issuer_arn) == (provider, ROLE_ARN)


async def test_who_exchanges_a_saml_assertion_is_a_saml_user_and_its_role_session_is_learned() -> None:
    resolver = a_learner()
    operation = Operation("sts", "AssumeRoleWithSAML")
    request = federated_request(operation.name, PrincipalArn="arn:aws:iam::1:saml-provider/p", SAMLAssertion="eA==")

    caller = await resolver.resolve(request, a_scope(), operation)
    output = {**ASSUMED, "Subject": "ann", "NameQualifier": "hash="}
    told = await resolver.learn(
        operation, None, caller, {"RoleArn": ROLE_ARN}, 200, ObservedResult(output, "", "", "request")
    )

    assert (caller.access_key_id, caller.principal and caller.principal.type) == ("", PrincipalType.SAML_USER)
    assert told.principal is not None
    assert told.principal.principal_id == "hash=:ann"
    assert (await the_session(resolver)).arn == SESSION_ARN


async def test_a_portal_call_is_the_identity_center_user_s_whose_token_was_handed_out() -> None:
    resolver = a_learner()
    store_arn = f"arn:aws:identitystore::{ACCOUNT}:identitystore/d-0"
    claims = {"sub": "user-1", "aws:identity_store_arn": store_arn, "aws:instance_account": ACCOUNT}
    id_token = f"e30.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode()}.c2ln"
    operation = Operation("sso", "GetRoleCredentials")
    request = HttpRequest("GET", "/federation/credentials", (("x-amz-sso_bearer_token", "bearer-1"),), b"", "127.0.0.1")
    nameless = await resolver.resolve(request, None, operation)

    await learn(resolver, "CreateTokenWithIAM", {"accessToken": "bearer-1", "idToken": id_token}, service="sso-oidc")
    resolver.forget()
    caller = await resolver.resolve(request, None, operation)
    given = {"accessKeyId": SESSION_KEY, "sessionToken": "token", "expiration": int(NOW.timestamp() + 3600) * 1000}
    parameters = {"accountId": "111122223333", "roleName": "Reader"}
    await learn(
        resolver, operation.name, {"roleCredentials": given}, service="sso", caller=caller, parameters=parameters
    )
    person = OnBehalfOf("user-1", store_arn)
    midway = await the_session(resolver)
    identity = {"UserId": "AROA1:monday", "Account": ACCOUNT, "Arn": SESSION_ARN}
    await learn(resolver, "GetCallerIdentity", identity, scope=a_scope(SESSION_KEY, "token"))

    assert nameless.principal == Principal(PrincipalType.IDENTITY_CENTER_USER, "", "", "")
    assert caller.principal == replace(nameless.principal, account_id=ACCOUNT, on_behalf_of=person)
    assert (midway.arn, midway.account_id, midway.on_behalf_of) == ("", "111122223333", person)
    whole = await the_session(resolver)
    assert (whole.arn, whole.on_behalf_of) == (SESSION_ARN, person)
    assert whole.session == SessionContext(NOW, False, "Role", "AROA1", "", ACCOUNT, "auditor")


async def test_an_identity_is_not_believed_long_after_it_expired() -> None:
    clock = HandClock()
    store = InMemoryIdentityStore(clock)
    resolver = CallerResolver(store, clock, learns=True, monotonic=clock.monotonic)
    await store.learn(KEY, "", ANN, NOW + timedelta(seconds=5))
    assert (await resolve(resolver, a_scope())).principal == ANN

    clock.turn(10)

    assert (await resolve(resolver, a_scope())).principal is None
