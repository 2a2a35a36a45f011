"""Requests -> parameters, by the operation's model and the protocol that the request speaks."""

from dataclasses import replace

from botocore.model import OperationModel

from opentrail.http_message import HttpRequest
from opentrail.protocol import Operation, Parameters
from opentrail.protocol.aws_chunked import is_aws_chunked, join_chunks
from opentrail.protocol.bounds import MalformedValue
from opentrail.protocol.inflation import inflate, is_gzip
from opentrail.protocol.models import operation_model
from opentrail.protocol.protocols import PROTOCOLS, request_protocol

_CHUNKING = frozenset({"s3", "s3control"})


class MalformedRequest(Exception):
    """The request does not parse. ``code`` and ``message`` are what its service answers (HTTP status 400)."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def protocol_of(operation: Operation, request: HttpRequest) -> str:
    """Return the protocol that ``request`` speaks, for ``format_response`` and ``format_error`` to answer in."""
    return request_protocol(operation_model(operation).service_model, request)


def parse_request(operation: Operation, request: HttpRequest) -> Parameters:
    """Return the parameters of a call, by member names.

    Members that the model does not have, and nulls, are left out; a document (free JSON) keeps its nulls. Without a
    body that was held only what URI, query string and headers say is returned. An event stream is left out. Signatures
    and security tokens never become parameters. Raises MalformedRequest; and UnknownService or UnknownOperation for an
    operation that ``identify`` did not return.
    """
    return read_request(operation_model(operation), request)


def read_request(model: OperationModel, request: HttpRequest) -> Parameters:
    """Return ``parse_request`` for an operation's model."""
    codec = PROTOCOLS[request_protocol(model.service_model, request)]
    try:
        if request.body and model.service_model.service_name in _CHUNKING and is_aws_chunked(request):
            request = replace(request, body=join_chunks(request.body))
        if request.body and _is_compressed(model, request):
            request = replace(request, body=inflate(request.body))
        return codec.parse_request(model, request)
    except MalformedValue as error:
        raise MalformedRequest(codec.malformed_code, str(error)) from error


def _is_compressed(model: OperationModel, request: HttpRequest) -> bool:
    """Tell whether the body is gzip on the wire only. A blob's own encoding is part of what it says."""
    if not is_gzip(request) or model.input_shape is None:
        return False
    payload = model.input_shape.serialization.get("payload")
    return payload is None or model.input_shape.members[payload].type_name not in ("blob", "string")
