"""What a replay found, as JSON: the answer of the API, and what the terminal and the page show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from opentrail.clock import format_time
from opentrail.event.json_values import json_safe
from opentrail.query.replay.alarms import replay_alarm
from opentrail.query.replay.counting import GROUPS, Tally, decoded_record, grain_of
from opentrail.query.replay.histogram import MAX_BINS, histogram_of, step_for
from opentrail.query.replay.reasons import reasons
from opentrail.query.replay.requests import AskedRule, ReplayRequest

TOP_NAMES = 10
"""Names of each list that a report has."""

MAX_RECORD_BYTES = 16 * 1024
"""A longer example is told by its main members only."""

MAX_REPORT_BYTES = 4 << 20
"""Examples beyond this size together are left out, and counted."""

_MAIN_MEMBERS = (
    "eventID",
    "eventTime",
    "eventSource",
    "eventName",
    "awsRegion",
    "sourceIPAddress",
    "errorCode",
    "userIdentity",
)
_GROUP_NAMES = {
    "principals": "Principals",
    "source_addresses": "SourceIPAddresses",
    "event_sources": "EventSources",
    "event_names": "EventNames",
}


@dataclass(frozen=True, slots=True)
class Effort:
    """What it took: events that were passed, whole seconds and parts, and how they were narrowed."""

    events: int
    unreadable: int
    seconds: float
    method: str


def report_of(request: ReplayRequest, source: str, tallies: Sequence[Tally], effort: Effort) -> dict[str, Any]:
    """Return the report: at most MAX_REPORT_BYTES of examples, and what MAX_RULES rules have beside them."""
    start, end = int(request.start.timestamp()), int(request.end.timestamp())
    step = step_for(start, end, MAX_BINS, grain_of(start, end))
    room = _Room(MAX_REPORT_BYTES)
    return {
        "Source": source,
        "StartTime": format_time(request.start),
        "EndTime": format_time(request.end),
        "Events": effort.events,
        "UnreadableEvents": effort.unreadable,
        "Seconds": round(effort.seconds, 3),
        "EventsPerSecond": round(effort.events / effort.seconds) if effort.seconds else 0,
        "Method": effort.method,
        "Rules": [
            _of_rule(asked, tally, (start, end), step, effort.events, room)
            for asked, tally in zip(request.rules, tallies, strict=True)
        ],
    }


class _Room:
    """Bytes that examples may still take."""

    def __init__(self, size: int) -> None:
        self._left = size

    def take(self, size: int) -> bool:
        self._left -= size
        return self._left >= 0


def _of_rule(
    asked: AskedRule, tally: Tally, span: tuple[int, int], step: int, events: int, room: _Room
) -> dict[str, Any]:
    bins = histogram_of(tally.slots, *span, step)
    examples = [_example(asked, *example) for example in sorted(tally.examples, reverse=True)]
    kept = [example for example in examples if room.take(len(orjson.dumps(example)))]
    return {
        "Name": asked.rule.name,
        "Language": asked.rule.language,
        "Rule": asked.rule.text,
        "Matches": tally.matches,
        "Share": tally.matches / events if events else 0.0,
        "FirstTime": _time(tally.first),
        "LastTime": _time(tally.last),
        "Histogram": {"StartTime": _time(bins.start), "Seconds": bins.seconds, "Counts": list(bins.counts)},
        "Top": {
            _GROUP_NAMES[name]: {
                "Names": [{"Name": value, "Count": count} for value, count in group.top(TOP_NAMES)],
                "Distinct": len(group.counts),
                "CountError": group.error,
            }
            for name, group in zip(GROUPS, tally.groups, strict=True)
        },
        "Examples": kept,
        "ExamplesLeftOut": len(examples) - len(kept),
        "Alarm": _alarm(asked, tally, span),
    }


def _alarm(asked: AskedRule, tally: Tally, span: tuple[int, int]) -> dict[str, Any] | None:
    if asked.alarm is None:
        return None
    history = replay_alarm(tally.samples, asked.alarm, *span)
    return {
        "Settings": asked.alarm.to_wire(),
        "MetricValue": asked.metric_value,
        "DefaultValue": asked.default_value,
        "TimesFired": history.times_fired,
        "SecondsInAlarm": history.seconds_in_alarm,
        "StateChanges": history.changes,
        "FinalState": history.final_state,
        "ExtremeValue": history.extreme[0] if history.extreme else None,
        "ExtremeTime": _time(history.extreme[1] if history.extreme else None),
        "Transitions": [
            {"Time": _time(one.time), "From": one.before, "To": one.after, "Reason": one.reason}
            for one in history.transitions
        ],
    }


def _example(asked: AskedRule, seconds: int, event_id: str, raw: str) -> dict[str, Any]:
    record = decoded_record(raw.encode()) or {}
    found = reasons(asked.rule.predicate, asked.rule.rule.view(asked.rule.subject_of(record, raw.encode())))
    is_whole = len(raw) <= MAX_RECORD_BYTES
    shown = json_safe(record if is_whole else _main(record))
    return {
        "Time": _time(seconds),
        "EventId": event_id,
        "Record": shown,
        "RecordIsWhole": is_whole,
        "Conditions": [{"Path": one.path, "Found": one.found, "Wanted": one.wanted} for one in found],
    }


def _main(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members of a record by which people know it, those that are short."""
    kept = {name: json_safe(record[name]) for name in _MAIN_MEMBERS if name in record}
    return {name: value for name, value in kept.items() if len(orjson.dumps(value)) <= MAX_RECORD_BYTES // 8}


def _time(seconds: int | None) -> str:
    return "" if seconds is None else format_time(datetime.fromtimestamp(seconds, UTC))
