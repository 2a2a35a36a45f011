"""Callers who bring a token instead of a signature: web identity, SAML and Identity Center users.

Their tokens are read, never verified: whoever they name is a claim. Only names leave this module, never a token.
"""

import hashlib
from base64 import b64decode, b64encode, urlsafe_b64decode
from binascii import Error as NotBase64
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson

from opentrail.arn import Arn
from opentrail.http_message import HttpRequest
from opentrail.identity import OnBehalfOf, Principal, PrincipalType
from opentrail.protocol import Operation, Parameters
from opentrail.protocol.bounds import MalformedValue
from opentrail.protocol.requests import MalformedRequest, parse_request
from opentrail.protocol.xml_values import XmlNode, parse_xml

WEB_IDENTITY = Operation("sts", "AssumeRoleWithWebIdentity")
SAML = Operation("sts", "AssumeRoleWithSAML")

TOKEN_OPERATIONS = frozenset({WEB_IDENTITY, SAML})
"""Operations whose callers are known by a token in their parameters."""

MAX_TOKEN_CHARACTERS = 100_000
"""Longest token that is read: STS's own bound of a SAML assertion; a web identity token has up to 20,000."""

MAX_NAME_CHARACTERS = 512
"""Longest name taken from a token or an answer; what is longer is no name."""

_KNOWN_PROVIDERS = frozenset(
    {"accounts.google.com", "cognito-identity.amazonaws.com", "graph.facebook.com", "www.amazon.com"}
)
"""Providers that STS knows by itself; any other is an OpenID Connect provider of the role's account."""


def federated_caller(operation: Operation | None, request: HttpRequest) -> Principal | None:
    """Return the user whose token a request exchanges for a role, as the request alone names it; None for any other
    operation. Its account is empty: nobody confirmed which one is meant."""
    if operation is None or operation not in TOKEN_OPERATIONS:
        return None
    principal = federated_user(operation, _parameters(operation, request), {})
    return replace(principal, account_id="") if principal is not None else None


def federated_user(operation: Operation, parameters: Parameters, output: Mapping[str, Any]) -> Principal | None:
    """Return the user whose token a call exchanged for a role, as request and answer name it; None for any other
    operation."""
    if operation == WEB_IDENTITY:
        return web_identity_user(parameters, output)
    return saml_user(parameters, output) if operation == SAML else None


def unknown_provider(operation: Operation | None, request: HttpRequest) -> str:
    """Return STS's sentence for a token whose provider it does not know."""
    if operation is None or operation == SAML:
        return "Specified provider doesn't exist"
    parameters = _parameters(operation, request)
    issuer = _text(_claims(_text(parameters, "WebIdentityToken", MAX_TOKEN_CHARACTERS)), "iss")
    issuer = issuer or _text(parameters, "ProviderId")
    if not issuer:
        return "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"
    return f"No OpenIDConnect provider found in your account for {issuer}"


def _parameters(operation: Operation, request: HttpRequest) -> Parameters:
    try:
        return parse_request(operation, request)
    except MalformedRequest:
        return {}


def web_identity_user(parameters: Parameters, output: Mapping[str, Any]) -> Principal:
    """Return who calls AssumeRoleWithWebIdentity: by the token sent, completed by the answer (empty before there is
    one, or when it is an error)."""
    account_id, partition = _role_account(parameters)
    claims = _claims(_text(parameters, "WebIdentityToken", MAX_TOKEN_CHARACTERS))
    issuer = _text(output, "Provider") or _text(parameters, "ProviderId") or _text(claims, "iss")
    provider = _provider(issuer, account_id, partition)
    audience = _audience(claims) or _text(output, "Audience")
    subject = _text(claims, "sub") or _text(output, "SubjectFromWebIdentityToken")
    return Principal(
        PrincipalType.WEB_IDENTITY_USER,
        ":".join(filter(None, (provider, audience, subject))) if subject else "",
        "",
        account_id,
        user_name=subject,
        identity_provider=provider,
    )


def saml_user(parameters: Parameters, output: Mapping[str, Any]) -> Principal:
    """Return who calls AssumeRoleWithSAML: by the assertion sent, completed by the answer."""
    account_id, _ = _role_account(parameters)
    issuer, subject = _assertion(_text(parameters, "SAMLAssertion", MAX_TOKEN_CHARACTERS))
    subject = subject or _text(output, "Subject")
    qualifier = _name_qualifier(issuer, _text(parameters, "PrincipalArn")) or _text(output, "NameQualifier")
    return Principal(
        PrincipalType.SAML_USER,
        ":".join(filter(None, (qualifier, subject))) if subject else "",
        "",
        account_id,
        user_name=subject,
        identity_provider=qualifier,
    )


def identity_center_user(id_token: str) -> Principal | None:
    """Return the Identity Center user that an id token of its token service names; None when it names none."""
    claims = _claims(id_token)
    user_id, store_arn = _text(claims, "sub"), _text(claims, "aws:identity_store_arn")
    if not user_id or not store_arn:
        return None
    return Principal(
        PrincipalType.IDENTITY_CENTER_USER,
        "",
        "",
        _text(claims, "aws:instance_account"),
        on_behalf_of=OnBehalfOf(user_id, store_arn),
        credential_id=_text(claims, "aws:credential_id"),
    )


def _role_account(parameters: Parameters) -> tuple[str, str]:
    try:
        arn = Arn.parse(_text(parameters, "RoleArn"))
    except ValueError:
        return "", "aws"
    return arn.account_id, arn.partition


def _provider(issuer: str, account_id: str, partition: str) -> str:
    """Return an issuer as records spell it: a provider STS knows by its host, else the ARN of the account's own."""
    name = issuer.removeprefix("https://").rstrip("/")
    if not name or name.startswith("arn:") or name in _KNOWN_PROVIDERS or not account_id:
        return name
    return f"arn:{partition}:iam::{account_id}:oidc-provider/{name}"


def _audience(claims: Mapping[str, Any]) -> str:
    audience = claims.get("aud")
    if isinstance(audience, list) and audience:
        audience = audience[0]
    return audience if isinstance(audience, str) and _is_name(audience) else ""


def _claims(token: str) -> Mapping[str, Any]:
    """Return the claims of a JSON Web Token, unverified; empty for anything else."""
    parts = token.split(".", 3) if len(token) <= MAX_TOKEN_CHARACTERS else []
    if len(parts) != 3:
        return {}
    try:
        claims = orjson.loads(urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return {}
    return claims if isinstance(claims, dict) else {}


def _assertion(encoded: str) -> tuple[str, str]:
    """Return issuer and subject of a base64 SAML response; empty where it does not say."""
    if not encoded:
        return "", ""
    try:
        response = parse_xml(b64decode(encoded))
    except (NotBase64, ValueError, MalformedValue):
        return "", ""
    assertion = response if response.tag == "Assertion" else response.child("Assertion")
    if assertion is None:
        return "", ""
    subject = assertion.child("Subject")
    return _content(assertion.child("Issuer")), _content(subject.child("NameID") if subject is not None else None)


def _content(node: XmlNode | None) -> str:
    text = node.text.strip() if node is not None else ""
    return text if _is_name(text) else ""


def _name_qualifier(issuer: str, provider_arn: str) -> str:
    """Return the hash by which STS tells the users of different providers apart (STS API reference, NameQualifier):
    base64 of the SHA-1 of issuer, account id, "/" and the provider's name."""
    try:
        arn = Arn.parse(provider_arn)
    except ValueError:
        return ""
    if not issuer:
        return ""
    text = f"{issuer}{arn.account_id}/{arn.resource.rpartition('/')[2]}"
    return b64encode(hashlib.sha1(text.encode(errors="replace"), usedforsecurity=False).digest()).decode()


def _is_name(text: str) -> bool:
    return 0 < len(text) <= MAX_NAME_CHARACTERS and text.isprintable()


def _text(values: Mapping[str, Any], name: str, limit: int = 0) -> str:
    """Return a member that is a name, or any text of up to ``limit`` characters; empty for anything else."""
    found = values.get(name)
    if not isinstance(found, str):
        return ""
    return found if (len(found) <= limit if limit else _is_name(found)) else ""
