"""Scalars as text: what query strings, form bodies, headers, URIs and XML hold, and back."""

import base64
import binascii
import math
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from botocore.model import Shape

from opentrail.protocol.bounds import MalformedValue
from opentrail.protocol.timestamps import format_timestamp, parse_timestamp

_INTEGER = re.compile(r"[+-]?[0-9]{1,20}")
_FLOATS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def read_text(shape: Shape, text: str) -> Any:
    """Return the value that ``text`` means for a scalar shape. Raises MalformedValue."""
    reader = _READERS.get(shape.type_name)
    if reader is None:
        raise MalformedValue(f"A {shape.type_name} was expected where a text value was found.")
    return reader(text)


def write_text(shape: Shape, value: Any, default_timestamp_format: str) -> str:
    """Return the text of a scalar ``value``; timestamps in the shape's own format, else in the default one."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        moment = format_timestamp(value, shape.serialization.get("timestampFormat", default_timestamp_format))
        return _trim_number(moment) if isinstance(moment, float) else moment
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, float):
        return _special_float(value) or repr(value)
    return str(value)


def read_blob(text: str) -> bytes:
    """Return the bytes of base64 text; line breaks and missing padding are tolerated. Raises MalformedValue."""
    compact = "".join(text.split())
    try:
        return base64.b64decode(compact + "=" * (-len(compact) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedValue("A blob is not valid base64.") from error


def read_float(value: object) -> float:
    """Return a JSON number or the text of a float, among it NaN and the infinities. Raises MalformedValue."""
    if isinstance(value, bool):
        raise MalformedValue("A number was expected where a boolean was found.")
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, str) and len(value) <= 64:
        if value in _FLOATS:
            return _FLOATS[value]
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if math.isfinite(number):
            return number
    raise MalformedValue(f"{_shown(value)} can not be converted to a Float")


def read_timestamp(value: object) -> datetime:
    """Return ``timestamps.parse_timestamp`` of ``value``; raises MalformedValue in place of ValueError."""
    try:
        return parse_timestamp(value)
    except ValueError as error:
        raise MalformedValue(f"{_shown(value)} can not be converted to a Timestamp") from error


def special_or_number(value: float) -> float | str:
    """Return a float as JSON has it: NaN and the infinities as text."""
    return _special_float(value) or value


def _special_float(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return ""


def _trim_number(value: float) -> str:
    return str(int(value)) if value.is_integer() else repr(value)


def _read_integer(text: str) -> int:
    stripped = text.strip()
    if not _INTEGER.fullmatch(stripped):
        raise MalformedValue(f"{_shown(text)} can not be converted to an Integer")
    return int(stripped)


def _read_boolean(text: str) -> bool:
    lowered = text.strip().lower()
    if lowered not in ("true", "false", "1", "0"):
        raise MalformedValue(f"{_shown(text)} can not be converted to a Boolean")
    return lowered in ("true", "1")


def _shown(value: object) -> str:
    text = str(value)
    return repr(text if len(text) <= 64 else text[:64] + "...")


def _same(text: str) -> str:
    return text


_READERS: dict[str, Callable[[str], Any]] = {
    "string": _same,
    "character": _same,
    "integer": _read_integer,
    "long": _read_integer,
    "float": read_float,
    "double": read_float,
    "boolean": _read_boolean,
    "timestamp": read_timestamp,
    "blob": read_blob,
}
