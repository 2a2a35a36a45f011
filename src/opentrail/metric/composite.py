"""The rule of a composite alarm: ALARM(), OK() and INSUFFICIENT_DATA() of other alarms, joined by AND, OR and NOT."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

MAX_CHARACTERS = 10_240
MAX_CHILDREN = 100
MAX_ELEMENTS = 500
MAX_DEPTH = 100

_TOKEN = re.compile(
    r"\s*(?:(?P<state>ALARM|OK|INSUFFICIENT_DATA)\s*\(\s*(?:\"(?P<quoted>[^\"]+)\"|'(?P<single>[^']+)'|(?P<bare>[^()\"']+?))\s*\)"
    r"|(?P<word>AND|OR|NOT|TRUE|FALSE)\b|(?P<sign>[()]))"
)


class InvalidAlarmRule(ValueError):
    """A rule that cannot be read; the message says why."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A part of a rule. ``alarm`` is a name or an ARN."""

    kind: str
    alarm: str = ""
    parts: "tuple[Rule, ...]" = ()

    def alarms(self) -> Iterator[str]:
        """Yield the alarms that the rule names, as it names them."""
        if self.alarm:
            yield self.alarm
        for part in self.parts:
            yield from part.alarms()

    def holds(self, state_of: Callable[[str], str]) -> bool:
        """Say whether the rule is true, by the state of each alarm that it names ("" for one that is gone)."""
        match self.kind:
            case "TRUE" | "FALSE":
                return self.kind == "TRUE"
            case "NOT":
                return not self.parts[0].holds(state_of)
            case "AND":
                return all(part.holds(state_of) for part in self.parts)
            case "OR":
                return any(part.holds(state_of) for part in self.parts)
        return state_of(self.alarm) == self.kind


def read_alarm_rule(text: str) -> Rule:
    """Read a rule. Raises InvalidAlarmRule."""
    tokens = list(_tokens(text))
    if len(tokens) > MAX_ELEMENTS:
        raise InvalidAlarmRule(f"AlarmRule must not have more than {MAX_ELEMENTS} elements")
    reader = _Reader(tokens)
    rule = reader.either(0)
    if not reader.is_done:
        raise InvalidAlarmRule(f"AlarmRule cannot be read from '{reader.rest}'")
    if len(set(rule.alarms())) > MAX_CHILDREN:
        raise InvalidAlarmRule(f"AlarmRule must not refer to more than {MAX_CHILDREN} alarms")
    return rule


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    place, end = 0, len(text.rstrip())
    while place < end:
        token = _TOKEN.match(text, place)
        if token is None:
            raise InvalidAlarmRule(f"AlarmRule cannot be read from '{text[place:].strip()[:40]}'")
        if token["state"]:
            yield token["state"], token["quoted"] or token["single"] or token["bare"]
        else:
            yield token["word"] or token["sign"], ""
        place = token.end()


class _Reader:
    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = tokens
        self._place = 0

    @property
    def is_done(self) -> bool:
        return self._place == len(self._tokens)

    @property
    def rest(self) -> str:
        return "" if self.is_done else self._tokens[self._place][0]

    def _accept(self, kind: str) -> bool:
        if self.rest != kind:
            return False
        self._place += 1
        return True

    def either(self, depth: int) -> Rule:
        parts = [self._both(depth)]
        while self._accept("OR"):
            parts.append(self._both(depth))
        return parts[0] if len(parts) == 1 else Rule("OR", parts=tuple(parts))

    def _both(self, depth: int) -> Rule:
        parts = [self._factor(depth)]
        while self._accept("AND"):
            parts.append(self._factor(depth))
        return parts[0] if len(parts) == 1 else Rule("AND", parts=tuple(parts))

    def _factor(self, depth: int) -> Rule:
        if depth > MAX_DEPTH:
            raise InvalidAlarmRule("AlarmRule is nested too deep")
        if self._accept("NOT"):
            return Rule("NOT", parts=(self._factor(depth + 1),))
        if self._accept("("):
            inner = self.either(depth + 1)
            if not self._accept(")"):
                raise InvalidAlarmRule("AlarmRule lacks a closing parenthesis")
            return inner
        if self.is_done or self.rest in ("AND", "OR", ")"):
            raise InvalidAlarmRule(f"AlarmRule cannot be read from '{self.rest}'")
        kind, alarm = self._tokens[self._place]
        self._place += 1
        return Rule(kind, alarm)
