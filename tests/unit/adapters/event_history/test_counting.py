"""Counting over Event history gives what the plainest reading of the same events gives."""

import asyncio
import time
from collections import Counter as Counted
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from opentrail.adapters.event_history.counting_worker import SegmentCounter
from opentrail.adapters.event_history.local import LocalEventHistory
from opentrail.adapters.event_history.segment import Segment
from opentrail.event.encoding import encode_event
from opentrail.pipeline.history import history_event
from opentrail.ports.event_history import HistoryEvent
from opentrail.ports.journal import Position
from opentrail.ports.replay import CountingFailed, CountingJob, RuleToCount
from opentrail.query.replay.counting import Counter, grain_of
from opentrail.query.replay.naming import principal_of
from opentrail.query.replay.rules import ReplayRule, read_replay_rule
from tests.support.corpus import real_events
from tests.support.replay_rules import picks, random_rules

ACCOUNTS = ("111111111111", "222222222222")
FIRST = datetime(2026, 3, 1, tzinfo=UTC)
START, END = int(FIRST.timestamp()), int((FIRST + timedelta(days=3)).timestamp())


@pytest.fixture(scope="module")
def stored() -> list[HistoryEvent]:
    """Real events, dealt out to two accounts and three days."""
    found = []
    for number, (_, event) in enumerate(list(real_events())[::4]):
        moment = FIRST + timedelta(seconds=number * 97 % 250_000)
        changed = event | {
            "eventTime": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "eventID": f"{number:08}",
            "recipientAccountId": ACCOUNTS[number % 7 == 0],
        }
        with suppress(ValueError, KeyError, AttributeError):
            found.append(history_event(changed))
    assert len(found) > 500
    return found


async def a_history(folder: Path, stored: Sequence[HistoryEvent], *, sealed: int) -> LocalEventHistory:
    """Return a history with the first ``sealed`` events in segments and the others in its tail."""
    history = await LocalEventHistory.open(folder, seal_events=sealed)
    await history.store(stored[:sealed], Position("1"))
    await history.settle()
    await history.store(stored[sealed:], Position("2"))
    return history


def a_job(rules: Sequence[ReplayRule], stored: Sequence[HistoryEvent], **changes: Any) -> CountingJob:
    members: dict[str, Any] = {
        "rules": tuple(RuleToCount(rule.name, rule.language, rule.text) for rule in rules),
        "start": START,
        "end": END,
        "max_examples": 3,
        "account_id": ACCOUNTS[0],
        "regions": tuple(sorted({event.region for event in stored})),
    }
    return CountingJob(**(members | changes))


def expected(rule: ReplayRule, stored: Sequence[HistoryEvent], job: CountingJob) -> dict[str, Any]:
    """Return what a rule picks, event by event, by the reference reading."""
    hits = [
        event
        for event in stored
        if event.account_id == job.account_id
        and event.region in job.regions
        and job.start <= event.event_time.timestamp() < job.end
        and picks(rule, event.event, encode_event(event.event))
    ]
    grain = grain_of(job.start, job.end)
    newest = sorted(((int(hit.event_time.timestamp()), hit.event_id) for hit in hits), reverse=True)
    return {
        "matches": len(hits),
        "slots": Counted(int(hit.event_time.timestamp()) // grain * grain for hit in hits),
        "principals": Counted(principal_of(hit.event) for hit in hits),
        "names": Counted(hit.event["eventName"] for hit in hits),
        "newest": newest[: job.max_examples],
    }


def counted(counter: Counter, place: int) -> dict[str, Any]:
    tally = counter.tallies[place]
    return {
        "matches": tally.matches,
        "slots": tally.slots,
        "principals": tally.groups[0].counts,
        "names": tally.groups[3].counts,
        "newest": [(seconds, name) for seconds, name, _ in sorted(tally.examples, reverse=True)],
    }


async def test_each_random_rule_alone_counts_what_the_reference_reading_picks(
    tmp_path: Path, stored: list[HistoryEvent]
) -> None:
    history = await a_history(tmp_path, stored, sealed=len(stored) - 40)
    opened, tail = history._store.open_snapshot(range(1 << 20))
    segments = [(Segment(Path(f"/dev/fd/{one.descriptor}")), one.name) for one in opened]
    methods = Counted[str]()

    for rule in random_rules([event.event for event in stored], 42, seed=3):
        job = a_job([rule], stored, start=START + 40_000, end=END - 30_000)
        for folder in (None, tmp_path / "columns"):
            reading = SegmentCounter(job, folder)
            reading.take_records(tail)
            for segment, name in segments:
                list(reading.take_segment(segment, name))
            methods[reading.method] += 1
            assert counted(reading.counter, 0) == expected(rule, stored, job), (rule.language, rule.text)

    assert set(methods) == {"index", "columns", "texts", "scan"}
    await history.close()


async def test_many_rules_at_once_count_in_processes_what_each_picks(
    tmp_path: Path, stored: list[HistoryEvent]
) -> None:
    history = await a_history(tmp_path, stored, sealed=len(stored) // 2)
    rules = random_rules([event.event for event in stored], 24, seed=5)
    job = a_job(rules, stored)
    seen: list[tuple[int, int]] = []

    result = await history.count(job, lambda passed, total: seen.append((passed, total)))
    merged = Counter(rules, [], job.start, job.end, job.max_examples)
    for part in result.parts:
        merged.merge(orjson.loads(orjson.dumps(part)))

    assert result.events == sum(event.account_id == ACCOUNTS[0] for event in stored)
    assert [counted(merged, place) for place in range(len(rules))] == [expected(rule, stored, job) for rule in rules]
    assert seen[-1][0] == seen[-1][1]
    await history.close()


async def test_another_account_and_region_see_none_of_it(tmp_path: Path, stored: list[HistoryEvent]) -> None:
    history = await a_history(tmp_path, stored, sealed=len(stored) // 2)
    everything = read_replay_rule("all", "event-pattern", '{"detail": {"eventName": [{"exists": true}]}}')

    other = await history.count(a_job([everything], stored, account_id=ACCOUNTS[1]), lambda *_: None)
    nowhere = await history.count(a_job([everything], stored, regions=("xx-nowhere-1",)), lambda *_: None)

    assert other.events == sum(event.account_id == ACCOUNTS[1] for event in stored)
    assert nowhere.events == 0
    await history.close()


async def test_a_count_that_is_cancelled_leaves_no_process(tmp_path: Path, stored: list[HistoryEvent]) -> None:
    history = await a_history(tmp_path, stored, sealed=len(stored))
    rule = read_replay_rule("all", "filter-pattern", '{ $.eventName = "*" }')
    counting = asyncio.create_task(history.count(a_job([rule], stored), lambda *_: None))
    while not _children():  # noqa: ASYNC110 - a process gives no event
        await asyncio.sleep(0.005)

    counting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await counting

    deadline = time.monotonic() + 5
    while _children() and time.monotonic() < deadline:  # noqa: ASYNC110 - a process gives no event
        await asyncio.sleep(0.01)
    assert _children() == []
    await history.close()


def _children() -> list[str]:
    own = Path("/proc/self/task")
    ids = [pid for task in own.iterdir() for pid in (task / "children").read_text().split()]
    return [pid for pid in ids if b"counting_worker" in _command(pid)]


def _command(pid: str) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


async def test_a_damaged_segment_fails_the_count_in_a_sentence(tmp_path: Path, stored: list[HistoryEvent]) -> None:
    history = await a_history(tmp_path, stored, sealed=len(stored))
    for path in (tmp_path / "segments").glob("*.segment"):
        path.write_bytes(path.read_bytes()[:-8])
    rule = read_replay_rule("all", "filter-pattern", '{ $.eventName = "*" }')

    with pytest.raises(CountingFailed, match="cannot be read"):
        await history.count(a_job([rule], stored), lambda *_: None)
    await history.close()


async def test_columns_count_what_reading_counts_with_metrics_and_defaults(
    tmp_path: Path, stored: list[HistoryEvent]
) -> None:
    history = await a_history(tmp_path, stored, sealed=len(stored))
    opened, _ = history._store.open_snapshot(range(1 << 20))
    rules = (
        RuleToCount("default", "filter-pattern", "{ $.errorCode = * }", "2", "0.5"),
        RuleToCount("path", "filter-pattern", '{ $.eventName = "*e*" }', "$.userIdentity.accountId"),
        RuleToCount("left to be read", "filter-pattern", '{ $.eventName = "*e*" && $.requestParameters.x NOT EXISTS }'),
    )
    wires = []
    for folder in (None, tmp_path / "columns"):
        reading = SegmentCounter(replace(a_job([], stored, start=START + 4_000, max_examples=9), rules=rules), folder)
        for one in opened:
            list(reading.take_segment(Segment(Path(f"/dev/fd/{one.descriptor}")), one.name))
        wires.append([_sorted(tally) for tally in reading.to_wire()["tallies"]])
    plain, by_columns = wires
    assert by_columns == plain
    assert [tally["matches"] > 0 for tally in plain] == [True, True, True]
    assert all(tally["samples"] for tally in plain[:2])
    await history.close()


def _sorted(tally: dict[str, Any]) -> dict[str, Any]:
    groups = [(sorted(counts.items()), error) for counts, error in tally["groups"]]
    return {name: sorted(part, key=repr) if isinstance(part, list) else part for name, part in tally.items()} | {
        "groups": groups
    }


async def test_columns_that_are_damaged_or_of_another_segment_are_made_anew(
    tmp_path: Path, stored: list[HistoryEvent]
) -> None:
    stored = [*stored, _later(stored[1])]
    history = await a_history(tmp_path, stored, sealed=len(stored))
    rule = read_replay_rule("all", "filter-pattern", '{ $.eventName = "*" }')
    job = a_job([rule], stored)
    first = await history.count(job, lambda *_: None)
    kept = sorted((tmp_path / "columns").iterdir())
    whole = [path.read_bytes() for path in kept]
    assert first.method == "columns"
    assert [path.name for path in kept] == sorted(path.name for path in (tmp_path / "segments").iterdir())

    kept[0].write_bytes(whole[1])
    kept[1].write_bytes(whole[1][:-20] + bytes(20))
    again = await history.count(job, lambda *_: None)

    assert [_matches(counted) for counted in (again, first)] == [expected(rule, stored, job)["matches"]] * 2
    assert [path.read_bytes() for path in kept] == whole
    await history.close()


def _matches(result: Any) -> int:
    return int(sum(part["tallies"][0]["matches"] for part in result.parts))


def _later(event: HistoryEvent) -> HistoryEvent:
    """Return the event two days on."""
    return history_event(event.event | {"eventTime": "2026-03-03T01:00:00Z", "eventID": "later"})


async def test_columns_are_made_ahead_and_go_with_their_segment(tmp_path: Path, stored: list[HistoryEvent]) -> None:
    history = await a_history(tmp_path, [*stored, _later(stored[1])], sealed=len(stored) + 1)
    (tmp_path / "columns").mkdir()
    (tmp_path / "columns" / "2020-01-01.00000001.segment").write_bytes(b"of a segment that is gone")

    assert await history.prepare_counting() == 1  # of three days, the newest two may still be joined
    assert await history.prepare_counting() == 0
    (oldest,) = (tmp_path / "columns").iterdir()
    assert oldest.name == min(path.name for path in (tmp_path / "segments").iterdir())

    await history.expire(FIRST + timedelta(days=1))
    assert list((tmp_path / "columns").iterdir()) == []
    await history.close()
