"""EC2's two forms of events.

Older operations have lowerCamel names and wrap every list: ``instancesSet: {"items": [{"instanceId": ...}]}``; newer
ones put their whole query under ``<Operation>Request`` and their whole answer under ``<Operation>Response``. The model
tells them apart: older operations spell their DryRun member ``dryRun`` on the wire. Names that no rule gives are in
``data/ec2.json``.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from botocore.model import OperationModel, Shape

from opentrail.event.tables import load_table
from opentrail.record.rendering import OMIT, Render, ShapeRenderer, lower_first, scalar
from opentrail.record.xml_rendering import NumberedXmlRenderer, XmlRenderer

NAMESPACE = "http://ec2.amazonaws.com/doc/2016-11-15/"

RenderRequest = Callable[[Any], Any]
RenderResponse = Callable[[Any, str], Any]


def request_renderer(model: OperationModel) -> tuple[RenderRequest, frozenset[str]]:
    """Return the renderer of the operation's input and the names of its secret members."""
    if model.input_shape is None:
        return (lambda parameters: {}), frozenset()
    if is_newer(model):
        compiler: ShapeRenderer = NumberedXmlRenderer("ec2")
        render = compiler.top_level(model.input_shape, model.name)
        return (lambda parameters: {f"{model.name}Request": render(parameters)}), frozenset(compiler.secret_names)
    compiler = OlderRequestRenderer()
    return compiler.top_level(model.input_shape, model.name), frozenset(compiler.secret_names)


def response_renderer(model: OperationModel) -> RenderResponse:
    """Return the renderer of the operation's output, given the request id."""
    if is_newer(model):
        return _newer_response(model)
    render = OlderResponseRenderer().top_level(model.output_shape, model.name) if model.output_shape else None

    def older(output: Any, request_id: str) -> Any:
        rendered = render(output) if render else {}
        if not rendered:
            rendered = {"_return": True}
        return {"requestId": request_id, **rendered}

    return older


def is_newer(model: OperationModel) -> bool:
    """Say whether the operation's events have the ``<Operation>Request`` form."""
    if model.input_shape is None or model.name in _table()["older_operations"]:
        return False
    dry_run = model.input_shape.members.get("DryRun")
    return dry_run is None or dry_run.serialization.get("name") != "dryRun"


class OlderRenderer(ShapeRenderer):
    """What older inputs and outputs share: it knows the operation or structure whose members are being named."""

    section = ""

    def __init__(self) -> None:
        super().__init__("ec2")
        self.parent = ""

    def _structure(self, shape: Shape, operation: str) -> Render:
        outer, self.parent = self.parent, operation or shape.name
        try:
            return self._named_structure(shape, operation)
        finally:
            self.parent = outer

    def _named_structure(self, shape: Shape, operation: str) -> Render:
        return super()._structure(shape, operation)

    def member_name(self, name: str, shape: Shape) -> str:
        own_name = _table()[self.section]["members"].get(self.parent, {}).get(name)
        return str(own_name or lower_first(str(shape.serialization.get("name") or name)))

    def member(self, name: str, shape: Shape, operation: str = "") -> Render:
        render = super().member(name, shape, operation)
        if name in _table()[self.section]["texts"].get(self.parent, ()):
            return lambda value: str(render(value))
        return render


class OlderRequestRenderer(OlderRenderer):
    """Compiles one older operation's input."""

    section = "requests"

    def _named_structure(self, shape: Shape, operation: str) -> Render:
        render = super()._named_structure(shape, operation)
        empty = list(_table()["always"].get(self.parent, ()))
        if operation.startswith("Describe"):
            sent_only = _table()["sent_only"].get(operation, ())
            names = (self.member_name(n, m) for n, m in shape.members.items() if m.type_name == "list")
            empty += [name for name in names if name not in sent_only]
        launched = _table()["instances"] if operation == "RunInstances" else ()

        def with_empty_sets(value: Any) -> Any:
            rendered = render(value)
            if isinstance(rendered, dict):
                for name in empty:
                    rendered.setdefault(name, {})
                return _group_instances(rendered, launched) if launched else rendered
            return rendered

        return with_empty_sets if empty or launched else render

    def member_name(self, name: str, shape: Shape) -> str:
        return self._set_names(name, shape)[0] if shape.type_name == "list" else super().member_name(name, shape)

    def member(self, name: str, shape: Shape, operation: str = "") -> Render:
        render = super().member(name, shape, operation)
        if shape.type_name != "list":
            return render
        item_name = self._set_names(name, shape)[1]
        return lambda value: _items(render(value), item_name)

    def _set_names(self, name: str, shape: Shape) -> tuple[str, str]:
        sets = _table()["requests"]["sets"]
        known = sets.get(self.parent, {}).get(name) or sets["*"].get(name)
        if known is not None:
            return known[0], known[1]
        wire_name = lower_first(str(shape.serialization.get("name") or name))
        item_name = wire_name.removesuffix("s")
        return (wire_name if wire_name.endswith("Set") else f"{item_name}Set"), item_name


class OlderResponseRenderer(OlderRenderer):
    """Compiles outputs of older operations: wire names, lists under ``items``, times as epoch milliseconds."""

    section = "responses"

    def member_name(self, name: str, shape: Shape) -> str:
        return "_return" if name == "Return" else super().member_name(name, shape)

    def member(self, name: str, shape: Shape, operation: str = "") -> Render:
        render = super().member(name, shape, operation)
        if shape.type_name != "list":
            return render
        if name in _table()["responses"]["bare_lists"]:
            return lambda value: {"item": render(value)}
        return lambda value: _items(render(value), "item")

    def _time(self, value: Any) -> Any:
        return int(value.timestamp() * 1000) if isinstance(value, datetime) else scalar(value)


def _newer_response(model: OperationModel) -> RenderResponse:
    compiler = _NewerResponseRenderer("ec2")
    render = compiler.top_level(model.output_shape, model.name) if model.output_shape else None

    def newer(output: Any, request_id: str) -> Any:
        rendered = (render(output) if render else None) or {}
        return {f"{model.name}Response": {"xmlns": NAMESPACE, "requestId": request_id, **rendered}}

    return newer


class _NewerResponseRenderer(XmlRenderer):
    """Compiles outputs of newer operations: every list is wrapped, its elements are ``item``."""

    def _list(self, shape: Shape) -> Render:
        item = self._item(shape.member)

        def render_list(value: Any) -> Any:
            if not isinstance(value, list | tuple):
                return OMIT
            items = [content for content in map(item, value) if content is not OMIT]
            return {"item": items[0] if len(items) == 1 else items} if items else ""

        return render_list


def _items(rendered: Any, item_name: str) -> Any:
    if not isinstance(rendered, list):
        return rendered
    if not rendered:
        return {}
    if item_name == "":
        return rendered
    return {"items": [item if isinstance(item, dict) else {item_name: item} for item in rendered]}


def _group_instances(rendered: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    launched = {name: rendered.pop(name) for name in names if name in rendered}
    return {"instancesSet": {"items": [launched]} if launched else {}, **rendered}


@cache
def _table() -> dict[str, Any]:
    return load_table(Path(__file__).parent / "data", "ec2")
