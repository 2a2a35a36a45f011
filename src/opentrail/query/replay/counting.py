"""Counting what rules pick: one ``Counter`` reads events, in as many processes as there are; tallies add up.

A tally's size is bounded whatever the events are: slots of time by the span, names by MAX_NAMES (see ``TopList``),
examples by how many are asked for.
"""

import heapq
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from opentrail.event.lookup_attributes import event_id
from opentrail.pattern.envelope import envelope_of
from opentrail.pattern.filter_pattern import json_object
from opentrail.pattern.matcher import Matcher, compile_predicate
from opentrail.query.replay.alarms import NO_SAMPLE, Sample
from opentrail.query.replay.metrics import Metric
from opentrail.query.replay.naming import EventTimes, principal_of
from opentrail.query.replay.rules import ReplayRule

MAX_NAMES = 10_000
"""Names of one list (principals, sources) that are counted exactly; what is beyond is bounded by the list's error."""

MAX_NAME_CHARACTERS = 512
"""Longer names are counted by their beginning."""

MAX_SLOTS = 20_000
"""Slots of time that one rule's matches are counted in."""

MAX_EXAMPLES = 100

GROUPS = ("principals", "source_addresses", "event_sources", "event_names")
"""The lists of names that matches are counted by."""

_MINUTE = 60


_GRAINS = (60, 300, 900, 3_600, 10_800, 86_400)


def grain_of(start: int, end: int) -> int:
    """Return the seconds of one slot, so that a span of up to 50 years has at most MAX_SLOTS."""
    return next((grain for grain in _GRAINS if (end - start) <= grain * MAX_SLOTS), _GRAINS[-1])


class TopList:
    """How often each name came, at most twice ``limit`` names at once.

    Invariant: a name that came n times counts at least n - error, and ``error`` stays 0 while no more than
    ``2 * limit`` names come. Beyond that the least counted go and the others lose as much (Misra and Gries).
    """

    __slots__ = ("counts", "error", "limit")

    def __init__(self, limit: int = MAX_NAMES) -> None:
        self.limit = limit
        self.counts: dict[str, int] = {}
        self.error = 0

    def add(self, name: str, count: int = 1) -> None:
        counts = self.counts
        counts[name] = counts.get(name, 0) + count
        if len(counts) > 2 * self.limit:
            self._shrink()

    def merge(self, counts: Mapping[str, int], error: int) -> None:
        """Add another list's names."""
        self.error += error
        self.add_all(counts.items())

    def add_all(self, pairs: Iterable[tuple[str, int]]) -> None:
        """Add names, each with how often it came."""
        counts, most = self.counts, 2 * self.limit
        for name, count in pairs:
            counts[name] = counts.get(name, 0) + count
            if len(counts) > most:
                self._shrink()
                counts = self.counts

    def top(self, number: int) -> list[tuple[str, int]]:
        """Return the most frequent names, ties by name."""
        return heapq.nsmallest(number, self.counts.items(), key=lambda item: (-item[1], item[0]))

    def _shrink(self) -> None:
        cut = heapq.nlargest(self.limit + 1, self.counts.values())[-1]
        self.error += cut
        self.counts = {name: count - cut for name, count in self.counts.items() if count > cut}


@dataclass
class Tally:
    """What one rule picked. ``examples`` are the newest matches: (seconds, event id, record)."""

    max_examples: int
    matches: int = 0
    first: int | None = None
    last: int | None = None
    slots: dict[int, int] = field(default_factory=dict)
    groups: tuple[TopList, ...] = field(default_factory=lambda: tuple(TopList() for _ in GROUPS))
    examples: list[tuple[int, str, str]] = field(default_factory=list)
    samples: dict[int, Sample] = field(default_factory=dict)

    def add(self, seconds: int, slot: int, record: dict[str, Any], raw: bytes) -> None:
        """Take one match."""
        self.matches += 1
        self.slots[slot] = self.slots.get(slot, 0) + 1
        self._stretch(seconds, seconds)
        names = (
            principal_of(record),
            record.get("sourceIPAddress"),
            record.get("eventSource"),
            record.get("eventName"),
        )
        for group, name in zip(self.groups, names, strict=True):
            group.add(name[:MAX_NAME_CHARACTERS] if isinstance(name, str) else "")
        if self.wants_example(seconds):
            self._keep((seconds, event_id(record), raw.decode(errors="replace")))

    def add_sample(self, minute: int, value: float, count: int = 1) -> None:
        """Take a sample of the rule's metric, or several alike."""
        more = NO_SAMPLE.with_value(value) if count == 1 else Sample(count, count * value, value, value)
        self.samples[minute] = self.samples.get(minute, NO_SAMPLE).with_sample(more)

    def add_times(self, matches: int, first: int, last: int, slots: Mapping[int, int]) -> None:
        """Take many matches at once: the times of the first and last, and how many each slot has."""
        self.matches += matches
        self._stretch(first, last)
        for slot, count in slots.items():
            self.slots[slot] = self.slots.get(slot, 0) + count

    def add_names(self, group: int, names: Sequence[Any], counts: Mapping[int, int]) -> None:
        """Take names of many matches: how often each place of ``names`` came; ``group`` is a place in GROUPS."""
        texts = [name[:MAX_NAME_CHARACTERS] if isinstance(name, str) else "" for name in names]
        self.groups[group].add_all(zip(map(texts.__getitem__, counts), counts.values(), strict=True))

    def wants_example(self, seconds: int) -> bool:
        """Say whether a match of this second may be among the newest."""
        return bool(self.max_examples) and (len(self.examples) < self.max_examples or seconds >= self.examples[0][0])

    def add_example(self, seconds: int, raw: bytes) -> None:
        """Take a match as an example, when it is among the newest."""
        self._keep((seconds, event_id(decoded_record(raw) or {}), raw.decode(errors="replace")))

    def merge(self, wire: Mapping[str, Any]) -> None:
        """Add what another tally says of itself."""
        self.matches += wire["matches"]
        if wire["first"] is not None:
            self._stretch(wire["first"], wire["last"])
        for slot, count in wire["slots"]:
            self.slots[slot] = self.slots.get(slot, 0) + count
        for group, (counts, error) in zip(self.groups, wire["groups"], strict=True):
            group.merge(counts, error)
        for seconds, name, record in wire["examples"]:
            self._keep((seconds, name, record))
        for minute, *sample in wire["samples"]:
            self.samples[minute] = self.samples.get(minute, NO_SAMPLE).with_sample(Sample(*sample))

    def to_wire(self) -> dict[str, Any]:
        """Return the tally as JSON has it."""
        return {
            "matches": self.matches,
            "first": self.first,
            "last": self.last,
            "slots": list(self.slots.items()),
            "groups": [(group.counts, group.error) for group in self.groups],
            "examples": self.examples,
            "samples": [(minute, *sample) for minute, sample in self.samples.items()],
        }

    def _stretch(self, first: int, last: int) -> None:
        self.first = first if self.first is None else min(self.first, first)
        self.last = last if self.last is None else max(self.last, last)

    def _keep(self, example: tuple[int, str, str]) -> None:
        if len(self.examples) < self.max_examples:
            heapq.heappush(self.examples, example)
        else:
            heapq.heappushpop(self.examples, example)


class Counter:
    """Takes events of a span and counts, for each rule, those that it picks. Not for two threads.

    ``tallies`` has one for each rule; ``places`` says which rules are asked, all when it is None.
    """

    def __init__(
        self,
        rules: Sequence[ReplayRule],
        metrics: Sequence[Metric | None],
        start: int,
        end: int,
        max_examples: int,
        *,
        places: Collection[int] | None = None,
        tallies: Sequence[Tally] | None = None,
    ) -> None:
        self.grain = grain_of(start, end)
        self._metrics = metrics
        self.tallies = [Tally(max_examples) for _ in rules] if tallies is None else tallies
        self.unreadable = 0
        asked = [(place, rule) for place, rule in enumerate(rules) if places is None or place in places]
        self._records = _Asked(asked, "record")
        self._envelopes = _Asked(asked, "envelope")
        self._others = [(place, rule) for place, rule in asked if rule.subject not in ("record", "envelope")]
        self._defaults = [
            (place, metric)
            for place, metric in enumerate(metrics)
            if metric is not None and metric.default is not None and (places is None or place in places)
        ]
        self._clock = EventTimes()

    def take(self, raw: bytes) -> None:
        """Take one event's JSON; one that is no record with a time is counted as unreadable."""
        record = decoded_record(raw)
        if record is None:
            self.unreadable += 1
            return
        hits = self._hits(record, raw)
        if not hits and not self._defaults:
            return
        seconds = self._clock.seconds(record.get("eventTime"))
        if seconds is None:
            self.unreadable += 1
            return
        slot = seconds // self.grain * self.grain
        for place in hits:
            self.tallies[place].add(seconds, slot, record, raw)
            metric = self._metrics[place]
            value = metric.value_of(record) if metric is not None else None
            if value is not None:
                self.tallies[place].add_sample(seconds - seconds % _MINUTE, value)
        for place, metric in self._defaults:
            if place not in hits:
                assert metric.default is not None
                self.tallies[place].add_sample(seconds - seconds % _MINUTE, metric.default)

    def to_wire(self) -> dict[str, Any]:
        """Return all tallies as JSON has them."""
        return {"unreadable": self.unreadable, "tallies": [tally.to_wire() for tally in self.tallies]}

    def merge(self, wire: Mapping[str, Any]) -> None:
        """Add what another counter of the same rules counted."""
        self.unreadable += wire["unreadable"]
        for tally, other in zip(self.tallies, wire["tallies"], strict=True):
            tally.merge(other)

    def _hits(self, record: dict[str, Any], raw: bytes) -> list[int]:
        hits = self._records.asked(record)
        if self._envelopes.matchers:
            hits += self._envelopes.asked(envelope_of(record))
        hits += [place for place, rule in self._others if rule.matches(record, raw)]
        return hits


class _Asked:
    """The rules that ask about one subject, as a list of compiled matchers."""

    def __init__(self, rules: Iterable[tuple[int, ReplayRule]], subject: str) -> None:
        self.matchers: list[tuple[int, Matcher]] = [
            (place, compile_predicate(rule.predicate)) for place, rule in rules if rule.subject == subject
        ]

    def asked(self, subject: dict[str, Any]) -> list[int]:
        return [place for place, matcher in self.matchers if matcher(subject)]


def decoded_record(raw: bytes) -> dict[str, Any] | None:
    """Return the JSON object that a record is, None when it is anything else. Numbers beyond a double are infinite."""
    try:
        record = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return json_object(raw.decode(errors="replace"))
    return record if isinstance(record, dict) else None
