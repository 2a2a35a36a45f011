"""What a wire protocol is to the rest: a codec from bytes to parameters, and from outputs and errors to bytes.

A codec raises MalformedValue and nothing else, whatever a request holds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from botocore.model import OperationModel, ServiceModel

from opentrail.http_message import HttpRequest, HttpResponse
from opentrail.protocol import Parameters


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """An error on its way to a caller. ``fault`` is ``Sender`` or ``Receiver``; ``extra`` are further members."""

    code: str
    message: str
    http_status: int
    fault: str
    extra: Mapping[str, Any]


class Codec(Protocol):
    """A wire protocol, server side."""

    malformed_code: str
    """The error code of a request that does not parse."""

    def parse_request(self, operation: OperationModel, request: HttpRequest) -> Parameters:
        """Return the parameters in ``request``. Raises MalformedValue."""
        ...

    def format_response(self, operation: OperationModel, output: Parameters, request_id: str) -> HttpResponse:
        """Return the success response that carries ``output``."""
        ...

    def format_error(
        self, service: ServiceModel, operation: OperationModel | None, error: ErrorAnswer, request_id: str
    ) -> HttpResponse:
        """Return the response that carries ``error``."""
        ...


def respond(status: int, headers: list[tuple[str, str]], body: bytes) -> HttpResponse:
    """Return a response that holds its whole body."""
    return HttpResponse(status, tuple(headers), body, len(body))


def success_status(operation: OperationModel) -> int:
    """Return the status the model gives the operation's success, 200 unless stated."""
    return int(operation.http.get("responseCode", 200))


def message_member(service: ServiceModel, code: str) -> str:
    """Return how the error's shape spells its message: ``Message`` or, unless modelled so, ``message``."""
    if code in service.shape_names:
        members = getattr(service.shape_for(code), "members", {})
        if "Message" in members:
            return "Message"
    return "message"


def query_code(service: ServiceModel, code: str) -> str:
    """Return the code that the query protocol has for an error: the one its shape is given there, if there is such a
    shape and it is given one (``NoSuchEntity`` for NoSuchEntityException)."""
    if code not in service.shape_names:
        return code
    return str(service.shape_for(code).metadata.get("error", {}).get("code", code))
