"""Calls with parameters or outputs drawn at random from the models, for round trips."""

from datetime import UTC, datetime
from functools import cache
from typing import Any

from botocore.model import OperationModel
from hypothesis import strategies as st

from opentrail.protocol import models

SERVICES = ("cloudtrail", "sts", "iam", "ec2", "dynamodb", "lambda", "s3", "route53", "sns", "logs", "cloudwatch")

TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"), max_size=12
)
# Not "." or "..": as a whole label of a URI they are path segments that SigV4 resolves.
WORD = st.from_regex(r"[A-Za-z0-9_-][A-Za-z0-9_.:/+ -]{0,10}[A-Za-z0-9]", fullmatch=True)
MOMENT = st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1)).map(lambda t: t.replace(microsecond=0, tzinfo=UTC))


def a_value(draw: st.DrawFn, shape: Any, depth: int, *, is_form: bool) -> Any:
    """Draw a value of ``shape``. A form (and a flattened XML list) cannot say that a container is there and empty."""
    least = 1 if is_form else 0
    match shape.type_name:
        case "structure":
            if shape.is_document_type:
                return {"free": [1, "text", {"nested": True}]}
            return draw_members(draw, shape, depth, is_form=is_form)
        case "list":
            items = [
                a_value(draw, shape.member, depth + 1, is_form=is_form) for _ in range(draw(st.integers(least, 2)))
            ]
            return [item for item in items if not is_form or item not in ({}, [])]
        case "map":
            keys = draw(st.sets(WORD, min_size=least, max_size=2))
            values = {key: a_value(draw, shape.value, depth + 1, is_form=is_form) for key in sorted(keys)}
            return {key: value for key, value in values.items() if not is_form or value not in ({}, [])}
        case "integer" | "long":
            return draw(st.integers(-(2**31), 2**31 - 1))
        case "float" | "double":
            return draw(st.floats(allow_nan=False, allow_infinity=False, width=32))
        case "boolean":
            return draw(st.booleans())
        case "timestamp":
            return draw(MOMENT)
        case "blob":
            return draw(st.binary(min_size=1, max_size=12))
        case _:
            if shape.metadata.get("enum"):
                return draw(st.sampled_from(shape.enum))
            in_line = shape.serialization.get("location") in ("uri", "header", "headers", "querystring")
            return draw(WORD if in_line or shape.serialization.get("xmlAttribute") else TEXT)


def draw_members(draw: st.DrawFn, shape: Any, depth: int, *, is_form: bool) -> dict[str, Any]:
    if shape.is_tagged_union:
        name = draw(st.sampled_from(sorted(shape.members)))
        value = a_value(draw, shape.members[name], depth + 1, is_form=is_form)
        return {} if is_form and value in ({}, []) else {name: value}
    if depth > 6:
        return {}
    result: dict[str, Any] = {}
    for name, member in shape.members.items():
        location = member.serialization.get("location")
        if member.serialization.get("eventstream") or (location and member.type_name in ("list", "map")):
            continue
        if location == "statusCode":
            result[name] = 200
            continue
        if member.serialization.get("hostLabel"):
            result[name] = "label"
        elif location == "uri" or draw(st.integers(0, 3 + depth)) == 0:
            value = a_value(draw, member, depth + 1, is_form=is_form)
            if not (is_form and value in ({}, [])):
                result[name] = value
    return result


@cache
def current_operations(service: str) -> list[str]:
    model = models.service_model(service)
    return [name for name in model.operation_names if not model.operation_model(name).deprecated]


@st.composite
def calls(draw: st.DrawFn, side: str) -> tuple[OperationModel, dict[str, Any]]:
    """Draw an operation that is not deprecated, and values for its ``input`` or ``output``."""
    model = models.service_model(draw(st.sampled_from(SERVICES)))
    operation = model.operation_model(draw(st.sampled_from(current_operations(model.service_name))))
    is_form = model.metadata["protocol"] in ("query", "ec2", "rest-xml")
    shape = operation.input_shape if side == "input" else operation.output_shape
    return operation, draw_members(draw, shape, 0, is_form=is_form) if shape is not None else {}
