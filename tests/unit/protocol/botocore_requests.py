"""Requests as botocore sends them: parameters for any operation, serialized and signed, as HttpRequest."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from botocore.auth import AUTH_TYPE_MAPS
from botocore.awsrequest import AWSRequest, create_request_object, prepare_request_dict
from botocore.credentials import Credentials
from botocore.model import OperationModel
from botocore.serialize import create_serializer

from opentrail.http_message import HttpRequest
from opentrail.protocol import models

ENDPOINT = "http://127.0.0.1:4700"
ACCESS_KEY_ID = "AKIAIOSFODNN7EXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
MOMENT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def minimal_parameters(operation: OperationModel) -> dict[str, Any]:
    """Return the required parameters of an operation, each with some value of its type."""
    shape = operation.input_shape
    return _structure(shape, 0) if shape is not None else {}


def _structure(shape: Any, depth: int) -> dict[str, Any]:
    values = {
        name: _value(member, depth + 1)
        for name, member in shape.members.items()
        if name in shape.required_members or member.serialization.get("location") == "uri"
    }
    if not values and shape.is_tagged_union and depth < 8:
        name, member = next(iter(shape.members.items()))
        values[name] = _value(member, depth + 1)
    return values


def _value(shape: Any, depth: int) -> Any:
    match shape.type_name:
        case "structure":
            return {} if shape.is_document_type else _structure(shape, depth)
        case "list":
            return [_value(shape.member, depth + 1)] if depth < 8 else []
        case "map":
            return {"key": _value(shape.value, depth + 1)} if depth < 8 else {}
        case "integer" | "long" | "bigdecimal":
            return int(shape.metadata.get("min", 1))
        case "float" | "double":
            return 1.5
        case "boolean":
            return True
        case "timestamp":
            return MOMENT
        case "blob":
            return b"blob"
        case _:
            return shape.enum[0] if shape.metadata.get("enum") else "text"


def serialize(
    operation: OperationModel, parameters: dict[str, Any], *, protocol: str = "", endpoint: str = ENDPOINT
) -> AWSRequest:
    """Return botocore's unsigned request object for one call."""
    serializer = create_serializer(protocol or operation.service_model.protocol, include_validation=False)
    request_dict = serializer.serialize_to_request(parameters, operation)
    request_dict.pop("host_prefix", None)
    prepare_request_dict(request_dict, endpoint_url=endpoint, context={})
    return create_request_object(request_dict)


def as_http_request(request: AWSRequest, *, signing_name: str = "") -> HttpRequest:
    """Return the request as a server sees it. With ``signing_name`` it carries a scope (and no valid signature)."""
    prepared = request.prepare()
    parts = urlsplit(prepared.url)
    headers = [(name, _text(value)) for name, value in prepared.headers.items()]
    if "Host" not in prepared.headers:
        headers.insert(0, ("Host", parts.netloc))
    if signing_name:
        scope = f"{ACCESS_KEY_ID}/20260304/us-east-1/{signing_name}/aws4_request"
        headers.append(("Authorization", f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"))
    body = prepared.body
    if hasattr(body, "read"):
        body = body.read()
    if isinstance(body, str):
        body = body.encode()
    content = bytes(body or b"")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return HttpRequest(request.method, target, tuple(headers), content, "127.0.0.1", len(content))


def http_request(operation: OperationModel, parameters: dict[str, Any], *, protocol: str = "") -> HttpRequest:
    """Return one call as a server sees it, with the scope that botocore's endpoint rules give it."""
    service = operation.service_model.service_name
    name = models.signing_name(service)
    if operation.name == "ListDirectoryBuckets":
        name = "s3express"
    if (service, operation.name) == ("s3control", "CreateBucket"):
        # The one call of S3 Control without an account; S3 has it for Outposts, to whose endpoint it goes.
        name, parameters = "s3-outposts", {**parameters, "OutpostId": "op-01ac5d28a6a232904"}
    return as_http_request(serialize(operation, parameters, protocol=protocol), signing_name=name)


def sign(
    request: AWSRequest, *, signing_name: str, region: str = "us-east-1", auth: str = "v4", token: str = ""
) -> None:
    """Sign ``request`` in place with botocore's signer ``auth`` (``v4``, ``s3v4``, ``v4-query``, ``s3v4-query``)."""
    AUTH_TYPE_MAPS[auth](Credentials(ACCESS_KEY_ID, SECRET, token or None), signing_name, region).add_auth(request)


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
