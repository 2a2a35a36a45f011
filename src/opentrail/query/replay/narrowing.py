"""What an event must have for a rule to pick it, so that most events need not be read.

Three readings of the same idea: values that Event history has indexed, texts that must stand in the record's bytes, and
(``columns``) values of the lake's columns. Each is a necessary condition, never a sufficient one: whoever skips an
event by it skips one that no rule picks, and what is left is asked the rule itself.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from opentrail.pattern.ir import (
    And,
    AnyChild,
    AnyElement,
    AnyLeaf,
    Field,
    LeafCondition,
    Leaves,
    Or,
    Path,
    Predicate,
)
from opentrail.pattern.values import (
    AllTests,
    AnythingAsText,
    Contains,
    EndsWith,
    Folded,
    Glob,
    Is,
    NumbersAsText,
    SomeTest,
    StartsWith,
    Test,
    TextIn,
)
from opentrail.ports.event_history import LookupKey
from opentrail.query.replay.rules import ReplayRule, Subject

MAX_NEEDLES = 6
"""Texts that are looked for in each event: beyond that, decoding it is as fast."""

MAX_VALUES = 64
"""Indexed values that one clause may name."""

_MIN_NEEDLE = 3
_MAX_VALUE_CHARACTERS = 2_000

Atom = TypeVar("Atom")
AtomsOf = Callable[[Path, Test | None], frozenset[Atom] | None]
"""Returns what a field that passes a test (None: any) makes necessary: one of these atoms; None for nothing."""

Clause = frozenset[Atom]
"""One of these must hold."""


@dataclass(frozen=True, slots=True)
class Needle:
    """A text that stands in the record's bytes; with ``is_folded`` in whatever case."""

    text: bytes
    is_folded: bool


def indexed_values(rule: ReplayRule) -> list[Clause[tuple[LookupKey, str]]]:
    """Return clauses over what Event history has indexed, all of which hold for every event that the rule picks."""
    if rule.subject == "message":
        return []

    def atoms_of(path: Path, test: Test | None) -> frozenset[tuple[LookupKey, str]] | None:
        if rule.subject == "attributes":
            return _pairs(LookupKey(str(path[0])), _texts(test))
        place, values = in_record(rule.subject, path, _texts(test))
        key = _INDEXED.get(place) if place is not None else None
        if place == ("readOnly",):
            return read_only(test)
        return None if key is None else _pairs(key, values)

    return [clause for clause in clauses(rule.predicate, atoms_of) if len(clause) <= MAX_VALUES]


def needles(rule: ReplayRule) -> Clause[Needle] | None:
    """Return the texts one of which every record that the rule picks has in its bytes, None when there are none.

    True of bytes without a backslash; one that spells characters by escapes may have them otherwise.
    """

    def atoms_of(path: Path, test: Test | None) -> frozenset[Needle] | None:
        if rule.subject == "attributes":
            return _needles_of_attribute(str(path[0]), _texts(test))
        if not path and rule.subject != "message":
            return _needles_of(test)
        return _needles_at(rule.subject, path, test)

    found = [clause for clause in clauses(rule.predicate, atoms_of) if len(clause) <= MAX_NEEDLES]
    return min(found, key=_cost, default=None)


def clauses(predicate: Predicate, atoms_of: AtomsOf[Atom]) -> list[Clause[Atom]]:
    """Return clauses that hold wherever ``predicate`` does."""
    match predicate:
        case And(parts):
            return [clause for part in parts for clause in clauses(part, atoms_of)]
        case Or(parts):
            return _either([clauses(part, atoms_of) for part in parts])
        case Field(path, test):
            return _one(atoms_of(path, test))
        case Leaves(conditions):
            return [clause for condition in conditions for clause in _of_leaf(condition, atoms_of)]
        case AnyElement(path, inner) | AnyChild(path, inner):
            # The 0 stands for whichever element: what is indexed by a name is never inside an array.
            below = clauses(inner, lambda rest, test: atoms_of((*path, 0, *rest), test))
            return below or _one(atoms_of(path, None))
        case AnyLeaf(test):
            return _one(atoms_of((), test))
    return []


def _of_leaf(condition: LeafCondition, atoms_of: AtomsOf[Atom]) -> list[Clause[Atom]]:
    return [] if condition.or_absent else _one(atoms_of(condition.path, condition.test))


def _one(atoms: frozenset[Atom] | None) -> list[Clause[Atom]]:
    return [] if atoms is None else [atoms]


def _either(parts: Sequence[list[Clause[Atom]]]) -> list[Clause[Atom]]:
    """Return what holds when one of ``parts`` does: one of the shortest clauses of each."""
    if not parts or not all(parts):
        return []
    return [frozenset().union(*(min(part, key=len) for part in parts))]


def in_record(subject: Subject, path: Path, values: frozenset[str] | None) -> tuple[Path | None, frozenset[str] | None]:
    """Return where in the record a field of what the rule is asked about stands, and the values that it has there."""
    if subject == "record":
        return path, values
    if subject == "attributes":
        return _OF_ATTRIBUTE.get(str(path[0])) if path else None, values
    match path:
        case ("detail", *rest):
            return tuple(rest), values
        case ("source",) if values is not None and _OWN_SOURCE not in values:
            names = [value.removeprefix("aws.") for value in values if value.startswith("aws.")]
            return ("eventSource",), frozenset(names) | {f"{name}.amazonaws.com" for name in names}
        case ("account",):
            return ("recipientAccountId",), values
        case ("region",):
            return ("awsRegion",), values
    return None, None


_OF_ATTRIBUTE: dict[str, Path] = {
    "EventId": ("eventID",),
    "EventName": ("eventName",),
    "EventSource": ("eventSource",),
    "ReadOnly": ("readOnly",),
    "AccessKeyId": ("userIdentity", "accessKeyId"),
}
"""Where the values of attributes stand that are one member's."""

_OWN_SOURCE = "aws.cloudtrail"
"""What Insights events have for a source, whatever theirs is."""

_INDEXED: dict[Path, LookupKey] = {
    ("eventName",): LookupKey.EVENT_NAME,
    ("eventSource",): LookupKey.EVENT_SOURCE,
    ("eventID",): LookupKey.EVENT_ID,
    ("userIdentity", "accessKeyId"): LookupKey.ACCESS_KEY_ID,
}


def read_only(test: Test | None) -> frozenset[tuple[LookupKey, str]] | None:
    """Return what a test of ``readOnly`` wants of the index; values that are no booleans are not in it."""
    match test:
        case Is(bool() as wanted):
            texts = [str(wanted).lower()]
        case (
            AnythingAsText(TextIn(values))
            | AnythingAsText(Folded(TextIn(values)))
            | Folded(AnythingAsText(TextIn(values)))
        ):
            texts = [value for value in values if value in ("true", "false")]
        case _:
            return None
    return frozenset((LookupKey.READ_ONLY, text) for text in texts)


def _pairs(key: LookupKey, values: frozenset[str] | None) -> frozenset[tuple[LookupKey, str]] | None:
    if values is None or any(len(value) > _MAX_VALUE_CHARACTERS for value in values):
        return None
    # The index leaves out the empty text, which a rule may ask for.
    return None if "" in values else frozenset((key, value) for value in values)


def _texts(test: Test | None) -> frozenset[str] | None:
    """Return the texts one of which a string must be to pass, None when others may pass, or what is no string."""
    match test:
        case TextIn(values):
            return values
        case SomeTest(parts):
            found = [_texts(part) for part in parts]
            kept = [texts for texts in found if texts is not None]
            return frozenset().union(*kept) if len(kept) == len(found) else None
        case AllTests(parts):
            return next((texts for texts in map(_texts, parts) if texts is not None), None)
        case NumbersAsText(part) | AnythingAsText(part):
            texts = _texts(part)
            return None if texts is None or any(map(_may_be_json, texts)) else texts
    return None


def _may_be_json(text: str) -> bool:
    """Say whether a text may be how a value other than a string is spelled."""
    return text in ("true", "false", "null", "inf", "nan") or text[:1] in "-0123456789[{"


def _needles_of_attribute(key: str, values: frozenset[str] | None) -> frozenset[Needle] | None:
    """Return what of an attribute's values stands in the record; some are the event's only by a table or by rule."""
    if values is None or key in ("ReadOnly", "ResourceType") or (key == "Username" and "root" in values):
        return None
    return _runs(values, is_folded=False)


def _needles_at(subject: Subject, path: Path, test: Test | None) -> frozenset[Needle] | None:
    names = [step for step in path if isinstance(step, str)]
    is_derived = subject in ("envelope", "notice") and names[:1] != ["detail"]
    if is_derived:
        if names == ["source"]:
            texts = in_record("envelope", path, _texts(test))[1]
            return (
                None if not texts else _runs([text.removesuffix(".amazonaws.com") for text in texts], is_folded=False)
            )
        return _needles_of(test) if names in _COPIED else None
    found = _needles_of(test)
    if found is not None or subject == "message" or not names or names[-1] in _EVERYWHERE or not _is_plain(names[-1]):
        return found
    # The last name of the path closes a member's name, alone or behind a dot.
    return frozenset({Needle(f'{names[-1]}"'.encode(), is_folded=False)})


_COPIED = (["account"], ["region"], ["id"], ["time"])
"""Members of an envelope that hold a text of the record as it is."""

_COMMON_NAMES = """
eventVersion userIdentity type principalId arn accountId eventTime eventSource eventName awsRegion sourceIPAddress
userAgent requestParameters responseElements requestID eventID readOnly eventType managementEvent recipientAccountId
eventCategory detail
"""

_EVERYWHERE = frozenset(_COMMON_NAMES.split())
"""Members that nearly every record has, so that looking for them is in vain."""


def _needles_of(test: Test | None) -> frozenset[Needle] | None:
    match test:
        case TextIn(texts):
            return _runs(texts, is_folded=False)
        case StartsWith(texts) | EndsWith(texts) | Contains(texts):
            return _runs(texts, is_folded=False)
        case Glob(pieces):
            return _longest_run([piece for piece in pieces if isinstance(piece, str)])
        case Folded(part):
            found = _needles_of(part)
            return None if found is None else frozenset(Needle(needle.text.lower(), is_folded=True) for needle in found)
        case NumbersAsText(part) | AnythingAsText(part):
            return _unspaced(_needles_of(part))
        case SomeTest(parts):
            several = [_needles_of(part) for part in parts]
            kept = [one for one in several if one is not None]
            return frozenset().union(*kept) if kept and len(kept) == len(several) else None
        case AllTests(parts):
            return min((one for one in map(_needles_of, parts) if one is not None), key=_cost, default=None)
    return None


_RUN = re.compile(r"[A-Za-z0-9 _.:@*+=,;/-]+")


def _runs(texts: Iterable[str], *, is_folded: bool) -> frozenset[Needle] | None:
    found = set()
    for text in texts:
        run = max(_RUN.findall(text), key=len, default="")
        if len(run) < _MIN_NEEDLE:
            return None
        found.add(Needle(run.encode(), is_folded))
    return frozenset(found) or None


def _longest_run(pieces: Sequence[str]) -> frozenset[Needle] | None:
    runs = [run for piece in pieces for run in _RUN.findall(piece)]
    longest = max(runs, key=len, default="")
    return _runs([longest], is_folded=False)


def _unspaced(found: Iterable[Needle] | None) -> frozenset[Needle] | None:
    """Return what of needles also stands in the bytes of a number or an object, whose compact form they are of."""
    if found is None:
        return None
    kept = set()
    for needle in found:
        parts = [part for part in re.split(rb"[ :,]", needle.text) if re.search(rb"[A-DF-Za-df-z]", part)]
        longest = max(parts, key=len, default=b"")
        if len(longest) < _MIN_NEEDLE:
            return None
        kept.add(Needle(longest, needle.is_folded))
    return frozenset(kept) or None


def _is_plain(name: str) -> bool:
    return _RUN.fullmatch(name) is not None


def _cost(clause: Clause[Needle]) -> tuple[int, int]:
    return len(clause), -min((len(needle.text) for needle in clause), default=0)


FOLDED_TO_ASCII = ("\u0130".encode(), "\u212a".encode())
"""The letters beyond ASCII whose other case is one of ASCII's: a dotted I and the sign of the kelvin."""


class Probe:
    """Says of bytes, one record or several, whether a rule may pick something in them.

    ``exact`` are the texts that it looks for, ``folded`` those, in lower case, that count whatever the case.
    ``is_escaped_alike``: the bytes spell every character as our own encoder does, so that no plain text is escaped.
    """

    def __init__(self, rules: Iterable[ReplayRule], *, is_escaped_alike: bool) -> None:
        clauses_of_rules = [needles(rule) for rule in rules]
        self.is_useful = bool(clauses_of_rules) and all(clause is not None for clause in clauses_of_rules)
        wanted = frozenset().union(*(clause or frozenset() for clause in clauses_of_rules))
        self.is_useful = self.is_useful and len(wanted) <= MAX_NEEDLES
        self.exact = [needle.text for needle in wanted if not needle.is_folded]
        self.folded = [needle.text for needle in wanted if needle.is_folded]
        self._is_escaped_alike = is_escaped_alike

    def may_match(self, data: bytes) -> bool:
        """Say whether ``data`` may have what a rule picks; True when that cannot be told."""
        if not self.is_useful:
            return True
        for text in self.exact:
            if text in data:
                return True
        if self.folded:
            if any(letter in data for letter in FOLDED_TO_ASCII):
                return True
            lowered = data.lower()
            for text in self.folded:
                if text in lowered:
                    return True
        return not self._is_escaped_alike and b"\\" in data
