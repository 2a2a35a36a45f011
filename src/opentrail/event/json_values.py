"""Values that any JSON encoder takes: what came over the wire, made harmless.

In: anything a parser may return. Out: dict, list, str, bool, None, finite float and integers of at most 64 bits.
"""

import math
from datetime import datetime
from typing import Any

from opentrail.event.times import format_java_time

MAX_DEPTH = 64
"""Containers nested deeper than this are replaced by a note; no AWS operation's parameters come near it."""

MAX_INTEGER_BITS = 4096
"""Longer integers are described, not printed (printing takes quadratic time)."""

TOO_DEEP = "(nested too deeply)"


def json_safe(value: Any, depth: int = 0) -> Any:
    """Return ``value`` as JSON can hold it. Never raises.

    Lone surrogates become question marks, integers beyond 64 bits and NaN become text, bytes become a note of their
    length, times take CloudTrail's form. Equal keys after cleaning: the last one wins.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return safe_text(value)
    if isinstance(value, int):
        return _safe_integer(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, dict | list | tuple):
        return _safe_container(value, depth)
    if isinstance(value, datetime):
        return format_java_time(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return f"({len(value)} bytes)"
    return f"({type(value).__name__})"


def safe_text(text: str) -> str:
    """Return ``text`` with lone surrogates replaced, so that it encodes as UTF-8."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


def cut_text(text: str, limit_bytes: int) -> str:
    """Return the longest prefix of ``text`` that is at most ``limit_bytes`` long in UTF-8, whole characters only."""
    if len(text) <= limit_bytes and text.isascii():
        return text
    text = safe_text(text[:limit_bytes])
    encoded = text.encode()
    if len(encoded) <= limit_bytes:
        return text
    return encoded[:limit_bytes].decode("utf-8", "ignore")


def _safe_container(value: Any, depth: int) -> Any:
    if depth >= MAX_DEPTH:
        return TOO_DEEP
    if isinstance(value, dict):
        return {safe_text(str(key)): json_safe(item, depth + 1) for key, item in value.items()}
    return [json_safe(item, depth + 1) for item in value]


def _safe_integer(value: int) -> int | str:
    if -(1 << 63) <= value < (1 << 64):
        return value
    if value.bit_length() > MAX_INTEGER_BITS:
        return f"(integer of {value.bit_length()} bits)"
    return str(value)
