"""Leaves of an event as EventBridge sees it: flat, under dotted names, through arrays, one element of each for all.

The conditions walk the event together. At an object they part, each to the member its path names; at an array they
all enter one element, save those that one of the array's own scalars satisfies. So the walk is linear in the event,
except where member names with dots give a condition two ways: then ways are tried, at most MAX_WAYS of them.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from opentrail.pattern.ir import DottedPath, LeafCondition
from opentrail.pattern.value_matcher import ValueMatcher, compile_test

MAX_WAYS = 4096
"""Choices between dotted spellings tried for one event and rule.

An event that needs more, or is nested beyond the interpreter's stack (some hundreds of arrays), does not match.
"""

_Edges = tuple[tuple[tuple[str, int], ...], ...]


class _Condition:
    """One condition, compiled: for each step of its path, the member names that go on from there and to which step.

    From the last step on there is no way: ``edges`` is one longer than the path.
    """

    __slots__ = ("edges", "is_met", "length", "or_absent")

    def __init__(self, condition: LeafCondition) -> None:
        self.length = len(condition.path)
        self.edges = dotted_edges(condition.path)
        self.is_met = compile_test(condition.test)
        self.or_absent = condition.or_absent


def dotted_edges(path: DottedPath) -> _Edges:
    """Return, for each step, every member name that spells the next names and the step after it, shortest first."""
    ends = range(1, len(path) + 1)
    return (
        *(tuple((".".join(path[start:end]), end) for end in ends if end > start) for start in range(len(path))),
        (),
    )


def leaf_values(value: Any, edges: _Edges) -> Iterator[Any]:
    """Yield the leaves that ``edges`` leads to, in no order."""
    waiting = [(value, 0)]
    while waiting:
        item, step = waiting.pop()
        if type(item) is dict:
            waiting.extend((item[name], after) for name, after in edges[step] if name in item)
        elif type(item) is list:
            waiting.extend((inner, step) for inner in item)
        elif step == len(edges) - 1:
            yield item


def compile_leaves(conditions: Sequence[LeafCondition]) -> Callable[[Any], bool]:
    """Return the function that says whether all conditions hold for an event, of one element of each array."""
    compiled = [_Condition(condition) for condition in conditions]
    if len(compiled) == 1:
        return _one(compiled[0])
    everyone = tuple((condition, 0) for condition in compiled)

    def holds(event: Any) -> bool:
        walk = []
        for condition, step in everyone:
            plain = _plain_leaf(event, condition)
            if plain is _MISSING:
                walk.append((condition, step))
            elif not condition.is_met(plain):
                return False
        if not walk:
            return True
        pending = [pair for pair in walk if not _is_absent(event, pair[0])]
        if any(not condition.or_absent for condition, _ in walk if _is_absent(event, condition)):
            return False
        try:
            return _Walk().all_met(event, tuple(pending))
        except RecursionError:
            return False

    return holds


_MISSING: Any = object()


def _plain_leaf(value: Any, condition: _Condition) -> Any:
    """Return the only leaf of a condition when no array and no dotted name is in its way, else _MISSING."""
    step, edges = 0, condition.edges
    while step < condition.length:
        if type(value) is not dict:
            return _MISSING
        ways = edges[step]
        for name, _ in ways[1:]:
            if name in value:
                return _MISSING
        value = value.get(ways[0][0], _MISSING)
        step += 1
    kind = type(value)
    return _MISSING if kind is dict or kind is list else value


def _is_absent(event: Any, condition: _Condition) -> bool:
    return next(leaf_values(event, condition.edges), _MISSING) is _MISSING


def _one(condition: _Condition) -> Callable[[Any], bool]:
    is_met, or_absent, edges = condition.is_met, condition.or_absent, condition.edges

    def holds(event: Any) -> bool:
        plain = _plain_leaf(event, condition)
        if plain is not _MISSING:
            return is_met(plain)
        is_absent = True
        for leaf in leaf_values(event, edges):
            if is_met(leaf):
                return True
            is_absent = False
        return is_absent and or_absent

    return holds


_Pending = tuple[tuple[_Condition, int], ...]


class _Walk:
    """One event's walk, with what it may still spend on choices."""

    def __init__(self) -> None:
        self._ways = MAX_WAYS

    def all_met(self, value: Any, pending: _Pending) -> bool:
        if not pending:
            return True
        if type(value) is dict:
            return self._object(value, pending, {})
        if type(value) is list:
            return self._array(value, pending)
        return all(step == condition.length and condition.is_met(value) for condition, step in pending)

    def _array(self, array: list[Any], pending: _Pending) -> bool:
        left = tuple(pair for pair in pending if not _met_by_scalar(array, pair))
        return not left or any(self.all_met(item, left) for item in array if type(item) in (dict, list))

    def _object(self, members: dict[str, Any], pending: _Pending, chosen: dict[str, list[Any]]) -> bool:
        """Send each condition down one of the members that spell its next names, then ask each member for its own."""
        for place, (condition, step) in enumerate(pending):
            ways = [way for way in condition.edges[step] if way[0] in members]
            if not ways:
                return False
            if len(ways) > 1:
                return self._choose(members, pending[place:], chosen, ways)
            name, after = ways[0]
            chosen.setdefault(name, []).append((condition, after))
        return all(self.all_met(members[name], tuple(sent)) for name, sent in chosen.items())

    def _choose(
        self,
        members: dict[str, Any],
        pending: _Pending,
        chosen: dict[str, list[Any]],
        ways: Sequence[tuple[str, int]],
    ) -> bool:
        condition = pending[0][0]
        for name, after in ways:
            self._ways -= 1
            if self._ways < 0:
                return False
            sent = {other: list(conditions) for other, conditions in chosen.items()}
            sent.setdefault(name, []).append((condition, after))
            if self._object(members, pending[1:], sent):
                return True
        return False


def _met_by_scalar(array: list[Any], pair: tuple[_Condition, int]) -> bool:
    condition, step = pair
    if step != condition.length:
        return False
    is_met: ValueMatcher = condition.is_met
    return any(is_met(item) for item in array if type(item) not in (dict, list))
