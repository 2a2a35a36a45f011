"""Who a web identity token, a SAML assertion or an id token names; nobody, where they are garbage."""

import base64
import hashlib
import random
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest

from opentrail.capture.federation import (
    MAX_TOKEN_CHARACTERS,
    SAML,
    TOKEN_OPERATIONS,
    WEB_IDENTITY,
    federated_caller,
    identity_center_user,
    saml_user,
    unknown_provider,
    web_identity_user,
)
from opentrail.http_message import HttpRequest
from opentrail.identity import CallerIdentity, OnBehalfOf, Principal, PrincipalType
from opentrail.protocol import Operation
from opentrail.record.identities import user_identity

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/deployer"
SAML_PROVIDER = f"arn:aws:iam::{ACCOUNT}:saml-provider/Corporate"


def a_token(**claims: Any) -> str:
    return f"e30.{base64.urlsafe_b64encode(orjson.dumps(claims)).decode().rstrip('=')}.c2lnbmF0dXJl"


def an_assertion(subject: str = "ann@example.com", issuer: str = "https://idp.example.com/saml") -> str:
    text = (
        '<samlp:Response xmlns:samlp="urn:p" xmlns:saml="urn:a"><saml:Issuer>https://other.example.com</saml:Issuer>'
        f"<saml:Assertion><saml:Issuer> {issuer} </saml:Issuer>"
        f"<saml:Subject><saml:NameID>{subject}</saml:NameID></saml:Subject></saml:Assertion></samlp:Response>"
    )
    return base64.b64encode(text.encode()).decode()


def named(principal: Principal) -> tuple[str, str, str]:
    return principal.principal_id, principal.user_name, principal.identity_provider


def test_a_web_identity_is_provider_audience_and_subject() -> None:
    token = a_token(iss="https://id.example.com/pool/1", aud="sts.amazonaws.com", sub="repo:one/two")

    principal = web_identity_user({"RoleArn": ROLE, "WebIdentityToken": token}, {})

    provider = f"arn:aws:iam::{ACCOUNT}:oidc-provider/id.example.com/pool/1"
    assert principal.type is PrincipalType.WEB_IDENTITY_USER
    assert named(principal) == (f"{provider}:sts.amazonaws.com:repo:one/two", "repo:one/two", provider)
    assert (principal.arn, principal.account_id) == ("", ACCOUNT)


def test_a_provider_that_sts_knows_is_spelt_by_its_host() -> None:
    token = a_token(iss="https://accounts.google.com", aud=["app.example.com"], sub="1234")

    principal = web_identity_user({"RoleArn": ROLE, "WebIdentityToken": token}, {})

    assert named(principal) == ("accounts.google.com:app.example.com:1234", "1234", "accounts.google.com")


def test_what_an_opaque_token_does_not_say_the_answer_does() -> None:
    output = {"SubjectFromWebIdentityToken": "amzn1.account.A", "Audience": "client.5", "Provider": "www.amazon.com"}

    principal = web_identity_user(
        {"RoleArn": ROLE, "WebIdentityToken": "Atza|opaque", "ProviderId": "www.amazon.com"}, output
    )

    assert named(principal) == ("www.amazon.com:client.5:amzn1.account.A", "amzn1.account.A", "www.amazon.com")


def test_a_saml_user_is_told_apart_by_the_hash_of_issuer_account_and_provider() -> None:
    principal = saml_user({"RoleArn": ROLE, "PrincipalArn": SAML_PROVIDER, "SAMLAssertion": an_assertion()}, {})

    digest = hashlib.sha1(f"https://idp.example.com/saml{ACCOUNT}/Corporate".encode(), usedforsecurity=False).digest()
    qualifier = base64.b64encode(digest).decode()
    assert principal.type is PrincipalType.SAML_USER
    assert named(principal) == (f"{qualifier}:ann@example.com", "ann@example.com", qualifier)
    assert principal.account_id == ACCOUNT


def test_the_answer_names_a_saml_user_whose_assertion_cannot_be_read() -> None:
    output = {"Subject": "ann@example.com", "NameQualifier": "hash="}

    principal = saml_user({"RoleArn": ROLE, "PrincipalArn": SAML_PROVIDER, "SAMLAssertion": "ciphertext"}, output)

    assert named(principal) == ("hash=:ann@example.com", "ann@example.com", "hash=")


DOCTYPE = '<!DOCTYPE r [<!ENTITY a "aaaa">]><r><Assertion><Issuer>&a;</Issuer></Assertion></r>'


@pytest.mark.parametrize(
    "assertion",
    ["", "!", "PHI+", "é", base64.b64encode(DOCTYPE.encode()).decode(), an_assertion("\n", "x" * 513), "A" * 100_001],
)
def test_an_assertion_that_makes_no_sense_names_nobody(assertion: str) -> None:
    principal = saml_user({"RoleArn": "nonsense", "PrincipalArn": SAML_PROVIDER, "SAMLAssertion": assertion}, {})

    assert named(principal) == ("", "", "")


def test_a_token_without_issuer_and_audience_still_names_its_subject() -> None:
    principal = web_identity_user({"RoleArn": ROLE, "WebIdentityToken": a_token(sub="1234")}, {})

    assert named(principal) == ("1234", "1234", "")


@pytest.mark.parametrize("operation", sorted(TOKEN_OPERATIONS), ids=lambda operation: operation.name)
@pytest.mark.parametrize("body", [None, b"", b"\xff\xfe", b"Action=&RoleArn=%", b"a" * 70_000])
def test_a_call_that_makes_no_sense_is_somebody_of_no_account(operation: Operation, body: bytes | None) -> None:
    request = HttpRequest("POST", "/", (("Content-Type", "application/x-www-form-urlencoded"),), body, "192.0.2.1")

    principal = federated_caller(operation, request)

    assert principal is not None
    assert (*named(principal), principal.account_id) == ("", "", "", "")
    assert unknown_provider(operation, request)


def test_a_thousand_mutated_calls_never_fail_and_never_choose_an_account() -> None:
    dice = random.Random(20260314)
    whole = urlencode({"RoleArn": ROLE, "SAMLAssertion": an_assertion(), "PrincipalArn": SAML_PROVIDER}).encode()
    token = urlencode({"RoleArn": ROLE, "WebIdentityToken": a_token(iss="https://i", aud="a", sub="s")}).encode()
    headers = (("Content-Type", "application/x-www-form-urlencoded"),)

    for operation, body in [(SAML, whole), (WEB_IDENTITY, token)] * 500:
        mutated = bytearray(body)
        for _ in range(dice.randint(1, 6)):
            mutated[dice.randrange(len(mutated))] = dice.randrange(256)
        principal = federated_caller(operation, HttpRequest("POST", "/", headers, bytes(mutated), "192.0.2.1"))

        assert principal is not None
        assert principal.account_id == ""
        identity = user_identity(CallerIdentity(principal, "", is_verified=False), is_s3=False)
        assert orjson.dumps(identity).startswith(b'{"type":')


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a.b",
        "a.%%%.c",
        "a.é.c",
        "a.W10.c",
        a_token(sub=7, iss=["x"], aud={}),
        a_token(sub="x" * 513, iss="\x00"),
        f"a.{'e30' * MAX_TOKEN_CHARACTERS}.c",
    ],
)
def test_a_token_that_makes_no_sense_names_nobody(token: str) -> None:
    assert named(web_identity_user({"RoleArn": ROLE, "WebIdentityToken": token}, {})) == ("", "", "")
    assert identity_center_user(token) is None


def test_an_id_token_of_identity_center_names_user_store_and_credential() -> None:
    store = f"arn:aws:identitystore::{ACCOUNT}:identitystore/d-0000000000"
    token = a_token(
        **{
            "sub": "94d00cd8-0000",
            "aws:identity_store_arn": store,
            "aws:instance_account": ACCOUNT,
            "aws:credential_id": "AAAA",
        }
    )

    assert identity_center_user(token) == Principal(
        PrincipalType.IDENTITY_CENTER_USER,
        "",
        "",
        ACCOUNT,
        on_behalf_of=OnBehalfOf("94d00cd8-0000", store),
        credential_id="AAAA",
    )
