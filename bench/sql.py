"""Lake SQL as StartQuery runs it, against DuckDB alone on the same Parquet files and on the raw gz log files.

``python -m bench.sql [--events N,N,...] [--rounds N] [--history N] [--no-raw] [--same-priority] [--plot FILE]``. A home
is grown to each size by importing generated log files; then each query of ``bench.sql_mix`` is asked of both, turn
about, the rows asserted equal. Ours: translated, run in a locked process of its own, pages stored and read back, from
the statement to the last row. DuckDB: a connection that stays open with two threads, ``read_parquet`` over the same
list of files. Queries of ours step back behind recording (their priority is 5 lower), which on a busy machine is all
that the clock shows; with ``--same-priority`` DuckDB's threads have the same. At the first size the log files
themselves are asked, too. Event history grows beside the lake and is asked (lookups, and SQL over ``event_history``).
``--plot`` writes the growth as an SVG. With ``--folder`` a run that ended goes on: what ``figures.json`` there has is
not done again.
"""

import argparse
import asyncio
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import orjson

from bench.growth_plot import GrowthPoint, write_plot
from bench.lake_events import ACCOUNT
from bench.sql_home import DAYS, MOST_EVENTS, beginning, build_history, event, import_logs, write_logs
from bench.sql_mix import NEEDLES, MixQuery, mix
from opentrail.adapters.event_history.local import LocalEventHistory
from opentrail.home import Home
from opentrail.ports.event_history import LookupKey, LookupQuery
from opentrail.settings import Settings
from opentrail.wiring.interpreter import tune_interpreter
from opentrail.wiring.querying import SPARE_SECONDS, open_query_commands, read_result_page

STORE = "imported"
THREADS = 2
LOOKUPS = 300
HISTORY_ASKED = 1_000_000
"""Up to which size SQL over Event history is asked: the first query writes all of it out."""

PRIORITY = 5
"""How much lower the priority of our queries' processes is."""

MUST, AIM_NEEDLES = 1.2, 0.5

Rows = list[list[str | None]]


@dataclass
class Taken:
    """(Wall, processor) seconds of each round, both sides."""

    ours: list[tuple[float, float]] = field(default_factory=list)
    theirs: list[tuple[float, float]] = field(default_factory=list)

    @property
    def medians(self) -> "Medians":
        sides = (statistics.median(side) for found in (self.ours, self.theirs) for side in zip(*found, strict=True))
        return Medians(*sides)


class Medians(NamedTuple):
    """Median seconds of both sides."""

    our_wall: float
    our_processor: float
    their_wall: float
    their_processor: float


def clocks() -> tuple[float, float]:
    """Return wall time, and processor time of this process and of all that it started, running or not."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    running = sum(map(_processor_seconds, _children(os.getpid())))
    return time.perf_counter(), time.process_time() + ended.ru_utime + ended.ru_stime + running


def _processor_seconds(process: int) -> float:
    """Return what a running process, its children that ended and those that run took, in hundredths of a second."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK") + sum(map(_processor_seconds, _children(process)))


def _children(process: int) -> list[int]:
    tasks = Path(f"/proc/{process}/task").glob("*/children")
    return [int(child) for task in tasks if task.exists() for child in task.read_text().split()]


def between(began: tuple[float, float], ended: tuple[float, float]) -> tuple[float, float]:
    return ended[0] - began[0], ended[1] - began[1]


class Lake:
    """The home's queries, asked as the operator's command does."""

    def __init__(self, home: Path, commands: dict[str, Any]) -> None:
        self._home = Home(home)
        self._commands = commands

    async def ask(self, statement: str) -> tuple[Rows, dict[str, Any]]:
        """Run a statement to its end; return its rows and what was said of it."""
        started = await self._commands["start_query"](statement=statement)
        assert "id" in started, started
        while True:
            described = await self._commands["describe_query"](query_id=started["id"])
            if described["status"] not in ("QUEUED", "RUNNING"):
                break
            await asyncio.sleep(0.01)
        assert described["status"] == "FINISHED", described
        rows: Rows = []
        for start, length, _ in (await self._commands["query_pages"](query_id=started["id"]))["pages"]:
            rows += orjson.loads(read_result_page(self._home, started["id"], start, length))
        return rows, described


def files_of(home: Path) -> list[str]:
    """Return the Parquet files of the imported store as its table lists them."""
    from deltalake import DeltaTable

    (table,) = Home(home).lake.glob("*/table")
    return sorted(DeltaTable(str(table)).file_uris())


class DuckDb:
    """DuckDB alone: a connection with the files as ``t``, in a thread of its own with that much lower a priority."""

    def __init__(self, files: Sequence[str], lower: int) -> None:
        self._thread = ThreadPoolExecutor(1, initializer=lambda: os.setpriority(os.PRIO_PROCESS, 0, os.nice(0) + lower))
        self._connection = self._thread.submit(_connect).result()
        paths = ", ".join(f"'{path}'" for path in files)
        self.ask(f"CREATE VIEW t AS SELECT * FROM read_parquet([{paths}], hive_partitioning = false)")

    def ask(self, statement: str) -> list[tuple[Any, ...]]:
        return self._thread.submit(lambda: self._connection.execute(statement).fetchall()).result()

    def close(self) -> None:
        self._connection.close()
        self._thread.shutdown()


def _connect() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute(f"SET threads = {THREADS}; SET TimeZone = 'UTC'")
    return connection


def shown(rows: Sequence[Sequence[Any]]) -> Rows:
    """Return rows of DuckDB's as results show them, in an order of their own."""
    return sorted([[None if value is None else str(value) for value in row] for row in rows], key=str)


async def compare(lake: Lake, duck: DuckDb, queries: Sequence[MixQuery], rounds: int) -> dict[str, Taken]:
    """Ask both sides everything, turn about; return the seconds of each query."""
    found: dict[str, Taken] = {query.name: Taken() for query in queries}
    for number in range(rounds):
        for query in queries:
            began = clocks()
            rows, _ = await lake.ask(query.lake.format(T=STORE))
            middle = clocks()
            answer = duck.ask(query.duckdb.format(T="t"))
            ended = clocks()
            assert sorted(rows, key=str) == shown(answer), (query.name, rows[:2], shown(answer)[:2])
            if number:  # the first round brings the files into the system's cache
                found[query.name].ours.append(between(began, middle))
                found[query.name].theirs.append(between(middle, ended))
    return found


def report(found: dict[str, Taken], queries: Sequence[MixQuery]) -> None:
    """Print each query, each kind and all of them: medians in ms, wall and processor, and the ratios of their sums."""
    print(f"{'ms':42}{'Opentrail':>11}{'proc.':>8}{'DuckDB':>9}{'proc.':>8}{'ratio':>9}{'proc.':>8}")
    kinds: dict[str, list[Medians]] = {}
    for query in queries:
        kinds.setdefault(query.kind, []).append(found[query.name].medians)
        print_line(query.name, found[query.name].medians)
    kinds["all"] = [one for some in kinds.values() for one in some]
    for kind, some in kinds.items():
        bar = f"  (aim {AIM_NEEDLES}x)" if kind == NEEDLES else f"  (must {MUST}x)" if kind == "all" else ""
        print_line(f"sum of {kind}", Medians(*map(sum, zip(*some, strict=True))), bar)


def print_line(name: str, one: Medians, bar: str = "") -> None:
    ours, theirs = f"{one.our_wall * 1e3:11.0f}{one.our_processor * 1e3:8.0f}", f"{one.their_wall * 1e3:9.0f}"
    ratios = f"{one.our_wall / one.their_wall:8.2f}x{one.our_processor / one.their_processor:7.2f}x"
    print(f"{name:42}{ours}{theirs}{one.their_processor * 1e3:8.0f}{ratios}{bar}")


async def lookups(home: Path, numbers: range, now: datetime) -> float:
    """Look events up by id, access key and name in Event history; return the median milliseconds of a page."""
    history = await LocalEventHistory.open(Home(home).history)
    try:
        found = []
        for number in range(numbers.start, numbers.stop, max(1, len(numbers) // LOOKUPS)):
            one = orjson.loads(event(number, now))
            for key, value in (
                (LookupKey.EVENT_ID, one["eventID"]),
                (LookupKey.ACCESS_KEY_ID, one["userIdentity"]["accessKeyId"]),
                (LookupKey.EVENT_NAME, one["eventName"]),
            ):
                began = time.perf_counter()
                page = await history.lookup(LookupQuery(ACCOUNT, one["awsRegion"], ((key, value),)))
                found.append(time.perf_counter() - began)
                assert page.events, (key, value)
        return statistics.median(found) * 1e3
    finally:
        await history.close()


async def measure(
    folder: Path, numbers: range, now: datetime, rounds: int, lower: int
) -> tuple[dict[str, Taken], list[MixQuery]]:
    """Ask the mix of both sides over what the home has, events ``numbers``."""
    first, last = (now - timedelta(days=DAYS * (1 - part / MOST_EVENTS)) for part in (numbers.start, numbers.stop))
    queries = mix(first, last, orjson.loads(event(numbers.stop // 2, now))["eventID"])
    home = folder / "home"
    async with open_query_commands(Home(home), Settings(), SPARE_SECONDS) as commands:
        files = files_of(home)
        tune_interpreter()  # as a server's
        with closing(DuckDb(files, lower)) as duck:
            assert duck.ask("SELECT count(*) FROM t") == [(len(numbers),)]
            print(f"\n{len(numbers):,} events in {len(files)} files")
            return await compare(Lake(home, commands), duck, queries, rounds), queries


async def ask_history(folder: Path, numbers: range) -> tuple[float, float]:
    """Ask ``event_history`` twice; return the seconds of each: the first time its files are made."""
    home, taken = folder / "home", []
    async with open_query_commands(Home(home), Settings(), SPARE_SECONDS) as commands:
        for _ in range(2):
            began = time.perf_counter()
            rows, _ = await Lake(home, commands).ask(
                "SELECT count(*), count(DISTINCT eventId) FROM event_history WHERE eventId LIKE '%-0000-4000-8000-%'"
            )
            taken.append(time.perf_counter() - began)
            assert rows == [[str(len(numbers))] * 2], rows
    return taken[0], taken[1]


async def measure_raw(folder: Path, logs: Sequence[Path], wanted: str) -> None:
    """Ask the log files as they are, all of the lake's events, and the lake: for one id, and for calls by name."""
    duck = _connect()
    paths = ", ".join(f"'{path}'" for path in logs)
    duck.execute(
        f"CREATE VIEW t AS SELECT unnest(Records) AS r FROM read_json([{paths}], maximum_object_size = 268435456)"
    )
    questions = {
        "one id": f"SELECT {{r}}eventName FROM {{T}} WHERE {{r}}eventID = '{wanted}'",
        "calls by name": "SELECT {r}eventName, count(*) FROM {T} GROUP BY 1",
    }
    async with open_query_commands(Home(folder / "home"), Settings(), SPARE_SECONDS) as commands:
        lake = Lake(folder / "home", commands)
        for name, question in questions.items():
            began = clocks()
            ours, _ = await lake.ask(question.format(T=STORE, r=""))
            middle = clocks()
            theirs = duck.execute(question.format(T="t", r="r.")).fetchall()
            ended = clocks()
            assert sorted(ours, key=str) == shown(theirs), name
            (wall, processor), (raw_wall, raw_processor) = between(began, middle), between(middle, ended)
            print(
                f"{name}: {wall:.2f} s ({processor:.2f} s of processor time); raw gz JSON {raw_wall:.1f} s"
                f" ({raw_processor:.1f} s), {raw_wall / wall:,.0f}x ({raw_processor / processor:,.0f}x)"
            )


def folder_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


class Figures:
    """What was measured in a folder so far, kept there after every step: a run that ended goes on where it was."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "figures.json"
        self._kept: dict[str, dict[str, Any]] = orjson.loads(self._path.read_bytes()) if self._path.exists() else {}

    def of(self, size: int) -> dict[str, Any]:
        """Return what is known of a size."""
        return self._kept.setdefault(str(size), {})

    def keep(self, size: int, **found: float) -> None:
        """Keep figures of a size."""
        self.of(size).update(found)
        self._path.write_bytes(orjson.dumps(self._kept, option=orjson.OPT_INDENT_2))

    def point(self, size: int) -> GrowthPoint:
        """Return a size's point of the plot."""
        return GrowthPoint(size, **{"lookup_ms": None, "history_bytes": None, **self.of(size)})


def grow(folder: Path, sizes: Sequence[int], options: argparse.Namespace, now: datetime) -> list[GrowthPoint]:
    """Grow the home from size to size, measuring at each what is not measured yet; return what was found."""
    figures, home, before = Figures(folder), folder / "home", 0
    for size in sizes:
        logs = folder / f"logs-{size}"
        if "import_rate" not in figures.of(size):
            write_logs(logs, range(before, size), now)
            figures.keep(size, import_rate=asyncio.run(import_logs(home, logs)))
        print(f"\nimport to {size:,} events: {figures.of(size)['import_rate']:,.0f} events/s", flush=True)
        if "query_seconds" not in figures.of(size):
            figures.keep(size, **ask_mix(folder, size, options, now))
            if not before and not options.no_raw:
                wanted = orjson.loads(event(size // 2, now))["eventID"]
                asyncio.run(measure_raw(folder, write_logs(logs, range(size), now), wanted))
        if size <= options.history and "lookup_ms" not in figures.of(size):
            milliseconds = grow_history(folder, size, now)
            figures.keep(size, lookup_ms=milliseconds, history_bytes=folder_bytes(Home(home).history))
        before = size
    return [figures.point(size) for size in sizes]


def ask_mix(folder: Path, size: int, options: argparse.Namespace, now: datetime) -> dict[str, float]:
    """Ask both sides the mix over the home's events and report it; return our processor time, and the table's bytes."""
    lower = PRIORITY if options.same_priority else 0
    found, queries = asyncio.run(measure(folder, range(size), now, options.rounds, lower))
    report(found, queries)
    ours = {query: found[query.name].medians.our_processor for query in queries}
    return {
        "query_seconds": sum(ours.values()),
        "needle_seconds": sum(seconds for query, seconds in ours.items() if query.kind == NEEDLES),
        "lake_bytes": folder_bytes(Home(folder / "home").lake),
    }


def grow_history(folder: Path, size: int, now: datetime) -> float:
    """Have Event history hold ``size`` events and ask it; return the median milliseconds of a lookup."""
    home, built = folder / "home", folder / "history-events"
    build_history(home, range(int(built.read_text()) if built.exists() else 0, size), now)
    built.write_text(str(size))
    milliseconds = asyncio.run(lookups(home, range(size), now))
    print(f"Event history of {size:,} events: lookups {milliseconds:.2f} ms", flush=True)
    if size <= HISTORY_ASKED:
        made, kept = asyncio.run(ask_history(folder, range(size)))
        print(f"SQL over event_history: {made:.1f} s the first time, then {kept:.2f} s", flush=True)
    return milliseconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", default="1000000", help="sizes to grow to, in ascending order")
    parser.add_argument("--rounds", type=int, default=4, help="of which the first is not counted")
    parser.add_argument("--folder", type=Path, default=None, help="keep everything here instead of a temporary folder")
    parser.add_argument("--no-raw", action="store_true", help="leave the raw log files alone")
    parser.add_argument("--same-priority", action="store_true", help="DuckDB steps back as far as our queries do")
    parser.add_argument("--history", type=int, default=1_000_000, help="up to which size Event history grows beside it")
    parser.add_argument("--plot", type=Path, default=None, metavar="FILE")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder: Path = options.folder or Path(temporary)
        sizes = [int(size) for size in options.events.split(",")]
        points = grow(folder, sizes, options, beginning(folder))
        if options.plot is not None:
            write_plot(options.plot, points)


if __name__ == "__main__":
    main()
