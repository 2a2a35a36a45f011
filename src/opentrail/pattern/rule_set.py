"""Many rules at once: which of them does this event match? The cost grows with the rules that match, not with all.

```
 rule ── alternatives ──> a bucket: (path, text) that the alternative must equal, or the bucket of those without
                            │ one bit for each alternative in it
 event ─ its text at each bucketed path ─> bucket ─ AND over the bucket's paths of value -> bits ─> alternatives left
                                                                                       └─ proof where needed ─> rules
```
Invariant: in a bucket, an alternative's bit is set in a path's mask of a value when the value passes its test there,
and in every mask of a path that it does not mention. Rules are added and removed at any time, between two matches.
"""

from collections.abc import Hashable, Iterator
from typing import Any, Generic, TypeVar

from opentrail.pattern.alternatives import Alternative, Condition, alternatives_of
from opentrail.pattern.ir import DottedPath, Predicate
from opentrail.pattern.leaf_reader import LeafReader, ManyLeaves
from opentrail.pattern.matcher import Matcher, compile_predicate
from opentrail.pattern.rule_bucket import Bucket
from opentrail.pattern.text_index import MemoBudget
from opentrail.pattern.values import AnythingAsText, NumbersAsText, SomeTest, Test, TextIn

MAX_GUARD_TEXTS = 64
"""Texts of one condition that an alternative may be filed under, one bucket for each."""

BUCKET_STEP = 512
"""Alternatives in a bucket that are worth as much as one more bucket to ask."""

NEW_PATH_STEPS = 2
"""How many such steps a path under which nothing is filed yet must save."""

Name = TypeVar("Name", bound=Hashable)

_Place = tuple[DottedPath, str]


class RuleSet(Generic[Name]):
    """Rules by name. Not to be changed while another thread matches. What is remembered of events is bounded by
    ``budget``; sets that one thread asks may share it."""

    def __init__(self, budget: MemoBudget | None = None) -> None:
        self._predicates: dict[Name, Predicate] = {}
        self._matchers: dict[Name, Matcher] = {}
        self._filed: dict[Name, list[tuple[_Place | None, Bucket[Name], int]]] = {}
        self._guards: dict[DottedPath, tuple[LeafReader, dict[str, Bucket[Name]]]] = {}
        self._budget = budget or MemoBudget()
        self._rest: Bucket[Name] = Bucket(self._budget)

    def __len__(self) -> int:
        return len(self._predicates)

    def add(self, name: Name, predicate: Predicate) -> None:
        """Add a rule, in place of one of this name."""
        self.remove(name)
        self._predicates[name] = predicate
        self._filed[name] = [
            (place, bucket, bucket.add(name, alternative, known=place[0] if place else None))
            for alternative in alternatives_of(predicate)
            for place, bucket in self._buckets_for(alternative)
        ]

    def remove(self, name: Name) -> None:
        """Take a rule out; without one of this name nothing happens."""
        if self._predicates.pop(name, None) is None:
            return
        self._matchers.pop(name, None)
        for place, bucket, number in self._filed.pop(name):
            bucket.remove(number)
            if place is not None and not len(bucket):
                self._forget(*place)

    def match(self, event: Any) -> list[Name]:
        """Return the names of the rules that ``event`` matches, each once, in no order."""
        read: dict[DottedPath, Any] = {}
        answers: list[tuple[Name, ...]] = []
        for path, (reader, buckets) in self._guards.items():
            leaf = read[path] = reader.read(event)
            if type(leaf) is str:
                bucket = buckets.get(leaf)
                if bucket is not None:
                    self._ask(bucket, event, read, answers, is_known=True)
            elif isinstance(leaf, ManyLeaves):
                for text in {text for text in leaf.leaves if type(text) is str}:
                    if text in buckets:
                        self._ask(buckets[text], event, read, answers, is_known=False)
        if self._rest.active:
            self._ask(self._rest, event, read, answers, is_known=True)
        if len(answers) == 1:
            return list(answers[0])
        return list(dict.fromkeys(name for names in answers for name in names))

    def _ask(
        self,
        bucket: Bucket[Name],
        event: Any,
        read: dict[DottedPath, Any],
        answers: list[tuple[Name, ...]],
        *,
        is_known: bool,
    ) -> None:
        """Add what a bucket answers; ``is_known``: that the bucket's text stands at its path needs no proof."""
        certain, possible = bucket.candidates(event, read)
        if certain and not is_known:
            certain, possible = (), (*certain, *possible)
        if certain:
            answers.append(certain)
        if possible:
            proven = tuple(name for name in possible if self._matcher(name)(event))
            if proven:
                answers.append(proven)

    def _matcher(self, name: Name) -> Matcher:
        """Compile a rule when it must be proven for the first time: most never are."""
        found = self._matchers.get(name)
        if found is None:
            found = self._matchers[name] = compile_predicate(self._predicates[name])
        return found

    def _forget(self, path: DottedPath, text: str) -> None:
        if path in self._guards:
            buckets = self._guards[path][1]
            buckets.pop(text, None)
            if not buckets:
                del self._guards[path]

    def _buckets_for(self, alternative: Alternative) -> Iterator[tuple["_Place | None", Bucket[Name]]]:
        """Yield the buckets to file an alternative in, under as few paths as can be: each costs every event a look,
        while a bucket that is twice as full costs little more (see BUCKET_STEP)."""
        best: tuple[int, DottedPath, frozenset[str]] | None = None
        for condition in alternative.conditions:
            texts = _guard_texts(condition)
            if texts is None or len(texts) > MAX_GUARD_TEXTS:
                continue
            guard = self._guards.get(condition.path)
            waiting = max((len(guard[1][text]) for text in texts if text in guard[1]), default=0) if guard else 0
            cost = waiting // BUCKET_STEP + (0 if guard else NEW_PATH_STEPS) + len(texts) // 4
            if best is None or cost < best[0]:
                best = (cost, condition.path, texts)
        if best is None:
            yield None, self._rest
            return
        _, path, chosen = best
        if path not in self._guards:
            self._guards[path] = (LeafReader(path), {})
        filed = self._guards[path][1]
        for text in chosen:
            if text not in filed:
                filed[text] = Bucket(self._budget)
            yield (path, text), filed[text]


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
