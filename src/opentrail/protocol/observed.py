"""What an upstream's response says, for the record: its output or its error.

botocore's own parsers do the reading. They trust what they read, so every way in which a response can be other than
its model says ends here in an ObservedResult too.
"""

import http.client
import io
from collections.abc import Mapping
from typing import Any

import orjson
import structlog
from botocore.awsrequest import HeadersDict
from botocore.model import OperationModel, Shape
from botocore.parsers import ResponseParserFactory

from opentrail.http_message import HttpResponse
from opentrail.protocol import ObservedResult, Operation
from opentrail.protocol.models import operation_model
from opentrail.protocol.timestamps import parse_timestamp
from opentrail.protocol.xml_values import parse_xml

log = structlog.get_logger(__name__)

_FACTORY = ResponseParserFactory()
_FACTORY.set_parser_defaults(timestamp_parser=parse_timestamp)
_PARSERS: dict[str, Any] = {}
_REQUEST_ID_HEADERS = ("x-amzn-requestid", "x-amz-request-id", "x-amzn-request-id")


def parse_response(operation: Operation, response: HttpResponse) -> ObservedResult:
    """Return what ``response`` to ``operation`` says. Never raises.

    From status 400 on it is an error; without a body that tells one (HEAD, or a body not held) the code is the status
    as text (``404``) and the message its reason. A redirect or 304 is an error only when its body names a code. An
    output that does not parse is empty. Event streams are left out; a blob body is given as held.
    """
    try:
        return read_response(operation_model(operation), response)
    except LookupError:
        return _by_status(response, response.headers.as_lower_dict(), "")


def read_response(model: OperationModel, response: HttpResponse) -> ObservedResult:
    """Return ``parse_response`` for an operation's model."""
    headers = response.headers.as_lower_dict()
    request_id = next((headers[name] for name in _REQUEST_ID_HEADERS if headers.get(name)), "")
    try:
        if response.status >= 300:
            return _read_error(model, response, headers, request_id)
        return _read_output(model, response, headers, request_id)
    except Exception as error:  # botocore's parsers raise whatever a malformed answer makes them stumble over
        # The kind alone: botocore quotes the answer, which may hold credentials.
        log.info("response_not_parsed", operation=model.name, error=type(error).__name__)
        return _by_status(response, headers, request_id)


def _read_output(
    model: OperationModel, response: HttpResponse, headers: dict[str, str], request_id: str
) -> ObservedResult:
    shape = model.output_shape
    body = response.body or b""
    if body and model.name == "GetBucketLocation":
        # The one answer whose root element is the value itself; botocore reads it outside its parsers.
        region = parse_xml(body).text.strip()
        return ObservedResult({"LocationConstraint": region} if region else {}, "", "", request_id)
    payload = shape.serialization.get("payload") if shape is not None else None
    has_raw_payload = payload is not None and shape.members[payload].type_name in ("blob", "string")
    stream = shape.event_stream_name if shape is not None else None
    if not _is_rest(model) and (stream is not None or not body):
        return ObservedResult({}, "", "", request_id)
    if has_raw_payload or stream is not None:
        body = b""
    answer = {"status_code": response.status, "headers": HeadersDict(headers), "body": body, "context": {}}
    parsed = _parser(model, headers).parse(answer, shape)
    parsed.pop(stream, None)
    metadata = parsed.pop("ResponseMetadata", {})
    for name in [name for name, value in parsed.items() if value == {} and _is_header_map(shape, name)]:
        del parsed[name]
    if has_raw_payload:
        parsed.pop(payload, None)
        if response.body:
            is_text = shape.members[payload].type_name == "string"
            parsed[payload] = response.body.decode("utf-8", "replace") if is_text else response.body
    return ObservedResult(_without_nulls(parsed), "", "", request_id or str(metadata.get("RequestId") or ""))


def _is_header_map(shape: Shape, name: str) -> bool:
    """Tell whether a member takes all headers of a prefix; without any botocore gives an empty map."""
    return name in shape.members and shape.members[name].serialization.get("location") == "headers"


def _read_error(
    model: OperationModel, response: HttpResponse, headers: dict[str, str], request_id: str
) -> ObservedResult:
    if not response.body:
        return _by_status(response, headers, request_id)
    parsed = _parser(model, headers).parse(
        {"status_code": response.status, "headers": HeadersDict(headers), "body": response.body}, None
    )
    error = parsed.get("Error")
    if not isinstance(error, Mapping):
        return _by_status(response, headers, request_id)
    metadata = parsed.get("ResponseMetadata") or {}
    request_id = request_id or str(metadata.get("RequestId") or "")
    code, message = str(error.get("Code") or ""), str(error.get("Message") or "")
    if code in ("", str(response.status)):
        code = _stated_code(response, headers) or code
    if not code or (response.status < 400 and code == str(response.status)):
        return _by_status(response, headers, request_id)
    return ObservedResult({}, code, message, request_id)


def _stated_code(response: HttpResponse, headers: dict[str, str]) -> str:
    """The code where botocore's JSON parser does not look: the header, or ``code`` in the body."""
    code: object = headers.get("x-amzn-errortype", "")
    if not code and headers.get("content-type", "").startswith("application/x-amz-json") and response.body:
        body = orjson.loads(response.body)
        code = (body.get("code") or body.get("Code")) if isinstance(body, dict) else ""
    return _bare_code(code) if isinstance(code, str) else ""


def _bare_code(code: str) -> str:
    """An error code without the namespace before it and the URI behind it."""
    return code.split(":", 1)[0].rsplit("#", 1)[-1]


def _by_status(response: HttpResponse, headers: dict[str, str], request_id: str) -> ObservedResult:
    if response.status < 400:
        return ObservedResult({}, "", "", request_id)
    code = _bare_code(headers.get("x-amzn-errortype", ""))
    reason = http.client.responses.get(response.status, "")
    return ObservedResult({}, code or str(response.status), "" if code else reason, request_id)


def _parser(model: OperationModel, headers: dict[str, str]) -> Any:
    """The parser of the protocol the answer is in: services of several tell it by the content type."""
    service = model.service_model
    name = str(service.metadata["protocol"])
    content_type = headers.get("content-type", "")
    if name in ("smithy-rpc-v2-cbor", "json"):
        if content_type.startswith("application/x-amz-json"):
            name = "json"
        elif content_type.startswith("application/cbor"):
            name = "smithy-rpc-v2-cbor"
        elif "xml" in content_type:
            name = "query"
    parser = _PARSERS.get(name)
    if parser is None:
        parser = _PARSERS[name] = _FACTORY.create_parser(name)
        if name == "smithy-rpc-v2-cbor":
            parser.get_peekable_stream_from_bytes = _BoundedReader
    return parser


class _BoundedReader(io.BufferedReader):
    """Reads what is there. A buffered reader allocates whatever length a CBOR string claims before it reads."""

    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content))
        self._size = len(content)

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(self._size if size is None else min(size, self._size))


def _is_rest(model: OperationModel) -> bool:
    return str(model.service_model.metadata["protocol"]).startswith("rest-")


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value if item is not None]
    return value
