"""Every pattern language behind one door: read a rule, ask it about an event, learn which condition failed.

The test operations of the API, ``opentrail match`` and replays answer by this code. An event is JSON text or a value;
each language makes its own view of it (an envelope, a message, a message with attributes, a record).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import orjson

from opentrail.pattern.errors import InvalidEventPattern, InvalidFilterPolicy, InvalidPattern, InvalidSelector
from opentrail.pattern.event_pattern import parse_event_pattern
from opentrail.pattern.explanation import failures
from opentrail.pattern.filter_pattern import FilterPattern, json_object, parse_filter_pattern
from opentrail.pattern.filter_policy import Attribute, message_view, parse_filter_policy
from opentrail.pattern.ir import Predicate
from opentrail.pattern.matcher import compile_predicate
from opentrail.pattern.selectors import (
    check_advanced_event_selectors,
    check_event_selectors,
    compile_advanced_event_selectors,
    compile_event_selectors,
)

Language = Literal["event-pattern", "filter-pattern", "selector", "filter-policy", "sigma"]
LANGUAGES: tuple[Language, ...] = get_args(Language)


class InvalidEvent(ValueError):
    """What was given as an event is none for this language; the message says why."""


@dataclass(frozen=True)
class Rule:
    """A rule that was read: its predicate over the view that ``view`` makes of an event."""

    predicate: Predicate
    view: Callable[[Any], Any]

    def __post_init__(self) -> None:
        object.__setattr__(self, "_matcher", compile_predicate(self.predicate))

    def matches(self, event: Any) -> bool:
        """Say whether the rule picks ``event`` (JSON text or a value). Raises InvalidEvent."""
        view = self.view(event)
        return view is not _NO_VIEW and bool(self._matcher(view))  # type: ignore[attr-defined]

    def explain(self, event: Any) -> list[str]:
        """Return a line for each condition that keeps ``event`` from matching, none when it matches."""
        view = self.view(event)
        return ["the event has no fields this rule can ask for"] if view is _NO_VIEW else failures(self.predicate, view)


_NO_VIEW: Any = object()


def read_rule(language: Language, pattern: Any) -> Rule:
    """Read a rule given as text, or as the JSON value that the text is. Raises InvalidPattern."""
    return _READERS[language](pattern)


def _event_pattern(pattern: Any) -> Rule:
    return Rule(parse_event_pattern(_json_text(pattern)), _record)


def _filter_pattern(pattern: Any) -> Rule:
    if not isinstance(pattern, str):
        raise InvalidPattern("A filter pattern is a text")
    read = parse_filter_pattern(pattern)
    return Rule(read.predicate, _message_view(read))


def _message_view(pattern: FilterPattern) -> Callable[[Any], Any]:
    def view(event: Any) -> Any:
        if pattern.view == "json" and isinstance(event, dict):
            return event
        message = event if isinstance(event, str) else orjson.dumps(event).decode()
        if pattern.layout is not None:
            fields = pattern.layout.cut(message)
            return _NO_VIEW if fields is None else pattern.layout.view(fields)
        if pattern.view == "text":
            return message
        record = json_object(message)
        return _NO_VIEW if record is None else record

    return view


def _selector(pattern: Any) -> Rule:
    """One selector or a list, basic or advanced, or the object that PutEventSelectors takes."""
    given = _parsed(pattern, InvalidSelector)
    if isinstance(given, dict) and ("AdvancedEventSelectors" in given or "EventSelectors" in given):
        given = given.get("AdvancedEventSelectors") or given.get("EventSelectors")
    selectors = given if isinstance(given, list) else [given]
    if not selectors or not all(isinstance(selector, dict) for selector in selectors):
        raise InvalidSelector("Event selectors are objects")
    is_advanced = any("FieldSelectors" in selector for selector in selectors)
    try:
        if is_advanced:
            check_advanced_event_selectors(selectors)
            return Rule(compile_advanced_event_selectors(selectors), _record)
        check_event_selectors(selectors)
        return Rule(compile_event_selectors(selectors), _record)
    except (TypeError, KeyError, AttributeError) as error:
        raise InvalidSelector("Event selectors have a member of the wrong type") from error


def _filter_policy(pattern: Any) -> Rule:
    """A policy; as ``{"FilterPolicy": ..., "FilterPolicyScope": ...}`` with its scope, else over attributes.

    The event is ``{"Message": ..., "MessageAttributes": {name: {"Type": ..., "Value": ...}}}``.
    """
    given = pattern
    scope = "MessageAttributes"
    if isinstance(pattern, dict) and isinstance(pattern.get("FilterPolicyScope"), str) and "FilterPolicy" in pattern:
        scope, given = pattern["FilterPolicyScope"], pattern["FilterPolicy"]
    match scope:
        case "MessageAttributes" | "MessageBody":
            predicate = parse_filter_policy(_json_text(given), scope)
        case _:
            raise InvalidFilterPolicy("Invalid parameter: FilterPolicyScope")
    return Rule(predicate, lambda event: _sns_view(scope, event))


def _sns_view(scope: Literal["MessageAttributes", "MessageBody"], event: Any) -> Any:
    record = _record(event)
    body, attributes = record.get("Message"), record.get("MessageAttributes")
    if not isinstance(attributes, dict):
        attributes = {}
    if body is not None and not isinstance(body, str):
        body = orjson.dumps(body).decode()
    return message_view(scope, body or "", {name: _attribute(value) for name, value in attributes.items()})


def _attribute(value: Any) -> Attribute:
    members: Mapping[str, Any] = value if isinstance(value, dict) else {}
    kind = members.get("Type") or members.get("DataType") or "String"
    text = members.get("Value") or members.get("StringValue") or ""
    return Attribute(str(kind), text if isinstance(text, str) else orjson.dumps(text).decode())


def _sigma(pattern: Any) -> Rule:
    # Imported here because pySigma is a third of the start-up time of commands that know no rule.
    from opentrail.pattern.sigma import parse_sigma_rule

    return Rule(parse_sigma_rule(pattern if isinstance(pattern, str) else _json_text(pattern)), _record)


_READERS: Mapping[Language, Callable[[Any], Rule]] = {
    "event-pattern": _event_pattern,
    "filter-pattern": _filter_pattern,
    "selector": _selector,
    "filter-policy": _filter_policy,
    "sigma": _sigma,
}


def _json_text(pattern: Any) -> str:
    if isinstance(pattern, str):
        return pattern
    try:
        return orjson.dumps(pattern).decode()
    except orjson.JSONEncodeError as error:
        raise InvalidEventPattern("The pattern is no JSON") from error


def _parsed(pattern: Any, refusal: type[InvalidPattern]) -> Any:
    if not isinstance(pattern, str):
        return pattern
    try:
        return orjson.loads(pattern)
    except orjson.JSONDecodeError as error:
        raise refusal(f"The selectors are no JSON: {error}") from error


def _record(event: Any) -> Any:
    if isinstance(event, str):
        record = json_object(event)
        if record is None:
            raise InvalidEvent("The event is no JSON object")
        return record
    if not isinstance(event, dict):
        raise InvalidEvent("The event is no JSON object")
    return event
