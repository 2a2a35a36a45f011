"""The public data that tests read from beside the repository: without it, a failure under CI and a skip elsewhere."""

import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

SHARED = Path(__file__).parents[2] / ".." / "shared"


def shared(*parts: str) -> Path:
    """Return the path of a shared file or folder."""
    path = SHARED.joinpath(*parts)
    if not path.exists():
        if os.environ.get("CI"):
            pytest.fail(f"shared/{'/'.join(parts)} is missing")
        pytest.skip(f"shared/{'/'.join(parts)} is not here")
    return path


def lines(*parts: str) -> list[dict[str, Any]]:
    """Return the objects of a file with one on each line."""
    return [json.loads(line) for line in shared(*parts).read_text().splitlines() if line]


def real_events(*sets: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every record of the real sets (all of them when none is named) with its set's name."""
    for path in sorted(shared("corpus", "real").rglob("*")):
        name = path.relative_to(SHARED / "corpus" / "real").parts[0]
        if path.suffix not in (".json", ".gz", ".cloudtrail") or (sets and name not in sets):
            continue
        text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        try:
            content = json.loads(text)
        except ValueError:
            continue
        for record in _records(content):
            yield name, record


def _records(content: Any) -> Iterator[dict[str, Any]]:
    if isinstance(content, dict) and isinstance(content.get("Records"), list):
        yield from _records(content["Records"])
    elif isinstance(content, list):
        yield from (record for item in content for record in _records(item))
    elif isinstance(content, dict):
        detail = content.get("detail")
        yield detail if isinstance(detail, dict) and "eventName" in detail else content
