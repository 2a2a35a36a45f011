"""Whose a call is."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from opentrail.capture.ownership import Owner, Ownership
from opentrail.http_message import HttpRequest
from opentrail.identity import Credential, Principal, PrincipalType, Role
from opentrail.ports.archives import Archive
from opentrail.protocol import CredentialScope, Operation
from tests.memory.archives import InMemoryArchives
from tests.memory.identity_store import InMemoryIdentityStore

ACCOUNT = "123456789012"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
ROOT = Principal(PrincipalType.ROOT, ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT)
OWN, UPSTREAM = Owner.OWN, Owner.UPSTREAM


def a_request(target: str = "/", host: str = "gateway.test:4700", body: bytes = b"") -> HttpRequest:
    return HttpRequest("POST", target, (("Host", host),), body, "127.0.0.1")


def a_scope(signing_name: str, key: str = "AKIAUPSTREAM00000001") -> CredentialScope:
    return CredentialScope(key, "us-east-1", signing_name, "AWS4-HMAC-SHA256", NOW, False)


async def an_ownership(*upstream_services: str) -> Ownership:
    identities = InMemoryIdentityStore()
    ours = Credential("AKIAOURS000000000001", "secret", ROOT)
    await identities.add_credential(ours)
    await identities.add_credential(replace(ours, access_key_id="AKIAIMPORTED00000001", is_imported=True))
    await identities.create_role(
        Role(ACCOUNT, "auditor", "AROA1", f"arn:aws:iam::{ACCOUNT}:role/team/auditor", "/team/", NOW, "{}", {})
    )
    archives = InMemoryArchives(Archive("trail-archive", "us-east-1", ACCOUNT, NOW))
    return Ownership(archives, identities, upstream_services)


@pytest.mark.parametrize(
    ("signing_name", "owner"),
    [
        ("cloudtrail", OWN),
        ("cloudtrail-data", OWN),
        ("logs", OWN),
        ("events", OWN),
        ("kms", OWN),
        ("monitoring", OWN),
        ("sns", OWN),
        ("athena", OWN),
        ("organizations", OWN),
        ("s3", UPSTREAM),
        ("ec2", UPSTREAM),
        ("iam", UPSTREAM),
        ("no-such-service", UPSTREAM),
    ],
)
async def test_the_signed_service_decides(signing_name: str, owner: Owner) -> None:
    assert await (await an_ownership()).owner(a_request(), None, a_scope(signing_name)) is owner


@pytest.mark.parametrize(
    ("setting", "signing_name", "owner"),
    [
        ("logs", "logs", UPSTREAM),
        ("kms", "kms", UPSTREAM),
        ("cloudwatch", "monitoring", UPSTREAM),
        ("monitoring", "monitoring", UPSTREAM),
        ("sns", "logs", OWN),
        ("cloudtrail", "cloudtrail", OWN),
    ],
)
async def test_a_service_that_was_given_an_upstream_is_its(setting: str, signing_name: str, owner: Owner) -> None:
    assert await (await an_ownership(setting)).owner(a_request(), None, a_scope(signing_name)) is owner


@pytest.mark.parametrize(
    ("operation", "owner"),
    [
        (Operation("cloudtrail", "LookupEvents"), OWN),
        (Operation("cloudwatch", "PutMetricData"), OWN),
        (Operation("dynamodb", "GetItem"), UPSTREAM),
        (None, UPSTREAM),
    ],
)
async def test_an_unsigned_request_is_judged_by_its_operation(operation: Operation | None, owner: Owner) -> None:
    assert await (await an_ownership()).owner(a_request(), operation, None) is owner


@pytest.mark.parametrize(
    ("target", "host", "owner"),
    [
        ("/trail-archive", "h", OWN),
        ("/trail-archive/AWSLogs/x?list-type=2", "h", OWN),
        ("/trail%2Darchive/key", "h", OWN),
        ("/AWSLogs/key", "trail-archive.s3.localhost:4700", OWN),
        ("/AWSLogs/key", "trail-archive.s3-us-west-1.amazonaws.com", OWN),
        ("/trail-archive-2/key", "h", UPSTREAM),
        ("/other/trail-archive", "h", UPSTREAM),
        ("/key", "other.s3.localhost:4700", UPSTREAM),
        ("/", "h", UPSTREAM),
    ],
)
@pytest.mark.parametrize("is_signed", [True, False])
async def test_a_bucket_is_ours_when_it_is_an_archive(target: str, host: str, owner: Owner, is_signed: bool) -> None:
    scope = a_scope("s3") if is_signed else None

    assert await (await an_ownership()).owner(a_request(target, host), Operation("s3", "GetObject"), scope) is owner


ASSUME_OURS = f"Action=AssumeRole&RoleArn=arn%3Aaws%3Aiam%3A%3A{ACCOUNT}%3Arole%2Fteam%2Fauditor".encode()
ASSUME_THEIRS = f"Action=AssumeRole&RoleArn=arn%3Aaws%3Aiam%3A%3A{ACCOUNT}%3Arole%2Fother".encode()


@pytest.mark.parametrize(
    ("key", "name", "body", "owner"),
    [
        ("AKIAOURS000000000001", "GetCallerIdentity", b"", OWN),
        ("AKIAOURS000000000001", "AssumeRole", ASSUME_THEIRS, OWN),
        ("AKIAIMPORTED00000001", "GetCallerIdentity", b"", OWN),
        ("AKIAIMPORTED00000001", "AssumeRole", ASSUME_THEIRS, UPSTREAM),
        ("AKIAIMPORTED00000001", "AssumeRole", ASSUME_OURS, OWN),
        ("AKIAUPSTREAM00000001", "GetCallerIdentity", b"", UPSTREAM),
        ("AKIAUPSTREAM00000001", "AssumeRole", ASSUME_THEIRS, UPSTREAM),
        ("AKIAUPSTREAM00000001", "AssumeRole", ASSUME_OURS, OWN),
        ("AKIAUPSTREAM00000001", "AssumeRole", b"RoleArn=nonsense", UPSTREAM),
    ],
)
async def test_sts_is_ours_for_keys_and_roles_we_know(key: str, name: str, body: bytes, owner: Owner) -> None:
    ownership = await an_ownership()

    assert await ownership.owner(a_request(body=body), Operation("sts", name), a_scope("sts", key)) is owner


async def test_sts_may_be_given_an_upstream() -> None:
    ownership = await an_ownership("sts")

    scope = a_scope("sts", "AKIAOURS000000000001")
    assert await ownership.owner(a_request(), Operation("sts", "GetCallerIdentity"), scope) is UPSTREAM


@pytest.mark.parametrize("path", ["/", "/trail-archive/k", "/nobodys-bucket/k"])
async def test_without_any_upstream_every_bucket_is_ours_to_answer_for(path: str) -> None:
    archives = InMemoryArchives(Archive("trail-archive", "us-east-1", ACCOUNT, NOW))
    alone = Ownership(archives, InMemoryIdentityStore(), has_upstream=False)
    request = replace(a_request(), target=path, method="GET")

    assert await alone.owner(request, None, a_scope("s3")) is OWN
    assert await alone.owner(request, None, a_scope("ec2")) is UPSTREAM
