"""Enabled Regions: announced before their first event, never taken back."""

import orjson

from opentrail.pipeline.regions import EnabledRegions
from opentrail.ports import Unavailable
from opentrail.ports.journal import REGIONS_SCOPE, EventEntry, Position, SettingsEntry


async def test_a_known_region_needs_no_entry() -> None:
    assert EnabledRegions(["us-east-1"]).entries_for("us-east-1") == []


async def test_a_region_is_announced_until_its_entry_is_stored() -> None:
    regions = EnabledRegions(["us-east-1"])

    first, second = regions.entries_for("eu-west-1"), regions.entries_for("eu-west-1")
    await regions.stored(Position("1"), [*first, EventEntry(b"{}")])

    assert first == second == [SettingsEntry(REGIONS_SCOPE, b'["eu-west-1","us-east-1"]')]
    assert regions.entries_for("eu-west-1") == []
    assert set(regions.names()) == {"eu-west-1", "us-east-1"}


async def test_each_list_holds_the_regions_announced_before_it() -> None:
    regions = EnabledRegions()

    regions.entries_for("eu-west-1")
    [entry] = regions.entries_for("ap-south-1")

    assert orjson.loads(entry.settings or b"") == ["ap-south-1", "eu-west-1"]


async def test_one_entry_serves_a_batch_of_several_regions() -> None:
    [entry] = EnabledRegions().entries_for("eu-west-1", "ap-south-1", "eu-west-1")

    assert orjson.loads(entry.settings or b"") == ["ap-south-1", "eu-west-1"]


async def test_stored_entries_are_told_with_their_position() -> None:
    told: list[tuple[Position, SettingsEntry]] = []

    async def tell(position: Position, entry: SettingsEntry) -> None:
        told.append((position, entry))

    regions = EnabledRegions(on_settings=tell)
    [entry] = regions.entries_for("eu-west-1")
    await regions.stored(Position("7"), [entry, SettingsEntry("arn:aws:cloudtrail:trail", b"{}"), EventEntry(b"{}")])

    assert told == [(Position("7"), entry)]


async def test_a_view_that_does_not_answer_does_not_fail_what_is_stored() -> None:
    async def away(position: Position, entry: SettingsEntry) -> None:
        raise Unavailable("away")

    regions = EnabledRegions(on_settings=away)
    entries = regions.entries_for("eu-west-1")
    await regions.stored(Position("7"), entries)

    assert regions.entries_for("eu-west-1") == []
