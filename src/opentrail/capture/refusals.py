"""The gateway's own answers: what a client gets when its call could not be passed on."""

from http import HTTPStatus

from opentrail.http_message import HttpRequest, HttpResponse
from opentrail.protocol import Operation
from opentrail.protocol.models import service_model
from opentrail.protocol.protocols import request_protocol
from opentrail.protocol.requests import protocol_of
from opentrail.protocol.responses import format_error

FALLBACK_SERVICE = "s3"
"""Whose error form is used when the service is unknown: plain XML, which people can read too."""


def refusal(
    operation: Operation | None,
    service: str,
    code: str,
    message: str,
    status: int,
    request_id: str,
    *,
    request: HttpRequest | None = None,
) -> HttpResponse:
    """Return an error in the wire form of the called service (``Receiver`` fault from 500 up); of a service that speaks
    several, in the one that ``request`` speaks."""
    fault = "Receiver" if status >= 500 else "Sender"
    subject = operation or service or FALLBACK_SERVICE
    try:
        protocol = None if request is None else _protocol(subject, request)
        return format_error(subject, code, message, status, request_id, fault=fault, protocol=protocol)
    except LookupError:
        return format_error(FALLBACK_SERVICE, code, message, status, request_id, fault=fault)


def _protocol(subject: Operation | str, request: HttpRequest) -> str:
    if isinstance(subject, Operation):
        return protocol_of(subject, request)
    return request_protocol(service_model(subject), request)


def response_bytes(response: HttpResponse, method: str, *, closes: bool) -> bytes:
    """Return ``response`` as HTTP/1.1 bytes with a Content-Length; without its body when it answers HEAD."""
    body = response.body or b""
    phrase = HTTPStatus(response.status).phrase if response.status in HTTPStatus._value2member_map_ else ""
    lines = [f"HTTP/1.1 {response.status} {phrase}"]
    has_length = False
    for name, value in response.header_list:
        lower = name.lower()
        if lower in ("connection", "transfer-encoding"):
            continue
        has_length = has_length or lower == "content-length"
        lines.append(f"{name}: {value}")
    if not has_length and response.status >= 200 and response.status not in (204, 304):
        lines.append(f"Content-Length: {len(body)}")
    if closes:
        lines.append("Connection: close")
    head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
    is_bodiless = method == "HEAD" or response.status in (204, 304)
    return head if is_bodiless else head + body
