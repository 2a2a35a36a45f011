"""Segments are made by a process of its own: same bytes as made here, and nothing is lost when it dies."""

import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from opentrail.adapters.event_history import segment_making
from opentrail.adapters.event_history.rows import make_row
from opentrail.adapters.event_history.segment import Segment, join_block
from opentrail.adapters.event_history.segment_format import SegmentDamaged
from opentrail.adapters.event_history.segment_making import SegmentMaker, carry_out
from opentrail.ports.event_history import HistoryEvent, LookupKey

NOON = datetime(2024, 5, 10, 12, tzinfo=UTC)
DAY = int(NOON.timestamp()) // 86_400


def records(count: int) -> list[bytes]:
    made = []
    for number in range(count):
        moment = NOON - timedelta(seconds=number * 7 % 1_000)
        name = f"Name{number % 5}"
        event = {"eventID": f"id-{number:05}", "eventName": name}
        pairs = ((LookupKey.EVENT_NAME, name),)
        made.append(make_row(HistoryEvent(event, "1", "r", event["eventID"], moment, pairs)).record)
    return made


@pytest.fixture
def maker() -> Iterator[SegmentMaker]:
    made = SegmentMaker()
    yield made
    made.stop()


def child_of(maker: SegmentMaker) -> int:
    assert maker._child is not None
    return maker._child.pid


def test_a_child_writes_the_bytes_that_would_be_written_here(tmp_path: Path, maker: SegmentMaker) -> None:
    there, here = [tmp_path / "a", tmp_path / "b"], [tmp_path / "c", tmp_path / "d"]

    maker.seal(DAY, 60, there, records(100))
    carry_out(segment_making._job(DAY, 60, here), join_block(records(100)))

    assert [path.read_bytes() for path in there] == [path.read_bytes() for path in here]
    assert [Segment(path).row_count for path in there] == [60, 40]


def test_joined_parts_hold_all_records_in_order(tmp_path: Path, maker: SegmentMaker) -> None:
    all_records = records(90)
    maker.seal(DAY, 100, [tmp_path / "a"], all_records[::2])
    maker.seal(DAY, 100, [tmp_path / "b"], all_records[1::2])

    maker.join(DAY, 100, [tmp_path / "joined"], [tmp_path / "a", tmp_path / "b"])
    maker.seal(DAY, 100, [tmp_path / "at once"], all_records)

    joined, at_once = (list(Segment(tmp_path / name).records()) for name in ("joined", "at once"))
    assert joined == at_once


def test_one_child_serves_many_jobs_and_a_killed_one_is_replaced(tmp_path: Path, maker: SegmentMaker) -> None:
    maker.seal(DAY, 10, [tmp_path / "a"], records(10))
    first = child_of(maker)
    maker.seal(DAY, 10, [tmp_path / "b"], records(10))
    assert child_of(maker) == first

    os.kill(first, signal.SIGKILL)
    maker.seal(DAY, 10, [tmp_path / "c"], records(10))

    assert child_of(maker) != first
    assert (tmp_path / "c").read_bytes() == (tmp_path / "a").read_bytes()


def test_what_goes_wrong_in_the_child_is_raised_here(tmp_path: Path, maker: SegmentMaker) -> None:
    with pytest.raises(OSError, match="gone"):
        maker.seal(DAY, 10, [tmp_path / "gone" / "a"], records(10))

    (tmp_path / "damaged").write_bytes(b"x" * 200)
    with pytest.raises(SegmentDamaged, match="damaged"):
        maker.join(DAY, 10, [tmp_path / "a"], [tmp_path / "damaged"])


def test_where_no_process_may_start_jobs_are_done_all_the_same(
    tmp_path: Path, maker: SegmentMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start_none() -> None:
        raise OSError("no more processes")

    monkeypatch.setattr(segment_making, "_start", start_none)

    maker.seal(DAY, 10, [tmp_path / "a"], records(10))

    assert Segment(tmp_path / "a").row_count == 10


def test_a_stopped_maker_ends_its_child_and_takes_no_jobs(tmp_path: Path, maker: SegmentMaker) -> None:
    maker.seal(DAY, 10, [tmp_path / "a"], records(10))
    child = maker._child
    assert child is not None

    maker.stop()

    assert child.returncode == -signal.SIGKILL
    with pytest.raises(OSError, match="closed"):
        maker.seal(DAY, 10, [tmp_path / "b"], records(10))
