"""The rules' reader: matches every event of the journal with the rules in force there, and stores what they invoke.

Cursor, rules' settings and invocations of a page of the journal are stored in one transaction, with those of the pages
before that were kept back, so that a crash neither loses an invocation nor makes one under another id.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Any

import orjson
import structlog

from opentrail.clock import Clock
from opentrail.event import Event
from opentrail.event.encoding import decode_event
from opentrail.pattern.envelope import envelope_of
from opentrail.pattern.errors import InvalidPattern
from opentrail.pattern.event_pattern import parse_event_pattern
from opentrail.pattern.rule_set import RuleSet
from opentrail.pipeline.journal_pages import follow, with_empty_pages
from opentrail.pipeline.topic_fan_out import TopicFanOut
from opentrail.ports import Unavailable
from opentrail.ports.event_rules import EventRules
from opentrail.ports.invocations import Invocation, InvocationBatch, Invocations, invocation_id
from opentrail.ports.journal import (
    LIVE,
    START,
    EventEntry,
    EventsEntry,
    Journal,
    Position,
    Positioned,
    PositionLost,
    SettingsEntry,
)
from opentrail.ports.topic_store import TopicStore
from opentrail.resource.event_bus import DEFAULT_BUS, event_bus_arn, is_event_bus_arn
from opentrail.resource.event_rule import EventRule, RuleState, is_event_rule_arn
from opentrail.resource.topic import is_topic_arn

MAX_EVENT_BYTES = 256 * 1024
"""Of an event on a bus; EventBridge delivers no larger one."""

MAX_WAITING_PER_DESTINATION = 100_000
"""Invocations that may wait for one target; what is matched beyond is lost to that target, and counted."""

MAX_INVOCATIONS_PER_WRITE = 1_000
"""Stored in one transaction; a page that matches more is stored in several, each at its own position."""

MAX_BYTES_PER_WRITE = 8 * 1024 * 1024
"""Of the events of one transaction."""

HELD_SECONDS = 0.5
"""How long what matched is not stored while all of it is for targets that take nothing: it is then stored twice a
second, with what comes after it, and not forty times. The journal has it until then."""

IDLE_ENTRIES = 5_000
"""Entries that invoked nothing and changed no rule after which the cursor is stored all the same."""

FIRST_RETRY_SECONDS = 0.1
LAST_RETRY_SECONDS = 5.0

_ENTRIES_PER_TURN = 32
"""Entries matched before the event loop has its turn: about a millisecond. In a busy server an entry that matched took
37 us at eight a turn and 32 at 64 (medians of four runs, the timers' 3 us included)."""

RULES_PER_FREEZE = 1_000
"""Rules put in force after which ``freeze`` is called: some 64,000 objects."""

_UNSEEN_SHARE = 10
"""What the events that no rule ever sees count less towards IDLE_ENTRIES: passing them again takes next to nothing."""

_QUIET_PREFIXES = ("List", "Get", "Describe")
_NEVER_QUIET = frozenset({("sts.amazonaws.com", "GetFederationToken"), ("sts.amazonaws.com", "GetSessionToken")})

_log = structlog.get_logger(__name__)


class _Matched:
    """What is not stored yet: invocations, and those of targets that take nothing in batches, by destination."""

    def __init__(self) -> None:
        self.invocations: list[Invocation] = []
        self.batches: dict[str, InvocationBatch] = {}
        self.number = 0
        self.event_bytes = 0

    def __len__(self) -> int:
        return self.number

    def destinations(self) -> list[str]:
        return sorted({invocation.destination for invocation in self.invocations} | self.batches.keys())


class RulesReader:
    """Follows the journal from the cursor that ``invocations`` keeps. ``on_stored`` hears for which destinations there
    are new invocations, once they are durable; ``waiting`` counts what waits by destination, and is kept true by those
    who take from it. ``is_failing`` says of a destination that it takes nothing. Messages of the topics in ``topics``
    are handed to their subscriptions in the same way. ``freeze`` is called after every RULES_PER_FREEZE rules put in
    force, ``prepare`` with what rules and subscriptions put in force invoke."""

    def __init__(
        self,
        journal: Journal,
        invocations: Invocations,
        view: EventRules,
        clock: Clock,
        waiting: Counter[str],
        on_stored: Callable[[Sequence[str]], None],
        topics: TopicStore | None = None,
        is_failing: Callable[[str], bool] = lambda destination: False,
        freeze: Callable[[], None] = lambda: None,
        prepare: Callable[[str], None] = lambda destination: None,
    ) -> None:
        self._journal = journal
        self._invocations = invocations
        self._view = view
        self._clock = clock
        self._waiting = waiting
        self._on_stored = on_stored
        self._is_failing = is_failing
        self._freeze = freeze
        self._prepare = prepare
        self._topics = topics
        self._fan_out = TopicFanOut(prepare)
        self._rules: dict[str, EventRule] = {}
        self._sets: dict[str, RuleSet[str]] = {}
        self._position: Position | None = None
        self._settings: list[SettingsEntry] = []
        self._matched = _Matched()
        self._held_until: float | None = None
        self._stored = START
        self._idle = self._loaded = 0
        self.lost = 0

    @property
    def position(self) -> Position | None:
        """Through where the journal is needed no more; None before the first read."""
        return self._stored if self._position is not None else None

    @property
    def matched_through(self) -> Position:
        """Through where events were matched."""
        return self._position or START

    async def run(self) -> None:
        """Follow the journal until cancelled; a store that does not answer is tried again, from what it holds."""
        pause = FIRST_RETRY_SECONDS
        while True:
            try:
                await self._begin()
                pause = FIRST_RETRY_SECONDS
                await self.follow(None)
            except Unavailable as error:
                _log.warning("rules wait for their store", error=str(error), retry_seconds=pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, LAST_RETRY_SECONDS)

    async def catch_up(self) -> None:
        """Match everything up to the journal's present head. Raises Unavailable."""
        await self._begin()
        await self.follow(self._journal.head())
        if self._matched:
            await self._store(self.matched_through)

    async def _begin(self) -> None:
        """Take up what is in force where an earlier process ended; later, store what the store did not take.

        The same again, and not matched anew: a write that failed may have been done, and is then passed over.
        """
        if self._position is None:
            await self._open()
        elif self._matched or self._settings:
            await self._store(self._position)

    async def _open(self) -> None:
        kept = await self._invocations.in_force()
        self._rules, self._sets, self._fan_out = {}, {}, TopicFanOut(self._prepare)
        for arn, snapshot in kept.rules.items():
            self._put_in_force(arn, snapshot)
            await asyncio.sleep(0)
        self._position = self._stored = kept.cursor

    async def follow(self, until: Position | None) -> None:
        """Match the entries after the present position; with ``until``, as far as that."""
        assert self._position is not None
        pages = with_empty_pages(follow(self._journal, self._position, until), self._held_seconds)
        try:
            async with aclosing(pages):
                async for page in pages:
                    await self._take_page(page)
        except PositionLost as lost:
            _log.exception("rules_reader_cut_loose", after=self._position, resume_after=lost.resume_after)
            await self._resume(lost.resume_after)
            await self.follow(until)

    async def _resume(self, position: Position) -> None:
        """Go on behind a gap: the rules, topics and subscriptions are then those that the API shows."""
        shown = [SettingsEntry(rule.arn, rule.to_json()) for rule in await self._view.all_rules()]
        if self._topics is not None:
            shown += [SettingsEntry(topic.arn, topic.to_json()) for topic in await self._topics.all_topics()]
            shown += [SettingsEntry(each.arn, each.to_json()) for each in await self._topics.all_subscriptions()]
        gone = (self._rules.keys() | self._fan_out.known()) - {entry.scope for entry in shown}
        self._settings += [SettingsEntry(arn, None) for arn in gone] + shown
        for entry in self._settings:
            self._put_in_force(entry.scope, entry.settings)
        await self._store(position)

    async def _take_page(self, page: Sequence[Positioned]) -> None:
        now = self._clock.now()
        for number, (position, entry) in enumerate(page, 1):
            if isinstance(entry, SettingsEntry):
                if is_event_rule_arn(entry.scope) or self._fan_out.is_about(entry.scope):
                    self._put_in_force(entry.scope, entry.settings)
                    self._settings.append(entry)
            elif isinstance(entry, EventsEntry):
                self._idle += entry.weight // _UNSEEN_SHARE  # for an event data store: no rule sees it
            elif is_topic_arn(entry.audience):
                self._copy(position, entry, now)
            elif self._rules:
                self._match(position, entry, now)
            self._position = position
            if len(self._matched) >= MAX_INVOCATIONS_PER_WRITE or self._matched.event_bytes >= MAX_BYTES_PER_WRITE:
                await self._store(position)
            elif number % _ENTRIES_PER_TURN == 0:
                await asyncio.sleep(0)
        self._idle += len(page)
        if self._settings or self._idle >= IDLE_ENTRIES or (self._matched and not self._may_wait()):
            await self._store(self.matched_through)
        elif self._matched and self._held_until is None:
            self._held_until = asyncio.get_running_loop().time() + HELD_SECONDS

    def _may_wait(self) -> bool:
        """Say whether what matched need not be stored yet: no target takes it now."""
        return self._held_seconds() != 0 and all(map(self._is_failing, self._matched.destinations()))

    def _held_seconds(self) -> float | None:
        """Return for how many seconds what is kept back may still be; None when nothing is."""
        if self._held_until is None:
            return None
        return max(0.0, self._held_until - asyncio.get_running_loop().time())

    async def _store(self, position: Position) -> None:
        matched, settings = self._matched, self._settings
        await self._invocations.advance(position, settings, matched.invocations, list(matched.batches.values()))
        self._matched, self._settings, self._idle, self._held_until = _Matched(), [], 0, None
        self._position = self._stored = position
        if matched:
            self._on_stored(matched.destinations())

    def _put_in_force(self, arn: str, snapshot: bytes | None) -> None:
        if self._fan_out.is_about(arn):
            self._fan_out.put_in_force(arn, snapshot)
            return
        before = self._rules.pop(arn, None)
        if before is not None:
            self._sets[before.bus_arn].remove(arn)
        if snapshot is None:
            return
        rule = EventRule.from_json(snapshot)
        if rule.state is RuleState.DISABLED or not rule.targets:
            return
        try:
            predicate = parse_event_pattern(rule.pattern)
        except InvalidPattern:
            _log.exception("a stored event pattern cannot be read; its rule is not looked at", rule=arn)
            return
        self._rules[arn] = rule
        self._sets.setdefault(rule.bus_arn, RuleSet()).add(arn, predicate)
        for target in rule.targets:
            self._prepare(target["Arn"])
        self._loaded += 1
        if self._loaded % RULES_PER_FREEZE == 0:
            self._freeze()

    def _match(self, position: Position, entry: EventEntry, now: datetime) -> None:
        if entry.audience != LIVE and not is_event_bus_arn(entry.audience):
            return
        try:
            event = decode_event(entry.event)
            found = _on_bus(event) if entry.audience == LIVE else (entry.audience, event)
        except ValueError as error:
            _log.warning("event_not_matched", position=position, reason=str(error))
            return
        if found is None:
            return
        bus, envelope = found
        rules = self._sets.get(bus)
        if rules is None:
            return
        try:
            names = rules.match(envelope)
            if names:
                is_quiet = is_withheld(envelope)
                body = entry.event if event is envelope else _encoded(envelope, entry.event)
                self._invoke(position, body, names, now, is_quiet=is_quiet)
        except Exception:  # the edge of a worker: one event that cannot be matched must not keep the others
            _log.exception("event_not_matched", position=position)

    def _copy(self, position: Position, entry: EventEntry, now: datetime) -> None:
        """Hand a topic's message to the subscriptions that want it."""
        try:
            for copy in self._fan_out.copies(entry.audience, entry.event):
                to = copy.subscription
                self._add(position, to.arn, entry.audience, copy.target, copy.event, now)
        except Exception:  # the edge of a worker: one message that cannot be read must not keep the others
            _log.exception("message_not_delivered", position=position, topic=entry.audience)

    def _invoke(self, position: Position, body: bytes, names: Sequence[str], now: datetime, *, is_quiet: bool) -> None:
        if len(body) > MAX_EVENT_BYTES:
            _log.warning("event_too_large_for_rules", position=position, size_bytes=len(body))
            return
        for name in sorted(names):
            rule = self._rules[name]
            if is_quiet and rule.state is RuleState.ENABLED:
                continue
            for target in rule.targets:
                self._add(position, target["Arn"], rule.arn, target, body, now)

    def _add(
        self, position: Position, destination: str, cause: str, target: dict[str, Any], body: bytes, now: datetime
    ) -> None:
        """Add an invocation of a target; ``cause`` is the ARN of the rule or the topic that invokes it."""
        if self._waiting[destination] >= MAX_WAITING_PER_DESTINATION:
            if self.lost % 1_000 == 0:
                _log.error("invocations of a target are lost: too many wait for it", rule=cause, target=destination)
            self.lost += 1
            return
        self._waiting[destination] += 1
        matched = self._matched
        matched.number += 1
        matched.event_bytes += len(body)
        if self._is_failing(destination):
            batch = matched.batches.get(destination)
            if batch is None:
                batch = matched.batches[destination] = InvocationBatch(destination)
            batch.add(position, cause, target, body, now)
            return
        made, wire = invocation_id(position, cause, target["Id"]), orjson.dumps(target)
        matched.invocations.append(Invocation(made, destination, cause, target["Id"], wire, body, now))


def is_withheld(envelope: Mapping[str, Any]) -> bool:
    """Say whether a rule that is only ENABLED does not see an event: a management event named List, Get or Describe."""
    record = envelope.get("detail")
    if not isinstance(record, dict):
        return False
    name = record.get("eventName")
    if not isinstance(name, str) or not name.startswith(_QUIET_PREFIXES) or record.get("eventCategory") != "Management":
        return False
    if not str(envelope.get("detail-type")).endswith("via CloudTrail"):
        return False
    return (record.get("eventSource"), name) not in _NEVER_QUIET


def _on_bus(record: Event) -> tuple[str, dict[str, Any]] | None:
    """Return the ARN of the bus on which a record arrives, and the event it is there; None for what never does."""
    if record.get("eventName") == "PutEvents" and record.get("eventSource") == "events.amazonaws.com":
        return None
    envelope = envelope_of(record)
    account_id, region = envelope["account"], envelope["region"]
    if not account_id or not region:
        raise ValueError("it has no recipientAccountId or awsRegion")
    return event_bus_arn(region, account_id, DEFAULT_BUS), envelope


def _encoded(envelope: dict[str, Any], record: bytes) -> bytes:
    """Return the JSON of an envelope, which is used up, around its record as the journal has it: writing that anew took
    twice as long."""
    envelope["detail"] = orjson.Fragment(record)
    return orjson.dumps(envelope)
