"""One process of a count: ``python -m opentrail.adapters.event_history.counting_worker`` (``counting`` says how).

A segment is narrowed before it is read: to the rows of the account, Regions and span; where every rule needs a value
that is indexed and few rows have, to these; else to what its columns leave undecided; and a block is split and decoded
only where the texts that rules need stand in its bytes.
"""

import os
import resource
import struct
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import orjson

from opentrail.adapters.event_history.columns import kept_columns, made_columns
from opentrail.adapters.event_history.postings import Bitmap
from opentrail.adapters.event_history.rows import KEY_CODES, hash_value, read_event, read_head
from opentrail.adapters.event_history.segment import RecordReader, Segment, split_block
from opentrail.adapters.event_history.segment_format import BLOCK_ROWS, SegmentDamaged
from opentrail.ports.event_history import LookupKey
from opentrail.ports.replay import CountingJob
from opentrail.query.replay.column_counting import ColumnCounter, is_countable
from opentrail.query.replay.column_masks import is_narrowed
from opentrail.query.replay.counting import Counter
from opentrail.query.replay.event_columns import EventColumns
from opentrail.query.replay.metrics import Metric, read_metric
from opentrail.query.replay.narrowing import Probe, indexed_values
from opentrail.query.replay.rules import InvalidReplay, ReplayRule, read_replay_rule

_NICENESS = 5
"""Recording goes before asking."""

_MAKING_NICENESS = 10
"""What nobody waits for goes last."""

_SAY_SECONDS = 0.1
_length = struct.Struct("<Q")
_SCOPE_CODE = ""
_BLOCKS_A_STEP = 64
_DIGITS = b"01".ljust(256, b"1")

FEW_ROWS = 256
"""Rows of a segment that the index names, up to which reading them costs less than the segment's columns."""


class SegmentCounter:
    """Reads segments and records for one job. ``method`` says how most were narrowed.

    A segment of which few rows have what the index names is read there. Any other is judged by its columns
    (``event_columns``, made when they are not there yet), and only what they cannot decide is read.
    """

    def __init__(self, job: CountingJob, columns_folder: Path | None = None) -> None:
        rules = [read_replay_rule(rule.name, rule.language, rule.text) for rule in job.rules]
        metrics = [
            read_metric(rule.metric_value, rule.default_value) if rule.metric_value else None for rule in job.rules
        ]
        self._job = job
        self._rules = rules
        self._metrics = metrics
        self._folder = columns_folder
        self._scopes = [(job.account_id, region) for region in job.regions]
        self._heads = [f'","{account}","{region}",'.encode() for account, region in self._scopes]
        self._whole = _Reading(rules, metrics, range(len(rules)))
        self._in_columns = [
            place
            for place, (rule, metric) in enumerate(zip(rules, metrics, strict=True))
            if columns_folder is not None and is_countable(rule, metric)
        ]
        rest = [place for place in range(len(rules)) if place not in self._in_columns]
        self._rest = _Reading(rules, metrics, rest) if self._in_columns else self._whole
        self._uses_columns = bool(self._in_columns) or (
            columns_folder is not None and any(map(is_narrowed, rules)) and self._whole.method != "index"
        )
        self.counter = Counter(rules, metrics, job.start, job.end, job.max_examples)
        self._rest_counter = self._counter_of(rest)
        self.method = self._whole.method
        self.is_scan = self._whole.method != "index" and not self._uses_columns
        self.events = 0

    def to_wire(self) -> dict[str, Any]:
        """Return what was counted."""
        self.counter.unreadable += self._rest_counter.unreadable
        self._rest_counter.unreadable = 0
        return self.counter.to_wire()

    def take_records(self, records: Sequence[bytes]) -> None:
        """Take records of the tail, as many as are of the span, the account and its Regions."""
        for record in records:
            head = read_head(record)
            if (head[1], head[2]) in self._scopes and self._job.start <= int(head[3]) < self._job.end:
                self.events += 1
                self.counter.take(read_event(record))

    def take_segment(self, segment: Segment, name: str = "") -> Iterator[int]:
        """Take a segment's records; yields how many of its rows were passed, now and then.

        ``name`` is the file's, under which its columns are kept.
        """
        first, end = segment.rows_between(self._job.start, self._job.end)
        rows = _union(segment, [hash_value(*scope, _SCOPE_CODE, "") for scope in self._scopes])
        rows &= (1 << end) - (1 << first) if end > first else 0
        self.events += rows.bit_count()
        if not rows:
            return
        indexed = rows & self._indexed_rows(segment, self._whole)
        is_by_index = self._whole.method == "index" and indexed.bit_count() <= FEW_ROWS
        if self._uses_columns and not is_by_index and name:
            columns = self._columns_of(segment, name)
            if columns is not None:
                yield from self._take_columns(segment, columns, rows)
                return
        asked = indexed if self._whole.method == "index" else rows
        yield from self._take_rows(segment, self._whole, self.counter, asked, indexed)

    def _take_columns(self, segment: Segment, columns: EventColumns, rows: int) -> Iterator[int]:
        """Count by columns what they decide, and read what they leave to be asked."""
        reader = RecordReader(segment)
        counting = ColumnCounter(
            columns,
            lambda row: read_event(reader.record(row)),
            self.counter.grain,
            (self._job.start, self._job.end),
            [f"{account} {region}" for account, region in self._scopes],
        )
        self.method = "columns"
        left = 0
        undecided = []
        for place, (rule, metric) in enumerate(zip(self._rules, self._metrics, strict=True)):
            found = counting.rows_of(rule)
            needs_all = metric is not None and metric.default is not None
            if not counting.take(found, metric, self.counter.tallies[place]):
                undecided.append(place)
                left |= counting.asked if needs_all else found.mask
        for row in columns.odd:
            if rows >> row & 1:
                self._take(reader.record(row), self.counter)
        if left:
            reading, counter = self._rest, self._rest_counter
            if any(place in self._in_columns for place in undecided):
                reading = _Reading(self._rules, self._metrics, undecided)
                counter = self._counter_of(undecided)
            asked = _bits_of(left, columns.rows)
            indexed = asked & self._indexed_rows(segment, reading)
            asked = indexed if reading.method == "index" else asked
            yield from self._take_rows(segment, reading, counter, asked, indexed)
            if counter is not self._rest_counter:
                self.counter.unreadable += counter.unreadable

    def _take_rows(
        self, segment: Segment, reading: "_Reading", counter: Counter, asked: int, indexed: int
    ) -> Iterator[int]:
        blocks = -(-segment.row_count // BLOCK_ROWS)
        for block, bits in enumerate(asked.to_bytes(blocks, "little")):
            if bits:
                data = segment.block_bytes(block)
                for record in reading.picked(data, indexed >> (block * BLOCK_ROWS) & 0xFF, bits):
                    self._take(record, counter)
            if block % _BLOCKS_A_STEP == 0:
                yield block * BLOCK_ROWS

    def _take(self, record: bytes, counter: Counter) -> None:
        # The index knows hashes only: whose the record is, its head says.
        length = int.from_bytes(record[:4], "little")
        for head in self._heads:
            if record.find(head, 4, 4 + length) >= 0:
                counter.take(read_event(record))
                return

    def _counter_of(self, places: Sequence[int]) -> Counter:
        job = self._job
        return Counter(
            self._rules,
            self._metrics,
            job.start,
            job.end,
            job.max_examples,
            places=places,
            tallies=self.counter.tallies,
        )

    def _columns_of(self, segment: Segment, name: str) -> EventColumns | None:
        """Return a segment's columns, made when they are not kept; None when they would cost more than they save."""
        assert self._folder is not None
        return kept_columns(self._folder, segment, name) or made_columns(self._folder, segment, name)

    def _indexed_rows(self, segment: Segment, reading: "_Reading") -> int:
        """Return the rows that have what some rule needs of the index."""
        found = 0
        for clauses in reading.clauses:
            rows = -1
            for clause in clauses:
                rows &= self._rows_of(segment, clause)
            found |= rows
        return found

    def _rows_of(self, segment: Segment, clause: frozenset[tuple[LookupKey, str]]) -> int:
        rows = _union(segment, [self._hash(scope, *value) for value in clause for scope in self._scopes])
        if any(key is LookupKey.READ_ONLY for key, _ in clause):
            # What a record says that is neither true nor false is not indexed, and a rule may ask for it.
            both = [(LookupKey.READ_ONLY, value) for value in ("true", "false")]
            rows |= ~_union(segment, [self._hash(scope, *value) for value in both for scope in self._scopes])
        return rows

    def _hash(self, scope: tuple[str, str], key: LookupKey, value: str) -> int:
        return hash_value(*scope, KEY_CODES[key], value)


class _Reading:
    """How some of a job's rules are read: by values that are indexed, by texts, or by asking about every event.

    Rules are of two kinds: those that need indexed values, whose rows the index names, and the others, whose rows are
    all there are. Each kind has its own texts to look for.
    """

    def __init__(self, rules: Sequence[ReplayRule], metrics: Sequence[Metric | None], places: Sequence[int]) -> None:
        kept = [rules[place] for place in places]
        # A default value is published for every event that a rule does not pick: then all have to be read.
        published = [metrics[place] for place in places]
        needs_all = any(metric is not None and metric.default is not None for metric in published)
        clauses = [[] if needs_all else indexed_values(rule) for rule in kept]
        self.clauses = [found for found in clauses if found]
        indexed = [rule for rule, found in zip(kept, clauses, strict=True) if found]
        self._others = [rule for rule, found in zip(kept, clauses, strict=True) if not found]
        self._probe_indexed = Probe(indexed, is_escaped_alike=True)
        self._probe_others = Probe([] if needs_all else self._others, is_escaped_alike=True)
        self.method = "scan" if self._others else "index"
        if self._others and self._probe_others.is_useful:
            self.method = "texts"

    def picked(self, data: bytes, indexed: int, asked: int) -> Iterator[bytes]:
        """Yield what may match of a block: of the rows ``asked`` those that the index names, and others with texts."""
        by_index = self._probe_indexed if indexed and self._probe_indexed.may_match(data) else None
        by_text = self._probe_others if self._others and self._probe_others.may_match(data) else None
        if by_index is None and by_text is None:
            return
        for place, record in enumerate(split_block(data)):
            bit = 1 << place
            if not asked & bit:
                continue
            if (by_index is not None and indexed & bit and by_index.may_match(record)) or (
                by_text is not None and by_text.may_match(record)
            ):
                yield record


def _bits_of(mask: int, rows: int) -> int:
    """Return rows of columns, a byte each, as the index has them: row r as bit r."""
    flags = mask.to_bytes(rows, "little")
    return int(flags[::-1].translate(_DIGITS), 2) if rows else 0


def _union(segment: Segment, hashes: Sequence[int]) -> int:
    """Return the rows that have one of ``hashes``, row r as bit r."""
    found = 0
    for key_hash in hashes:
        posting = segment.posting(key_hash)
        if isinstance(posting, Bitmap):
            found |= int.from_bytes(posting.bits, "little")
        elif posting is not None:
            bits = bytearray(-(-segment.row_count // 8))
            for row in posting:
                bits[row >> 3] |= 1 << (row & 7)
            found |= int.from_bytes(bits, "little")
    return found


def main() -> None:
    """Do the one job that standard input holds."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError):
        os.nice(_NICENESS)
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    try:
        request = orjson.loads(_read(requests))
        tail = split_block(_read(requests))
        _say(answers, _count(request, tail, answers) if request["job"] else _made(request))
    except (EOFError, BrokenPipeError):
        return
    except InvalidReplay as error:
        _say(answers, {"error": str(error)})
    except (OSError, SegmentDamaged):
        _say(answers, {"error": "a file of Event history cannot be read; `opentrail doctor` may say more"})
    except MemoryError:
        _say(answers, {"error": "counting needs more memory than there is"})


def _count(request: dict[str, Any], tail: Sequence[bytes], answers: IO[bytes]) -> dict[str, Any]:
    folder = Path(request["columns"]) if request["columns"] else None
    reading = SegmentCounter(CountingJob.from_wire(request["job"]), folder)
    reading.take_records(tail)
    passed, said_at = len(tail), time.monotonic()
    for descriptor, name in request["segments"]:
        segment = Segment(Path(f"/dev/fd/{descriptor}"), is_read_whole=reading.is_scan)
        for rows in reading.take_segment(segment, name):
            if time.monotonic() - said_at >= _SAY_SECONDS:
                said_at = time.monotonic()
                _say(answers, {"passed": passed + rows})
        passed += segment.row_count
    counted = reading.to_wire()
    return {"passed": passed, "counted": counted, "events": reading.events, "method": reading.method}


def _made(request: dict[str, Any]) -> dict[str, Any]:
    """Make the columns of segments that have none."""
    with suppress(OSError):
        os.nice(_MAKING_NICENESS)
    folder = Path(request["columns"])
    for descriptor, name in request["segments"]:
        segment = Segment(Path(f"/dev/fd/{descriptor}"), is_read_whole=True)
        if kept_columns(folder, segment, name) is None:
            made_columns(folder, segment, name)
            if not (folder / name).exists():
                return {"error": "what was made ahead of replays cannot be stored; is the disk full?"}
    return {"passed": 0, "counted": {}}


def _read(stream: IO[bytes]) -> bytes:
    header = stream.read(_length.size)
    if len(header) < _length.size:
        raise EOFError
    (length,) = _length.unpack(header)
    content = stream.read(length)
    if len(content) < length:
        raise EOFError
    return content


def _say(answers: IO[bytes], said: dict[str, Any]) -> None:
    answers.write(orjson.dumps(said) + b"\n")
    answers.flush()


if __name__ == "__main__":
    main()
