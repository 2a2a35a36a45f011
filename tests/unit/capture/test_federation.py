"""Who a web identity token, a SAML assertion or an id token names; nobody, where they are garbage."""

import base64
import hashlib
from typing import Any

import orjson
import pytest

from opentrail.capture.federation import (
    MAX_TOKEN_CHARACTERS,
    identity_center_user,
    saml_user,
    web_identity_user,
)
from opentrail.identity import OnBehalfOf, Principal, PrincipalType

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
