"""The records of some files, judged one by one: which are asked for, and what is wrong with the others."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import chain, starmap
from typing import Any

import msgspec

from opentrail.imports.formats import Contents, Fault, read_contents
from opentrail.imports.inflation import BATCH_LIMIT_BYTES
from opentrail.ports.lake_table import LoadedBatch


@dataclass(frozen=True, slots=True)
class RecordFilter:
    """Which records are asked for: from ``start`` to ``end``, both inclusive, of ``regions``; None and () for all."""

    start: datetime | None = None
    end: datetime | None = None
    regions: tuple[str, ...] = ()

    def is_everything(self) -> bool:
        return self.start is None and self.end is None and not self.regions

    def takes(self, moment: datetime, region: object) -> bool:
        """Say whether a record of that time and Region is asked for."""
        return not (
            (self.start is not None and moment < self.start)
            or (self.end is not None and moment > self.end)
            or (self.regions and region not in self.regions)
        )


@dataclass(frozen=True, slots=True)
class ObjectFault:
    """A fault and the object that it is in."""

    key: str
    fault: Fault


@dataclass(slots=True)
class BatchReport:
    """What became of records that were not handed on: ``failed`` counts every fault, ``outside`` what was not asked
    for."""

    faults: list[ObjectFault] = field(default_factory=list)
    failed: int = 0
    outside: int = 0


class _Peek(msgspec.Struct, gc=False):
    eventTime: str | None = None
    awsRegion: Any = None


_peek = msgspec.json.Decoder(_Peek).decode
_read_members = msgspec.json.Decoder(dict[str, Any]).decode


def load_objects(objects: Sequence[tuple[str, bytes]], wanted: RecordFilter) -> LoadedBatch:
    """Return the records of (key, body) pairs that are asked for, and a BatchReport on the others: of each object once
    the records before it are taken. Where all are asked for, records are looked at only in ``judged``.

    Never raises for what a body holds.
    """
    judged = partial(_judged_objects, objects, wanted)
    if not wanted.is_everything():
        return judged()
    report, read = BatchReport(), _Reading()

    def records_of(key: str, body: bytes) -> list[bytes]:
        contents = read.contents(body)
        _note(contents, key, report)
        return contents.records

    return LoadedBatch(chain.from_iterable(starmap(records_of, objects)), report, judged)


class _Reading:
    """Reads the objects of one batch, together within BATCH_LIMIT_BYTES: what does not fit any more is a fault."""

    def __init__(self) -> None:
        self._left = BATCH_LIMIT_BYTES

    def contents(self, body: bytes) -> Contents:
        contents = read_contents(body, self._left)
        self._left -= contents.plain_bytes
        return contents


def _judged_objects(objects: Sequence[tuple[str, bytes]], wanted: RecordFilter) -> LoadedBatch:
    report, read, moments = BatchReport(), _Reading(), dict[str, datetime | None]()

    def records_of(key: str, body: bytes) -> list[bytes]:
        contents, events = read.contents(body), list[bytes]()
        _judge(contents, wanted, events, report, moments)
        _note(contents, key, report)
        return events

    return LoadedBatch(chain.from_iterable(starmap(records_of, objects)), report)


def _note(contents: Contents, key: str, report: BatchReport) -> None:
    report.failed += len(contents.faults) + contents.faults_left_out
    report.faults += [ObjectFault(key, fault) for fault in contents.faults]
    if contents.faults_left_out:
        rest = Fault("", "MalformedRecord", f"and {contents.faults_left_out} more places that cannot be read")
        report.faults.append(ObjectFault(key, rest))


def _judge(
    contents: Contents,
    wanted: RecordFilter,
    events: list[bytes],
    report: BatchReport,
    moments: dict[str, datetime | None],
) -> None:
    is_everything, take = wanted.is_everything(), events.append
    for number, record in enumerate(contents.records, 1):
        try:
            peeked = _peeked(record)
        except UnicodeDecodeError:
            contents.fail(f"record {number}", "MalformedRecord", "it is not UTF-8")
            continue
        except (msgspec.MsgspecError, RecursionError):
            contents.fail(f"record {number}", "MalformedRecord", "it is no record with a time in its eventTime")
            continue
        text = peeked.eventTime or ""
        if text not in moments:
            moments[text] = _parse(text)
        moment = moments[text]
        if moment is None:
            said = f"its eventTime {text[:40]!r} is no time" if text else "it has no eventTime"
            contents.fail(f"record {number}", "InvalidEventTime", said)
        elif is_everything or wanted.takes(moment, peeked.awsRegion):
            take(record)
        else:
            report.outside += 1


def _peeked(record: bytes) -> _Peek:
    """Return a record's time and Region, whatever the case of their names, as the lake reads them.

    Raises MsgspecError, RecursionError and UnicodeDecodeError for what the lake cannot read.
    """
    if not record.isascii():
        record.decode()  # what is not looked at here is not checked here either
    peeked = _peek(record)
    if peeked.eventTime is None:
        members = {name.lower(): value for name, value in _read_members(record).items()}
        given = members.get("eventtime")
        peeked = _Peek(given if isinstance(given, str) else None, members.get("awsregion"))
    return peeked


def _parse(text: str) -> datetime | None:
    if len(text) < len("2026-01-01T00:00:00") or text[10] not in "T ":
        return None
    try:
        parsed = datetime.fromisoformat(text)
        return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
