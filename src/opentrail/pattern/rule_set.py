"""Many rules at once: which of them does this event match? The cost grows with the rules that match, not with all.

```
 rule ── alternatives ──> a bucket: (path, text) that the alternative must equal, or the bucket of those without
                            │ one bit for each alternative in it
 event ─ its text at each bucketed path ─> bucket ─ AND over the bucket's paths of value -> bits ─> alternatives left
                                                                                       └─ proof where needed ─> rules
```
Invariant: an alternative's bit is set in a path's index for exactly the values that pass its test, and in ``free`` of
every path that it does not mention. Rules are added and removed at any time, between two matches.
"""

from collections.abc import Hashable, Iterator
from typing import Any, Generic, TypeVar

from opentrail.pattern.alternatives import Alternative, Condition, alternatives_of
from opentrail.pattern.ir import DottedPath, Predicate
from opentrail.pattern.leaves import dotted_edges, leaf_values
from opentrail.pattern.matcher import Matcher, compile_predicate
from opentrail.pattern.text_index import MemoBudget, ValueIndex
from opentrail.pattern.values import AnythingAsText, NumbersAsText, SomeTest, Test, TextIn

MAX_GUARD_TEXTS = 64
"""Texts of one condition that an alternative may be filed under, one bucket for each."""

Name = TypeVar("Name", bound=Hashable)

_MISSING: Any = object()
_Place = tuple[DottedPath, str]
_Reading = tuple[Any, tuple[Any, ...] | None]
"""What stands at a path: the only leaf and None, or _MISSING and all leaves where an array or dotted name is met."""


class RuleSet(Generic[Name]):
    """Rules by name. Not to be changed while another thread matches."""

    def __init__(self) -> None:
        self._matchers: dict[Name, Matcher] = {}
        self._filed: dict[Name, list[tuple[_Place | None, _Bucket[Name], int]]] = {}
        self._guards: dict[DottedPath, dict[str, _Bucket[Name]]] = {}
        self._readers: dict[DottedPath, _Reader] = {}
        self._budget = MemoBudget()
        self._rest: _Bucket[Name] = _Bucket(self._budget)

    def __len__(self) -> int:
        return len(self._matchers)

    def add(self, name: Name, predicate: Predicate) -> None:
        """Add a rule, in place of one of this name."""
        self.remove(name)
        self._matchers[name] = compile_predicate(predicate)
        self._filed[name] = [
            (place, bucket, bucket.add(name, alternative))
            for alternative in alternatives_of(predicate)
            for place, bucket in self._buckets_for(alternative)
        ]

    def remove(self, name: Name) -> None:
        """Take a rule out; without one of this name nothing happens."""
        if self._matchers.pop(name, None) is None:
            return
        self._readers.clear()
        for place, bucket, number in self._filed.pop(name):
            bucket.remove(number)
            if place is not None and not len(bucket):
                self._forget(*place)

    def match(self, event: Any) -> list[Name]:
        """Return the names of the rules that ``event`` matches, each once, in no order."""
        found: dict[Name, None] = {}
        reading = _Readings(event, self._readers)
        for path, buckets in self._guards.items():
            leaf, leaves = reading.at(path)
            for text in (leaf,) if leaves is None else leaves:
                if type(text) is str and (bucket := buckets.get(text)) is not None:
                    self._ask(bucket, event, reading, found)
        if self._rest.active:
            self._ask(self._rest, event, reading, found)
        return list(found)

    def _ask(self, bucket: "_Bucket[Name]", event: Any, reading: "_Readings", found: dict[Name, None]) -> None:
        for name, needs_proof in bucket.candidates(reading):
            if name not in found and (not needs_proof or self._matchers[name](event)):
                found[name] = None

    def _forget(self, path: DottedPath, text: str) -> None:
        buckets = self._guards.get(path, {})
        buckets.pop(text, None)
        if not buckets:
            self._guards.pop(path, None)

    def _buckets_for(self, alternative: Alternative) -> Iterator[tuple["_Place | None", "_Bucket[Name]"]]:
        """Yield the buckets to file an alternative in: by the condition on whose texts the fewest others wait."""
        best: tuple[int, DottedPath, frozenset[str]] | None = None
        for condition in alternative.conditions:
            texts = _guard_texts(condition)
            if texts is None or len(texts) > MAX_GUARD_TEXTS:
                continue
            buckets = self._guards.get(condition.path, {})
            waiting = max((len(buckets[text]) for text in texts if text in buckets), default=0)
            new_path = condition.path not in self._guards
            cost = waiting + (8 if new_path else 0) + 4 * len(texts)
            if best is None or cost < best[0]:
                best = (cost, condition.path, texts)
        if best is None:
            yield None, self._rest
            return
        _, path, chosen = best
        filed = self._guards.setdefault(path, {})
        for text in chosen:
            yield (path, text), filed.setdefault(text, _Bucket(self._budget))


def _guard_texts(condition: Condition) -> frozenset[str] | None:
    """Return the texts one of which a leaf must be for the condition to hold, None when it may hold otherwise."""
    return None if condition.or_absent else _texts(condition.test)


def _texts(test: Test) -> frozenset[str] | None:
    match test:
        case TextIn(values):
            return values
        case SomeTest(parts):
            found = [_texts(part) for part in parts]
            kept = [texts for texts in found if texts is not None]
            return frozenset().union(*kept) if len(kept) == len(found) else None
        case AnythingAsText(TextIn(values)) | NumbersAsText(TextIn(values)):
            return values if not any(_may_be_json(value) for value in values) else None
    return None


def _may_be_json(text: str) -> bool:
    """Say whether a text may be what a number or literal is read as, which no look-up by string finds."""
    return text in ("true", "false", "null") or text[:1] in "-0123456789[{" or text in ("inf", "nan")


class _Bucket(Generic[Name]):
    """Alternatives filed together, each at a place with its bit."""

    def __init__(self, budget: MemoBudget) -> None:
        self._budget = budget
        self.active = 0
        self._entries: list[tuple[Name, Alternative] | None] = []
        self._empty: list[int] = []
        self._paths: dict[DottedPath, _PathBits] = {}
        self._proofs = 0

    def __len__(self) -> int:
        return len(self._entries) - len(self._empty)

    def add(self, name: Name, alternative: Alternative) -> int:
        place = self._empty.pop() if self._empty else len(self._entries)
        if place == len(self._entries):
            self._entries.append(None)
        self._entries[place] = (name, alternative)
        bit = 1 << place
        self.active |= bit
        if alternative.needs_proof:
            self._proofs |= bit
        for condition in alternative.conditions:
            self._paths.setdefault(condition.path, _PathBits(self._budget)).add(condition, bit)
        return place

    def remove(self, place: int) -> None:
        entry = self._entries[place]
        assert entry is not None
        bit = 1 << place
        self.active &= ~bit
        self._proofs &= ~bit
        for condition in entry[1].conditions:
            bits = self._paths[condition.path]
            bits.remove(condition, bit)
            if not bits.mentioned:
                del self._paths[condition.path]
        self._entries[place] = None
        self._empty.append(place)

    def candidates(self, reading: "_Readings") -> Iterator[tuple[Name, bool]]:
        """Yield rules with an alternative left when all paths were asked, and whether that is no proof yet."""
        left = self.active
        proofs = self._proofs
        for path, bits in self._paths.items():
            leaf, leaves = reading.at(path)
            if leaves is None:
                held = bits.absent if leaf is _MISSING else bits.index.bits(leaf)
            else:
                held = bits.of_fields
                for item in leaves:
                    held |= bits.index.bits(item)
                if not leaves:
                    held |= bits.absent
                proofs |= bits.mentioned
            left &= held | ~bits.mentioned
            if not left:
                return
        while left:
            low = left & -left
            left ^= low
            entry = self._entries[low.bit_length() - 1]
            assert entry is not None
            yield entry[0], bool(low & proofs)


class _PathBits:
    """One path in a bucket: which alternatives mention it, pass without a leaf, read a field, and the values' index."""

    __slots__ = ("absent", "index", "mentioned", "of_fields")

    def __init__(self, budget: MemoBudget) -> None:
        self.mentioned = 0
        self.absent = 0
        self.of_fields = 0
        self.index = ValueIndex(budget)

    def add(self, condition: Condition, bit: int) -> None:
        self.mentioned |= bit
        self.absent |= bit if condition.or_absent else 0
        self.of_fields |= 0 if condition.is_leaf else bit
        self.index.add(condition.test, bit)

    def remove(self, condition: Condition, bit: int) -> None:
        self.mentioned &= ~bit
        self.absent &= ~bit
        self.of_fields &= ~bit
        self.index.remove(condition.test, bit)


class _Reader:
    """Reads one path of an event."""

    __slots__ = ("_edges", "_plain")

    def __init__(self, path: DottedPath) -> None:
        self._edges = dotted_edges(path)
        self._plain = [(ways[0][0], tuple(name for name, _ in ways[1:])) for ways in self._edges[:-1]]

    def read(self, value: Any) -> _Reading:
        event = value
        for name, joined in self._plain:
            if type(value) is not dict:
                return self._all(event) if type(value) is list else (_MISSING, None)
            for other in joined:
                if other in value:
                    return self._all(event)
            value = value.get(name, _MISSING)
            if value is _MISSING:
                return _MISSING, None
        if type(value) is list or type(value) is dict:
            return self._all(event)
        return value, None

    def _all(self, event: Any) -> _Reading:
        return _MISSING, tuple(leaf_values(event, self._edges))


class _Readings:
    """What stands at the paths of one event, each read once."""

    __slots__ = ("_event", "_read", "_readers")

    def __init__(self, event: Any, readers: dict[DottedPath, _Reader]) -> None:
        self._event = event
        self._readers = readers
        self._read: dict[DottedPath, _Reading] = {}

    def at(self, path: DottedPath) -> _Reading:
        found = self._read.get(path)
        if found is None:
            reader = self._readers.get(path)
            if reader is None:
                reader = self._readers[path] = _Reader(path)
            found = self._read[path] = reader.read(self._event)
        return found
