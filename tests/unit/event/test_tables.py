"""The tables say where they come from, and hold what the code that reads them counts on."""

import json
from pathlib import Path

import pytest

import opentrail.event
import opentrail.record
from opentrail.event.fields import CATEGORIES_OF_TYPE, EVENT_VERSION, FIELDS, in_order, minor_version
from opentrail.event.limits import CONTENT_LIMITS, EVENT_LIMIT_BYTES, TEXT_FIELDS

FOLDERS = [
    Path(package.__file__).parent / "data" for package in (opentrail.event, opentrail.record) if package.__file__
]
TABLES = [path for folder in FOLDERS for path in sorted(folder.glob("*.json"))]
OTHERS = {"lookup_resources", "sensitive"}
"""Tables with a note of their own on where their rows come from."""


@pytest.mark.parametrize("path", [path for path in TABLES if path.stem not in OTHERS], ids=lambda path: path.stem)
def test_every_part_of_a_table_has_its_source(path: Path) -> None:
    table = json.loads(path.read_text())
    source = table["source"]

    if isinstance(source, dict):
        assert sorted(source) == sorted(set(table) - {"_note", "source"})
        assert all(len(text) > 10 for text in source.values())
    else:
        assert len(source) > 20


def test_the_members_of_an_event_stand_in_their_order_and_unknown_ones_last() -> None:
    event = in_order({"mine": 1, "eventCategory": "Data", "eventVersion": "1.11", "tlsDetails": {}})

    assert list(event) == ["eventVersion", "eventCategory", "tlsDetails", "mine"]


def test_no_member_is_newer_than_the_version_we_write() -> None:
    assert max(field.since for field in FIELDS.values()) == minor_version(EVENT_VERSION) == 11


def test_bounded_members_are_members() -> None:
    assert set(TEXT_FIELDS) | set(CONTENT_LIMITS) <= set(FIELDS)
    assert max(CONTENT_LIMITS.values()) < EVENT_LIMIT_BYTES == 256 * 1024


def test_every_event_type_has_a_category() -> None:
    assert {name for found in CATEGORIES_OF_TYPE.values() for name in found} == {
        "Management",
        "Data",
        "NetworkActivity",
    }


@pytest.mark.parametrize("text", ["", "1", "1.", "2.0", "1.x", "1.²", "1.00000"])
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="eventVersion"):
        minor_version(text)
