"""Builds a history of many events for ``bench.lookup`` in a fraction of the time that recording them takes.

A day's events are made once for every DAYS_ALIKE days; the other days have the same events under other ids, times and
in another order, and the rare users' events where the stream has them. A day goes straight to finished segments, of the
sizes that sealing and joining leave: one large one and what the day's first and last seals shared with its neighbours.
"""

import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import orjson

from bench.lookup_events import DAYS, REGION, Generator
from opentrail.adapters.event_history.layout import DAY_SECONDS, segment_name
from opentrail.adapters.event_history.rows import Place, Row, hash_value, make_row, read_event, read_head
from opentrail.adapters.event_history.segment import Segment
from opentrail.adapters.event_history.segment_writer import train_dictionary, write_segment
from opentrail.adapters.event_history.store import HistoryStore
from opentrail.pipeline.history import history_event

DAYS_ALIKE = 15
SMALL_ROWS = 8_192
PROCESSES = 2
Remembered = tuple[list[str], list[str]]


def build_quickly(folder: Path, event_count: int, end: datetime, seed: int, kept: Path) -> int:
    """Fill an empty history; return how many events it has. ``kept`` gets what there is to ask for."""
    store = HistoryStore(folder)
    per_day = event_count // DAYS
    groups = [
        (str(folder / "segments"), per_day, end, seed, first, min(DAYS_ALIKE, DAYS - first))
        for first in range(0, DAYS, DAYS_ALIKE)
    ]
    with ProcessPoolExecutor(PROCESSES) as pool:
        made = list(pool.map(_build_group, groups))
    names = [name for group, _ in made for name in group]
    store._publish([Segment(folder / "segments" / name) for name in names], (), ())
    store.close()
    some_ids = [one for _, (ids, _) in made for one in ids]
    kept.write_bytes(orjson.dumps({"ids": some_ids, "resources": [one for _, (_, found) in made for one in found]}))
    return sum(Segment(folder / "segments" / name).row_count for name in names)


def _build_group(group: tuple[str, int, datetime, int, int, int]) -> tuple[list[str], Remembered]:
    segments, per_day, end, seed, first, days = group
    generator = Generator(per_day, end, seed + first)
    # The names and users are those of the first generator, in the same order of frequency.
    alike = Generator(per_day, end, seed)
    generator._names, generator._name_weights = alike._names, alike._name_weights
    generator.rare_users = []
    templates = [_Template(make_row(event)) for event in generator.events()]
    names, ids = [], []
    for number in range(first, first + days):
        rng = random.Random(seed * 1_000 + number)
        day = int(end.timestamp()) // DAY_SECONDS - DAYS + number
        rows = sorted([*_rows(templates, day, rng), *_rare_rows(alike, day, rng)])
        ids += [row.place.event_id for row in rows[::50] if row.region == REGION]
        dictionary = train_dictionary([row.record for row in rows])
        shared = SMALL_ROWS if len(rows) > 4 * SMALL_ROWS else 0
        for part, chosen in enumerate((rows[shared:], rows[:shared])):
            if chosen:
                name = segment_name(day, 2 * number + part + 1)
                write_segment(Path(segments) / name, day, chosen, dictionary)
                names.append(name)
    return names, (ids, generator.some_resources)


class _Template:
    """An event's record, to be told under another id and time."""

    def __init__(self, row: Row) -> None:
        self._row = row
        self._own_hash = hash_value(row.account_id, row.region, "i", row.place.event_id)
        self._shared = tuple(value for value in row.hashes if value != self._own_hash)
        self._time = orjson.loads(read_event(row.record))["eventTime"].encode()
        self._seconds = str(read_head(row.record)[3]).encode()

    def told(self, event_id: str, seconds: int) -> Row:
        row = self._row
        text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ").encode()
        record = (
            row.record.replace(row.place.event_id.encode(), event_id.encode())
            .replace(self._time, text, 1)
            .replace(self._seconds, str(seconds).encode(), 1)
        )
        own = hash_value(row.account_id, row.region, "i", event_id)
        return Row(Place(-seconds, event_id), row.account_id, row.region, (*self._shared, own), record)


def _rows(templates: Sequence[_Template], day: int, rng: random.Random) -> Iterator[Row]:
    order = list(templates)
    rng.shuffle(order)
    for number, template in enumerate(order):
        text = f"{rng.getrandbits(128):032x}"
        event_id = f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
        yield template.told(event_id, day * DAY_SECONDS + number * DAY_SECONDS // len(order))


def _rare_rows(generator: Generator, day: int, rng: random.Random) -> Iterator[Row]:
    """Yield events of rare users: each has one on about two days of nine, twenty in all."""
    for user in generator.rare_users:
        if rng.random() < 20 / DAYS:
            moment = datetime.fromtimestamp(day * DAY_SECONDS + rng.randrange(DAY_SECONDS), UTC)
            yield make_row(history_event(generator._event(moment, user)))
