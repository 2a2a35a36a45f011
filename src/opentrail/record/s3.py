"""S3's own form of events: query and header names in wire spelling, the document's XML as JSON, and transfer facts.

Names come from the service model alone: what a request carries beside the operation's own members (signatures,
security tokens, customer keys, anything a client invents) never becomes a parameter.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import orjson
from botocore.model import OperationModel, Shape

from opentrail.event import Event
from opentrail.event.fields import OWN_MEMBER
from opentrail.event.redaction import HIDDEN, hide_in_text
from opentrail.http_message import HttpRequest, HttpResponse
from opentrail.protocol import CredentialScope, Parameters
from opentrail.record.rendering import OMIT, Render, plain
from opentrail.record.s3_tables import NEVER_RECORDED, PRESIGNED_NAMES, RESPONSE_HEADERS, encryption_named
from opentrail.record.xml_rendering import XmlRenderer

POST_OBJECT = "PostObject"
"""``eventName`` of an upload by an HTML form: AWS lists it among S3's object-level events. Its model has none such; the
event is else that of PutObject."""

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"

RequestParameters = Callable[[HttpRequest, Parameters], dict[str, Any]]


@dataclass(slots=True)
class _WireNames:
    """The wire names of one operation's input members, by where they travel. Values say whether they are hidden."""

    query: dict[str, bool] = field(default_factory=dict)
    headers: dict[str, bool] = field(default_factory=dict)


def request_renderer(model: OperationModel) -> tuple[RequestParameters, frozenset[str]]:
    """Return what makes ``requestParameters`` of the operation, and the names of its secret members."""
    names, compiler = _wire_names(model), XmlRenderer("s3")
    payload = _payload_renderer(model, compiler)
    markers = _markers(model)

    def render(request: HttpRequest, parameters: Parameters) -> dict[str, Any]:
        rendered: dict[str, Any] = dict(markers)
        _add_text(rendered, "bucketName", parameters.get("Bucket"))
        _add_text(rendered, "Host", request.host)
        _add_text(rendered, "key", parameters.get("Key"))
        if request.raw_query:
            rendered.update(_known_query(request, names.query, markers))
        rendered.update(_known_headers(request.headers.first, names.headers))
        if payload is not None:
            rendered.update(payload(parameters))
        return rendered

    secret_names = {name.lower() for name, member in _members(model) if member.metadata.get("sensitive")}
    return render, frozenset(secret_names | compiler.secret_names)


def response_elements(response: HttpResponse) -> dict[str, Any] | None:
    """Return what a data event of a writing operation records of the answer's headers, None when nothing."""
    found = {
        name: HIDDEN if name.endswith(("key-id", "context")) else hide_in_text(value)
        for name, value in response.headers.as_lower_dict().items()
        if name.startswith(RESPONSE_HEADERS) and not any(word in name for word in NEVER_RECORDED)
    }
    return found or None


def request_facts(request: HttpRequest, scope: CredentialScope | None) -> dict[str, Any]:
    """Return the ``additionalEventData`` members known when the call begins."""
    facts: dict[str, Any] = {}
    if scope is not None:
        facts["SignatureVersion"] = "SigV2" if scope.scheme == "AWS" else "SigV4"
    facts["bytesTransferredIn"] = request.body_size_bytes
    if scope is not None and request.form is None:
        facts["AuthenticationMethod"] = "QueryString" if scope.is_presigned else "AuthHeader"
    return facts


def add_response_facts(event: Event, response: HttpResponse, requested_encryption: Any, *, is_write: bool) -> None:
    """Add the ``additionalEventData`` members known when the call ends; what Opentrail says itself stays last."""
    facts: dict[str, Any] = dict(event.get("additionalEventData") or {})
    own = facts.pop(OWN_MEMBER, None)
    host_id = response.headers.get("x-amz-id-2")
    if host_id:
        facts["x-amz-id-2"] = host_id[:256]
    facts["bytesTransferredOut"] = response.body_size_bytes
    applied = _encryption_applied(response, requested_encryption) if is_write and response.status < 300 else None
    if applied:
        facts["SSEApplied"] = applied
    event["additionalEventData"] = facts if own is None else {**facts, OWN_MEMBER: own}


def _add_text(rendered: dict[str, Any], name: str, value: Any) -> None:
    if isinstance(value, str) and value:
        rendered[name] = value


def _members(model: OperationModel) -> Iterable[tuple[str, Shape]]:
    return () if model.input_shape is None else model.input_shape.members.items()


def _wire_names(model: OperationModel) -> _WireNames:
    names = _WireNames()
    for _, member in _members(model):
        location, wire_name = member.serialization.get("location"), str(member.serialization.get("name", ""))
        hidden = bool(member.metadata.get("sensitive"))
        if location == "querystring":
            names.query[wire_name] = hidden
        elif location == "header" and wire_name.lower().startswith("x-amz-"):
            lowered = wire_name.lower()
            if not any(word in lowered for word in NEVER_RECORDED):
                names.headers[lowered] = hidden
    return names


def _markers(model: OperationModel) -> dict[str, str]:
    """The sub-resource words of the request's address (``?acl``); query parameters with fixed values keep them."""
    _, _, query = str(model.http.get("requestUri", "")).partition("?")
    return dict(parse_qsl(query, keep_blank_values=True))


def _known_query(request: HttpRequest, names: Mapping[str, bool], markers: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in request.query:
        if name in names:
            found[name] = HIDDEN if names[name] else hide_in_text(value)
        elif name in markers or name in PRESIGNED_NAMES:
            found[name] = value
    return found


def _known_headers(headers: Mapping[str, str], names: Mapping[str, bool]) -> dict[str, Any]:
    return {name: HIDDEN if names[name] else hide_in_text(value) for name, value in headers.items() if name in names}


def _payload_renderer(model: OperationModel, compiler: XmlRenderer) -> Callable[[Parameters], dict[str, Any]] | None:
    name = model.input_shape.serialization.get("payload") if model.input_shape is not None else None
    if not name:
        return None
    shape: Shape = model.input_shape.members[name]
    if name == "Policy":
        return _policy
    if shape.type_name != "structure" or shape.metadata.get("eventstream"):
        return None
    render: Render = compiler.renderer(shape)
    wire_name = str(shape.serialization.get("name") or name)
    namespace = shape.serialization.get("xmlNamespace", {}).get("uri", NAMESPACE)

    def document(parameters: Parameters) -> dict[str, Any]:
        content = render(parameters[name]) if name in parameters else OMIT
        if content is OMIT:
            return {}
        return {wire_name: {"xmlns": namespace, **content} if isinstance(content, dict) else {"xmlns": namespace}}

    return document


def _policy(parameters: Parameters) -> dict[str, Any]:
    text = parameters.get("Policy")
    if not isinstance(text, str | bytes):
        return {}
    try:
        return {"bucketPolicy": plain(orjson.loads(text))}
    except ValueError:
        return {"bucketPolicy": plain(text)}


def _encryption_applied(response: HttpResponse, requested: Any) -> str | None:
    headers = response.headers
    if headers.get("x-amz-server-side-encryption-customer-algorithm"):
        return "SSE_C"
    kind = encryption_named(headers.get("x-amz-server-side-encryption"))
    return kind if kind is None or requested else f"Default_{kind}"
