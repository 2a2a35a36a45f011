"""Segment files: what is written is read, in order, and damage is told."""

import random
import struct
import zlib
from bisect import bisect_left
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from opentrail.adapters.event_history.rows import Place, Row, hash_value, make_row, read_event
from opentrail.adapters.event_history.segment import Segment, find_hash
from opentrail.adapters.event_history.segment_format import SegmentDamaged
from opentrail.adapters.event_history.segment_writer import train_dictionary, write_segment
from opentrail.ports.event_history import HistoryEvent, LookupKey

DAY = 19_853
MIDNIGHT = DAY * 86_400
NAMES = 20


def a_row(number: int) -> Row:
    """Return row ``number`` of the day: three in each second, the last second of the day among them."""
    return make_row(
        HistoryEvent(
            event={"eventID": f"id-{number:05}", "text": "x" * (number % 50)},
            account_id="1",
            region="r",
            event_id=f"id-{number:05}",
            event_time=datetime.fromtimestamp(MIDNIGHT + 86_399 - number // 3, UTC),
            attributes=((LookupKey.EVENT_NAME, f"Name{number % NAMES}"),),
        )
    )


def a_segment(folder: Path, count: int) -> tuple[Segment, list[Row]]:
    rows = sorted(map(a_row, range(count)))
    path = folder / "2024-05-10.00000001.segment"
    write_segment(path, DAY, rows, train_dictionary([row.record for row in rows]))
    return Segment(path), rows


EVERYTHING = hash_value("1", "r", "", "")
FIRST = Place(-(1 << 40), "")


@pytest.mark.parametrize("count", [1, 7, 8, 9, 3_000])
def test_every_record_is_read_back_in_order(tmp_path: Path, count: int) -> None:
    segment, rows = a_segment(tmp_path, count)

    assert list(segment.records()) == [row.record for row in rows]
    assert [place for place, _, _ in segment.search((EVERYTHING,), FIRST, 1 << 40)] == [row.place for row in rows]
    assert all(earlier.place < later.place for earlier, later in pairwise(rows))
    assert (segment.day, segment.row_count) == (DAY, count)


def test_a_search_gives_the_rows_with_all_hashes(tmp_path: Path) -> None:
    segment, rows = a_segment(tmp_path, 3_000)
    name = hash_value("1", "r", "n", "Name3")

    found = [record for _, _, record in segment.search((name, EVERYTHING), FIRST, 1 << 40)]

    assert found == [row.record for row in rows if name in row.hashes]
    assert len(found) == 3_000 // NAMES


def test_a_search_begins_within_a_second(tmp_path: Path) -> None:
    segment, rows = a_segment(tmp_path, 300)

    for row in rows[::17]:
        found = segment.search((EVERYTHING,), row.place, 1 << 40)
        assert next(found)[0] == row.place


def test_a_search_ends_with_its_last_second(tmp_path: Path) -> None:
    segment, _ = a_segment(tmp_path, 300)

    found = [place for place, _, _ in segment.search((EVERYTHING,), FIRST, -(MIDNIGHT + 86_397))]

    assert len(found) == 9


def test_a_segment_is_read_after_its_file_is_gone(tmp_path: Path) -> None:
    segment, rows = a_segment(tmp_path, 100)
    (tmp_path / segment.name).unlink()

    assert list(segment.records()) == [row.record for row in rows]


def test_a_value_nobody_has_is_not_found(tmp_path: Path) -> None:
    segment, _ = a_segment(tmp_path, 100)

    assert list(segment.search((EVERYTHING, hash_value("1", "r", "n", "Nobody")), FIRST, 1 << 40)) == []


@pytest.mark.parametrize("damage", ["cut", "magic", "header", "empty"])
def test_a_damaged_file_is_refused(tmp_path: Path, damage: str) -> None:
    segment, _ = a_segment(tmp_path, 100)
    path = tmp_path / segment.name
    data = bytearray(path.read_bytes())
    match damage:
        case "cut":
            data = data[:-8]
        case "magic":
            data[0] ^= 1
        case "header":
            data[20] ^= 1
        case _:
            data = bytearray()
    path.write_bytes(data)

    with pytest.raises(SegmentDamaged, match=segment.name):
        Segment(path)


def test_a_damaged_block_is_told_when_it_is_read(tmp_path: Path) -> None:
    segment, _ = a_segment(tmp_path, 64)
    path = tmp_path / segment.name
    data = bytearray(path.read_bytes())
    blocks = segment.header.sections()[1]
    data[blocks.start + 40] ^= 0xFF
    path.write_bytes(data)

    with pytest.raises(SegmentDamaged, match="block 0"):
        list(Segment(path).records())


def test_common_values_that_are_damaged_are_told_on_opening(tmp_path: Path) -> None:
    segment, _ = a_segment(tmp_path, 3_000)
    path = tmp_path / segment.name
    data = bytearray(path.read_bytes())
    data[segment.header.sections()[-1].start + 20] ^= 1
    path.write_bytes(data)

    with pytest.raises(SegmentDamaged, match="common values are damaged"):
        Segment(path)


def test_values_that_never_meet_are_not_searched_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    segment, _ = a_segment(tmp_path, 3_000)
    one, other = (hash_value("1", "r", "n", name) for name in ("Name3", "Name4"))
    monkeypatch.setattr(Segment, "_posting_at", None)

    assert list(segment.search((one, other), FIRST, 1 << 40)) == []


def test_a_segment_of_the_first_version_is_read(tmp_path: Path) -> None:
    segment, rows = a_segment(tmp_path, 3_000)
    header = segment.header
    old = replace(header, common_bytes=0, version=1)
    fields = (old.day, old.row_count, old.newest, old.oldest, *old.sizes[:6])
    start = struct.pack("<8siIqq6Q", b"OTHIST\x00\x01", *fields)
    body = (tmp_path / segment.name).read_bytes()[header.sections()[0].start : header.sections()[-1].start]
    path = tmp_path / "2024-05-10.00000002.segment"
    path.write_bytes(start + struct.pack("<II", zlib.crc32(start), 0) + body)
    name = hash_value("1", "r", "n", "Name3")

    read = Segment(path)

    assert list(read.records()) == [row.record for row in rows]
    assert [record for _, _, record in read.search((name, EVERYTHING), FIRST, 1 << 40)] == [
        row.record for row in rows if name in row.hashes
    ]


def test_a_failed_write_leaves_no_file(tmp_path: Path) -> None:
    def failing() -> "list[Row]":
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_segment(tmp_path / "x.segment", DAY, (row for row in failing()), b"")

    assert list(tmp_path.iterdir()) == []


def test_the_event_in_a_record_is_byte_for_byte_the_stored_one() -> None:
    assert read_event(a_row(3).record) == b'{"eventID":"id-00003","text":"xxx"}'


@pytest.mark.parametrize("seed", range(20))
def test_a_hash_is_found_wherever_it_stands_however_hashes_are_spread(seed: int) -> None:
    rng = random.Random(seed)
    bits = rng.choice((64, 64, 20, 8))
    hashes = sorted({rng.getrandbits(bits) for _ in range(rng.choice((0, 1, 2, 3, 50, 3_000)))})
    asked = [*rng.sample(hashes, min(60, len(hashes))), *hashes[:1], *hashes[-1:], 0, (1 << 64) - 1]

    for wanted in [*asked, *(rng.getrandbits(bits) for _ in range(60))]:
        assert find_hash(hashes, wanted) == bisect_left(hashes, wanted)
