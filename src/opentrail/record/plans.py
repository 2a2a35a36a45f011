"""The rendering plan of an operation: everything about its events that the service model and the tables decide.

A plan is compiled at the operation's first call and kept; there are as many as operations were called, at most as many
as botocore has. Compiling reads the service's model when nobody did before (23-103 ms: preload the busy services).
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from botocore.model import OperationModel, Shape

from opentrail.event.categories import is_data_event, is_read_only
from opentrail.http_message import HttpRequest
from opentrail.protocol import Operation, Parameters
from opentrail.protocol.models import operation_model
from opentrail.record import ec2, s3
from opentrail.record.names import (
    api_version,
    error_names,
    event_name,
    event_source,
    hidden_errors,
    kept_members,
    records_response,
    unwraps_response,
)
from opentrail.record.rendering import OMIT, Render, ShapeRenderer
from opentrail.record.resources import ResourceRules, resource_rules

RenderRequest = Callable[[HttpRequest, Parameters], Any]
RenderResponse = Callable[[Parameters, str], Any]


@dataclass(frozen=True, slots=True)
class OperationPlan:
    """How events of one operation look.

    ``response`` is None when response elements are always null. ``secret_names`` are the lower-case names of the
    input's members that are never recorded, whose values error messages may quote; the messages of ``hidden_errors``
    are never recorded. ``streams_request`` says that the body is no parameter, ``needs_output`` that a success must be
    parsed: for what is recorded of it, or because S3's writes can fail with 200.
    """

    service: str
    operation: str
    event_source: str
    event_name: str
    api_version: str | None
    is_read_only: bool
    is_data_event: bool
    request: RenderRequest
    response: RenderResponse | None
    resources: ResourceRules | None
    error_names: Mapping[str, str]
    secret_names: frozenset[str]
    hidden_errors: frozenset[str]
    streams_request: bool
    is_s3: bool
    needs_output: bool


@cache
def plan_of(operation: Operation) -> OperationPlan:
    """Return the plan of ``operation``. Raises UnknownService or UnknownOperation."""
    model = operation_model(operation)
    service, name = operation.service, operation.name
    reads, data = is_read_only(service, name), is_data_event(service, name)
    request, secret_names = _request(model, service)
    keeps_response = records_response(service, name, is_read_only=reads, is_data_event=data)
    response = _response(model, service) if keeps_response else None
    resources = resource_rules(service, name, _members(model.input_shape), _members(model.output_shape))
    return OperationPlan(
        service=service,
        operation=name,
        event_source=event_source(service),
        event_name=event_name(service, name),
        api_version=api_version(service),
        is_read_only=reads,
        is_data_event=data,
        request=request,
        response=response,
        resources=resources,
        error_names=error_names(model),
        secret_names=secret_names,
        hidden_errors=hidden_errors(model),
        streams_request=bool(model.has_streaming_input or model.has_event_stream_input),
        is_s3=service == "s3",
        needs_output=response is not None
        or (resources is not None and resources.in_response is not None)
        or (service == "s3" and not reads),
    )


def _members(shape: Shape | None) -> Collection[str]:
    return () if shape is None else shape.members


def _request(model: OperationModel, service: str) -> tuple[RenderRequest, frozenset[str]]:
    if service == "s3":
        return s3.request_renderer(model)
    if service == "ec2":
        render, secret_names = ec2.request_renderer(model)
        return (lambda request, parameters: render(parameters)), secret_names
    if model.input_shape is None:
        return (lambda request, parameters: {}), frozenset()
    compiler = ShapeRenderer(service)
    plain = compiler.top_level(model.input_shape, model.name)
    secret_names = frozenset(compiler.secret_names)
    if service == "s3control":
        return (lambda request, parameters: {"Host": request.host, **plain(parameters)}), secret_names
    return (lambda request, parameters: plain(parameters)), secret_names


def _response(model: OperationModel, service: str) -> RenderResponse | None:
    if service == "s3":
        return None
    if service == "ec2":
        return ec2.response_renderer(model)
    if model.output_shape is None or not model.output_shape.members:
        return None
    render = ShapeRenderer(service).top_level(model.output_shape, model.name)
    kept = kept_members(service, model.name)
    if kept is not None:
        return _only(render, kept)
    members = list(model.output_shape.members.values())
    if unwraps_response(service) and len(members) == 1 and members[0].type_name == "structure":
        return lambda output, request_id: _unwrap(render(output))
    return lambda output, request_id: render(output)


def _unwrap(rendered: Any) -> Any:
    return next(iter(rendered.values()), None) if isinstance(rendered, dict) else rendered


def _only(render: Render, kept: Mapping[str, str]) -> RenderResponse:
    def render_kept(output: Parameters, request_id: str) -> Any:
        whole = render({name: value for name, value in output.items() if name in kept})
        if whole is OMIT:
            return None
        names = {name[:1].lower() + name[1:]: kept_name for name, kept_name in kept.items()}
        return {names[name]: value for name, value in whole.items()}

    return render_kept
