"""AWS JSON 1.0 and 1.1: everything is in a JSON body; the operation is in ``X-Amz-Target``."""

from typing import Any

import orjson
from botocore.model import OperationModel, ServiceModel

from opentrail.http_message import HttpRequest, HttpResponse
from opentrail.protocol import Parameters
from opentrail.protocol.codec import ErrorAnswer, message_member, query_code, respond, success_status
from opentrail.protocol.json_values import parse_json, read_json, write_json


class JsonCodec:
    """The ``json`` protocol; the version is the service's."""

    malformed_code = "SerializationException"

    def parse_request(self, operation: OperationModel, request: HttpRequest) -> Parameters:
        shape = operation.input_shape
        if shape is None or not request.body or not request.body.strip():
            return {}
        parameters: Parameters = read_json(shape, parse_json(request.body))
        return parameters

    def format_response(self, operation: OperationModel, output: Parameters, request_id: str) -> HttpResponse:
        shape = operation.output_shape
        content = write_json(shape, output) if shape is not None else {}
        headers = self._headers(operation.service_model, request_id)
        return respond(success_status(operation), headers, orjson.dumps(content))

    def format_error(
        self, service: ServiceModel, operation: OperationModel | None, error: ErrorAnswer, request_id: str
    ) -> HttpResponse:
        headers = self._headers(service, request_id)
        headers += query_error_headers(service, error)
        return respond(error.http_status, headers, orjson.dumps(json_error(service, error)))

    def _headers(self, service: ServiceModel, request_id: str) -> list[tuple[str, str]]:
        version = service.metadata.get("jsonVersion", "1.0")
        return [("Content-Type", f"application/x-amz-json-{version}"), ("x-amzn-RequestId", request_id)]


def json_error(service: ServiceModel, error: ErrorAnswer) -> dict[str, Any]:
    """Return the body of an error: its code, its message as the model spells it, and its further members."""
    return {"__type": error.code, message_member(service, error.code): error.message, **error.extra}


def query_error_headers(service: ServiceModel, error: ErrorAnswer) -> list[tuple[str, str]]:
    """Return the header that tells clients of a former query service the error's old code and fault."""
    if "awsQueryCompatible" not in service.metadata:
        return []
    return [("x-amzn-query-error", f"{query_code(service, error.code)};{error.fault}")]
