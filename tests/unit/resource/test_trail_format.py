"""The page of a trail's settings tells every member, and no other."""

import re
from dataclasses import fields
from pathlib import Path

from opentrail.resource.trail import Trail

PAGE = Path(__file__).parents[3] / "docs" / "formats" / "trail.md"


def test_page_names_every_member_of_a_trails_settings() -> None:
    rows = [line.split("|")[1] for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]

    told = [name for row in rows for name in re.findall(r"`(\w+)`", row)]

    assert sorted(told) == sorted(field.name for field in fields(Trail))
