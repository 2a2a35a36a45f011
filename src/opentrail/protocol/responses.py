"""Outputs and errors -> responses, in the protocol of the service (or of the caller, where a service has several)."""

from collections.abc import Mapping
from typing import Any

from opentrail.http_message import HttpResponse
from opentrail.protocol import Operation, Parameters
from opentrail.protocol.codec import ErrorAnswer
from opentrail.protocol.models import operation_model, service_model
from opentrail.protocol.protocols import PROTOCOLS, default_protocol


def format_response(
    operation: Operation, output: Parameters, request_id: str, *, protocol: str | None = None
) -> HttpResponse:
    """Return the success response of ``operation``.

    Members that are None or unknown to the model are left out. ``protocol`` (as ``requests.protocol_of`` gives it) is
    needed only for services that speak several. The body is never chunked; Content-Length is the server's to add.
    Event streams are not written. Raises UnknownService and UnknownOperation.
    """
    model = operation_model(operation)
    codec = PROTOCOLS[protocol or default_protocol(model.service_model)]
    return codec.format_response(model, output, request_id)


def format_error(
    subject: Operation | str,
    code: str,
    message: str,
    http_status: int,
    request_id: str,
    *,
    fault: str = "Sender",
    extra: Mapping[str, Any] | None = None,
    protocol: str | None = None,
) -> HttpResponse:
    """Return an error in the form of the service: ``subject`` is the operation or, when none is known, the service.

    ``extra`` are further members or elements (S3's BucketName, Key). A HEAD request's error has no body. Raises
    UnknownService and UnknownOperation.
    """
    model = operation_model(subject) if isinstance(subject, Operation) else None
    service = model.service_model if model is not None else service_model(str(subject))
    codec = PROTOCOLS[protocol or default_protocol(service)]
    answer = ErrorAnswer(code, message, http_status, fault, dict(extra or {}))
    return codec.format_error(service, model, answer, request_id)
