"""The tail's log on disk: what is taken out of it, and nothing beside."""

import random
from pathlib import Path

import pytest

from opentrail.adapters.event_history.rows import Row, make_row
from opentrail.adapters.event_history.tail_log import TailLog
from opentrail.ports.journal import Position
from tests.unit.adapters.event_history.test_store import an_event


def rows(count: int) -> list[tuple[int, Row]]:
    rng = random.Random(1)
    return [(number, make_row(an_event(number, rng))) for number in range(1, count + 1)]


@pytest.mark.parametrize(
    "gone", [(), (1,), (10,), range(1, 11), (1, 2, 5, 7, 8), (8, 2, 7, 1, 5), (3, 3), (4, 99)], ids=str
)
def test_rows_taken_out_are_gone_and_no_others(tmp_path: Path, gone: tuple[int, ...]) -> None:
    stored = rows(10)
    log = TailLog(tmp_path / "tail.sqlite")
    log.store(stored, Position("1"))

    log.replace((), (), gone)

    assert log.rows() == [(number, row) for number, row in stored if number not in gone]
    log.close()
