"""What an answer means for the record: its request id, its error as events name it, or its output."""

from http import HTTPStatus

from opentrail.event.json_values import cut_text
from opentrail.event.limits import TEXT_LIMIT_BYTES
from opentrail.event.redaction import HIDDEN, hide_quoted_values
from opentrail.http_message import HttpResponse
from opentrail.protocol import ObservedResult, Operation, Parameters
from opentrail.protocol.observed import parse_response
from opentrail.record.plans import OperationPlan
from opentrail.record.s3_tables import code_of_status

REQUEST_ID_HEADERS = ("x-amzn-requestid", "x-amz-request-id", "x-amz-requestid")


class Outcome:
    """A call's result in the record's words. ``error_code`` is empty on success; texts are within their limits."""

    __slots__ = ("error_code", "error_message", "output", "request_id")

    def __init__(self, output: Parameters, error_code: str, error_message: str, request_id: str) -> None:
        self.output = output
        self.error_code = error_code
        self.error_message = error_message
        self.request_id = request_id


def outcome_of(
    plan: OperationPlan | None,
    operation: Operation | None,
    response: HttpResponse,
    result: ObservedResult | None,
    *,
    has_key: bool,
) -> Outcome:
    """Return what ``response`` says; ``has_key`` tells an S3 object's answer from a bucket's."""
    request_id = _request_id(response)
    if result is None and operation is not None and plan is not None:
        is_plain_success = 200 <= response.status < 300 and not plan.needs_output
        if not (is_plain_success and request_id):
            result = parse_response(operation, response)
    output = result.output if result is not None else {}
    request_id = (result.request_id if result is not None else "") or request_id
    code, message = (result.error_code, result.error_message) if result is not None else ("", "")
    is_s3 = plan is not None and plan.is_s3
    if is_s3 and (response.status == 304 or (response.status >= 400 and _says_nothing(code))):
        code, message = code_of_status(response.status, has_key=has_key)
    elif not code and response.status >= 400:
        is_own_refusal = bool(response.reason) and response.status == HTTPStatus.SERVICE_UNAVAILABLE
        code = "ServiceUnavailable" if is_own_refusal else f"HTTP{response.status}"
    if code and plan is not None:
        code, message = _error_in_events(plan, response.status, code, message)
    return Outcome(output, cut_text(code, TEXT_LIMIT_BYTES), cut_text(message, TEXT_LIMIT_BYTES), request_id)


def _error_in_events(plan: OperationPlan, status: int, code: str, message: str) -> tuple[str, str]:
    code = plan.error_names.get(code, code)
    if plan.service == "ec2" and not code.startswith(("Client.", "Server.")):
        code = f"{'Server' if status >= 500 else 'Client'}.{code}"
    if message and code in plan.hidden_errors:
        return code, HIDDEN
    return code, hide_quoted_values(message, plan.secret_names)


def _request_id(response: HttpResponse) -> str:
    headers = response.headers.first
    for name in REQUEST_ID_HEADERS:
        if value := headers.get(name):
            return value
    return ""


def _says_nothing(code: str) -> bool:
    return not code or code.isdigit()
