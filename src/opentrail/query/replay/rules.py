"""A rule to be replayed: read from any pattern language, and asked about CloudTrail records.

Each language is asked what it would see in service: an event pattern EventBridge's envelope of the record, a filter
pattern the record as a message of a log group, a selector and a Sigma rule the record, a filter policy a message whose
body is that envelope (as EventBridge hands it to a topic), lookup attributes what LookupEvents finds the record by.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

import orjson

from opentrail.pattern.envelope import envelope_of
from opentrail.pattern.errors import InvalidPattern
from opentrail.pattern.filter_pattern import parse_filter_pattern
from opentrail.pattern.ir import Predicate
from opentrail.pattern.languages import LANGUAGES, Rule, read_rule
from opentrail.pattern.lookup_attributes import lookup_view, parse_lookup_attributes

ReplayLanguage = Literal["event-pattern", "filter-pattern", "selector", "filter-policy", "sigma", "lookup-attributes"]
REPLAY_LANGUAGES: tuple[ReplayLanguage, ...] = get_args(ReplayLanguage)

Subject = Literal["record", "envelope", "message", "notice", "attributes"]
"""What a rule is asked about: the record, its envelope, its text, a message with the envelope, its lookup attributes"""

MAX_RULES = 50
"""Rules of one replay."""

MAX_RULE_CHARACTERS = 256 * 1024
MAX_NAME_CHARACTERS = 128

_LOOKUP_TEXT = re.compile(r"[A-Za-z]+=[^,{}$]+(,[A-Za-z]+=[^,{}$]+)*")


class InvalidReplay(ValueError):
    """A replay that cannot be run as it is asked for; the message says why, for whoever asked."""


@dataclass(frozen=True)
class ReplayRule:
    """One rule with a name of its own within the replay; ``text`` is what it was read from."""

    name: str
    language: ReplayLanguage
    text: str
    rule: Rule
    subject: Subject

    @property
    def predicate(self) -> Predicate:
        return self.rule.predicate

    def subject_of(self, record: dict[str, Any], raw: bytes) -> Any:
        """Return what the rule is asked about, for a record and its bytes."""
        match self.subject:
            case "envelope":
                return envelope_of(record)
            case "message":
                return raw.decode(errors="replace")
            case "notice":
                return {"Message": envelope_of(record)}
            case "attributes":
                return lookup_view(record)
        return record

    def matches(self, record: dict[str, Any], raw: bytes) -> bool:
        """Say whether the rule picks a record."""
        return self.rule.matches(self.subject_of(record, raw))


def read_replay_rule(name: str, language: str, text: str) -> ReplayRule:
    """Read one rule; raises InvalidReplay with the language's own message."""
    if language not in REPLAY_LANGUAGES:
        raise InvalidReplay(f"there is no language {language!r}; the languages are {', '.join(REPLAY_LANGUAGES)}")
    if len(text) > MAX_RULE_CHARACTERS:
        raise InvalidReplay(f"the rule {name} is longer than {MAX_RULE_CHARACTERS} characters")
    if not 0 < len(name) <= MAX_NAME_CHARACTERS:
        raise InvalidReplay(f"a rule's name has 1 to {MAX_NAME_CHARACTERS} characters")
    try:
        if language == "lookup-attributes":
            rule = Rule(parse_lookup_attributes(_attributes(text)), lambda view: view)
            return ReplayRule(name, language, text, rule, "attributes")
        rule = read_rule(language, _policy(text) if language == "filter-policy" else text)
    except InvalidPattern as error:
        raise InvalidReplay(f"the rule {name} is not valid: {error}") from error
    return ReplayRule(name, cast(ReplayLanguage, language), text, rule, _subject(language, text))


def guess_language(text: str) -> ReplayLanguage:
    """Return the language that a rule's text is most likely written in; a text that fits none is a filter pattern."""
    stripped = text.strip()
    try:
        value = orjson.loads(stripped)
    except orjson.JSONDecodeError:
        if re.search(r"^detection\s*:", stripped, re.MULTILINE):
            return "sigma"
        return "lookup-attributes" if _LOOKUP_TEXT.fullmatch(stripped) else "filter-pattern"
    first = value[0] if isinstance(value, list) and value else value
    if not isinstance(first, dict):
        return "filter-pattern"
    if "AttributeKey" in first:
        return "lookup-attributes"
    if first.keys() & {"FieldSelectors", "ReadWriteType", "DataResources", "AdvancedEventSelectors", "EventSelectors"}:
        return "selector"
    return "filter-policy" if "FilterPolicy" in first else "event-pattern"


def _subject(language: str, text: str) -> Subject:
    match language:
        case "event-pattern":
            return "envelope"
        case "filter-policy":
            return "notice"
        case "filter-pattern":
            return "record" if parse_filter_pattern(text).view == "json" else "message"
    return "record"


def _policy(text: str) -> Any:
    """Return a filter policy with its scope; alone it is over the body, since what replays has no attributes."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    if isinstance(value, dict) and isinstance(value.get("FilterPolicyScope"), str) and "FilterPolicy" in value:
        return value
    return {"FilterPolicy": text, "FilterPolicyScope": "MessageBody"}


def _attributes(text: str) -> list[Mapping[str, str]]:
    """Read attributes as JSON, in wire form, or as ``Key=value,Key=value``."""
    stripped = text.strip()
    if not stripped.startswith(("[", "{")):
        pairs = [part.partition("=") for part in stripped.split(",")]
        return [{"AttributeKey": key.strip(), "AttributeValue": value.strip()} for key, _, value in pairs]
    try:
        value = orjson.loads(stripped)
    except orjson.JSONDecodeError as error:
        raise InvalidReplay(f"the lookup attributes are no JSON: {error}") from error
    given = value if isinstance(value, list) else [value]
    if not given or not all(isinstance(one, dict) for one in given):
        raise InvalidReplay("lookup attributes are objects with AttributeKey and AttributeValue")
    return given


assert set(LANGUAGES) < set(REPLAY_LANGUAGES)
