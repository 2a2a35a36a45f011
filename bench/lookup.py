"""LookupEvents in Event history against a flat SQLite (key, position) index over the same events, in one run.

``python -m bench.lookup [--events N] [--rounds N] [--folder DIR] [--ingest [EVENTS/S]]``. Both sides are built from
the same generated stream in order of time and asked the same 16 kinds of lookup, turn about, each once through a
thread as a server would; every answer's event ids are asserted equal, order included. Printed: build rate and bytes an
event of both, p50, p99 and their ratio over all lookups and for each kind. With ``--ingest`` see
``bench.lookup_ingest``: only Event history, a writer beside the lookups, warm and page-cold.
"""

import argparse
import asyncio
import random
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from bench.lookup_baseline import FlatIndex
from bench.lookup_events import ACCOUNT, REGION, Generator
from opentrail.adapters.event_history.local import LocalEventHistory
from opentrail.ports.event_history import HistoryEvent, LookupKey, LookupPage, LookupQuery
from opentrail.ports.journal import Position

BATCH_EVENTS = 1_000
INGEST_RATE = 2_000
"""Events a second that the writer of ``--ingest`` stores when no rate is given: ten times a large account's."""

Draw = Callable[[], LookupQuery]


class Kinds:
    """The 16 kinds of lookup, drawn from what the generator made."""

    def __init__(self, generator: Generator, rng: random.Random) -> None:
        self._made = generator
        self._rng = rng

    def all(self) -> dict[str, Draw]:
        made, rng = self._made, self._rng
        key = LookupKey
        names, users = made.common_names, made.common_users
        return {
            "newest page": lambda: ask(),
            "common event name": lambda: ask((key.EVENT_NAME, rng.choice(names))),
            "rare event name": lambda: ask((key.EVENT_NAME, rng.choice(made.rare_names))),
            "common user": lambda: ask((key.USERNAME, rng.choice(users))),
            "rare user": lambda: ask((key.USERNAME, rng.choice(made.rare_users))),
            "absent event id": lambda: ask((key.EVENT_ID, f"absent-{rng.random()}")),
            "event id": lambda: ask((key.EVENT_ID, rng.choice(made.some_ids))),
            "access key": lambda: ask((key.ACCESS_KEY_ID, rng.choice(made.access_keys))),
            "resource name": lambda: ask((key.RESOURCE_NAME, rng.choice(made.some_resources))),
            "resource type": lambda: ask((key.RESOURCE_TYPE, rng.choice(made.resource_types))),
            "user and not read-only": lambda: ask((key.USERNAME, rng.choice(users)), (key.READ_ONLY, "false")),
            "two common that never meet": lambda: ask(
                (key.EVENT_NAME, rng.choice(names)), (key.USERNAME, made.user_of_one_name)
            ),
            "event source in one day": lambda: self._within(timedelta(days=1), (key.EVENT_SOURCE, made.some_source())),
            "three attributes": lambda: ask(
                (key.EVENT_SOURCE, made.some_source()), (key.USERNAME, rng.choice(users)), (key.READ_ONLY, "true")
            ),
            "page 20": lambda: ask((key.READ_ONLY, rng.choice(("true", "false")))),
            "all of one hour": lambda: self._within(timedelta(hours=1)),
        }

    def _within(self, span: timedelta, *attributes: tuple[LookupKey, str]) -> LookupQuery:
        start = self._made.first + (self._made.last - self._made.first - span) * self._rng.random()
        return replace(ask(*attributes), start_time=start, end_time=start + span)


def ask(*attributes: tuple[LookupKey, str]) -> LookupQuery:
    return LookupQuery(ACCOUNT, REGION, attributes)


async def build(history: LocalEventHistory, baseline: FlatIndex, events: Iterator[HistoryEvent]) -> tuple[float, float]:
    """Store every event on both sides, turn about; return the seconds each took, sealing and joining included."""
    ours = theirs = 0.0
    while batch := list(islice(events, BATCH_EVENTS)):
        started = time.perf_counter()
        await history.store(batch, Position(batch[-1].event_id))
        stored = time.perf_counter()
        await asyncio.to_thread(baseline.store, batch)
        ours += stored - started
        theirs += time.perf_counter() - stored
    started = time.perf_counter()
    await history.settle()
    return ours + time.perf_counter() - started, theirs


async def timed(lookup: Callable[[], Any]) -> tuple[float, LookupPage]:
    started = time.perf_counter()
    page: LookupPage = await lookup()
    return (time.perf_counter() - started) * 1000, page


async def turn_to_page(history: LocalEventHistory, query: LookupQuery, number: int) -> LookupQuery:
    for _ in range(number - 1):
        page = await history.lookup(query)
        query = replace(query, page_token=page.next_token)
    return query


async def compare(
    history: LocalEventHistory, baseline: FlatIndex, kinds: dict[str, Draw], rounds: int
) -> dict[str, tuple[list[float], list[float]]]:
    """Return the milliseconds of both sides for each kind."""
    found: dict[str, tuple[list[float], list[float]]] = {kind: ([], []) for kind in kinds}
    loop = asyncio.get_running_loop()
    for _ in range(rounds):
        for kind, draw in kinds.items():
            query = await turn_to_page(history, draw(), 20 if kind == "page 20" else 1)
            ours, page = await timed(lambda query=query: history.lookup(query))  # type: ignore[misc]
            after = baseline.after(query)
            theirs, answer = await timed(
                lambda query=query, after=after: loop.run_in_executor(None, baseline.lookup, query, after)  # type: ignore[misc]
            )
            assert ids(page) == ids(answer), (kind, query)
            found[kind][0].append(ours)
            found[kind][1].append(theirs)
    return found


def ids(page: LookupPage) -> list[str]:
    return [orjson.loads(event)["eventID"] for event in page.events]


def percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def report(found: dict[str, tuple[list[float], list[float]]]) -> None:
    ours = [value for mine, _ in found.values() for value in mine]
    theirs = [value for _, other in found.values() for value in other]
    print(f"\n{'ms':30}{'history p50':>13}{'p99':>9}{'flat p50':>11}{'p99':>9}{'p99 ratio':>11}")
    for kind, (mine, other) in [*found.items(), (f"all ({len(ours)} lookups)", (ours, theirs))]:
        ratio = percentile(other, 0.99) / percentile(mine, 0.99)
        print(
            f"{kind:30}{statistics.median(mine):13.2f}{percentile(mine, 0.99):9.2f}"
            f"{statistics.median(other):11.2f}{percentile(other, 0.99):9.2f}{ratio:10.1f}x"
        )


def folder_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


async def run(event_count: int, rounds: int, folder: Path) -> None:
    generator = Generator(event_count, datetime(2024, 6, 1, tzinfo=UTC), seed=7)
    history = await LocalEventHistory.open(folder / "history")
    baseline = FlatIndex(folder / "flat.sqlite")
    ours, theirs = await build(history, baseline, generator.events())
    await asyncio.to_thread(baseline.finish)
    segments = folder / "history" / "segments"
    whole, sealed = folder_bytes(folder / "history"), folder_bytes(segments)
    flat = folder_bytes(folder) - whole
    print(f"{event_count:,} events, mean {generator.mean_bytes:.0f} bytes of JSON")
    print(
        f"build, events/s: history {event_count / ours:,.0f}, flat {event_count / theirs:,.0f} ({theirs / ours:.1f}x)"
    )
    print(
        f"bytes/event: history {sealed / event_count:.0f} in {len(list(segments.iterdir()))} segments"
        f" and {(whole - sealed) >> 20} MB of tail, flat {flat / event_count:.0f}"
    )
    for label, number in (("first asked", 7), ("asked again", 7), ("values not asked before", 8)):
        print(f"\n{label}", end="")
        kinds = Kinds(generator, random.Random(number)).all()
        report(await compare(history, baseline, kinds, rounds))
    print(f"\npeak resident memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB (both sides)")
    await history.close()
    baseline.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--folder", type=Path, default=None, help="keep both sides here instead of a temporary folder")
    parser.add_argument(
        "--ingest", type=int, nargs="?", const=INGEST_RATE, default=0, metavar="EVENTS/S", help="with a writer beside"
    )
    parser.add_argument("--quick", action="store_true", help="with --ingest: build finished segments, not by storing")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder: Path = arguments.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if arguments.ingest:
            from bench.lookup_ingest import END
            from bench.lookup_ingest import run as run_with_ingest
            from bench.lookup_quick import build_quickly

            asked = folder / f"asked-{arguments.events}.json"
            if arguments.quick and not asked.exists():
                build_quickly(folder / "history", arguments.events, END, 7, asked)
            asyncio.run(run_with_ingest(arguments.events, arguments.rounds, folder, arguments.ingest))
        else:
            asyncio.run(run(arguments.events, arguments.rounds, folder))


if __name__ == "__main__":
    main()
