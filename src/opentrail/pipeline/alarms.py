"""Alarms at work: every alarm of the installation in memory, judged as data come and as periods end.

A change of state is one transaction: the state, its history, and the invocations of what it sets off (topics,
functions, the default event bus), which the delivery of invocations then carries out at least once.
"""

import asyncio
import hashlib
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import orjson
import structlog

from opentrail.arn import Arn
from opentrail.clock import Clock, Identifiers
from opentrail.deliver.alarm_messages import (
    Transition,
    action_item,
    bus_event,
    configuration_event,
    configuration_item,
    function_payload,
    stamp,
    state_item,
    topic_message,
    topic_subject,
)
from opentrail.metric.composite import Rule, read_alarm_rule
from opentrail.metric.key import MetricKey
from opentrail.pipeline.alarm_data import WatchedAlarm
from opentrail.ports import Unavailable
from opentrail.ports.alarms import Alarms, StateChange
from opentrail.ports.invocations import Invocation
from opentrail.ports.metric_store import MINUTE_S, MetricStore
from opentrail.record.regions import region_name
from opentrail.resource.alarm import Alarm, AlarmState, HistoryItem, State, alarm_arn, alarm_name
from opentrail.resource.event_bus import DEFAULT_BUS, event_bus_arn
from opentrail.resource.named_target import NAMED_SERVICE
from opentrail.waiting import is_set_within

TICK_SECONDS = 10
"""Alarms with periods below a minute are looked at this often, others each minute; all as soon as data come."""

LINGER_SECONDS = 0.025
"""After alarms were judged: data that come in quick succession are then judged together."""

CHANGES_AT_A_TIME = 100
"""Changes of state in one transaction."""

HISTORY_DAYS = 30
"""How long history is kept; CloudWatch keeps it 14 to 30 days, and beyond an alarm's deletion."""

RETRY_SECONDS = 1.0

MAX_NOTED = 1_000
"""Ends of actions that wait to be put into the history; of more, none is told."""

MAX_ROUNDS = 100
"""How far a change goes up through composite alarms of composite alarms."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Change:
    alarm: Alarm
    state: AlarmState
    acts: bool = True


class LiveAlarms:
    """Every alarm of every account. ``open`` first; then ``run``, or ``tick`` by hand.

    ``on_stored`` hears of new invocations, once they are durable; ``waiting`` counts what waits by destination.
    ``prepare`` hears of what alarms may invoke, before they do.
    """

    def __init__(
        self,
        store: Alarms,
        metrics: MetricStore,
        clock: Clock,
        identifiers: Identifiers,
        waiting: Counter[str],
        on_stored: Callable[[Sequence[str]], None],
        prepare: Callable[[str], None] = lambda destination: None,
    ) -> None:
        self.store = store
        self._metrics = metrics
        self._clock = clock
        self._identifiers = identifiers
        self._waiting = waiting
        self._on_stored = on_stored
        self._prepare = prepare
        self._alarms: dict[str, Alarm] = {}
        self._watched: dict[str, WatchedAlarm] = {}
        self._rules: dict[str, Rule] = {}
        self._of_metric: defaultdict[MetricKey, set[str]] = defaultdict(set)
        self._parents: defaultdict[str, set[str]] = defaultdict(set)
        self._lock = asyncio.Lock()
        self._woken = asyncio.Event()
        self._due: set[str] = set()
        self._timed: set[str] = set()
        self._expired_at: datetime | None = None
        self._noted: list[HistoryItem] = []
        self._ticks_seen = self._minutes_seen = 0

    async def open(self) -> None:
        """Take up every stored alarm. Raises Unavailable."""
        for alarm in await self.store.all_alarms():
            self._take_up(alarm)
        self._metrics.watch(self.wake)

    # What the API asks.

    def alarm(self, arn: str) -> Alarm | None:
        return self._alarms.get(arn)

    def of(self, account_id: str, region: str) -> list[Alarm]:
        """Return the alarms of an account and Region, by name."""
        found = (alarm for alarm in self._alarms.values() if (alarm.account_id, alarm.region) == (account_id, region))
        return sorted(found, key=lambda alarm: alarm.name)

    def children(self, alarm: Alarm) -> set[str]:
        """Return the ARNs of the alarms that a composite alarm's rule names."""
        rule = self._rules.get(alarm.arn)
        return {_reference(alarm, named) for named in rule.alarms()} if rule is not None else set()

    def parents(self, arn: str) -> set[str]:
        """Return the ARNs of the composite alarms that name an alarm, in their rule or as suppressor."""
        return set(self._parents.get(arn, ()))

    async def put(self, alarm: Alarm) -> None:
        """Set an alarm; one that is there keeps its state. It is judged at once. Raises Unavailable."""
        async with self._lock:
            known = self._alarms.get(alarm.arn)
            kept = alarm if known is None else replace(alarm, state=known.state)
            await self._configure([(kept, "Create" if known is None else "Update")], [])
        self.due(alarm.arn)

    async def configure(self, alarms: Sequence[Alarm]) -> None:
        """Set other settings of alarms that are there, all at once. Raises Unavailable."""
        async with self._lock:
            await self._configure(
                [(replace(each, state=self._alarms[each.arn].state), "Update") for each in alarms], []
            )

    async def delete(self, alarms: Sequence[Alarm]) -> None:
        """Delete alarms, all at once. Raises Unavailable."""
        async with self._lock:
            await self._configure([], alarms)

    async def set_state(self, alarm: Alarm, value: State, reason: str, reason_data: str) -> None:
        """Set an alarm's state by hand; a change sets off what any change does. Raises Unavailable."""
        now = self._clock.now()
        async with self._lock:
            known = self._alarms.get(alarm.arn)
            if known is None:
                return
            moved_at = now if value != known.state.value else known.state.transitioned_at
            state = replace(
                known.state,
                value=value,
                reason=reason,
                reason_data=reason_data,
                updated_at=now,
                transitioned_at=moved_at,
            )
            await self._apply([_Change(known, state)], now)

    # What data and time do.

    def wake(self, keys: Collection[MetricKey]) -> None:
        """Judge the alarms on metrics that got something."""
        for key in keys:
            self._due |= self._of_metric.get(key, set())
        if self._due:
            self._woken.set()

    def note_action(self, invocation: Invocation, failure: str) -> None:
        """Have the history tell that an action was taken by its receiver, or never will be (``failure``)."""
        alarm = self._alarms.get(invocation.rule_arn)
        if alarm is None or invocation.destination == self._bus(alarm) or len(self._noted) >= MAX_NOTED:
            return
        now = self._clock.now()
        self._noted.append(action_item(alarm, self._identifiers.uuid(), now, invocation.destination, failure))
        self._woken.set()

    def due(self, arn: str) -> None:
        """Have an alarm judged with the next."""
        self._due.add(arn)
        self._woken.set()

    async def run(self) -> None:
        """Judge alarms as data come and as time passes, until cancelled."""
        self._ticks_seen = int(self._clock.now().timestamp()) // TICK_SECONDS
        while True:
            until = (self._ticks_seen + 1) * TICK_SECONDS - self._clock.now().timestamp()
            await is_set_within(self._woken, min(max(until, 0), TICK_SECONDS))
            self._woken.clear()
            try:
                await self.tick()
            except Unavailable as error:
                _log.warning("alarms wait for their store", error=str(error))
                await asyncio.sleep(RETRY_SECONDS)
                self._timed |= set(self._alarms)
                self._woken.set()
            await asyncio.sleep(LINGER_SECONDS)

    def _by_time(self, now: datetime) -> set[str]:
        """Return the alarms that are due by the clock alone, each once for what its cadence has reached."""
        second = int(now.timestamp())
        ticks, minutes = second // TICK_SECONDS, second // MINUTE_S
        if ticks == self._ticks_seen:
            return set()
        is_minute = minutes != self._minutes_seen
        self._ticks_seen, self._minutes_seen = ticks, minutes
        timed = {arn for arn, each in self._watched.items() if is_minute or each.rule.cadence <= TICK_SECONDS}
        return timed | {arn for arn, alarm in self._alarms.items() if alarm.state.suppressed_by}

    async def tick(self, *, everything: bool = False) -> None:
        """Judge the alarms that are due, or all: those whose data came before those whose time did, which are many each
        minute. Raises Unavailable: those that are left stay due."""
        self._timed |= set(self._alarms) if everything else self._by_time(self._clock.now())
        while due := self._due or self._timed:
            batch = [due.pop() for _ in range(min(len(due), CHANGES_AT_A_TIME))]
            try:
                await self._judge(batch)
            except Unavailable:
                due.update(batch)
                raise
        noted, self._noted = self._noted, []
        if noted:
            await self.store.add_history(noted)
        now = self._clock.now()
        if self._expired_at is None or now - self._expired_at >= timedelta(hours=1):
            self._expired_at = now
            await self.store.expire_history(now - timedelta(days=HISTORY_DAYS))
            await self._metrics.expire(int(now.timestamp()))

    async def _judge(self, arns: Iterable[str]) -> None:
        now = self._clock.now()
        async with self._lock:
            alarms = [self._alarms[arn] for arn in arns if arn in self._alarms]
            changes = await asyncio.gather(*(self._change_of(alarm, now) for alarm in alarms))
            await self._apply([change for change in changes if change is not None], now)

    async def _change_of(self, alarm: Alarm, now: datetime) -> _Change | None:
        return self._composed(alarm, now) if alarm.is_composite else await self._measured(alarm, now)

    async def _measured(self, alarm: Alarm, now: datetime) -> _Change | None:
        watched = self._watched.get(alarm.arn)
        if watched is None:
            return None
        judged = await watched.judge(self._metrics, now)
        if judged.state == alarm.state.value:
            return None
        state = replace(
            alarm.state,
            value=judged.state,
            reason=judged.reason,
            reason_data=judged.reason_data,
            updated_at=now,
            transitioned_at=now,
        )
        return _Change(alarm, state)

    def _composed(self, alarm: Alarm, now: datetime, trigger: Alarm | None = None) -> _Change | None:
        """Return the change of a composite alarm: of its state, or of what holds its actions back."""
        rule = self._rules.get(alarm.arn)
        if rule is None:
            return None
        value: State = "ALARM" if rule.holds(lambda named: self._state_of(alarm, named)) else "OK"
        if value == alarm.state.value:
            return self._suppression_over(alarm, now)
        if trigger is None:
            reason = f"{alarm.arn} was created and its alarm rule evaluates to {value}"
        else:
            moved = trigger.state.transitioned_at
            reason = f"{trigger.arn} transitioned to {trigger.state.value} at {moved:%A %d %B, %Y %H:%M:%S} UTC"
        data = orjson.dumps({"triggeringAlarms": [_told(trigger)] if trigger is not None else []}).decode()
        state = replace(alarm.state, value=value, reason=reason, reason_data=data, updated_at=now, transitioned_at=now)
        return self._held_back(alarm, state, now)

    def _held_back(self, alarm: Alarm, state: AlarmState, now: datetime) -> _Change:
        """Return a composite alarm's change of state, its actions held back where its suppressor says so."""
        suppressor = self._suppressor(alarm)
        if suppressor is None:
            return _Change(alarm, replace(state, suppressed_by="", suppressed_until=None, acted_on=state.value))
        if state.suppressed_by:
            return _Change(alarm, state, acts=False)
        if suppressor.state.value == "ALARM":
            return _Change(alarm, replace(state, suppressed_by="Alarm"), acts=False)
        wait = timedelta(seconds=alarm.settings.get("ActionsSuppressorWaitPeriod", 0))
        if wait and state.value == "ALARM":
            return _Change(alarm, replace(state, suppressed_by="WaitPeriod", suppressed_until=now + wait), acts=False)
        return _Change(alarm, replace(state, acted_on=state.value))

    def _suppression_over(self, alarm: Alarm, now: datetime) -> _Change | None:
        """Return the change of what holds a composite alarm's actions back, None while there is none."""
        state, suppressor = alarm.state, self._suppressor(alarm)
        if not state.suppressed_by:
            return None
        if suppressor is not None and suppressor.state.value == "ALARM":
            if state.suppressed_by == "Alarm":
                return None
            return _Change(alarm, replace(state, suppressed_by="Alarm", suppressed_until=None), acts=False)
        if state.suppressed_by == "Alarm" and suppressor is not None:
            extension = timedelta(seconds=alarm.settings.get("ActionsSuppressorExtensionPeriod", 0))
            until = now + extension
            if extension:
                held = replace(state, suppressed_by="ExtensionPeriod", suppressed_until=until)
                return _Change(alarm, held, acts=False)
        elif suppressor is not None and state.suppressed_until is not None and now < state.suppressed_until:
            return None
        free = replace(state, suppressed_by="", suppressed_until=None, acted_on=state.value)
        return _Change(alarm, free, acts=state.acted_on != state.value)

    def _suppressor(self, alarm: Alarm) -> Alarm | None:
        named = alarm.settings.get("ActionsSuppressor")
        return self._alarms.get(_reference(alarm, named)) if named else None

    def _state_of(self, alarm: Alarm, named: str) -> str:
        known = self._alarms.get(_reference(alarm, named))
        return known.state.value if known is not None else ""

    async def _apply(self, changes: Sequence[_Change], now: datetime) -> None:
        """Store changes and what they set off, and then what follows for composite alarms above."""
        for _ in range(MAX_ROUNDS):
            if not changes:
                return
            stored = [self._stored(change, now) for change in changes]
            await self._with_invocations(
                [each for change in stored for each in change.invocations], self.store.set_states(stored)
            )
            moved = []
            for change in changes:
                self._alarms[change.alarm.arn] = replace(change.alarm, state=change.state)
                if change.alarm.arn in self._watched:
                    self._watched[change.alarm.arn].alarm = self._alarms[change.alarm.arn]
                if change.state.value != change.alarm.state.value:
                    moved.append(self._alarms[change.alarm.arn])
            changes = self._follow(moved, now)
        _log.error("composite alarms go round; they are judged no further", alarms=len(changes))

    def _follow(self, moved: Sequence[Alarm], now: datetime) -> list[_Change]:
        found: dict[str, _Change] = {}
        for trigger in moved:
            for arn in self._parents.get(trigger.arn, ()):
                parent = self._alarms.get(arn)
                change = self._composed(parent, now, trigger) if parent is not None and arn not in found else None
                if change is not None:
                    found[arn] = change
        return list(found.values())

    def _stored(self, change: _Change, now: datetime) -> StateChange:
        alarm = replace(change.alarm, state=change.state)
        transition = Transition(alarm, change.alarm.state, region_name(alarm.region))
        is_moved = change.state.value != change.alarm.state.value
        items: list[HistoryItem] = []
        invocations: list[Invocation] = []
        if is_moved:
            items.append(state_item(transition, self._identifiers.uuid()))
            invocations.append(self._on_bus(alarm, bus_event(transition, self._identifiers.uuid()), now))
        elif (
            change.state.reason != change.alarm.state.reason
            or change.state.reason_data != change.alarm.state.reason_data
        ):
            items.append(state_item(transition, self._identifiers.uuid()))
        if (
            change.acts
            and alarm.has_actions_enabled
            and (is_moved or change.state.acted_on != change.alarm.state.acted_on)
        ):
            for action in dict.fromkeys(alarm.actions(change.state.value)):
                invocation, item = self._action(transition, action, now)
                invocations += [invocation] if invocation is not None else []
                items += [item] if item is not None else []
        return StateChange(alarm.arn, change.state, items, invocations)

    def _action(self, change: Transition, action: str, now: datetime) -> tuple[Invocation | None, HistoryItem | None]:
        """Return what carries an action out; an action of a kind that is not here is a failure in the history."""
        alarm = change.alarm
        try:
            arn = Arn.parse(action)
            service = arn.service if arn.service != NAMED_SERVICE or arn.account_id == alarm.account_id else ""
        except ValueError:
            service = ""
        if service in ("sns", NAMED_SERVICE):
            target = {"Arn": action, "Subject": topic_subject(change)}
            return self._invocation(alarm, action, target, topic_message(change), now), None
        if service == "lambda":
            return self._invocation(alarm, action, {"Arn": action}, function_payload(change), now), None
        failure = f"Actions of {service or 'this kind'} are not supported by this installation."
        return None, action_item(alarm, self._identifiers.uuid(), now, action, failure)

    def _bus(self, alarm: Alarm) -> str:
        return event_bus_arn(alarm.region, alarm.account_id, DEFAULT_BUS)

    def _on_bus(self, alarm: Alarm, event: bytes, now: datetime) -> Invocation:
        bus = self._bus(alarm)
        return self._invocation(alarm, bus, {"Arn": bus}, event, now)

    def _invocation(
        self, alarm: Alarm, destination: str, target: Mapping[str, str], event: bytes, now: datetime
    ) -> Invocation:
        digits = hashlib.sha256(f"{alarm.arn}\n{destination}\n{self._identifiers.uuid()}".encode()).hexdigest()
        made = f"{digits[:8]}-{digits[8:12]}-5{digits[13:16]}-a{digits[17:20]}-{digits[20:32]}"
        return Invocation(made, destination, alarm.arn, "alarm", orjson.dumps(target), event, now)

    async def _with_invocations(self, invocations: Sequence[Invocation], storing: Awaitable[None]) -> None:
        """Await what stores invocations, counting them in before and out again when it fails."""
        destinations = [invocation.destination for invocation in invocations]
        self._waiting.update(destinations)
        try:
            await storing
        except BaseException:
            self._waiting.subtract(destinations)
            self._on_stored(destinations)  # who failed may have done it all the same
            raise
        if destinations:
            self._on_stored(destinations)

    async def _configure(self, put: Sequence[tuple[Alarm, str]], deleted: Sequence[Alarm]) -> None:
        now = self._clock.now()
        done = [*put, *((alarm, "Delete") for alarm in deleted)]
        items = [configuration_item(alarm, operation, self._identifiers.uuid(), now) for alarm, operation in done]
        invocations = [
            self._on_bus(alarm, configuration_event(alarm, operation.lower(), self._identifiers.uuid(), now), now)
            for alarm, operation in done
        ]
        if deleted:
            storing = self.store.delete([alarm.arn for alarm in deleted], items, invocations)
        else:
            storing = self.store.put([alarm for alarm, _ in put], items, invocations)
        await self._with_invocations(invocations, storing)
        for alarm, _ in done:
            self._let_go(alarm.arn)
        for alarm, _ in put:
            self._take_up(alarm)

    def _take_up(self, alarm: Alarm) -> None:
        self._alarms[alarm.arn] = alarm
        try:
            if alarm.is_composite:
                self._rules[alarm.arn] = read_alarm_rule(alarm.settings["AlarmRule"])
            else:
                watched = WatchedAlarm(alarm)
                self._watched[alarm.arn] = watched
                for key in watched.keys:
                    self._of_metric[key].add(alarm.arn)
        except ValueError:
            _log.exception("a stored alarm cannot be read; it is not judged", alarm=alarm.arn)
            return
        for child in self._named(alarm):
            self._parents[child].add(alarm.arn)
        for destination in alarm.destinations():
            self._prepare(destination)

    def _let_go(self, arn: str) -> None:
        alarm = self._alarms.get(arn)
        if alarm is None:
            return
        for child in self._named(alarm):
            self._parents[child].discard(arn)
        watched = self._watched.pop(arn, None)
        for key in watched.keys if watched is not None else ():
            self._of_metric[key].discard(arn)
            if not self._of_metric[key]:
                del self._of_metric[key]
        self._rules.pop(arn, None)
        del self._alarms[arn]

    def _named(self, alarm: Alarm) -> set[str]:
        suppressor = alarm.settings.get("ActionsSuppressor")
        return self.children(alarm) | ({_reference(alarm, suppressor)} if suppressor else set())


def _reference(alarm: Alarm, named: str) -> str:
    """Return the ARN of an alarm that a composite alarm names, by name or ARN."""
    return named if alarm_name(named) else alarm_arn(alarm.region, alarm.account_id, named)


def _told(alarm: Alarm) -> dict[str, object]:
    return {
        "arn": alarm.arn,
        "state": {"value": alarm.state.value, "timestamp": stamp(alarm.state.transitioned_at)},
    }
