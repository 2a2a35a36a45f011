"""``opentrail match --cases``: rules and events line by line, each answered in its place, whatever the line holds.

In: a file of NDJSON, one case a line: ``id``, ``pattern``, ``event``. Out: one line of JSON for each, in order.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

import orjson

from opentrail.pattern.errors import InvalidPattern
from opentrail.pattern.languages import InvalidEvent, Language, read_rule

MAX_CASE_BYTES = 4 << 20
"""One line of a cases file."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_MISSING: Any = object()


class _Case(NamedTuple):
    """What a line gives; a rule and an event are texts or JSON values, ``_MISSING`` when the line has none."""

    id: Any
    pattern: Any
    event: Any


class _NoCase(ValueError):
    """A line holds no case; the message says why."""


def answer_cases(language: Language, lines: BinaryIO) -> Iterator[bytes]:
    """Yield the answer to each case, a line of JSON; blank lines are none."""
    for line in _bounded_lines(lines):
        if line is None:
            yield _line(None, valid=False, error=f"the case is longer than {MAX_CASE_BYTES} bytes")
        elif line.strip():
            yield _answer(language, line)


def _bounded_lines(lines: BinaryIO) -> Iterator[bytes | None]:
    """Yield the lines, None for one that is longer than MAX_CASE_BYTES."""
    start = lines.readline(MAX_CASE_BYTES + 1).removeprefix(_BYTE_ORDER_MARK)
    while start:
        is_long = len(start) > MAX_CASE_BYTES
        rest = start
        while is_long and rest and not rest.endswith(b"\n"):
            rest = lines.readline(MAX_CASE_BYTES)
        yield None if is_long else start
        start = lines.readline(MAX_CASE_BYTES + 1)


def _answer(language: Language, line: bytes) -> bytes:
    try:
        case = _read_case(line)
    except _NoCase as error:
        return _line(None, valid=False, error=str(error))
    if case.pattern is _MISSING:
        return _line(case.id, valid=False, error="the case has no pattern")
    try:
        rule = read_rule(language, case.pattern)
    except InvalidPattern as error:
        return _line(case.id, valid=False, error=str(error))
    if case.event is _MISSING:
        return _line(case.id, valid=True)
    try:
        return _line(case.id, valid=True, match=rule.matches(case.event))
    except InvalidEvent as error:
        return _line(case.id, valid=True, error=str(error))


def _line(case_id: Any, *, valid: bool, match: bool | None = None, error: str | None = None) -> bytes:
    return orjson.dumps({"id": case_id, "valid": valid, "match": match, "error": error}) + b"\n"


def _read_case(line: bytes) -> _Case:
    try:
        case = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        case = _patient_case(line)
        if case is None:
            raise _NoCase(f"the case is no JSON: {error}") from error
        return case
    if not isinstance(case, dict):
        raise _NoCase("the case is no object")
    return _Case(case.get("id"), case.get("pattern", _MISSING), case.get("event", _MISSING))


_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}:,]|[^\s"\[\]{}:,]+')
_OPENING, _CLOSING = frozenset("[{"), frozenset("]}")


def _patient_case(line: bytes) -> _Case | None:
    """Read a case whose values hold what orjson refuses: numbers beyond a double, half characters, great depth.

    The values are taken as the texts they are written as, for the language to judge. None for what is no object.
    """
    members = _spans(line.decode(errors="replace"))
    if members is None:
        return None
    case_id = members.get("id", "null")
    try:
        json.loads(case_id)
    except (ValueError, RecursionError):
        case_id = "null"
    return _Case(
        orjson.Fragment(case_id.encode(errors="replace")), _value(members, "pattern"), _value(members, "event")
    )


def _value(members: dict[str, str], name: str) -> Any:
    text = members.get(name, _MISSING)
    if not isinstance(text, str) or not text.startswith('"'):
        return text
    try:
        given = str(json.loads(text, strict=False))
    except ValueError as error:
        raise _NoCase(f"the case is no JSON: {error}") from error
    # Half a character stands for none: no text that AWS is handed holds one.
    return given.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _spans(text: str) -> dict[str, str] | None:
    """Return the text of each member's value of the object that ``text`` is, None when its brackets do not match."""
    found: dict[str, str] = {}
    expected: list[str] = []
    name, start, is_name = "", 0, True
    for token in _TOKEN.finditer(text):
        sign = token[0]
        if sign in _CLOSING or (sign == "," and len(expected) == 1):
            if len(expected) == 1 and start:
                found[name] = text[start : token.start()].strip()
                start, is_name = 0, True
            if sign in _CLOSING and (not expected or expected.pop() != sign):
                return None
        elif len(expected) == 1 and is_name:
            if not sign.startswith('"'):
                return None
            name, is_name = _name(sign), False
        elif sign == ":" and len(expected) == 1 and not start:
            start = token.end()
        if sign in _OPENING:
            expected.append("]" if sign == "[" else "}")
        if not expected:
            is_whole = sign == "}" and not text[token.end() :].strip()
            return found if is_whole else None
    return None


def _name(text: str) -> str:
    try:
        return str(json.loads(text))
    except ValueError:
        return text
