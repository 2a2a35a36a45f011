"""Enabled Regions: announced before their first event, never taken back."""

import asyncio
from collections.abc import Sequence

import orjson
import pytest

from opentrail.pipeline.regions import ClaimedRegions, EnabledRegions
from opentrail.ports import Unavailable
from opentrail.ports.journal import REGIONS_SCOPE, START, JournalEntry, Position, SettingsEntry
from tests.memory.journal import InMemoryJournal


class FailingJournal(InMemoryJournal):
    """A journal that takes nothing until it is mended."""

    is_broken = True

    async def append(self, entries: Sequence[JournalEntry]) -> Position:
        if self.is_broken:
            raise Unavailable("the disk is full")
        return await super().append(entries)


async def announced(journal: InMemoryJournal) -> list[list[str]]:
    lists = []
    async for page in journal.read(START, until=journal.head()):
        for _, entry in page:
            assert isinstance(entry, SettingsEntry)
            assert entry.scope == REGIONS_SCOPE
            lists.append(orjson.loads(entry.settings or b""))
    return lists


async def test_a_known_region_needs_no_entry() -> None:
    journal = InMemoryJournal()

    await EnabledRegions(journal, ["us-east-1"]).enable("us-east-1")

    assert await announced(journal) == []


async def test_a_new_region_is_in_the_journal_once_with_those_before_it() -> None:
    journal = InMemoryJournal()
    regions = EnabledRegions(journal, ["us-east-1"])

    await asyncio.gather(*(regions.enable("eu-west-1") for _ in range(5)))
    await regions.enable("ap-south-1", "eu-west-1")

    assert await announced(journal) == [["eu-west-1", "us-east-1"], ["ap-south-1", "eu-west-1", "us-east-1"]]
    assert set(regions.names()) == {"ap-south-1", "eu-west-1", "us-east-1"}


async def test_one_entry_serves_several_regions() -> None:
    journal = InMemoryJournal()

    await EnabledRegions(journal).enable("eu-west-1", "ap-south-1", "eu-west-1")

    assert await announced(journal) == [["ap-south-1", "eu-west-1"]]


async def test_a_region_that_could_not_be_stored_is_not_enabled_and_is_tried_again() -> None:
    journal = FailingJournal()
    regions = EnabledRegions(journal)

    with pytest.raises(Unavailable):
        await regions.enable("eu-west-1")
    assert set(regions.names()) == set()
    journal.is_broken = False
    await regions.enable("eu-west-1")

    assert await announced(journal) == [["eu-west-1"]]


async def test_stored_entries_are_told_with_their_position() -> None:
    told: list[tuple[Position, SettingsEntry]] = []
    journal = InMemoryJournal()

    async def tell(position: Position, entry: SettingsEntry) -> None:
        told.append((position, entry))

    await EnabledRegions(journal, on_settings=tell).enable("eu-west-1")

    assert told == [(journal.head(), SettingsEntry(REGIONS_SCOPE, b'["eu-west-1"]'))]


async def test_a_view_that_does_not_answer_does_not_fail_what_is_stored() -> None:
    async def away(position: Position, entry: SettingsEntry) -> None:
        raise Unavailable("away")

    journal = InMemoryJournal()
    regions = EnabledRegions(journal, on_settings=away)
    await regions.enable("eu-west-1")

    assert set(regions.names()) == {"eu-west-1"}
    assert await announced(journal) == [["eu-west-1"]]


def test_claims_are_admitted_to_enabled_regions_and_to_as_many_more_as_the_limit_leaves() -> None:
    enabled = {"us-east-1", "eu-west-1"}
    claimed = ClaimedRegions(lambda: enabled, {"us-east-1"}, 3)

    asked = ("ap-south-1", "ca-west-1", "us-west-2", "sa-east-1", "ap-south-1", "eu-west-1", "us-east-1")

    assert [claimed.admits(region) for region in asked] == [True, True, False, False, True, True, True]


def test_a_region_that_somebody_verified_enabled_is_open_to_claims() -> None:
    enabled = {"us-east-1"}
    claimed = ClaimedRegions(lambda: enabled, {"us-east-1"}, 0)
    assert not claimed.admits("eu-west-1")

    enabled.add("eu-west-1")

    assert claimed.admits("eu-west-1")


def test_regions_of_the_settings_do_not_count_against_claims() -> None:
    configured = {"us-east-1", "eu-west-1", "eu-west-2"}
    claimed = ClaimedRegions(lambda: configured, configured, 1)

    assert claimed.admits("ap-south-1")
    assert not claimed.admits("ap-south-2")
