"""Correlations: events judged together on a stream, in bounded memory.

In: what to correlate (``Correlations``, as the Sigma reader makes it) and events with their times. Out: findings.

- Time is the events' own; *now* is the latest seen. A count *at least* so many is judged at every event over the span
  that ends now, and told once, until it was false again. A count with an upper end can be undone by the next event: it
  is judged when the span that a group's first event opened is over.
- A group is what an event's ``group_by`` fields hold; an event without one of them is in no group.
- What is kept is bounded by MAX_CELLS; beyond it the groups that were quiet longest are forgotten, and counted.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from heapq import heappop, heappush
from typing import Any, Literal

from opentrail.pattern.correlation_counts import Chain, Counter, SpanCount, Tally, Times, Values
from opentrail.pattern.ir import DottedPath, Predicate
from opentrail.pattern.leaves import dotted_edges, leaf_values
from opentrail.pattern.rule_set import RuleSet
from opentrail.pattern.values import text_of

Kind = Literal["event_count", "value_count", "temporal", "temporal_ordered"]

MAX_CELLS = 400_000
"""Times, values and groups kept over all correlations: some 100 MB at most."""

MAX_VALUES = 100
"""Values of one field of one event that are looked at."""

MAX_TEXT_CHARACTERS = 200
"""A longer value is kept as its beginning and a digest."""

EXAMPLES = 5
"""Events named in a finding: the last of them."""


@dataclass(frozen=True, slots=True)
class Correlation:
    """What is counted, over which rules, in which groups and span.

    ``rules`` names rules and earlier correlations; ``group_by`` and ``counted`` hold, for each of them, the paths of
    the grouping fields and of the counted one. ``most`` is None when there is no upper end.
    """

    name: str
    title: str
    kind: Kind
    rules: tuple[str, ...]
    labels: tuple[str, ...]
    group_by: tuple[tuple[DottedPath, ...], ...]
    counted: tuple[DottedPath, ...]
    span_seconds: int
    least: int
    most: int | None


@dataclass(frozen=True)
class Correlations:
    """Rules by name, and correlations over them, each after those that it refers to."""

    rules: Mapping[str, Predicate]
    correlations: Sequence[Correlation]


@dataclass(frozen=True, slots=True)
class Finding:
    """A correlation that held: for which group, how often within the span, from when to when, and the last events."""

    name: str
    title: str
    group: Mapping[str, str]
    count: int
    first_at: float
    at: float
    event_ids: tuple[str, ...]


_Texts = tuple[str, ...]
_Key = tuple[_Texts, ...]


@dataclass(slots=True)
class _Facts:
    """What is kept of one event: its id, and the values of every field that some correlation asks for."""

    event_id: str
    values: Mapping[DottedPath, _Texts]


@dataclass(slots=True)
class _Group:
    counter: Counter
    first_at: float
    touched_at: float
    facts: _Facts
    event_ids: deque[str] = field(default_factory=lambda: deque(maxlen=EXAMPLES))
    is_told: bool = False
    cells: int = 1


class CorrelationStream:
    """Correlations over one stream. Not to be used by two threads at once.

    ``forgotten`` counts the groups that were given up for want of memory: above zero, findings may be missing.
    """

    def __init__(self, correlations: Correlations, max_cells: int = MAX_CELLS) -> None:
        self._index: RuleSet[str] = RuleSet()
        for name, predicate in correlations.rules.items():
            self._index.add(name, predicate)
        self._states = [_State(one) for one in correlations.correlations]
        self._paths = {path: dotted_edges(path) for state in self._states for path in state.paths}
        self._max_cells = max_cells
        self._now = float("-inf")
        self.forgotten = 0

    def concerns(self, event: Any) -> bool:
        """Say whether ``observe`` would count the event for anything; others need not be given."""
        return bool(self._index.match(event))

    def observe(self, event: Any, at: float) -> list[Finding]:
        """Take one event of time ``at`` (seconds) and return what it completes, and what its time closes.

        An event that is older than a correlation's span, as of the latest seen, counts for nothing there.
        """
        findings = self.advance(at)
        names = self._index.match(event)
        if names:
            facts = self._facts(event)
            findings += self._spread({name: [(facts, at)] for name in names})
        return findings

    def advance(self, now: float) -> list[Finding]:
        """Return what is settled because it is ``now`` (seconds): spans that are over."""
        self._now = max(self._now, now)
        return self._spread({})

    def finish(self) -> list[Finding]:
        """Return what the spans that are still open amount to; the stream is over."""
        self._now = float("inf")
        return self._spread({})

    @property
    def cells(self) -> int:
        """What is kept, in times, values and groups."""
        return sum(state.cells for state in self._states)

    def _spread(self, hits: dict[str, list[tuple[_Facts, float]]]) -> list[Finding]:
        """Hand hits to the correlations in order; what one finds is a hit for those that refer to it."""
        findings: list[Finding] = []
        for state in self._states:
            for finding, facts in state.judge(hits, self._now):
                findings.append(finding)
                hits.setdefault(finding.name, []).append((facts, finding.at))
        while self.cells > self._max_cells:
            self.forgotten += max(self._states, key=lambda state: state.cells).forget_quietest()
        return findings

    def _facts(self, event: Any) -> _Facts:
        event_id = event.get("eventID") if isinstance(event, dict) else None
        values = {path: _texts(event, edges) for path, edges in self._paths.items()}
        return _Facts(_cut(event_id) if isinstance(event_id, str) else "", values)


class _State:
    """One correlation's groups, the quietest first."""

    def __init__(self, correlation: Correlation) -> None:
        self._correlation = correlation
        self._is_open_ended = correlation.most is None
        self._groups: OrderedDict[_Key, _Group] = OrderedDict()
        self._ends: list[tuple[float, _Key]] = []
        self._backwards = list(enumerate(correlation.rules))[::-1]
        self._new_counter = _counter_of(correlation)
        self.cells = 0
        self.paths = {path for paths in correlation.group_by for path in paths} | set(correlation.counted)

    def judge(self, hits: Mapping[str, list[tuple[_Facts, float]]], now: float) -> Iterator[tuple[Finding, _Facts]]:
        """Take the hits of the correlation's rules; yield findings, each with what is known of its last event."""
        oldest = now - self._correlation.span_seconds
        if self._is_open_ended:
            self._drop_silent(oldest)
        else:
            yield from self._close(now)
        for place, name in self._backwards:  # so that no event is in order with itself
            for facts, at in hits.get(name, ()):
                if at > oldest and (key := self._key(place, facts)) is not None:
                    yield from self._take(key, place, facts, at, oldest)

    def forget_quietest(self) -> int:
        """Give up the group that was quiet longest; return how many were given up."""
        key = next(iter(self._groups))
        self._drop(key)
        return 1

    def _key(self, place: int, facts: _Facts) -> _Key | None:
        key = tuple(facts.values[path] for path in self._correlation.group_by[place])
        return key if all(key) else None

    def _take(self, key: _Key, place: int, facts: _Facts, at: float, oldest: float) -> Iterator[tuple[Finding, _Facts]]:
        values: _Texts = ()
        if self._correlation.counted:
            values = facts.values[self._correlation.counted[place]]
            if not values:
                return
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = _Group(self._new_counter(), at, at, facts)
            self.cells += 1
            if not self._is_open_ended:
                heappush(self._ends, (at + self._correlation.span_seconds, key))
        group.counter.take(at, place, values, oldest)
        group.touched_at, group.facts = max(group.touched_at, at), facts
        group.event_ids.append(facts.event_id)
        cells = 1 + len(group.counter)
        self.cells += cells - group.cells
        group.cells = cells
        self._groups.move_to_end(key)
        if self._is_open_ended:
            holds = group.counter.count() >= self._correlation.least
            if holds and not group.is_told:
                yield self._finding(key, group, at), facts
            group.is_told = holds

    def _close(self, now: float) -> Iterator[tuple[Finding, _Facts]]:
        most = self._correlation.most
        while self._ends and self._ends[0][0] <= now:
            end, key = heappop(self._ends)
            group = self._groups.get(key)
            if group is None or group.first_at + self._correlation.span_seconds != end:
                continue
            if self._correlation.least <= group.counter.count() and (most is None or group.counter.count() <= most):
                yield self._finding(key, group, end), group.facts
            self._drop(key)

    def _drop_silent(self, oldest: float) -> None:
        while self._groups:
            key, group = next(iter(self._groups.items()))
            if group.touched_at > oldest:
                return
            self._drop(key)

    def _drop(self, key: _Key) -> None:
        self.cells -= self._groups.pop(key).cells

    def _finding(self, key: _Key, group: _Group, at: float) -> Finding:
        correlation = self._correlation
        shown = {label: ", ".join(texts) for label, texts in zip(correlation.labels, key, strict=True)}
        first_at = group.counter.first_at() if self._is_open_ended else group.first_at
        ids = tuple(one for one in group.event_ids if one)
        return Finding(correlation.name, correlation.title, shown, group.counter.count(), first_at, at, ids)


def _counter_of(correlation: Correlation) -> Callable[[], Counter]:
    if correlation.most is not None:
        bound = correlation.most + 1
        return Tally if correlation.kind == "event_count" else lambda: SpanCount(bound)
    match correlation.kind:
        case "event_count":
            return lambda: Times(correlation.least)
        case "value_count" | "temporal":
            return lambda: Values(correlation.least)
        case "temporal_ordered":
            return lambda: Chain(len(correlation.rules))


def _texts(event: Any, edges: Any) -> _Texts:
    """Return the distinct values of a field as texts, in order; none when it is missing or null."""
    found: set[str] = set()
    for _, leaf in zip(range(MAX_VALUES), leaf_values(event, edges), strict=False):
        if leaf is not None:
            found.add(_cut(text_of(leaf)))
    return tuple(sorted(found))


def _cut(text: str) -> str:
    if len(text) <= MAX_TEXT_CHARACTERS:
        return text
    digest = blake2b(text.encode("utf-8", "replace"), digest_size=16).hexdigest()
    return f"{text[:MAX_TEXT_CHARACTERS]}#{digest}"
