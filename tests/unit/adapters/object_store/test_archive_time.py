"""The archives' own time goes on as time was seen to pass, whatever the machine's clock is set to."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from opentrail.adapters.object_store.archive_time import MAX_UNSEEN, ArchiveTime, BootTime
from opentrail.adapters.object_store.archives import LocalArchives
from opentrail.resource.archive import Archive, LockMode, LockRule
from tests.builders import HandClock

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


class Machine:
    """A clock that can be set, and a time since boot that cannot."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "time.json"
        self.wall = HandClock(START)
        self.boot = BootTime("first", 1000.0)

    def passes(self, passed: timedelta) -> None:
        self.wall.advance(passed.total_seconds())
        self.boot = BootTime(self.boot.boot_id, self.boot.seconds + passed.total_seconds())

    def is_off_for(self, passed: timedelta, boot_id: str) -> None:
        self.wall.advance(passed.total_seconds())
        self.boot = BootTime(boot_id, 10.0)

    def process(self) -> ArchiveTime:
        return ArchiveTime(self.path, self.wall, boot=lambda: self.boot)


def behind(time: ArchiveTime) -> timedelta:
    return time.latest() - time.earliest()


def test_time_that_is_seen_to_pass_passes(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    time = machine.process()
    assert time.earliest() == time.latest() == START

    machine.passes(40 * DAY)

    assert time.earliest() == time.latest() == START + 40 * DAY
    assert behind(time) == timedelta(0)


def test_time_passes_for_processes_that_did_not_run_as_long_as_the_machine_did(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.process().latest()

    machine.passes(40 * DAY)

    assert machine.process().earliest() == START + 40 * DAY


def test_a_clock_set_forward_frees_nothing_early_and_is_noticed(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    time = machine.process()
    time.latest()

    machine.wall.advance((365 * DAY).total_seconds())
    machine.passes(DAY)

    assert START + DAY <= time.earliest() < START + DAY * 1.01
    assert time.latest() == START + 366 * DAY
    assert behind(time) > 364 * DAY
    assert machine.process().earliest() < START + DAY * 1.01


def test_a_clock_set_back_keeps_longer_and_never_sets_time_back(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    time = machine.process()
    machine.passes(10 * DAY)
    time.latest()

    machine.wall.advance((-5 * DAY).total_seconds())

    assert time.latest() == START + 10 * DAY
    assert time.earliest() == START + 5 * DAY


def test_a_machine_that_was_off_is_believed_for_a_long_weekend_each_time(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.process().latest()

    machine.is_off_for(2 * DAY, "second")
    assert machine.process().earliest() == START + 2 * DAY
    machine.is_off_for(300 * DAY, "third")
    time = machine.process()

    assert time.earliest() == START + 2 * DAY + MAX_UNSEEN + timedelta(seconds=10)
    assert behind(time) > 290 * DAY


def test_a_clock_that_was_right_after_all_is_caught_up_with_slowly(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    time = machine.process()
    time.latest()
    machine.wall.advance(60)

    machine.passes(timedelta(hours=10))
    assert behind(time) > timedelta(0)
    machine.passes(timedelta(hours=10))

    assert behind(time) == timedelta(0)


def test_time_that_was_lost_begins_where_the_youngest_lock_can_have_begun(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    archives = LocalArchives(tmp_path, clock=machine.wall, boot=lambda: machine.boot)
    archives.create(Archive("logs", "us-east-1", "1", START, lock=LockRule(LockMode.COMPLIANCE, 30)))
    machine.passes(40 * DAY)
    archives.time.latest()

    for damage in (b"{", b'{"witnessed": "tomorrow"}', b"[]", None):
        if damage is None:
            machine.path.unlink()
        else:
            machine.path.write_bytes(damage)
        assert LocalArchives(tmp_path, clock=machine.wall, boot=lambda: machine.boot).time.earliest() == START


def test_a_disk_that_takes_nothing_does_not_stop_time(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "away")
    time = machine.process()
    assert time.earliest() == START

    machine.passes(DAY)

    assert time.earliest() == START + DAY
    assert machine.path.exists() is False
