"""EventBridge's event patterns: fields joined by AND, the values of a field by OR, over an event read flat.

In: a pattern as text. Out: a predicate of ``Leaves``. Semantics and error texts: docs/languages/event-patterns.md.
"""

from collections.abc import Mapping, Set
from itertools import chain
from typing import NoReturn

from opentrail.pattern.errors import InvalidEventPattern
from opentrail.pattern.ir import LeafCondition, Leaves, Predicate, any_of
from opentrail.pattern.json_tokens import InvalidJson, JsonTokens
from opentrail.pattern.match_expressions import ABSENT, OPERATORS, Reader, read_match_expression
from opentrail.pattern.values import NOTHING, Compare, Is, Test, same_address, some_test, text_in
from opentrail.pattern.wildcards import TOO_COMPLEX

MAX_PATTERN_CHARACTERS = 4096
"""EventBridge's bound on a rule's pattern; the API checks it, and ``parse_event_pattern`` once more."""

MAX_COMBINATIONS = 1000
"""Alternatives that a pattern's ``$or`` may multiply to."""

MAX_DEPTH = 250
"""Objects within objects of a pattern."""

MAX_SPELLED_CHARACTERS = 16_000_000
"""Characters of all ways to spell a rule's field names by joining neighbours with dots; each way is held in memory."""

_RESERVED_IN_OR = frozenset(OPERATORS) | {"=", "<", "<=", ">", ">=", "regex", "not-wildcard", "not-equals-ignore-case"}

Alternative = dict[str, "FieldValues"]
"""What one way through a pattern's ``$or`` asks: dotted field name -> its values. A name said twice means the last."""


class FieldValues:
    """The values of one field of a pattern, joined by OR, and how deep in the pattern's objects they stand."""

    __slots__ = ("depth", "or_absent", "tests")

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.tests: list[Test] = []
        self.or_absent = False

    def condition(self, name: str) -> LeafCondition:
        test = some_test(self.tests) if self.tests else NOTHING
        return LeafCondition(tuple(name.split(".")), test, self.or_absent)


def parse_event_pattern(text: str) -> Predicate:
    """Return the predicate of an event pattern. Raises InvalidEventPattern with EventBridge's reason."""
    if len(text) > MAX_PATTERN_CHARACTERS:
        raise InvalidEventPattern(f"Event pattern is longer than {MAX_PATTERN_CHARACTERS} characters")
    try:
        alternatives = read_alternatives(JsonTokens(text), OPERATORS)
    except InvalidJson as error:
        raise InvalidEventPattern(str(error)) from error
    return predicate_of(alternatives)


def predicate_of(alternatives: list[Alternative]) -> Predicate:
    """Return the predicate that some alternative holds."""
    return any_of(
        Leaves(tuple(values.condition(name) for name, values in alternative.items())) for alternative in alternatives
    )


def read_alternatives(tokens: JsonTokens, operators: Mapping[str, Reader]) -> list[Alternative]:
    """Read a whole pattern, in which ``operators`` may be used. Raises InvalidJson."""
    if tokens.next() != "{":
        raise tokens.fail("Filter is not an object")
    reader = _PatternReader(tokens, operators)
    alternatives = reader.read_object([], (), frozenset())
    if sum(map(_spelled_characters, chain.from_iterable(alternatives))) > MAX_SPELLED_CHARACTERS:
        raise InvalidJson("Field names have too many parts")
    return alternatives


def _spelled_characters(name: str) -> int:
    parts = name.count(".") + 1
    return parts * parts * len(name) // 6 if parts > 1 else len(name)


class _PatternReader:
    def __init__(self, tokens: JsonTokens, operators: Mapping[str, Reader]) -> None:
        self._tokens = tokens
        self._operators = operators

    def read_object(
        self, alternatives: list[Alternative], path: tuple[str, ...], reserved: Set[str]
    ) -> list[Alternative]:
        """Return ``alternatives`` with what the object whose brace has been read adds to each."""
        if len(path) >= MAX_DEPTH:
            self._fail(f"Event pattern is nested deeper than {MAX_DEPTH} objects")
        is_empty = True
        while self._tokens.next() != "}":
            is_empty = False
            name = self._tokens.name()
            if name == "$or":
                alternatives = self._read_or(alternatives, path)
            elif name in reserved:
                self._fail(f"{name} is Ruler reserved fieldName which cannot be used inside $or.")
            else:
                alternatives = self._read_member(alternatives, (*path, name), reserved)
        if is_empty:
            self._fail("Empty objects are not allowed")
        return alternatives

    def _read_member(
        self, alternatives: list[Alternative], path: tuple[str, ...], reserved: Set[str]
    ) -> list[Alternative]:
        match self._tokens.next():
            case "{":
                return self.read_object(alternatives, path, reserved)
            case "[":
                values = self._read_values(len(path))
                return [{**alternative, ".".join(path): values} for alternative in alternatives or [{}]]
        raise self._tokens.fail(f'"{path[-1]}" must be an object or an array')

    def _read_or(self, alternatives: list[Alternative], path: tuple[str, ...]) -> list[Alternative]:
        if self._tokens.next() != "[":
            self._fail("It must be an Array followed with $or.")
        result: list[Alternative] = []
        ways = 0
        while (kind := self._tokens.next()) != "]":
            if kind != "{":
                self._fail("Only JSON object is allowed in array of $or relationship.")
            ways += 1
            result += self.read_object([dict(one) for one in alternatives or [{}]], path, _RESERVED_IN_OR)
            if len(result) > MAX_COMBINATIONS:
                raise InvalidJson(TOO_COMPLEX)
        if ways < 2:
            self._fail("There must have at least 2 Objects in $or relationship.")
        return result

    def _read_values(self, depth: int) -> FieldValues:
        values = FieldValues(depth)
        while (kind := self._tokens.next()) != "]":
            match kind:
                case "{":
                    test = read_match_expression(self._tokens, self._operators)
                    if test is ABSENT:
                        values.or_absent = True
                    else:
                        values.tests.append(test)
                case "string":
                    text = self._tokens.text()
                    values.tests.append(same_address(text) or text_in(text))
                case "integer" | "float":
                    values.tests.append(Compare("=", float(self._tokens.text())))
                case "true" | "false" | "null":
                    values.tests.append(Is({"true": True, "false": False, "null": None}[kind]))
                case _:
                    self._fail("Match value must be String, number, true, false, or null")
        if not values.tests and not values.or_absent:
            self._fail("Empty arrays are not allowed")
        return values

    def _fail(self, reason: str) -> NoReturn:
        raise self._tokens.fail(reason)
