"""Calls to record: a builder with set identifiers, callers, and inputs filled from the service model."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from botocore.model import Shape

from opentrail.event import Event
from opentrail.http_message import HeaderList, HttpRequest, HttpResponse
from opentrail.identity import CallerIdentity, Principal, PrincipalType
from opentrail.protocol import CredentialScope, ObservedResult, Operation, Parameters
from opentrail.record.events import EventBuilder

ACCOUNT = "111122223333"
RECEIVED = datetime(2026, 7, 10, 0, 4, 29, 999_000, tzinfo=UTC)
COMPLETED = datetime(2026, 7, 10, 12, 24, 30, 1_000, tzinfo=UTC)
MAX_DEPTH = 7


class CountingIdentifiers:
    """Identifiers 1, 2, 3 in the form of UUIDs."""

    def __init__(self) -> None:
        self._count = 0

    def uuid(self) -> str:
        self._count += 1
        return f"00000000-0000-4000-8000-{self._count:012d}"

    def token(self, length: int, alphabet: str) -> str:
        return alphabet[0] * length


def a_builder(**changes: Any) -> EventBuilder:
    """Return a builder of the default account 123456789012 in us-east-1."""
    settings: dict[str, Any] = {
        "default_account_id": "123456789012",
        "default_region": "us-east-1",
        "regions": lambda: ("moon-north-1",),
        "identifiers": CountingIdentifiers(),
    }
    return EventBuilder(**{**settings, **changes})


def a_user(**changes: Any) -> CallerIdentity:
    """Return a verified IAM user."""
    principal = Principal(PrincipalType.IAM_USER, "AIDAEXAMPLE", f"arn:aws:iam::{ACCOUNT}:user/alice", ACCOUNT, "alice")
    return CallerIdentity(**{"principal": principal, "access_key_id": "AKIAEXAMPLE", "is_verified": True, **changes})


def a_scope(signing_name: str = "cloudtrail", region: str = "eu-west-1", **changes: Any) -> CredentialScope:
    """Return what a SigV4 header claims."""
    settings: dict[str, Any] = {
        "access_key_id": "AKIAEXAMPLE",
        "region": region,
        "signing_name": signing_name,
        "scheme": "AWS4-HMAC-SHA256",
        "signed_at": RECEIVED,
        "is_presigned": False,
    }
    return CredentialScope(**{**settings, **changes})


def a_request(
    method: str = "POST", target: str = "/", headers: HeaderList = (), body: bytes | None = b"", **changes: Any
) -> HttpRequest:
    """Return a request from 192.0.2.1."""
    own = (("Host", "service.example"), ("User-Agent", "aws-cli/2"), *headers)
    size = len(body) if body is not None else 0
    return HttpRequest(method, target, own, body, **{"peer": "192.0.2.1", "body_size_bytes": size, **changes})


def a_response(status: int = 200, headers: HeaderList = (), body: bytes | None = b"", size: int = 0) -> HttpResponse:
    """Return a response."""
    return HttpResponse(status, headers, body, size)


def a_result(
    output: Parameters | None = None, code: str = "", message: str = "", request_id: str = "req-1"
) -> ObservedResult:
    """Return what a response says."""
    return ObservedResult(output or {}, code, message, request_id)


def recorded(
    service: str,
    operation: str,
    parameters: Parameters | None = None,
    output: Parameters | None = None,
    *,
    request: HttpRequest | None = None,
    response: HttpResponse | None = None,
    caller: CallerIdentity | None = None,
    scope: CredentialScope | None = None,
    **result: Any,
) -> Event:
    """Return the complete event of a call whose parameters and output are given as parsed."""
    builder, name = a_builder(), Operation(service, operation)
    event = builder.begin(
        request or a_request(),
        name,
        scope or a_scope(service),
        caller or a_user(),
        RECEIVED,
        parameters=parameters if parameters is not None else {},
    )
    return builder.finish(event, name, response or a_response(), COMPLETED, result=a_result(output, **result))


def filled(
    shape: Shape | None, leaf: Callable[[Shape, str, bool], Any], is_secret: Callable[[Shape, str], bool]
) -> Any:
    """Return a value with every member of ``shape`` down to MAX_DEPTH; ``leaf`` makes the scalars and is told whether
    they are secret, which everything inside a secret member is."""

    def fill(shape: Shape, name: str, secret: bool, depth: int) -> Any:
        secret = secret or is_secret(shape, name if depth == 1 else f"/{name}")
        if shape.type_name == "structure":
            if depth >= MAX_DEPTH:
                return {}
            return {key: fill(member, key, secret, depth + 1) for key, member in shape.members.items()}
        if shape.type_name == "list":
            return [fill(shape.member, f"{name}[]", secret, depth + 1)] if depth < MAX_DEPTH else []
        if shape.type_name == "map":
            key = leaf(shape.key, "key", bool(shape.key.metadata.get("sensitive")))
            return {key: fill(shape.value, f"{name}{{}}", secret, depth + 1)} if depth < MAX_DEPTH else {}
        return leaf(shape, name, secret)

    return fill(shape, "", False, 0) if shape is not None else {}
