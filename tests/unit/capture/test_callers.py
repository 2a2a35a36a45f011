"""Who signed: verified by a secret we know, learned from a trusted upstream, or claimed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from opentrail.capture.callers import CallerResolver, principal_of, token_hash
from opentrail.http_message import HttpRequest
from opentrail.identity import CallerIdentity, Credential, Principal, PrincipalType
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
