"""Keys say which day and Region a log file is of; what is not asked for is passed over, whole days at a time."""

from datetime import UTC, datetime

import pytest

from opentrail.imports.bucket_source import BucketSource
from opentrail.imports.selection import KeySelection
from opentrail.ports.object_store import ObjectSummary
from tests.memory.object_store import InMemoryObjectStore

ROOT = "AWSLogs/123456789012/CloudTrail"


def key(region: str = "us-east-1", day: str = "2026/01/15", name: str = "log.json.gz") -> str:
    return f"{ROOT}/{region}/{day}/{name}"


@pytest.mark.parametrize(
    ("name", "is_taken"),
    [
        (key(), True),
        ("pre/AWSLogs/o-abc123/123456789012/CloudTrail/eu-west-1/2026/01/15/x.json.gz", True),
        ("exports/events.ndjson", True),
        (f"{ROOT}/", False),
        ("AWSLogs/123456789012/CloudTrail-Digest/us-east-1/2026/01/15/d.json.gz", False),
        ("AWSLogs/123456789012/CloudTrail-Insight/us-east-1/2026/01/15/d.json.gz", False),
        ("AWSLogs/123456789012/vpcflowlogs/us-east-1/2026/01/15/f.log.gz", False),
        ("AWSLogs/123456789012/Config/us-east-1/2026/01/15/c.json.gz", False),
    ],
)
def test_log_files_of_cloudtrail_are_told_from_what_lies_beside_them(name: str, is_taken: bool) -> None:
    assert KeySelection().takes(name) is is_taken


def test_a_strict_selection_reads_below_cloudtrail_folders_only() -> None:
    strict = KeySelection(is_strict=True)

    assert strict.takes(key())
    assert strict.takes("mine/CloudTrail/x.json.gz")
    assert not strict.takes("exports/events.ndjson")


def test_days_are_those_asked_for_and_the_one_behind_them() -> None:
    asked = KeySelection(datetime(2026, 1, 10, 12, tzinfo=UTC), datetime(2026, 1, 15, 1, tzinfo=UTC))

    taken = [day for day in range(8, 20) if asked.takes(key(day=f"2026/01/{day:02d}"))]

    assert taken == [10, 11, 12, 13, 14, 15, 16]
    assert asked.takes("no/date/in/it.json")


async def test_whole_days_and_regions_are_never_listed() -> None:
    store = InMemoryObjectStore("logs")
    for region in ("eu-west-1", "us-east-1", "us-west-2"):
        for day in range(1, 29):
            for number in range(3):
                body = b"{}"
                await store.put_if_absent(key(region, f"2026/01/{day:02d}", f"{number}.json.gz"), body, content_type="")
    seen: list[str] = []
    plain_list = store.list

    async def counted(prefix: str, start_after: str = ""):  # type: ignore[no-untyped-def]
        async for summary in plain_list(prefix, start_after):
            assert isinstance(summary, ObjectSummary)
            seen.append(summary.key)
            yield summary

    store.list = counted  # type: ignore[method-assign]
    moment = datetime(2026, 1, 20, tzinfo=UTC)
    source = BucketSource(store, "AWSLogs/", KeySelection(moment, moment, ("eu-west-1", "us-west-2")))

    found = [one.key async for one in source.list()]

    wanted = [(region, day) for region in ("eu-west-1", "us-west-2") for day in ("2026/01/20", "2026/01/21")]
    assert found == [key(region, day, f"{number}.json.gz") for region, day in wanted for number in range(3)]
    assert len(seen) < 30
    assert [one.key async for one in source.list(found[4])] == found[5:]
