"""The query protocol and EC2's own form of it: form parameters in, XML out."""

from botocore.model import OperationModel, ServiceModel

from opentrail.http_message import HttpRequest, HttpResponse
from opentrail.protocol import Parameters
from opentrail.protocol.bounds import MalformedValue
from opentrail.protocol.codec import ErrorAnswer, query_code, respond
from opentrail.protocol.query_values import EC2_READER, QUERY_READER, parse_form
from opentrail.protocol.xml_values import XML_DECLARATION, escape, write_members


class QueryCodec:
    """The ``query`` and ``ec2`` protocols."""

    def __init__(self, *, is_ec2: bool) -> None:
        self._is_ec2 = is_ec2
        self._reader = EC2_READER if is_ec2 else QUERY_READER
        self.malformed_code = "InvalidParameterValue" if is_ec2 else "MalformedInput"

    def parse_request(self, operation: OperationModel, request: HttpRequest) -> Parameters:
        shape = operation.input_shape
        if shape is None:
            return {}
        form = request.raw_query
        if request.body:
            try:
                text = request.body.decode("utf-8")
            except UnicodeDecodeError as error:
                raise MalformedValue("The request body is not UTF-8.") from error
            form = f"{text}&{form}" if form else text
        parameters: Parameters = self._reader.read(shape, parse_form(form.strip()))
        return parameters

    def format_response(self, operation: OperationModel, output: Parameters, request_id: str) -> HttpResponse:
        shape = operation.output_shape
        members = write_members(shape, output) if shape is not None else ""
        request_id = escape(request_id)
        if self._is_ec2:
            content = f"<requestId>{request_id}</requestId>{members}"
        else:
            wrapper = shape.serialization.get("resultWrapper", f"{operation.name}Result") if shape is not None else ""
            result = f"<{wrapper}>{members}</{wrapper}>" if wrapper else ""
            content = f"{result}<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>"
        name = f"{operation.name}Response"
        namespace = _namespace(operation.service_model)
        return _xml_response(200, f"<{name}{namespace}>{content}</{name}>", request_id)

    def format_error(
        self, service: ServiceModel, operation: OperationModel | None, error: ErrorAnswer, request_id: str
    ) -> HttpResponse:
        extra = "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in error.extra.items())
        code = escape(query_code(service, error.code))
        told = f"<Code>{code}</Code><Message>{escape(error.message)}</Message>{extra}"
        identifier = escape(request_id)
        if self._is_ec2:
            content = f"<Response><Errors><Error>{told}</Error></Errors><RequestID>{identifier}</RequestID></Response>"
        else:
            content = (
                f"<ErrorResponse{_namespace(service)}><Error><Type>{error.fault}</Type>{told}</Error>"
                f"<RequestId>{identifier}</RequestId></ErrorResponse>"
            )
        return _xml_response(error.http_status, content, request_id)


def _namespace(service: ServiceModel) -> str:
    uri = service.metadata.get("xmlNamespace", "")
    return f' xmlns="{escape(uri)}"' if uri else ""


def _xml_response(status: int, content: str, request_id: str) -> HttpResponse:
    headers = [("Content-Type", "text/xml;charset=UTF-8"), ("x-amzn-RequestId", request_id)]
    return respond(status, headers, (XML_DECLARATION + content).encode())
