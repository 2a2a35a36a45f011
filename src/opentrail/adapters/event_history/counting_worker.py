"""One process of a count: ``python -m opentrail.adapters.event_history.counting_worker`` (``counting`` says how).

A segment is narrowed before it is read: to the rows of the account, Regions and span; where every rule needs a value
that is indexed, to the blocks that have it; and a block is split and decoded only where the texts that rules need
stand in its bytes.
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

from opentrail.adapters.event_history.postings import Bitmap
from opentrail.adapters.event_history.rows import KEY_CODES, hash_value, read_event, read_head
from opentrail.adapters.event_history.segment import Segment, split_block
from opentrail.adapters.event_history.segment_format import BLOCK_ROWS, SegmentDamaged
from opentrail.ports.event_history import LookupKey
from opentrail.ports.replay import CountingJob
from opentrail.query.replay.counting import Counter
from opentrail.query.replay.metrics import read_metric
from opentrail.query.replay.narrowing import Probe, indexed_values
from opentrail.query.replay.rules import InvalidReplay, read_replay_rule

_NICENESS = 5
"""Recording goes before asking."""

_SAY_SECONDS = 0.1
_length = struct.Struct("<Q")
_SCOPE_CODE = ""
_BLOCKS_A_STEP = 64


class SegmentCounter:
    """Reads segments and records for one job. ``method`` says how they were narrowed.

    Rules are of two kinds: those that need indexed values, whose rows the index names, and the others, whose rows are
    all there are. Each kind has its own texts to look for.
    """

    def __init__(self, job: CountingJob) -> None:
        rules = [read_replay_rule(rule.name, rule.language, rule.text) for rule in job.rules]
        metrics = [
            read_metric(rule.metric_value, rule.default_value) if rule.metric_value else None for rule in job.rules
        ]
        self.counter = Counter(rules, metrics, job.start, job.end, job.max_examples)
        self._job = job
        self._scopes = [(job.account_id, region) for region in job.regions]
        self._heads = [f'","{account}","{region}",'.encode() for account, region in self._scopes]
        # A default value is published for every event that a rule does not pick: then all have to be read.
        needs_all = any(metric is not None and metric.default is not None for metric in metrics)
        clauses = [[] if needs_all else indexed_values(rule) for rule in rules]
        self._clauses = [found for found in clauses if found]
        indexed = [rule for rule, found in zip(rules, clauses, strict=True) if found]
        self._others = [rule for rule, found in zip(rules, clauses, strict=True) if not found]
        self._probe_indexed = Probe(indexed, is_escaped_alike=True)
        self._probe_others = Probe([] if needs_all else self._others, is_escaped_alike=True)
        self.method = "scan" if self._others else "index"
        if self._others and self._probe_others.is_useful:
            self.method = "texts"
        self.events = 0

    def take_records(self, records: Sequence[bytes]) -> None:
        """Take records of the tail, as many as are of the span, the account and its Regions."""
        for record in records:
            head = read_head(record)
            if (head[1], head[2]) in self._scopes and self._job.start <= int(head[3]) < self._job.end:
                self.events += 1
                self.counter.take(read_event(record))

    def take_segment(self, segment: Segment) -> Iterator[int]:
        """Take a segment's records; yields how many of its rows were passed, now and then."""
        first, end = segment.rows_between(self._job.start, self._job.end)
        rows = _union(segment, [hash_value(*scope, _SCOPE_CODE, "") for scope in self._scopes])
        rows &= (1 << end) - (1 << first) if end > first else 0
        self.events += rows.bit_count()
        indexed = rows & self._indexed_rows(segment) if rows else 0
        blocks = -(-segment.row_count // BLOCK_ROWS)
        asked = rows if self._others else indexed
        for block, bits in enumerate(asked.to_bytes(blocks, "little")):
            if bits:
                self._take_block(segment.block_bytes(block), indexed >> (block * BLOCK_ROWS) & 0xFF, bits)
            if block % _BLOCKS_A_STEP == 0:
                yield block * BLOCK_ROWS

    def _take_block(self, data: bytes, indexed: int, asked: int) -> None:
        """Take what may match of a block: of the rows ``asked`` those that the index names, and others with texts."""
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
                self._take(record)

    def _take(self, record: bytes) -> None:
        # The index knows hashes only: whose the record is, its head says.
        length = int.from_bytes(record[:4], "little")
        for head in self._heads:
            if record.find(head, 4, 4 + length) >= 0:
                self.counter.take(read_event(record))
                return

    def _indexed_rows(self, segment: Segment) -> int:
        """Return the rows that have what some rule needs of the index."""
        found = 0
        for clauses in self._clauses:
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
        _say(answers, _count(request, tail, answers))
    except (EOFError, BrokenPipeError):
        return
    except InvalidReplay as error:
        _say(answers, {"error": str(error)})
    except (OSError, SegmentDamaged):
        _say(answers, {"error": "a file of Event history cannot be read; `opentrail doctor` may say more"})
    except MemoryError:
        _say(answers, {"error": "counting needs more memory than there is"})


def _count(request: dict[str, Any], tail: Sequence[bytes], answers: IO[bytes]) -> dict[str, Any]:
    reading = SegmentCounter(CountingJob.from_wire(request["job"]))
    reading.take_records(tail)
    passed, said_at = len(tail), time.monotonic()
    for descriptor in request["segments"]:
        segment = Segment(Path(f"/dev/fd/{descriptor}"), is_read_whole=reading.method != "index")
        for rows in reading.take_segment(segment):
            if time.monotonic() - said_at >= _SAY_SECONDS:
                said_at = time.monotonic()
                _say(answers, {"passed": passed + rows})
        passed += segment.row_count
    counted = reading.counter.to_wire()
    return {"passed": passed, "counted": counted, "events": reading.events, "method": reading.method}


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
