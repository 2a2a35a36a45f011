"""Which rows a rule picks, told by columns alone; and where columns cannot tell, which rows it may pick.

A predicate's atoms (conditions on one place) are asked once about each value, or each combination of values, that came,
through the very matcher that asks events: of an event only those members are made up that the atom can see. Rows are a
whole number with one byte for each, row 0 lowest: 1 for a row that is meant.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from opentrail.pattern.ir import And, AnyChild, AnyElement, Field, Leaves, Not, Or, Path, Predicate, SameText
from opentrail.pattern.matcher import compile_predicate
from opentrail.query.replay.event_columns import MEMBERS, Columns
from opentrail.query.replay.rules import ReplayRule

Members = frozenset[str]

_DERIVED: dict[str, Members] = {
    "source": frozenset(("eventSource", "eventType", "eventCategory")),
    "detail-type": frozenset(("eventType", "eventCategory")),
    "account": frozenset(("recipientAccountId",)),
    "region": frozenset(("awsRegion",)),
}
"""What EventBridge's event has of a record beside its detail, and the members that each depends on."""

MAX_ATOM_MEMBERS = 4
"""Members of one atom, whose combinations are asked about."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows that a rule picks; without ``is_exact`` it picks none but these."""

    mask: int
    is_exact: bool


def split_leaves(predicate: Predicate, rule: ReplayRule) -> Predicate:
    """Return the predicate with conditions apart that lie in different members: no array is above both."""
    match predicate:
        case And(parts):
            return And(tuple(split_leaves(part, rule) for part in parts))
        case Or(parts):
            return Or(tuple(split_leaves(part, rule) for part in parts))
        case Not(part):
            return Not(split_leaves(part, rule))
        case Leaves(conditions) if len(conditions) > 1:
            apart: dict[Any, list[Any]] = {}
            for condition in conditions:
                apart.setdefault(members_at(rule, condition.path), []).append(condition)
            return And(tuple(Leaves(tuple(group)) for group in apart.values()))
    return predicate


def members_at(rule: ReplayRule, path: Path) -> Members | None:
    """Return the members of a record that decide what stands at a path of the rule's subject; None when others may."""
    if rule.subject in ("envelope", "notice"):
        if path[:1] == ("detail",):
            path = path[1:]
        else:
            return _DERIVED.get(str(path[0])) if len(path) == 1 else None
    elif rule.subject != "record":
        return None
    return frozenset((str(path[0]),)) if path and path[0] in MEMBERS else None


def members_of(rule: ReplayRule, predicate: Predicate) -> Members | None:
    """Return the members that decide an atom; None for what columns cannot decide."""
    match predicate:
        case Field(path, _) | AnyElement(path, _) | AnyChild(path, _):
            return members_at(rule, path)
        case Leaves(conditions):
            return _together(members_at(rule, condition.path) for condition in conditions)
        case SameText(left, right):
            return _together((members_at(rule, left), members_at(rule, right)))
    return None


def is_decidable(rule: ReplayRule) -> bool:
    """Say whether columns, if all are kept, tell exactly what the rule picks."""
    return rule.subject in ("record", "envelope", "notice") and _is_decidable(rule, split_leaves(rule.predicate, rule))


def members_of_rule(rule: ReplayRule) -> Members:
    """Return all members that decide what a decidable rule picks."""
    return _all_members(rule, split_leaves(rule.predicate, rule))


def _all_members(rule: ReplayRule, predicate: Predicate) -> Members:
    match predicate:
        case And(parts) | Or(parts):
            return frozenset().union(*(_all_members(rule, part) for part in parts))
        case Not(part):
            return _all_members(rule, part)
    return members_of(rule, predicate) or frozenset()


def is_narrowed(rule: ReplayRule) -> bool:
    """Say whether columns tell of some rows that the rule does not pick them."""
    return rule.subject in ("record", "envelope", "notice") and _is_narrowed(rule, split_leaves(rule.predicate, rule))


def _is_narrowed(rule: ReplayRule, predicate: Predicate) -> bool:
    match predicate:
        case And(parts):
            return any(_is_narrowed(rule, part) for part in parts)
        case Or(parts):
            return all(_is_narrowed(rule, part) for part in parts)
    return _is_decidable(rule, predicate)


def _is_decidable(rule: ReplayRule, predicate: Predicate) -> bool:
    match predicate:
        case And(parts) | Or(parts):
            return all(_is_decidable(rule, part) for part in parts)
        case Not(part):
            return _is_decidable(rule, part)
    return members_of(rule, predicate) is not None


def _together(found: Iterable[Members | None]) -> Members | None:
    together: Members = frozenset()
    for members in found:
        if members is None:
            return None
        together |= members
    return together if len(together) <= MAX_ATOM_MEMBERS else None


class ColumnMasks:
    """Asks rules about the columns of one file."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self.all_rows = int.from_bytes(b"\1" * columns.rows, "little")

    def rows_of(self, rule: ReplayRule) -> Rows:
        """Return the rows that a rule picks, as far as columns tell."""
        if rule.subject not in ("record", "envelope", "notice"):
            return Rows(self.all_rows, is_exact=False)
        return self._rows(rule, split_leaves(rule.predicate, rule))

    def with_values(self, name: str, wanted: Sequence[Any]) -> int:
        """Return the rows whose value in a column is one of ``wanted``."""
        table = bytes((0, *(value in wanted for value in self._columns.values(name))))
        return self._looked_up(self._columns.ids(name), table)

    def _rows(self, rule: ReplayRule, predicate: Predicate) -> Rows:
        match predicate:
            case And(parts):
                mask, is_exact = self.all_rows, True
                for part in parts:
                    found = self._rows(rule, part)
                    mask &= found.mask
                    is_exact = is_exact and found.is_exact
                    if not mask:
                        return Rows(0, is_exact=True)
                return Rows(mask, is_exact)
            case Or(parts):
                several = [self._rows(rule, part) for part in parts]
                mask = 0
                for found in several:
                    mask |= found.mask
                return Rows(mask, all(found.is_exact for found in several))
            case Not(part):
                found = self._rows(rule, part)
                return Rows(self.all_rows ^ found.mask if found.is_exact else self.all_rows, found.is_exact)
        members = members_of(rule, predicate)
        if members is None or not all(map(self._columns.has, members)):
            return Rows(self.all_rows, is_exact=False)
        return Rows(self._atom(rule, predicate, sorted(members)), is_exact=True)

    def _atom(self, rule: ReplayRule, predicate: Predicate, members: list[str]) -> int:
        matcher = compile_predicate(predicate)

        def holds(record: dict[str, Any]) -> bool:
            subject = rule.subject_of(record, b"")
            return matcher(rule.rule.view(subject) if rule.subject == "notice" else subject)

        if len(members) == 1:
            (name,) = members
            values = self._columns.values(name)
            table = bytes((holds({}), *(holds({name: value}) for value in values)))
            return self._looked_up(self._columns.ids(name), table)
        values_of = {name: self._columns.values(name) for name in members}
        ids = [self._columns.ids(name) for name in members]
        picked = {
            numbers: holds(
                {name: values_of[name][number - 1] for name, number in zip(members, numbers, strict=True) if number}
            )
            for numbers in set(zip(*ids, strict=True))
        }
        return int.from_bytes(bytes(map(picked.__getitem__, zip(*ids, strict=True))), "little")

    def _looked_up(self, ids: Sequence[int], table: bytes) -> int:
        """Return the rows whose number has a 1 in ``table``."""
        if 1 not in table:
            return 0
        if 0 not in table:
            return self.all_rows
        if isinstance(ids, bytes):
            return int.from_bytes(ids.translate(table.ljust(256, b"\0")), "little")
        return int.from_bytes(bytes(map(table.__getitem__, ids)), "little")
