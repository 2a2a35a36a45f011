"""A predicate as a SQL condition, in DuckDB's dialect, over events stored as JSON with some fields in columns.

In: a predicate and a ``SqlSchema``, which says where the event is. Out: one boolean expression, never NULL, that holds
for exactly the rows whose event the matcher would pick. Values are literals; nothing of a rule reaches SQL but
inside one. Where a JSON object says a member twice, SQL reads the first, the matcher the last.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from opentrail.pattern.ir import (
    And,
    AnyChild,
    AnyElement,
    AnyLeaf,
    DottedPath,
    Field,
    LeafCondition,
    Leaves,
    Not,
    Or,
    Path,
    Predicate,
    SameText,
)
from opentrail.pattern.sql_literals import text_literal
from opentrail.pattern.sql_values import JsonValue, TextValue, Value, sql_test

_TOKENS = r'"(?:[^"\\]|\\.)*"|\[[0-9]+\]|[^."\[\]]+'
"""The steps of ``json_tree``'s full keys: quoted names, indexes in brackets, plain names."""


class NotInSql(ValueError):
    """A predicate that no condition on a row can say; the message tells which part."""


@dataclass(frozen=True)
class SqlSchema:
    """Where a row keeps its event.

    ``document`` is a SQL expression of type JSON, qualified by its table. ``columns`` maps paths to expressions of
    type VARCHAR that hold the field's text where it is a string and NULL otherwise; a mapped field holds a string or is
    missing, stands under no array, and is spelled with no dotted names. ``text`` is the event as text, for terms.
    """

    document: str
    columns: Mapping[DottedPath, str] = field(default_factory=dict)
    text: str | None = None


def sql_condition(predicate: Predicate, schema: SqlSchema) -> str:
    """Return the condition for ``predicate``. Raises NotInSql."""
    return _Writer(schema).condition(predicate, schema.document, is_inside=False)


def sql_text_condition(predicate: Predicate, schema: SqlSchema) -> str:
    """Return the condition for a predicate whose view is the event's text. Raises NotInSql."""
    if schema.text is None:
        raise NotInSql("the rule asks for the event's text, which the table does not keep")
    return _text_condition(predicate, TextValue(f"({schema.text})"))


def _text_condition(predicate: Predicate, value: TextValue) -> str:
    match predicate:
        case And(parts):
            return _joined("AND", [_text_condition(part, value) for part in parts])
        case Or(parts):
            return _joined("OR", [_text_condition(part, value) for part in parts])
        case Not(part):
            return f"(NOT {_text_condition(part, value)})"
        case Field((), test):
            return sql_test(test, value)
    raise NotInSql("the rule asks for fields of a text")


def _joined(word: str, parts: Sequence[str]) -> str:
    if not parts:
        return "true" if word == "AND" else "false"
    return f"({f' {word} '.join(parts)})"


class _Writer:
    """Writes one condition; numbers the names it makes up."""

    def __init__(self, schema: SqlSchema) -> None:
        self._schema = schema
        self._numbers = count(1)

    def condition(self, predicate: Predicate, document: str, *, is_inside: bool) -> str:
        """Write what a predicate asks of the JSON ``document``; ``is_inside``: of an array or object in the event."""
        match predicate:
            case And(parts):
                return _joined("AND", [self.condition(part, document, is_inside=is_inside) for part in parts])
            case Or(parts):
                return _joined("OR", [self.condition(part, document, is_inside=is_inside) for part in parts])
            case Not(part):
                return f"(NOT {self.condition(part, document, is_inside=is_inside)})"
            case Field(path, test):
                value = self._field(path, document, is_inside=is_inside)
                return f"({value.is_there} AND {sql_test(test, value)})"
            case AnyElement(path, element):
                return self._any(element, self._elements(path, document))
            case AnyChild(path, child):
                return self._any(child, self._children(path, document))
            case SameText(left, right):
                return self._same_text(left, right, document)
        if is_inside:
            raise NotInSql("leaves of an element of an array")
        match predicate:
            case Leaves(conditions):
                return self._leaves(conditions, document)
            case AnyLeaf(test):
                return f"EXISTS (SELECT 1 FROM {self._leaf_table(document)} AS t WHERE {sql_test(test, _LEAF)})"
        raise NotInSql(type(predicate).__name__)

    def _field(self, path: Path, document: str, *, is_inside: bool) -> Value:
        column = None if is_inside else self._schema.columns.get(tuple(map(str, path)))
        return JsonValue(_extract(document, path)) if column is None else TextValue(f"({column})")

    def _any(self, predicate: Predicate, items: str) -> str:
        name = f"item{next(self._numbers)}"
        inner = self.condition(predicate, name, is_inside=True)
        return f"coalesce(len(list_filter({items}, lambda {name}: {inner})) > 0, false)"

    def _elements(self, path: Path, document: str) -> str:
        value = _extract(document, path)
        return f"CASE WHEN json_type({value}) = 'ARRAY' THEN TRY_CAST({value} AS JSON[]) END"

    def _children(self, path: Path, document: str) -> str:
        value = _extract(document, path)
        return (
            f"CASE json_type({value}) WHEN 'ARRAY' THEN TRY_CAST({value} AS JSON[]) "
            f"WHEN 'OBJECT' THEN json_extract({value}, '$.*') END"
        )

    def _same_text(self, left: Path, right: Path, document: str) -> str:
        first, second = (JsonValue(_extract(document, path)) for path in (left, right))
        both = f"{first.is_text} AND {second.is_text}"
        return f"coalesce({both} AND lower({first.text}) = lower({second.text}), false)"

    def _leaves(self, conditions: Sequence[LeafCondition], document: str) -> str:
        parts = []
        searched = []
        for condition in conditions:
            column = self._schema.columns.get(condition.path)
            if column is None:
                searched.append(condition)
                continue
            value = TextValue(f"({column})")
            met = f"({value.is_there} AND {sql_test(condition.test, value)})"
            parts.append(f"({met} OR ({column}) IS NULL)" if condition.or_absent else met)
        if searched:
            parts.append(self._searched_leaves(searched, document))
        return _joined("AND", parts)

    def _searched_leaves(self, conditions: Sequence[LeafCondition], document: str) -> str:
        """Join the leaves that meet each condition, where each two agree about the arrays they share."""
        tables = []
        agreements = []
        names = [f"leaf{next(self._numbers)}" for _ in conditions]
        for name, condition in zip(names, conditions, strict=True):
            tables.append(f"({self._candidates(condition, document)}) AS {name}")
        for place, name in enumerate(names):
            agreements += [_agree(name, other) for other in names[:place]]
        where = f" WHERE {' AND '.join(agreements)}" if agreements else ""
        return f"EXISTS (SELECT 1 FROM {', '.join(tables)}{where})"

    def _candidates(self, condition: LeafCondition, document: str) -> str:
        at_path = f"{_NAME} = {text_literal('.'.join(condition.path))}"
        leaves = self._leaf_table(document)
        rows = f"SELECT {_STEPS} AS steps FROM {leaves} AS t WHERE {at_path} AND {sql_test(condition.test, _LEAF)}"
        if not condition.or_absent:
            return rows
        absent = f"NOT EXISTS (SELECT 1 FROM {leaves} AS t WHERE {at_path})"
        return f"{rows} UNION ALL SELECT NULL AS steps WHERE {absent}"

    def _leaf_table(self, document: str) -> str:
        return (
            f"(SELECT value AS leaf, regexp_extract_all(substr(fullkey, 2), {text_literal(_TOKENS)}) AS tokens "
            f"FROM json_tree({document}) WHERE type NOT IN ('ARRAY', 'OBJECT'))"
        )


_LEAF = JsonValue("leaf")
_UNQUOTED = (
    "CASE WHEN starts_with(step, '\"') THEN "
    "replace(replace(substr(step, 2, len(step) - 2), '\\\"', '\"'), '\\\\', '\\') ELSE step END"
)
_NAME = (
    "array_to_string(list_transform(list_filter(tokens, lambda step: NOT starts_with(step, '[')), "
    f"lambda step: {_UNQUOTED}), '.')"
)
_STEPS = "CASE WHEN starts_with(tokens[-1], '[') THEN tokens[:-2] ELSE tokens END"
"""The way to a leaf; that a scalar is this element of its own array binds nothing."""


def _agree(first: str, second: str) -> str:
    """Write that two leaves part at a name, or not at all, rather than at two elements of one array."""
    part = f"list_filter(range(1, least(len({first}.steps), len({second}.steps)) + 1), "
    part += f"lambda place: {first}.steps[place] <> {second}.steps[place])[1]"
    indexes = f"starts_with({first}.steps[{part}], '[') AND starts_with({second}.steps[{part}], '[')"
    return f"NOT coalesce({indexes}, false)"


def _extract(document: str, path: Path) -> str:
    """Write the JSON value at ``path``; NULL where an array stands for an object or the other way round."""
    if not path:
        return document
    pointer = "".join(f"/{_escaped(step)}" for step in path)
    value = f"json_extract({document}, {text_literal(pointer)})"
    checks = []
    for place, step in enumerate(path):
        if isinstance(step, str) and not (step.isdigit() or step == "-"):
            continue
        holder = _extract_plain(document, path[:place])
        kind = "ARRAY" if isinstance(step, int) else "OBJECT"
        checks.append(f"json_type({holder}) = '{kind}'")
    return f"CASE WHEN {' AND '.join(checks)} THEN {value} END" if checks else value


def _extract_plain(document: str, path: Path) -> str:
    pointer = "".join(f"/{_escaped(step)}" for step in path)
    return f"json_extract({document}, {text_literal(pointer)})" if path else document


def _escaped(step: Any) -> str:
    return str(step).replace("~", "~0").replace("/", "~1")
