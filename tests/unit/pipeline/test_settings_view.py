"""The API's view of trails follows the journal."""

from datetime import UTC, datetime

from opentrail.pipeline.settings_view import SettingsView
from opentrail.ports.journal import REGIONS_SCOPE, EventEntry, SettingsEntry
from opentrail.resource.trail import Trail
from tests.memory.delivery_log import InMemoryDeliveryLog
from tests.memory.journal import InMemoryJournal
from tests.memory.trail_store import InMemoryTrailStore

ARN = "arn:aws:cloudtrail:us-east-1:123456789012:trail/audit"


def a_trail() -> Trail:
    return Trail(ARN, "audit", "123456789012", "us-east-1", "bucket", created_at=datetime(2026, 1, 1, tzinfo=UTC))


async def test_settings_that_a_crash_left_unapplied_are_applied_at_start() -> None:
    journal, trails = InMemoryJournal(), InMemoryTrailStore(InMemoryDeliveryLog())
    await journal.append([EventEntry(b"{}"), SettingsEntry(ARN, a_trail().to_json()), EventEntry(b"{}")])
    await journal.append([SettingsEntry(REGIONS_SCOPE, b'["eu-west-1","us-east-1"]')])

    view = SettingsView(journal, trails)
    await view.catch_up()

    assert await trails.trail(ARN) == a_trail()
    assert list(await trails.enabled_regions()) == ["eu-west-1", "us-east-1"]
    assert view.position == journal.head()


async def test_applying_the_same_settings_again_changes_nothing() -> None:
    log = InMemoryDeliveryLog()
    journal, trails = InMemoryJournal(), InMemoryTrailStore(log)
    position = await journal.append([SettingsEntry(ARN, a_trail().to_json())])
    await trails.apply(position, SettingsEntry(ARN, a_trail().to_json()))
    before = await log.readers()

    await SettingsView(journal, trails).catch_up()

    assert list(await log.readers()) == list(before)
    assert list(await trails.trails("123456789012")) == [a_trail()]
