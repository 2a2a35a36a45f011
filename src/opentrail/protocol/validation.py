"""Parameters against the model's constraints, with the messages of AWS's own validator.

One message tells every violation: ``2 validation errors detected: Value null at 'name' failed to satisfy constraint:
Member must not be null; Value '0' at 'maxResults' failed to satisfy constraint: Member must have value greater than or
equal to 1``. Members are named from the root, each with a lower-case first letter, list items as ``.N.member`` and map
values as ``.key.member``.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from botocore.model import Shape

from opentrail.protocol import Operation, Parameters
from opentrail.protocol.models import operation_model
from opentrail.protocol.patterns import compile_pattern

MAX_VIOLATIONS = 10
"""Violations told in one message; a hostile list could hold thousands."""
MAX_SHOWN_CHARACTERS = 256
"""A longer value is cut in the message."""
MAX_PATTERN_CHARACTERS = 4096
"""Longer texts are not matched against patterns: some of the models' patterns backtrack."""

_CONSTRAINT = "failed to satisfy constraint: "


class ValidationError(Exception):
    """The parameters break the model's constraints; the text is AWS's. Services answer ``ValidationException`` or,
    in the query protocol, ``ValidationError``."""


def validate(operation: Operation, parameters: Parameters) -> None:
    """Return when ``parameters`` satisfy the input's constraints: required, length, range, pattern, enum.

    Patterns must match the whole text, as the services have it; one that ``patterns`` cannot say is not checked.
    Sensitive values are not shown. Raises ValidationError, UnknownService, UnknownOperation.
    """
    shape = operation_model(operation).input_shape
    if shape is None:
        return
    violations: list[str] = []
    for violation in _violations(shape, parameters, ""):
        violations.append(violation)
        if len(violations) == MAX_VIOLATIONS:
            break
    if violations:
        plural = "error" if len(violations) == 1 else "errors"
        raise ValidationError(f"{len(violations)} validation {plural} detected: {'; '.join(violations)}")


def _violations(shape: Shape, value: Any, path: str) -> Iterator[str]:
    match shape.type_name:
        case "structure":
            if not shape.is_document_type:
                yield from _structure_violations(shape, value, path)
        case "list":
            yield from _size_violations(shape, value, path)
            yield from _item_violations(shape.member, value, path)
        case "map":
            yield from _size_violations(shape, value, path)
            yield from _map_violations(shape, value, path)
        case _:
            constraints = _broken_constraints(shape, value)
            if constraints:
                shown = _shown(shape, value)
                yield from (f"{shown} at '{path}' {_CONSTRAINT}{constraint}" for constraint in constraints)


def _structure_violations(shape: Shape, value: dict[str, Any], path: str) -> Iterator[str]:
    for name in shape.required_members:
        if name not in value:
            yield f"Value null at '{_join(path, name)}' {_CONSTRAINT}Member must not be null"
    members = shape.members
    for name, item in value.items():
        if name in members:
            yield from _violations(members[name], item, _join(path, name))


def _item_violations(member: Shape, value: list[Any], path: str) -> Iterator[str]:
    """Scalars are told together as one constraint on the list, containers each under their own number."""
    if member.type_name in ("structure", "list", "map"):
        for number, item in enumerate(value, 1):
            yield from _violations(member, item, f"{path}.{number}.member")
        return
    for item in value:
        if _broken_constraints(member, item):
            told = ", ".join(_scalar_constraints(member))
            yield f"{_shown(member, value)} at '{path}' {_CONSTRAINT}Member must satisfy constraint: [{told}]"
            return


def _map_violations(shape: Shape, value: dict[str, Any], path: str) -> Iterator[str]:
    for key in value:
        if _broken_constraints(shape.key, key):
            told = ", ".join(_scalar_constraints(shape.key))
            yield f"{_shown(shape, value)} at '{path}' {_CONSTRAINT}Map keys must satisfy constraint: [{told}]"
            break
    if shape.value.type_name in ("structure", "list", "map"):
        for key, item in value.items():
            yield from _violations(shape.value, item, f"{path}.{key}.member")
        return
    for item in value.values():
        if _broken_constraints(shape.value, item):
            told = ", ".join(_scalar_constraints(shape.value))
            yield f"{_shown(shape, value)} at '{path}' {_CONSTRAINT}Map value must satisfy constraint: [{told}]"
            return


def _size_violations(shape: Shape, value: Any, path: str) -> Iterator[str]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and len(value) < low:
        yield f"{_shown(shape, value)} at '{path}' {_CONSTRAINT}{_length_text('greater', low)}"
    if high is not None and len(value) > high:
        yield f"{_shown(shape, value)} at '{path}' {_CONSTRAINT}{_length_text('less', high)}"


def _broken_constraints(shape: Shape, value: Any) -> list[str]:
    metadata = shape.metadata
    if not metadata:
        return []
    low, high = metadata.get("min"), metadata.get("max")
    broken = []
    if isinstance(value, str | bytes):
        if high is not None and len(value) > high:
            broken.append(_length_text("less", high))
        if low is not None and len(value) < low:
            broken.append(_length_text("greater", low))
        broken += _broken_text_constraints(metadata, value)
    elif isinstance(value, int | float) and not isinstance(value, bool | datetime):
        if high is not None and value > high:
            broken.append(_value_text("less", high))
        if low is not None and value < low:
            broken.append(_value_text("greater", low))
    return broken


def _broken_text_constraints(metadata: dict[str, Any], value: str | bytes) -> list[str]:
    if isinstance(value, bytes):
        return []
    broken = []
    pattern, enum = metadata.get("pattern"), metadata.get("enum")
    if pattern and len(value) <= MAX_PATTERN_CHARACTERS:
        compiled = compile_pattern(pattern)
        if compiled is not None and compiled.fullmatch(value) is None:
            broken.append(_pattern_text(pattern))
    if enum and value not in enum:
        broken.append(_enum_text(enum))
    return broken


def _scalar_constraints(shape: Shape) -> list[str]:
    metadata = shape.metadata
    low, high = metadata.get("min"), metadata.get("max")
    text = _length_text if shape.type_name in ("string", "blob") else _value_text
    told = []
    if high is not None:
        told.append(text("less", high))
    if low is not None:
        told.append(text("greater", low))
    if metadata.get("pattern"):
        told.append(_pattern_text(metadata["pattern"]))
    if metadata.get("enum"):
        told.append(_enum_text(metadata["enum"]))
    return told


def _length_text(side: str, bound: int) -> str:
    return f"Member must have length {side} than or equal to {bound}"


def _value_text(side: str, bound: float) -> str:
    return f"Member must have value {side} than or equal to {bound}"


def _pattern_text(pattern: str) -> str:
    return f"Member must satisfy regular expression pattern: {pattern}"


def _enum_text(enum: list[str]) -> str:
    return f"Member must satisfy enum value set: [{', '.join(enum)}]"


def _join(path: str, name: str) -> str:
    lowered = name[:1].lower() + name[1:]
    return f"{path}.{lowered}" if path else lowered


def _shown(shape: Shape, value: Any) -> str:
    if shape.metadata.get("sensitive"):
        return "Value"
    text = _text(value)
    if len(text) > MAX_SHOWN_CHARACTERS:
        text = text[:MAX_SHOWN_CHARACTERS] + "..."
    return f"Value '{text}'"


def _text(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_text(item) for item in value[:MAX_SHOWN_CHARACTERS])}]"
    if isinstance(value, dict):
        shown = list(value.items())[:MAX_SHOWN_CHARACTERS]
        return "{" + ", ".join(f"{key}={_text(item)}" for key, item in shown) + "}"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return "java.nio.HeapByteBuffer"
    return str(value)
