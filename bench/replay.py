"""Replaying rules over Event history and over the lake against decoding every event and asking the rule, in one run.

``python -m bench.replay [--events N] [--naive-days N] [--folder DIR] [--lake] [--copies N]``. One generated stream of
management events over 90 days (``bench.lookup_events``) is stored; a folder that has it already is used again. Both
sides read the same events: ours as ``opentrail replay`` does, in processes of its own; the other inflates, decodes and
asks, one event after the other, in this process. They are asserted to count the same events and matches over the newest
``--naive-days`` days; ours then goes over everything. Printed for each rule: processor time of an event on both sides
(ours with the start of its processes) and the ratio, then the seconds for all events. With ``--lake`` an event data
store of the same events is replayed, too, and with ``--copies N`` one of N times its files, whose matches must be N
times as many.
"""

import argparse
import asyncio
import os
import resource
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import orjson

from bench.lookup_events import ACCOUNT, Generator
from bench.lookup_ingest import build
from opentrail.adapters.event_history.local import LocalEventHistory
from opentrail.adapters.event_history.rows import read_event, read_head
from opentrail.adapters.event_history.segment import Segment
from opentrail.adapters.lake_table.local import LocalLakeTables
from opentrail.adapters.query_engine.counting import DuckDbCounting
from opentrail.ports.journal import Position
from opentrail.ports.lake_table import LakeSnapshot
from opentrail.ports.replay import Counted, CountingJob, RuleToCount
from opentrail.query.replay.lake import tables_of
from opentrail.query.replay.rules import ReplayRule, read_replay_rule
from opentrail.resource.event_data_store import EventDataStore

END = datetime(2024, 6, 1, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
REGIONS = ("eu-west-1", "us-east-1")
LAKE_BATCH = 100_000
_STORE_ARN = f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:eventdatastore/00000000-0000-4000-8000-000000000001"

_SIGMA = """title: writes
logsource: {product: aws, service: cloudtrail}
detection: {some: {eventSource: iam.amazonaws.com, eventName|contains: thing319}, condition: some}
"""
_WRITES = (
    '[{"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}, '
    '{"Field": "readOnly", "Equals": ["false"]}]}]'
)
RULES = (
    read_replay_rule("refusals, 3 % match", "filter-pattern", '{ $.errorCode = "AccessDenied*" }'),
    read_replay_rule("one event name", "filter-pattern", "{ $.eventName = CreateThing304 }"),
    read_replay_rule("one user", "filter-pattern", '{ $.userIdentity.userName = "rare-7" }'),
    read_replay_rule(
        "deletions of a service",
        "event-pattern",
        '{"source": ["aws.iam"], "detail": {"eventName": [{"prefix": "Del"}]}}',
    ),
    read_replay_rule("all writes, 15 % match", "selector", _WRITES),
    read_replay_rule("Sigma", "sigma", _SIGMA),
    read_replay_rule("lookup attributes", "lookup-attributes", "Username=rare-3"),
    read_replay_rule("everything matches", "filter-pattern", '{ $.eventName = "*" }'),
)

DAY = 86_400
Count = Callable[[CountingJob], Awaitable[Counted]]


@dataclass(frozen=True)
class Taken:
    """What one side took, in seconds, and what it found."""

    wall: float
    processor: float
    events: int
    matches: int
    method: str = ""

    @property
    def microseconds(self) -> float:
        """Processor time of an event."""
        return self.processor / self.events * 1e6


@dataclass(frozen=True)
class Stored:
    """What a history holds, read as it lies there."""

    segments: list[Segment]
    tail: list[bytes]

    def records(self, start: int) -> Iterator[bytes]:
        """Yield the event JSON of every record of the days from ``start`` on."""
        for segment in self.segments:
            if segment.day * DAY >= start:
                yield from map(read_event, segment.records())
        yield from (read_event(record) for record in self.tail if int(read_head(record)[3]) >= start)

    def end(self) -> int:
        in_tail = (int(read_head(record)[3]) for record in self.tail)
        return max((*(segment.header.newest for segment in self.segments), *in_tail)) + DAY


async def main() -> None:
    """Build what is missing, compare, and print."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        history = await LocalEventHistory.open(folder / "history")
        if not any((folder / "history" / "segments").iterdir()):
            rate = await build(history, Generator(arguments.events, END, seed=7).events())
            print(f"built Event history of {arguments.events:,} events at {rate:,.0f} a second")
        opened, tail = history._store.open_snapshot(range(1 << 20))
        stored = Stored([Segment(Path(f"/dev/fd/{one.descriptor}"), is_read_whole=True) for one in opened], tail)
        print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        await _compare("Event history", lambda job: history.count(job, _quiet), stored, arguments.naive_days)
        if arguments.lake:
            snapshot = await _lake(folder / "lake", stored)
            engine = DuckDbCounting(folder / "spill")
            await _compare(
                "Event data store",
                lambda job: engine.count(tables_of(snapshot, job), job, _quiet),
                stored,
                arguments.naive_days,
            )
            if arguments.copies > 1:
                await _copied(engine, snapshot, arguments.copies, stored.end())
        await history.close()


async def _copied(engine: DuckDbCounting, snapshot: LakeSnapshot, copies: int, end: int) -> None:
    """Replay over a store of ``copies`` times the files."""
    many = replace(snapshot, files=snapshot.files * copies)
    print(f"\n{f'Event data store, {copies} times':<26}{'events':>13}{'seconds':>9}{'CPU s':>7}  by")
    for rule in RULES:
        one = await _ours(rule, lambda job: engine.count(tables_of(snapshot, job), job, _quiet), 0, end)
        all_of = await _ours(rule, lambda job: engine.count(tables_of(many, job), job, _quiet), 0, end)
        assert (all_of.matches, all_of.events) == (copies * one.matches, copies * one.events), rule.name
        print(
            f"{rule.name:<26}{all_of.events:>13,}{all_of.wall:>9.1f}{all_of.processor:>7.1f}  {all_of.method}",
            flush=True,
        )


async def _compare(title: str, count: Count, stored: Stored, naive_days: int) -> None:
    end = stored.end()
    newest = (end // DAY - naive_days) * DAY
    head = f"{'naive us/event':>16}{'ours us/event':>15}{'ratio':>8}{'all events':>13}{'seconds':>9}{'CPU s':>7}"
    print(f"\n{title:<26}{head}  by")
    for rule in RULES:
        naive, ours = _naive(rule, stored, newest), await _ours(rule, count, newest, end)
        assert (ours.matches, ours.events) == (naive.matches, naive.events), (rule.name, ours, naive)
        whole = await _ours(rule, count, 0, end)
        print(
            f"{rule.name:<26}{naive.microseconds:>16.2f}{ours.microseconds:>15.2f}"
            f"{naive.microseconds / ours.microseconds:>7.1f}x{whole.events:>13,}{whole.wall:>9.2f}"
            f"{whole.processor:>7.1f}  {whole.method}",
            flush=True,
        )


def _naive(rule: ReplayRule, stored: Stored, start: int) -> Taken:
    """Inflate, decode and ask about every event."""
    events = matches = 0
    began, processor = time.perf_counter(), time.process_time()
    for raw in stored.records(start):
        events += 1
        matches += rule.matches(orjson.loads(raw), raw)
    return Taken(time.perf_counter() - began, time.process_time() - processor, events, matches)


async def _ours(rule: ReplayRule, count: Count, start: int, end: int) -> Taken:
    asked = RuleToCount(rule.name, rule.language, rule.text)
    began, before = time.perf_counter(), _processor()
    counted = await count(CountingJob((asked,), start, end, 5, ACCOUNT, REGIONS))
    matches = sum(part["tallies"][0]["matches"] for part in counted.parts)
    return Taken(time.perf_counter() - began, _processor() - before, counted.events, matches, counted.method)


async def _lake(folder: Path, stored: Stored) -> LakeSnapshot:
    """Return the table of the same events, made when there is none."""
    tables = LocalLakeTables(folder)
    store = EventDataStore(_STORE_ARN, "bench", ACCOUNT, "us-east-1", END, END)
    table = await tables.open(store)
    if not (await table.version()).files:
        lines, began, number = stored.records(0), time.perf_counter(), 0
        while batch := list(islice(lines, LAKE_BATCH)):
            number += 1
            await table.commit(batch, Position(f"{number:08}"), EPOCH, EPOCH + timedelta(days=40_000))
        await table.compact()
        print(f"built the lake's table in {time.perf_counter() - began:,.0f} seconds")
    version = await table.version()
    await tables.close()
    return LakeSnapshot(_STORE_ARN, store.kind, version.version, version.position, version.files, None, 0)


def _processor() -> float:
    """Return the seconds of processor time that this process's children took, those that ended."""
    taken = resource.getrusage(resource.RUSAGE_CHILDREN)
    return taken.ru_utime + taken.ru_stime


def _quiet(passed: int, total: int) -> None:
    pass


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--naive-days", type=int, default=10)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--lake", action="store_true")
    parser.add_argument("--copies", type=int, default=1, help="of the event data store's files, for a larger one")
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(main())
