"""Smithy's RPC v2 over CBOR: everything is in a CBOR body; service and operation are in the path."""

from botocore.model import OperationModel, ServiceModel

from opentrail.http_message import HttpRequest, HttpResponse
from opentrail.protocol import Parameters
from opentrail.protocol.cbor_values import parse_cbor, write_cbor
from opentrail.protocol.codec import ErrorAnswer, respond, success_status
from opentrail.protocol.json_values import read_json
from opentrail.protocol.rpc_json import json_error, query_error_headers


class CborCodec:
    """The ``smithy-rpc-v2-cbor`` protocol."""

    malformed_code = "SerializationException"

    def parse_request(self, operation: OperationModel, request: HttpRequest) -> Parameters:
        shape = operation.input_shape
        if shape is None or not request.body:
            return {}
        parameters: Parameters = read_json(shape, parse_cbor(request.body))
        return parameters

    def format_response(self, operation: OperationModel, output: Parameters, request_id: str) -> HttpResponse:
        body = (
            write_cbor(operation.output_shape, output) if operation.output_shape is not None else write_cbor(None, {})
        )
        return respond(success_status(operation), self._headers(request_id), body)

    def format_error(
        self, service: ServiceModel, operation: OperationModel | None, error: ErrorAnswer, request_id: str
    ) -> HttpResponse:
        headers = self._headers(request_id) + query_error_headers(service, error)
        return respond(error.http_status, headers, write_cbor(None, json_error(service, error)))

    def _headers(self, request_id: str) -> list[tuple[str, str]]:
        return [
            ("Content-Type", "application/cbor"),
            ("Smithy-Protocol", "rpc-v2-cbor"),
            ("x-amzn-RequestId", request_id),
        ]
