"""REST-JSON and REST-XML: members in URI, query string and headers, the rest in a body or one member as the body."""

from abc import ABC, abstractmethod
from typing import Any

import orjson
from botocore.model import OperationModel, ServiceModel, Shape

from opentrail.http_message import HttpRequest, HttpResponse
from opentrail.protocol import Parameters
from opentrail.protocol.bounds import MalformedValue
from opentrail.protocol.codec import ErrorAnswer, respond, success_status
from opentrail.protocol.json_values import parse_json, read_json, write_json
from opentrail.protocol.rest_binding import read_located_members, write_located_members
from opentrail.protocol.rpc_json import json_error, query_error_headers
from opentrail.protocol.xml_values import (
    XML_DECLARATION,
    escape,
    parse_xml,
    read_xml,
    write_root,
)


class _RestCodec(ABC):
    """What both REST protocols do alike. Subclasses read and write bodies."""

    content_type = ""

    def parse_request(self, operation: OperationModel, request: HttpRequest) -> Parameters:
        shape = operation.input_shape
        if shape is None:
            return {}
        result = read_located_members(operation, request)
        body = request.body
        if not body:
            return result
        payload = shape.serialization.get("payload")
        if payload is None:
            if any(_in_request_body(shape, name) for name in shape.members):
                members = self.read_body(shape, body)
                # What belongs in the URI or a header is not taken from a body that repeats it.
                result.update((name, item) for name, item in members.items() if _in_request_body(shape, name))
            return result
        member = shape.members[payload]
        if member.serialization.get("eventstream"):
            return result
        if member.type_name == "blob":
            result[payload] = body
        elif member.type_name == "string":
            result[payload] = _decode(body)
        else:
            result[payload] = self.read_body(member, body)
        return result

    def format_response(self, operation: OperationModel, output: Parameters, request_id: str) -> HttpResponse:
        shape = operation.output_shape
        identifiers = request_id_headers(operation.service_model, request_id)
        if shape is None:
            return respond(success_status(operation), identifiers, b"")
        located, status = write_located_members(shape, output)
        body, content_type = self._output_body(operation, shape, output)
        headers = identifiers + located
        if content_type and not any(name.lower() == "content-type" for name, _ in located):
            headers.insert(0, ("Content-Type", content_type))
        if operation.http["method"] == "HEAD":
            body = b""
        return respond(status or success_status(operation), headers, body)

    def _output_body(self, operation: OperationModel, shape: Shape, output: Parameters) -> tuple[bytes, str]:
        payload = shape.serialization.get("payload")
        if payload is None:
            if not any(_in_response_body(shape, name) for name in shape.members):
                return b"", ""
            members = {name: item for name, item in output.items() if _in_response_body(shape, name)}
            return self.write_body(operation, shape, members, ""), self.content_type
        member, value = shape.members[payload], output.get(payload)
        if value is None or member.serialization.get("eventstream"):
            return b"", ""
        if member.type_name in ("blob", "string"):
            content = value.encode() if isinstance(value, str) else bytes(value)
            return content, "text/plain" if member.type_name == "string" else "application/octet-stream"
        return self.write_body(operation, member, value, payload), self.content_type

    @abstractmethod
    def read_body(self, shape: Shape, body: bytes) -> Any:
        """Return the value of ``shape`` that a body holds."""

    @abstractmethod
    def write_body(self, operation: OperationModel, shape: Shape, value: Any, payload: str) -> bytes:
        """Return the body that holds a value of ``shape``; ``payload`` names the member that is the whole body."""


class RestJsonCodec(_RestCodec):
    """The ``rest-json`` protocol."""

    malformed_code = "SerializationException"
    content_type = "application/json"

    def read_body(self, shape: Shape, body: bytes) -> Any:
        return read_json(shape, parse_json(body)) if body.strip() else {}

    def write_body(self, operation: OperationModel, shape: Shape, value: Any, payload: str) -> bytes:
        return orjson.dumps(write_json(shape, value))

    def format_error(
        self, service: ServiceModel, operation: OperationModel | None, error: ErrorAnswer, request_id: str
    ) -> HttpResponse:
        headers = [("Content-Type", "application/json"), ("x-amzn-ErrorType", error.code)]
        headers += request_id_headers(service, request_id) + query_error_headers(service, error)
        return respond(error.http_status, headers, orjson.dumps(json_error(service, error)))


class RestXmlCodec(_RestCodec):
    """The ``rest-xml`` protocol, S3's ways included."""

    malformed_code = "MalformedXML"
    content_type = "application/xml"

    def read_body(self, shape: Shape, body: bytes) -> Any:
        return read_xml(shape, parse_xml(body))

    def write_body(self, operation: OperationModel, shape: Shape, value: Any, payload: str) -> bytes:
        is_s3 = operation.service_model.service_name == "s3"
        if is_s3 and operation.name == "GetBucketLocation":
            # The one answer whose root element is the value itself, empty for us-east-1.
            region = escape(str(value.get("LocationConstraint") or ""))
            return f'{XML_DECLARATION}<LocationConstraint xmlns="{S3_NAMESPACE}">{region}</LocationConstraint>'.encode()
        uri = S3_NAMESPACE if is_s3 else operation.service_model.metadata.get("xmlNamespace", "")
        return (XML_DECLARATION + write_root(_root_name(operation, shape, payload), shape, value, uri)).encode()

    def format_error(
        self, service: ServiceModel, operation: OperationModel | None, error: ErrorAnswer, request_id: str
    ) -> HttpResponse:
        identifier = escape(request_id)
        extra = "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in error.extra.items())
        told = f"<Code>{escape(error.code)}</Code><Message>{escape(error.message)}</Message>{extra}"
        if service.service_name == "s3":
            content = f"<Error>{told}<RequestId>{identifier}</RequestId><HostId>{identifier}</HostId></Error>"
        else:
            uri = service.metadata.get("xmlNamespace", "")
            namespace = f' xmlns="{escape(uri)}"' if uri else ""
            content = (
                f"<ErrorResponse{namespace}><Error><Type>{error.fault}</Type>{told}</Error>"
                f"<RequestId>{identifier}</RequestId></ErrorResponse>"
            )
        headers = [("Content-Type", "application/xml"), *request_id_headers(service, request_id)]
        is_head = operation is not None and operation.http["method"] == "HEAD"
        return respond(error.http_status, headers, b"" if is_head else (XML_DECLARATION + content).encode())


S3_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"

S3_ROOTS = {
    "CompleteMultipartUpload": "CompleteMultipartUploadResult",
    "CreateMultipartUpload": "InitiateMultipartUploadResult",
    "DeleteObjects": "DeleteResult",
    "GetBucketAccelerateConfiguration": "AccelerateConfiguration",
    "GetBucketAcl": "AccessControlPolicy",
    "GetBucketCors": "CORSConfiguration",
    "GetBucketLifecycleConfiguration": "LifecycleConfiguration",
    "GetBucketLogging": "BucketLoggingStatus",
    "GetBucketNotificationConfiguration": "NotificationConfiguration",
    "GetBucketRequestPayment": "RequestPaymentConfiguration",
    "GetBucketTagging": "Tagging",
    "GetBucketVersioning": "VersioningConfiguration",
    "GetBucketWebsite": "WebsiteConfiguration",
    "GetObjectAcl": "AccessControlPolicy",
    "GetObjectTagging": "Tagging",
    "ListBuckets": "ListAllMyBucketsResult",
    "ListMultipartUploads": "ListMultipartUploadsResult",
    "ListObjectVersions": "ListVersionsResult",
    "ListObjects": "ListBucketResult",
    "ListObjectsV2": "ListBucketResult",
    "ListParts": "ListPartsResult",
}
"""Root elements that S3 writes and its model does not name. Some clients look for them."""


def request_id_headers(service: ServiceModel, request_id: str) -> list[tuple[str, str]]:
    """Return the headers in which the service tells the request's id."""
    if service.service_name in ("s3", "s3control"):
        return [("x-amz-request-id", request_id), ("x-amz-id-2", request_id)]
    return [("x-amzn-RequestId", request_id)]


def _root_name(operation: OperationModel, shape: Shape, payload: str) -> str:
    if operation.service_model.service_name == "s3" and operation.name in S3_ROOTS and not payload:
        return S3_ROOTS[operation.name]
    return str(shape.serialization.get("name") or payload or shape.name)


def _in_request_body(shape: Shape, name: str) -> bool:
    return shape.members[name].serialization.get("location") not in ("uri", "querystring", "header", "headers")


def _in_response_body(shape: Shape, name: str) -> bool:
    member = shape.members.get(name)
    return member is not None and member.serialization.get("location") not in ("header", "headers", "statusCode")


def _decode(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedValue("The request body is not UTF-8.") from error
