"""Whether new event selectors leave out events that the old ones picked.

Both kinds of selectors become boxes: one set of values for each field, joined by AND; a trail picks the union of its
boxes. A field's values fall into finitely many classes that no test tells apart, so one value of each class stands for
all: ``_Axis``. What the old boxes hold is then cut by the new ones until nothing is left, or something is.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from opentrail.pattern.basic_selectors import means_all

MAX_VALUES = 5_000
"""Values of one field that are looked at."""

MAX_STEPS = 200_000
"""Boxes that are held against each other; with either bound exceeded nothing is decided."""

Selector = Mapping[str, Any]

_ARN = "resources.ARN"
_ALWAYS_THERE = frozenset({"eventCategory", "readOnly", "eventSource", "eventName", "eventType", "resources.type"})
"""Fields that every event has of which a selector for its category may speak."""

_FIRST_PRIVATE, _AFTER_LAST = 0xE000, 0x110000
"""Code points among which there is always one that is in no selector's value: trails' have a million characters at
most."""


class Narrowing(StrEnum):
    """What new selectors do to what is picked."""

    NONE = "not narrowed"
    NARROWED = "narrowed"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Selectors:
    """A trail's selectors in wire form, checked; one kind of them is empty."""

    basic: Sequence[Selector] = ()
    advanced: Sequence[Selector] = ()

    def boxes(self) -> list["_Box"]:
        if self.advanced:
            return [_box(selector["FieldSelectors"]) for selector in self.advanced]
        return [box for selector in self.basic for box in _basic_boxes(selector)]


def narrowing(before: Selectors, after: Selectors) -> Narrowing:
    """Say whether some event that ``before`` picks is not picked by ``after``; more events may be picked besides.

    Exact for every event with the fields that CloudTrail gives it, whatever their texts; UNDECIDED where the bounds end
    the search. Usually under a millisecond, at worst about a second.
    """
    if before == after:
        return Narrowing.NONE
    new = after.boxes()
    old = [box for box in before.boxes() if box not in new]
    names = sorted({name for box in (*old, *new) for name in box})
    axes = [_Axis(name, [box[name] for box in (*old, *new) if name in box]) for name in names]
    if any(len(axis.values) > MAX_VALUES for axis in axes):
        return Narrowing.UNDECIDED
    cutting = _Cutting([[axis.mask(box.get(axis.name)) for axis in axes] for box in new])
    try:
        is_narrowed = any(cutting.leaves_some([axis.mask(box.get(axis.name)) for axis in axes]) for box in old)
    except _TooManySteps:
        return Narrowing.UNDECIDED
    return Narrowing.NARROWED if is_narrowed else Narrowing.NONE


@dataclass(frozen=True, slots=True)
class _Value:
    """One value of a field; None for an event without it. A listing's resource has a prefix instead of an ARN."""

    text: str | None
    is_listing: bool = False


@dataclass(frozen=True, slots=True)
class _Condition:
    """What one field selector asks: some positive test, if there is any, and no negative one."""

    equals: frozenset[str] = frozenset()
    starts: tuple[str, ...] = ()
    ends: tuple[str, ...] = ()
    not_equals: frozenset[str] = frozenset()
    not_starts: tuple[str, ...] = ()
    not_ends: tuple[str, ...] = ()

    def holds(self, value: _Value) -> bool:
        has_positive = bool(self.equals or self.starts or self.ends)
        if has_positive and not _passes(value, self.equals, self.starts, self.ends):
            return False
        return not _passes(value, self.not_equals, self.not_starts, self.not_ends)


def _passes(value: _Value, equals: frozenset[str], starts: tuple[str, ...], ends: tuple[str, ...]) -> bool:
    if value.text is None:
        return False
    if value.is_listing:
        return value.text.startswith(starts)
    return value.text in equals or value.text.startswith(starts) or value.text.endswith(ends)


_Box = dict[str, _Condition]


def _box(fields: Iterable[Mapping[str, Any]]) -> _Box:
    return {
        one["Field"]: _Condition(
            frozenset(one.get("Equals") or ()),
            tuple(one.get("StartsWith") or ()),
            tuple(one.get("EndsWith") or ()),
            frozenset(one.get("NotEquals") or ()),
            tuple(one.get("NotStartsWith") or ()),
            tuple(one.get("NotEndsWith") or ()),
        )
        for one in fields
    }


def _basic_boxes(selector: Selector) -> Iterable[_Box]:
    access = {"ReadOnly": "true", "WriteOnly": "false"}.get(selector.get("ReadWriteType") or "All")
    shared: _Box = {} if access is None else {"readOnly": _equals(access)}
    if selector.get("IncludeManagementEvents", True):
        excluded = frozenset(selector.get("ExcludeManagementEventSources") or ())
        sources = {"eventSource": _Condition(not_equals=excluded)} if excluded else {}
        yield {"eventCategory": _equals("Management"), **shared, **sources}
    for resource in selector.get("DataResources") or ():
        kind, values = resource["Type"], tuple(resource.get("Values") or ())
        box = {"eventCategory": _equals("Data"), "resources.type": _equals(kind), **shared}
        if any(means_all(kind, value) for value in values):
            yield box
        elif values:
            is_prefix = kind == "AWS::S3::Object"
            yield {**box, _ARN: _Condition(starts=values) if is_prefix else _Condition(equals=frozenset(values))}


def _equals(value: str) -> _Condition:
    return _Condition(equals=frozenset((value,)))


class _Axis:
    """One field, and a value of every class that ``conditions`` tell apart; sets of values are bits of an int.

    A text passes the tests of its longest prefix and its longest suffix among the tests' texts, unless it equals one:
    so the texts themselves and each prefix and suffix around a fresh character are all there is to look at.
    """

    def __init__(self, name: str, conditions: Sequence[_Condition]) -> None:
        self.name = name
        self.values = list(_values(name, conditions))
        self._known: dict[_Condition, int] = {}

    def mask(self, condition: _Condition | None) -> int:
        """Return the values that pass ``condition``; all for None."""
        if condition is None:
            return (1 << len(self.values)) - 1
        if condition not in self._known:
            bits = "".join("1" if condition.holds(value) else "0" for value in reversed(self.values))
            self._known[condition] = int(bits or "0", 2)
        return self._known[condition]


def _values(name: str, conditions: Sequence[_Condition]) -> Iterable[_Value]:
    if name == "readOnly":
        yield from (_Value("true"), _Value("false"))
        return
    equals = {text for one in conditions for text in one.equals | one.not_equals}
    starts = {"", *(text for one in conditions for text in (*one.starts, *one.not_starts))}
    ends = {"", *(text for one in conditions for text in (*one.ends, *one.not_ends))}
    if len(starts) * len(ends) + len(equals) > MAX_VALUES:
        yield from (_Value(None) for _ in range(MAX_VALUES + 1))
        return
    fresh = _fresh_character((*equals, *starts, *ends))
    yield from (_Value(text) for text in sorted(equals))
    yield from (_Value(start + fresh + end) for start in sorted(starts) for end in sorted(ends))
    if name not in _ALWAYS_THERE:
        yield _Value(None)
    if name == _ARN:
        yield from (_Value(start + fresh, is_listing=True) for start in sorted(starts))


def _fresh_character(texts: Iterable[str]) -> str:
    """Return a character that is in none of ``texts``, whatever their author put into them."""
    known = set().union(*texts)
    return next(chr(code) for code in range(_FIRST_PRIVATE, _AFTER_LAST) if chr(code) not in known)


class _TooManySteps(Exception):
    pass


@dataclass
class _Cutting:
    """Takes boxes, as one set of values for each axis, away from others."""

    boxes: Sequence[Sequence[int]]
    steps: int = field(default=0, init=False)

    def leaves_some(self, region: Sequence[int]) -> bool:
        """Say whether something of ``region`` is outside all boxes. Raises _TooManySteps."""
        open_parts = [(list(region), 0)] if all(region) else []
        while open_parts:
            part, first = open_parts.pop()
            met = self._first_met(part, first)
            if met == len(self.boxes):
                return True
            open_parts += [(outside, met + 1) for outside in _outside(part, self.boxes[met])]
        return False

    def _first_met(self, part: Sequence[int], first: int) -> int:
        for number in range(first, len(self.boxes)):
            self.steps += 1
            if self.steps > MAX_STEPS:
                raise _TooManySteps
            if all(mine & theirs for mine, theirs in zip(part, self.boxes[number], strict=True)):
                return number
        return len(self.boxes)


def _outside(part: Sequence[int], box: Sequence[int]) -> Iterable[list[int]]:
    """Yield disjoint parts that together are what of ``part`` is outside ``box``."""
    within = list(part)
    for axis, theirs in enumerate(box):
        outside = within[axis] & ~theirs
        if outside:
            yield [*within[:axis], outside, *within[axis + 1 :]]
        within[axis] &= theirs
