"""The event builder: a call and its answer in, one complete CloudTrail event out (reference: events).

Nothing sensitive leaves ``begin``, ``finish`` or ``finish_unknown``, whatever the call: an unfinished event is stored
before the call goes upstream. No method raises on any input; what could not be understood is said in
``additionalEventData.opentrail`` (docs/formats/event.md).
"""

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime
from typing import Any

import structlog

from opentrail.arn import partition_of
from opentrail.clock import Identifiers, format_time
from opentrail.event import Event
from opentrail.event.fields import EVENT_VERSION, add_own_members, in_order
from opentrail.event.json_values import cut_text
from opentrail.event.limits import TEXT_LIMIT_BYTES, bound_event
from opentrail.http_message import HttpRequest, HttpResponse
from opentrail.identity import CallerIdentity
from opentrail.protocol import CredentialScope, ObservedResult, Operation, Parameters
from opentrail.protocol.requests import MalformedRequest, parse_request
from opentrail.record import s3, s3_resources
from opentrail.record.deletions import deletions
from opentrail.record.frames import FrameMemory
from opentrail.record.identities import CLAIMED, user_identity
from opentrail.record.names import denied_event_name
from opentrail.record.plans import OperationPlan, plan_of
from opentrail.record.regions import aws_region
from opentrail.record.rendering import OMIT
from opentrail.record.resources import Place
from opentrail.record.results import Outcome, outcome_of
from opentrail.record.service_events import MAX_REASON_BYTES, gap_event

UNKNOWN_NAME = "Unknown"
"""``eventName`` of a call that is no operation of any service we know."""

OUTCOME_UNKNOWN = "unknown"

DENIED = "AccessDenied"
"""What denies a call knows its name and parameters, not its service: such events have no ``apiVersion``."""

MAX_ADDRESS_BYTES = 128

_log = structlog.get_logger(__name__)


class EncodedEvent:
    """An event within every limit, in order, and its JSON; ``further`` is the JSON of the other events of its call,
    which are stored with it."""

    __slots__ = ("event", "further", "json")

    def __init__(self, event: Event, json: bytes, further: tuple[bytes, ...] = ()) -> None:
        self.event = event
        self.json = json
        self.further = further


class EventBuilder:
    """Builds events from calls, from any thread. What it keeps is remembered work: the plans of operations, which all
    builders share, and what the calls of one caller have in common.

    ``regions`` gives the Regions that this installation has enabled, beside those of AWS's partitions; ``admits`` says
    in which of all these a call may be recorded whose caller nobody verified, None: in each.
    """

    def __init__(
        self,
        *,
        default_account_id: str,
        default_region: str,
        regions: Callable[[], Collection[str]],
        identifiers: Identifiers,
        admits: Callable[[str], bool] | None = None,
    ) -> None:
        self._default_account_id = default_account_id
        self._default_region = default_region
        self._regions = regions
        self._identifiers = identifiers
        self._admits = admits
        self._frames = FrameMemory()

    def begin(
        self,
        request: HttpRequest,
        operation: Operation | None,
        scope: CredentialScope | None,
        caller: CallerIdentity,
        received_at: datetime,
        *,
        parameters: Parameters | None = None,
    ) -> Event:
        """Return the unfinished event of a call: everything but its result.

        ``parameters`` spares a second parse of the request. ``eventTime`` is when the call came, until ``finish``.
        """
        return self.begin_encoded(request, operation, scope, caller, received_at, parameters=parameters).event

    def begin_encoded(
        self,
        request: HttpRequest,
        operation: Operation | None,
        scope: CredentialScope | None,
        caller: CallerIdentity,
        received_at: datetime,
        *,
        parameters: Parameters | None = None,
    ) -> EncodedEvent:
        """Return what ``begin`` does, and its JSON. The order of its keys is that of the finished event only then."""
        event = self._begin(request, operation, scope, caller, received_at, parameters)
        return EncodedEvent(event, bound_event(event))

    def _begin(
        self,
        request: HttpRequest,
        operation: Operation | None,
        scope: CredentialScope | None,
        caller: CallerIdentity,
        received_at: datetime,
        parameters: Parameters | None,
    ) -> Event:
        plan = _plan(operation)
        event = self._framed(request, operation, plan, scope, caller)
        event["eventTime"] = format_time(received_at)
        event["eventID"] = self._identifiers.uuid()
        if plan is not None:
            if request.form is not None:
                event["eventName"] = s3.POST_OBJECT
            self._describe_parameters(event, request, plan, scope, parameters)
        elif operation is None:
            add_own_members(event, method=cut_text(request.method, 32), path=_bounded_path(request))
        return event

    def finish(
        self,
        event: Event,
        operation: Operation | None,
        response: HttpResponse,
        completed_at: datetime,
        *,
        result: ObservedResult | None = None,
    ) -> Event:
        """Return the complete event of a call that was answered; ``event`` is what ``begin`` gave, and stays as it is.

        ``result`` spares a parse of the response.
        """
        return self.finish_encoded(event, operation, response, completed_at, result=result).event

    def finish_encoded(
        self,
        event: Event,
        operation: Operation | None,
        response: HttpResponse,
        completed_at: datetime,
        *,
        result: ObservedResult | None = None,
    ) -> EncodedEvent:
        """Return what ``finish`` does, and its JSON."""
        finished = dict(event)
        finished["eventTime"] = format_time(completed_at)
        return self._finish(finished, operation, response, result)

    def build_encoded(
        self,
        request: HttpRequest,
        operation: Operation | None,
        scope: CredentialScope | None,
        caller: CallerIdentity,
        response: HttpResponse,
        completed_at: datetime,
        *,
        parameters: Parameters | None = None,
        result: ObservedResult | None = None,
    ) -> EncodedEvent:
        """Return the complete event of a call of which nothing was stored before it ended, and its JSON: what
        ``begin`` and ``finish`` make of it, without bounding and encoding it in between."""
        event = self._begin(request, operation, scope, caller, completed_at, parameters)
        return self._finish(event, operation, response, result)

    def _finish(
        self,
        event: Event,
        operation: Operation | None,
        response: HttpResponse,
        result: ObservedResult | None,
    ) -> EncodedEvent:
        further: list[Event] = []
        try:
            further = self._describe_result(event, operation, response, result)
        except Exception as error:
            _not_understood(event, operation, error)
        if "requestID" not in event:
            event["requestID"] = self._identifiers.uuid()
        encoded = _encoded(event)
        if not further:
            return encoded
        shared = {"requestID": event["requestID"]}
        encoded.further = tuple([_encoded({**other, **shared}).json for other in further])
        return encoded

    def finish_unknown(self, event: Event, reason: str) -> Event:
        """Return the complete event of a call of which nobody saw the answer; ``reason`` is a short word.

        ``eventTime`` stays the time the call came; there is no requestID.
        """
        return self.finish_unknown_encoded(event, reason).event

    def finish_unknown_encoded(self, event: Event, reason: str) -> EncodedEvent:
        """Return what ``finish_unknown`` does, and its JSON."""
        finished = dict(event)
        add_own_members(finished, outcome=OUTCOME_UNKNOWN, reason=cut_text(reason, MAX_REASON_BYTES))
        return _encoded(finished)

    def gap(
        self,
        *,
        account_id: str,
        region: str,
        started_at: datetime,
        ended_at: datetime,
        count: int | None,
        reason: str,
    ) -> Event:
        """Return the service event that says that calls went unrecorded; ``count`` is None when nobody counted."""
        event = gap_event(account_id, region, started_at, ended_at, count, reason, event_id=self._identifiers.uuid())
        return _encoded(event).event

    def _framed(
        self,
        request: HttpRequest,
        operation: Operation | None,
        plan: OperationPlan | None,
        scope: CredentialScope | None,
        caller: CallerIdentity,
    ) -> Event:
        """What can be said of a call but for its time, id, parameters and result."""
        key = self._frames.key(request, operation, scope, caller) if plan is not None else None
        event = self._frames.recall(key, caller) if key is not None else None
        if event is not None:
            return event
        event = self._frame(request, caller)
        try:
            is_lasting = self._describe_call(event, request, operation, plan, scope, caller)
        except Exception as error:
            _not_understood(event, operation, error)
        else:
            if key is not None and is_lasting:
                self._frames.keep(key, caller, event)
        return event

    def _frame(self, request: HttpRequest, caller: CallerIdentity) -> Event:
        """What can be said of any call, from values that cannot fail."""
        account_id = caller.principal.account_id if caller.principal is not None else ""
        event: Event = {
            "eventVersion": EVENT_VERSION,
            "userIdentity": {"type": "Unknown"},
            "eventTime": "",
            "eventSource": "unknown.amazonaws.com",
            "eventName": UNKNOWN_NAME,
            "awsRegion": self._default_region,
            "sourceIPAddress": cut_text(request.peer, MAX_ADDRESS_BYTES),
            "requestParameters": None,
            "responseElements": None,
            "eventID": "",
            "readOnly": request.method in ("GET", "HEAD", "OPTIONS"),
            "eventType": "AwsApiCall",
            "managementEvent": True,
            "recipientAccountId": account_id or self._default_account_id,
            "eventCategory": "Management",
        }
        if request.is_tls:
            event["tlsDetails"] = {"clientProvidedHostHeader": cut_text(request.host, TEXT_LIMIT_BYTES)}
        return event

    def _describe_call(
        self,
        event: Event,
        request: HttpRequest,
        operation: Operation | None,
        plan: OperationPlan | None,
        scope: CredentialScope | None,
        caller: CallerIdentity,
    ) -> bool:
        """Add what the call says of itself; return whether that stays so for the next one like it."""
        service = plan.service if plan is not None else _signing_name(scope)
        is_s3 = plan.is_s3 if plan is not None else service == "s3"
        event["userIdentity"] = user_identity(caller, is_s3=is_s3)
        region, unknown_region = aws_region(
            service,
            scope.region if scope is not None else "",
            default_region=self._default_region,
            enabled=self._regions(),
        )
        is_admitted = caller.is_verified or self._admits is None or self._admits(region)
        if not is_admitted and scope is not None:
            unknown_region = scope.region
            region, _ = aws_region(service, "", default_region=self._default_region, enabled=())
        event["awsRegion"] = region
        agent = cut_text(request.headers.get("user-agent"), TEXT_LIMIT_BYTES - 2 * is_s3)
        if agent:
            event["userAgent"] = f"[{agent}]" if is_s3 else agent
        if plan is not None:
            _name_call(event, plan)
        else:
            event["eventSource"] = f"{service}.amazonaws.com"
            event["eventName"] = operation.name if operation is not None else UNKNOWN_NAME
        is_claimed = not caller.is_verified and (caller.principal is not None or bool(caller.access_key_id))
        add_own_members(event, identity=CLAIMED if is_claimed else None, signingRegion=unknown_region)
        return is_admitted

    def _describe_parameters(
        self,
        event: Event,
        request: HttpRequest,
        plan: OperationPlan,
        scope: CredentialScope | None,
        parameters: Parameters | None,
    ) -> None:
        if plan.is_s3:
            own = event.pop("additionalEventData", {})
            event["additionalEventData"] = {**s3.request_facts(request, scope), **own}
        try:
            if parameters is None:
                parameters = _parse(event, plan, request)
            rendered = plan.request(request, parameters)
            event["requestParameters"] = rendered if rendered and rendered is not OMIT else None
            _add_resources(event, plan, parameters)
        except Exception as error:
            event["requestParameters"] = None
            _not_understood(event, Operation(plan.service, plan.operation), error)
        if request.body is None and request.body_size_bytes > 0 and not plan.streams_request:
            add_own_members(event, requestBody="omitted")

    def _describe_result(
        self, event: Event, operation: Operation | None, response: HttpResponse, result: ObservedResult | None
    ) -> list[Event]:
        """Add the result to ``event``; return the other events of the call."""
        plan = _plan(operation)
        requested = event.get("requestParameters")
        sent: dict[str, Any] = requested if isinstance(requested, dict) else {}
        outcome = outcome_of(plan, operation, response, result, has_key="key" in sent)
        if outcome.request_id:
            event["requestID"] = cut_text(outcome.request_id, TEXT_LIMIT_BYTES)
        if plan is not None and plan.is_s3:
            is_write = plan.is_data_event and not plan.is_read_only
            s3.add_response_facts(event, response, sent.get("x-amz-server-side-encryption"), is_write=is_write)
        if response.reason:
            add_own_members(event, reason=cut_text(response.reason, MAX_REASON_BYTES))
        if outcome.error_code:
            event["errorCode"] = outcome.error_code
            if outcome.error_message:
                event["errorMessage"] = outcome.error_message
            if outcome.error_code == "NoSuchBucket" and not (plan is not None and plan.is_data_event):
                # Data events keep what they were about: no selector could ask for them otherwise.
                event.pop("resources", None)
            if outcome.error_code == DENIED and plan is not None and event["eventName"] != s3.POST_OBJECT:
                event["eventName"] = denied_event_name(plan.service, plan.operation)
                event.pop("apiVersion", None)
        elif plan is not None:
            self._describe_success(event, plan, response, outcome)
            if plan.is_s3 and plan.operation == "DeleteObjects":
                return deletions(event, outcome.output, self._identifiers.uuid)
        return []

    def _describe_success(self, event: Event, plan: OperationPlan, response: HttpResponse, outcome: Outcome) -> None:
        if plan.is_s3 and plan.is_data_event and not plan.is_read_only:
            event["responseElements"] = s3.response_elements(response)
        if plan.response is not None:
            if response.body is None and response.body_size_bytes > 0 and not outcome.output:
                add_own_members(event, responseBody="omitted")
            else:
                if "requestID" not in event:
                    event["requestID"] = self._identifiers.uuid()
                rendered = plan.response(outcome.output, event["requestID"])
                event["responseElements"] = rendered if rendered and rendered is not OMIT else None
        if plan.resources is not None and plan.resources.in_response is not None:
            found = plan.resources.in_response(outcome.output, _place(event))
            if found:
                kinds = {resource.get("type") for resource in found}
                kept = [old for old in event.get("resources", ()) if old.get("type") not in kinds]
                event["resources"] = kept + found


def _encoded(event: Event) -> EncodedEvent:
    ordered = in_order(event)
    return EncodedEvent(ordered, bound_event(ordered))


def _plan(operation: Operation | None) -> OperationPlan | None:
    if operation is None:
        return None
    try:
        return plan_of(operation)
    except LookupError:
        return None


def _name_call(event: Event, plan: OperationPlan) -> None:
    event["eventSource"] = plan.event_source
    event["eventName"] = plan.event_name
    event["readOnly"] = plan.is_read_only
    if plan.api_version is not None:
        event["apiVersion"] = plan.api_version
    if plan.is_data_event:
        event["managementEvent"] = False
        event["eventCategory"] = "Data"


def _parse(event: Event, plan: OperationPlan, request: HttpRequest) -> Parameters:
    operation = Operation(plan.service, plan.operation)
    try:
        return parse_request(operation, request)
    except MalformedRequest as error:
        add_own_members(event, requestParameters="malformed", malformed=cut_text(error.code, 128))
    try:
        return parse_request(operation, replace(request, body=None))
    except MalformedRequest:
        return {}


def _add_resources(event: Event, plan: OperationPlan, parameters: Parameters) -> None:
    place = _place(event)
    if plan.is_s3:
        found = s3_resources.resources(plan.operation, parameters, place)
        if s3_resources.is_directory_bucket(parameters.get("Bucket")):
            event["eventSource"] = s3_resources.EXPRESS_SOURCE
    elif plan.resources is not None:
        found = plan.resources.in_request(parameters, place)
    else:
        return
    if found:
        event["resources"] = found


def _signing_name(scope: CredentialScope | None) -> str:
    name = scope.signing_name.lower() if scope is not None else ""
    is_plain = 0 < len(name) <= 64 and name.isascii() and name.replace("-", "").isalnum()
    return name if is_plain else "unknown"


def _bounded_path(request: HttpRequest) -> str:
    return cut_text(request.path, TEXT_LIMIT_BYTES)


def _place(event: Event) -> Place:
    region = event["awsRegion"]
    return Place(partition_of(region), region, event["recipientAccountId"])


def _not_understood(event: Event, operation: Operation | None, error: Exception) -> None:
    kind = type(error).__name__
    _log.warning("event incomplete", operation=str(operation), error=kind)
    add_own_members(event, incomplete=kind)
