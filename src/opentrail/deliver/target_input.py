"""What a target is given of an event: the event itself, a constant, a part of it, or a template filled from it.

In: a target in wire form and an event. Out: the text that is sent. Rules: docs/rules.md, section Input.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

MAX_PATH_CHARACTERS = 256
MAX_TEMPLATE_CHARACTERS = 8192
MAX_INPUT_CHARACTERS = 8192
MAX_PATHS = 100
MAX_OUTPUT_BYTES = 1024 * 1024
"""Of what a template makes: variables may repeat, so a small template can ask for much."""

_VARIABLE = re.compile(r"<([A-Za-z0-9_.\-]+)>")
_NAME = re.compile(r"[A-Za-z0-9_\-]+")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d{1,9})\]|\['([^']+)'\]")
_PREDEFINED = frozenset(
    {
        "aws.events.rule-arn",
        "aws.events.rule-name",
        "aws.events.event.ingestion-time",
        "aws.events.event",
        "aws.events.event.json",
    }
)
_ABSENT: Any = object()


class InvalidInput(ValueError):
    """A path or a template cannot be read, or makes nothing that may be sent of an event."""


class InvalidPlaceholder(InvalidInput):
    """A template names a variable that nothing gives a value to."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


@dataclass(frozen=True, slots=True)
class Occasion:
    """What of an invocation, beside its event, a template may name."""

    rule_arn: str
    rule_name: str
    ingested_at: str


def check_input(target: Mapping[str, Any]) -> None:
    """Raise InvalidInput unless the target's Input, InputPath or InputTransformer can be carried out."""
    if "Input" in target:
        _check_json(target["Input"])
    if "InputPath" in target:
        _steps(target["InputPath"])
    transformer = target.get("InputTransformer")
    if transformer is not None:
        paths = transformer.get("InputPathsMap", {})
        for name, path in paths.items():
            if not _NAME.fullmatch(name) or name.lower().startswith("aws."):
                raise InvalidInput(f"InputPathsMap has an invalid name: {name}")
            _steps(path)
        for name in _VARIABLE.findall(transformer["InputTemplate"]):
            if name not in paths and name not in _PREDEFINED:
                raise InvalidPlaceholder(name)


def shape(target: Mapping[str, Any], event: bytes, occasion: Occasion) -> str:
    """Return the text that ``target`` is sent for ``event`` (JSON). Raises InvalidInput."""
    if "Input" in target:
        return str(target["Input"])
    if "InputPath" in target:
        found = _find(_steps(target["InputPath"]), orjson.loads(event))
        return "" if found is _ABSENT else _json(found)
    if "InputTransformer" in target:
        return _transform(target["InputTransformer"], orjson.loads(event), occasion)
    return event.decode()


def text_at(path: str, event: bytes) -> str:
    """Return what ``path`` leads to in an event as text (JSON for all but texts), "" for nothing.

    Raises InvalidInput.
    """
    found = _find(_steps(path), orjson.loads(event))
    if found is _ABSENT:
        return ""
    return found if isinstance(found, str) else _json(found)


def _transform(transformer: Mapping[str, Any], event: Mapping[str, Any], occasion: Occasion) -> str:
    paths = transformer.get("InputPathsMap", {})
    values = {name: _find(_steps(path), event) for name, path in paths.items()} | _predefined(event, occasion)
    template = transformer["InputTemplate"]
    if template.lstrip().startswith('"'):
        made = _fill(template, lambda name, _: _plain(values[name]))
    else:
        made = _fill(template, lambda name, in_quotes: _placed(values[name], in_quotes=in_quotes))
        _check_json(made)
    if len(made) > MAX_OUTPUT_BYTES:
        raise InvalidInput("the template makes more than may be sent")
    return made


def _fill(template: str, value_of: Callable[[str, bool], str]) -> str:
    """Replace each variable by its value; ``value_of`` is told whether it stands inside a quoted JSON string."""
    parts: list[str] = []
    at, in_quotes, size = 0, False, 0
    for found in _VARIABLE.finditer(template):
        between = template[at : found.start()]
        in_quotes ^= _ends_in_quotes(between)
        value = value_of(found[1], in_quotes)
        size += len(between) + len(value)
        if size > MAX_OUTPUT_BYTES:
            raise InvalidInput("the template makes more than may be sent")
        parts += (between, value)
        at = found.end()
    return "".join([*parts, template[at:]])


def _ends_in_quotes(text: str) -> bool:
    """Say whether ``text`` has an odd number of quotes that no backslash escapes."""
    return len(re.findall(r'"', re.sub(r"\\.", "", text))) % 2 == 1


def _placed(value: Any, *, in_quotes: bool) -> str:
    """Return a value for a JSON template: whole where it stands alone, as text inside a quoted string."""
    if not in_quotes:
        return '""' if value is _ABSENT else _json(value)
    if value is _ABSENT:
        return ""
    if isinstance(value, list):
        raise InvalidInput("a list cannot stand inside a quoted string")
    text = value if isinstance(value, str) else _json(value)
    return _json(text)[1:-1]


def _plain(value: Any) -> str:
    """Return a value for a string template, objects and lists with their quotes removed."""
    if value is _ABSENT:
        return ""
    if isinstance(value, str):
        return _json(value)[1:-1]
    return _json(value).replace('"', "")


def _predefined(event: Mapping[str, Any], occasion: Occasion) -> dict[str, Any]:
    described = {
        "detailType" if name == "detail-type" else name: value for name, value in event.items() if name != "detail"
    }
    return {
        "aws.events.rule-arn": occasion.rule_arn,
        "aws.events.rule-name": occasion.rule_name,
        "aws.events.event.ingestion-time": occasion.ingested_at,
        "aws.events.event": described,
        "aws.events.event.json": dict(event),
    }


def _steps(path: str) -> list[str | int]:
    """Read ``$.a.b[0]``; raises InvalidInput."""
    if not path.startswith("$"):
        raise InvalidInput(f"Invalid path: {path}")
    steps: list[str | int] = []
    at = 1
    while at < len(path):
        found = _STEP.match(path, at)
        if found is None:
            raise InvalidInput(f"Invalid path: {path}")
        steps.append(int(found[2]) if found[2] is not None else found[1] or found[3])
        at = found.end()
    return steps


def _find(steps: list[str | int], value: Any) -> Any:
    for step in steps:
        if isinstance(step, int):
            if not isinstance(value, list) or step >= len(value):
                return _ABSENT
            value = value[step]
        elif not isinstance(value, dict) or step not in value:
            return _ABSENT
        else:
            value = value[step]
    return value


def _check_json(text: str) -> None:
    try:
        orjson.loads(text)
    except ValueError as error:
        raise InvalidInput("the input is not valid JSON") from error


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
