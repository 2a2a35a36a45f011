"""``userIdentity`` of every real record, written again by us from what it says: same members, values and order."""

import gzip
import json
import os
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from opentrail.identity import CallerIdentity, OnBehalfOf, Principal, PrincipalType, SessionContext
from opentrail.record.identities import user_identity

REAL = Path(__file__).parents[3] / ".." / "shared" / "corpus" / "real"

OMITTED_WHEN_EMPTY = ("sessionIssuer", "webIdFederationData")
"""Members that records had empty up to version 1.08, and do not have since 1.09."""

ORDER_SINCE = (1, 8)
"""Older records have the two ``attributes``, and these and ``sessionIssuer``, the other way round."""

REARRANGED = "c7n-cwe"
"""A set whose members were rearranged before they were published; in others some records were sorted by name."""

SHAPES: list[dict[str, Any]] = [
    {
        "type": "WebIdentityUser",
        "principalId": "arn:aws:iam::111122223333:oidc-provider/id.example.com:sts.amazonaws.com:repo:one/two",
        "userName": "repo:one/two",
        "identityProvider": "arn:aws:iam::111122223333:oidc-provider/id.example.com",
    },
    {
        "type": "SAMLUser",
        "principalId": "q2n1bGlmaWVyMDAwMDAwMDA=:ann@example.com",
        "userName": "ann@example.com",
        "identityProvider": "q2n1bGlmaWVyMDAwMDAwMDA=",
    },
    {
        "type": "IdentityCenterUser",
        "accountId": "111122223333",
        "onBehalfOf": {
            "userId": "94d00cd8-0000-4810-b177-000000000000",
            "identityStoreArn": "arn:aws:identitystore::111122223333:identitystore/d-0000000000",
        },
        "credentialId": "AAAAcredential",
    },
    {
        "type": "AssumedRole",
        "principalId": "AROAEXAMPLE:ann@example.com",
        "arn": "arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Reader_0/ann@example.com",
        "accountId": "111122223333",
        "accessKeyId": "ASIAEXAMPLE",
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role",
                "principalId": "AROAEXAMPLE",
                "arn": "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Reader_0",
                "accountId": "111122223333",
                "userName": "AWSReservedSSO_Reader_0",
            },
            "attributes": {"creationDate": "2026-07-01T00:08:20Z", "mfaAuthenticated": "false"},
        },
        "onBehalfOf": {
            "userId": "94d00cd8-0000-4810-b177-000000000000",
            "identityStoreArn": "arn:aws:identitystore::111122223333:identitystore/d-0000000000",
        },
    },
    {
        "type": "AssumedRole",
        "principalId": "AROAEXAMPLE:deploy",
        "arn": "arn:aws:sts::111122223333:assumed-role/deployer/deploy",
        "accountId": "111122223333",
        "accessKeyId": "ASIAEXAMPLE",
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role",
                "principalId": "AROAEXAMPLE",
                "arn": "arn:aws:iam::111122223333:role/deployer",
                "accountId": "111122223333",
                "userName": "deployer",
            },
            "webIdFederationData": {
                "federatedProvider": "arn:aws:iam::111122223333:oidc-provider/id.example.com",
                "attributes": {},
            },
            "attributes": {"creationDate": "2023-09-25T13:24:17Z", "mfaAuthenticated": "false"},
            "sourceIdentity": "ann",
        },
    },
    {
        "type": "Root",
        "principalId": "111122223333",
        "arn": "arn:aws:iam::111122223333:root",
        "accountId": "111122223333",
        "accessKeyId": "ASIAEXAMPLE",
        "sessionContext": {
            "attributes": {"creationDate": "2025-01-01T00:00:00Z", "mfaAuthenticated": "false"},
            "assumedRoot": "true",
        },
    },
    {"type": "AWSAccount", "principalId": "AIDAEXAMPLE", "accountId": "444455556666"},
]
"""Shapes that the public sets lack, as records published elsewhere and the User Guide have them (own values)."""


def records(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        for each in value:
            yield from records(each)
    elif isinstance(value, dict):
        if isinstance(value.get("userIdentity"), dict):
            yield value
        else:
            yield from records(list(value.values()))


def real_records() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted(path for path in REAL.rglob("*") if path.suffix in (".json", ".cloudtrail", ".gz")):
        text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        for record in records(json.loads(text)):
            yield path.relative_to(REAL).parts[0], record


def caller_of(shown: dict[str, Any]) -> CallerIdentity:
    """Return the caller that an identity describes."""
    context = shown.get("sessionContext")
    person = shown.get("onBehalfOf")
    principal = Principal(
        type=PrincipalType(shown["type"]),
        principal_id=shown.get("principalId", ""),
        arn=shown.get("arn", ""),
        account_id=shown.get("accountId", ""),
        user_name=shown.get("userName", ""),
        session=session_of(context) if context is not None else None,
        identity_provider=shown.get("identityProvider", ""),
        invoked_by=shown.get("invokedBy", ""),
        on_behalf_of=OnBehalfOf(person["userId"], person["identityStoreArn"]) if person else None,
        credential_id=shown.get("credentialId", ""),
    )
    return CallerIdentity(principal, shown.get("accessKeyId", ""), is_verified=True)


def session_of(context: dict[str, Any]) -> SessionContext:
    issuer, attributes = context.get("sessionIssuer", {}), context["attributes"]
    return SessionContext(
        created_at=datetime.fromisoformat(attributes["creationDate"]),
        is_mfa_authenticated=attributes["mfaAuthenticated"] == "true",
        issuer_type=issuer.get("type", ""),
        issuer_principal_id=issuer.get("principalId", ""),
        issuer_arn=issuer.get("arn", ""),
        issuer_account_id=issuer.get("accountId", ""),
        issuer_user_name=issuer.get("userName", ""),
        source_identity=context.get("sourceIdentity", ""),
        federated_provider=context.get("webIdFederationData", {}).get("federatedProvider", ""),
        ec2_role_delivery=context.get("ec2RoleDelivery", ""),
        is_assumed_root=context.get("assumedRoot") == "true",
    )


def as_of_this_version(shown: dict[str, Any]) -> dict[str, Any]:
    """Return an identity without what newer records leave out: empty objects and empty key ids."""
    kept = {name: value for name, value in shown.items() if (name, value) != ("accessKeyId", "")}
    if "sessionContext" in kept:
        context = kept["sessionContext"].items()
        kept["sessionContext"] = {name: value for name, value in context if value or name not in OMITTED_WHEN_EMPTY}
    return kept


def test_every_real_identity_comes_out_as_it_was() -> None:
    if not REAL.is_dir() and not os.environ.get("CI"):
        pytest.skip("the corpus of real records is not here")
    compared: Counter[str] = Counter()
    in_order = 0

    for source, record in real_records():
        shown = record["userIdentity"]
        if shown.get("type") not in set(PrincipalType):
            continue
        expected = as_of_this_version(shown)
        ours = user_identity(caller_of(shown), is_s3=False)
        assert ours == expected, record.get("eventID")
        compared[shown["type"]] += 1
        version = tuple(map(int, record["eventVersion"].split(".")))
        if source != REARRANGED and list(shown) != sorted(shown) and version >= ORDER_SINCE:
            assert json.dumps(ours) == json.dumps(expected), record.get("eventID")
            in_order += 1

    assert set(compared) == {"Root", "IAMUser", "AssumedRole", "FederatedUser", "AWSService"}
    assert compared.total() >= 3_100
    assert in_order >= 2_880


@pytest.mark.parametrize("shown", SHAPES, ids=lambda shown: str(shown["type"]))
def test_shapes_that_the_sets_lack_come_out_as_published(shown: dict[str, Any]) -> None:
    assert json.dumps(user_identity(caller_of(shown), is_s3=False)) == json.dumps(shown)


def test_an_unsigned_s3_call_is_the_anonymous_account() -> None:
    nobody = CallerIdentity(None, "", is_verified=False)

    assert json.dumps(user_identity(nobody, is_s3=True)) == (
        '{"type": "AWSAccount", "principalId": "", "accountId": "anonymous"}'
    )
