"""CloudWatch Logs filter patterns: metric filters, subscription filters, FilterLogEvents and TestMetricFilter.

In: a pattern as text. Out: a ``FilterPattern``, which says for a message whether it matches and what its fields are.
The first character chooses the grammar: ``{`` JSON, ``[`` space-delimited, ``%`` a regular expression, else terms.
"""

import json
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

from opentrail.pattern.errors import InvalidFilterPattern
from opentrail.pattern.filter_fields import FieldLayout, parse_field_filter
from opentrail.pattern.filter_json import parse_json_filter
from opentrail.pattern.filter_terms import parse_expression_filter, parse_term_filter
from opentrail.pattern.ir import ALWAYS, Predicate
from opentrail.pattern.matcher import Matcher, compile_predicate

MAX_PATTERN_CHARACTERS = 1024

View = Literal["json", "fields", "text"]


@dataclass(frozen=True, slots=True)
class FilterPattern:
    """A pattern ready to be asked. ``predicate`` is over the view of a message: its JSON object, fields or text."""

    view: View
    predicate: Predicate
    layout: FieldLayout | None = None
    _matcher: Matcher = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_matcher", compile_predicate(self.predicate))

    def match(self, message: str) -> dict[str, str] | None:
        """Return the extracted values (``$name`` -> text, of space-delimited patterns) of a message that matches.

        None: it does not match.
        """
        if self.layout is not None:
            fields = self.layout.cut(message)
            return dict(fields) if fields is not None and self._matcher(self.layout.view(fields)) else None
        if self.view == "text":
            return {} if self._matcher(message) else None
        record = json_object(message)
        return {} if record is not None and self._matcher(record) else None


def parse_filter_pattern(text: str) -> FilterPattern:
    """Return the pattern that ``text`` spells. Raises InvalidFilterPattern with CloudWatch Logs' text."""
    if len(text) > MAX_PATTERN_CHARACTERS:
        raise InvalidFilterPattern(
            f"1 validation error detected: Value '{text}' at 'filterPattern' failed to satisfy constraint: "
            f"Member must have length less than or equal to {MAX_PATTERN_CHARACTERS}"
        )
    pattern = text.strip()
    match pattern[:1]:
        case "":
            return FilterPattern("text", ALWAYS)
        case "{":
            return FilterPattern("json", parse_json_filter(_inside(pattern, "}")))
        case "[":
            layout, predicate = parse_field_filter(_inside(pattern, "]"))
            return FilterPattern("fields", predicate, layout)
        case "%":
            return FilterPattern("text", parse_expression_filter(_inside(pattern, "%")))
    return FilterPattern("text", parse_term_filter(pattern))


def json_object(message: str) -> dict[str, Any] | None:
    """Return the one JSON object that a message is, None when it is anything else."""
    try:
        record = orjson.loads(message)
    except orjson.JSONDecodeError:
        record = _patient_json(message)
    return record if isinstance(record, dict) else None


def _patient_json(message: str) -> Any:
    """Read what orjson refuses: numbers beyond a double, which are JSON and count as infinite."""
    try:
        return json.loads(message, parse_constant=_no_constant, parse_int=_integer)
    except (ValueError, RecursionError):
        return None


def _integer(digits: str) -> int | float:
    """Read an integer; Python reads none of thousands of digits, which is beyond any double."""
    return int(digits) if len(digits) <= _MAX_DIGITS else float(digits)


_MAX_DIGITS = 4_000


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def _inside(pattern: str, closing: str) -> str:
    if len(pattern) < 2 or not pattern.endswith(closing):
        raise InvalidFilterPattern(f"If a filter pattern starts with '{pattern[0]}' it must end with '{closing}'")
    return pattern[1:-1]
