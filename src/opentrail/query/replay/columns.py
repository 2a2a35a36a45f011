"""A rule as a condition on the columns of an event data store of CloudTrail events.

Columns hold texts as the record has them; a value that is none is there as its JSON text, an absent one or null as
NULL. A record that spells a member's name in another case is judged by the column, as Lake SQL judges it.
"""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime

from opentrail.pattern.ir import Path
from opentrail.pattern.sql_literals import text_literal
from opentrail.pattern.sql_values import TextValue, sql_test
from opentrail.pattern.values import (
    AllTests,
    AnythingAsText,
    Contains,
    EndsWith,
    Folded,
    Glob,
    InNetwork,
    NumbersAsText,
    Search,
    SomeTest,
    StartsWith,
    Test,
    TextIn,
)
from opentrail.query.replay.lake import VIEW
from opentrail.query.replay.narrowing import FOLDED_TO_ASCII, Probe, clauses, in_record, read_only
from opentrail.query.replay.rules import ReplayRule

MAX_CONDITION_CHARACTERS = 200_000
"""A longer condition is not worth its parsing."""

_PLAIN = (
    "eventVersion eventSource eventName awsRegion sourceIPAddress userAgent errorCode errorMessage requestID eventID "
    "eventType apiVersion recipientAccountId sharedEventID vpcEndpointId vpcEndpointAccountId eventCategory"
)
_OF_IDENTITY = "type principalId arn accountId accessKeyId userName invokedBy"
_OF_ISSUER = "type principalId arn accountId userName"
_ISSUER = ("userIdentity", "sessionContext", "sessionIssuer")

_COLUMNS: dict[Path, str] = {
    **{(name,): name.lower() for name in _PLAIN.split()},
    **{("userIdentity", name): f"useridentity.{name.lower()}" for name in _OF_IDENTITY.split()},
    **{(*_ISSUER, name): f"useridentity.sessioncontext.sessionissuer.{name.lower()}" for name in _OF_ISSUER.split()},
}
"""Where the texts of a record stand in the table of a store of CloudTrail events."""


def necessary_condition(rules: Sequence[ReplayRule], columns: Collection[str]) -> str | None:
    """Return a condition that every row holds whose record one of ``rules`` picks, None when there is none.

    ``columns`` are those that the table has.
    """
    if "useridentity" not in columns or "eventsource" not in columns:
        return None
    parts = []
    for rule in rules:
        found = _clauses_of(rule)
        if not found:
            return None
        parts.append(" AND ".join(f"({' OR '.join(sorted(clause))})" for clause in found))
    condition = f"({' OR '.join(f'({part})' for part in parts)})"
    return condition if len(condition) <= MAX_CONDITION_CHARACTERS else None


def text_condition(probe: Probe) -> str | None:
    """Return the condition that a record may have one of the texts that a probe looks for, None when it has none."""
    if not probe.is_useful:
        return None
    parts = [f"contains(eventjson, {text_literal(text.decode())})" for text in probe.exact]
    if probe.folded:
        parts += [f"contains(lower(eventjson), {text_literal(text.decode())})" for text in probe.folded]
        parts += [f"contains(eventjson, {text_literal(letter.decode())})" for letter in FOLDED_TO_ASCII]
    return f"({' OR '.join([*parts, _ESCAPES])})"


def span_condition(start: int, end: int) -> str:
    """Return the condition that an event is of a span, in seconds since 1970."""
    return f"eventtime >= {_timestamp(start)} AND eventtime < {_timestamp(end)}"


def event_count(start: int, end: int) -> str:
    """Return the statement that counts the events of a span."""
    return f"SELECT count(*) FROM {VIEW} WHERE {span_condition(start, end)}"  # noqa: S608 - numbers only


def _clauses_of(rule: ReplayRule) -> list[frozenset[str]]:
    if rule.subject == "message":
        return []
    return clauses(rule.predicate, lambda path, test: _condition(rule, path, test))


def _condition(rule: ReplayRule, path: Path, test: Test | None) -> frozenset[str] | None:
    if in_record(rule.subject, path, None)[0] == ("readOnly",):
        wanted = read_only(AnythingAsText(test) if test is not None and rule.subject == "attributes" else test)
        # A value that is no boolean, nor spells one, is NULL there.
        return None if wanted is None else frozenset(f"coalesce(readonly = {value}, true)" for _, value in wanted)
    if test is None or not _asks_for_text(test):
        return None
    texts = test.values if isinstance(test, TextIn) else None
    place, values = in_record(rule.subject, path, texts)
    column = _COLUMNS.get(place) if place is not None else None
    if column is None or place is None:
        return None
    asked = TextIn(values) if values is not None else test
    condition = sql_test(asked, TextValue(f"({column})"))
    atoms = {f"coalesce({condition}, false)", f"({_may_be_json(column)})"}
    if rule.language not in _WALKING_OBJECTS_ONLY:
        # The field may be in an array, or be spelled with a dot: then its member's name stands in the record.
        name = text_literal(f'{place[-1]}"')
        atoms.add(f"({column} IS NULL AND (contains(eventjson, {name}) OR {_ESCAPES}))")
    return frozenset(atoms)


_ESCAPES = "contains(eventjson, '\\')"
"""A text may be spelled by escapes there."""

_WALKING_OBJECTS_ONLY = ("filter-pattern", "selector", "lookup-attributes")
"""Languages that find a field by its members' names alone."""


def _may_be_json(column: str) -> str:
    return (
        f"starts_with({column}, '[') OR starts_with({column}, '{{') OR {column} IN ('true', 'false') "
        f"OR regexp_full_match({column}, '-?[0-9]+(\\.[0-9]+)?([eE][-+]?[0-9]+)?')"
    )


def _asks_for_text(test: Test) -> bool:
    """Say whether only a text passes, or a value's text: never null, and nothing that is missing."""
    match test:
        case TextIn() | StartsWith() | EndsWith() | Contains() | Glob() | Search() | InNetwork():
            return True
        case Folded(part) | NumbersAsText(part) | AnythingAsText(part):
            return _asks_for_text(part)
        case SomeTest(parts):
            return bool(parts) and all(map(_asks_for_text, parts))
        case AllTests(parts):
            return bool(parts) and all(map(_asks_for_text, parts))
    return False


def _timestamp(seconds: int) -> str:
    return f"TIMESTAMPTZ '{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}+00'"
