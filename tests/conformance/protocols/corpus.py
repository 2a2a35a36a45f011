"""The protocol cases that botocore is tested with, read from the shared corpus."""

import base64
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.model import OperationModel, Shape

from opentrail.protocol.models import InterningServiceModel

FOLDER = Path(__file__).parents[3] / ".." / "shared" / "corpus" / "conformance" / "botocore-protocols"


@dataclass(frozen=True, eq=False)
class Case:
    """One case: the operation's model and what the file says of it. ``number`` tells cases of one id apart."""

    protocol: str
    suite: str
    id: str
    number: int
    data: dict[str, Any]
    model: OperationModel

    def __str__(self) -> str:
        return f"{self.protocol}-{self.id}-{self.number}"


def cases(kind: str, protocols: tuple[str, ...], excluded: Mapping[str, str], *, only: bool = False) -> list[Any]:
    """Return the ``input`` or ``output`` cases of ``protocols`` but the ``excluded`` (id -> reason), or those ``only``.
    Without the corpus one skipped case, an error in CI."""
    if not FOLDER.is_dir():
        assert not os.environ.get("CI"), f"{FOLDER} is missing"
        return [pytest.param(None, marks=pytest.mark.skip(reason="the shared corpus is not here"))]
    return [pytest.param(case, id=str(case)) for case in read_cases(kind, protocols) if (case.id in excluded) == only]


def read_cases(kind: str, protocols: tuple[str, ...]) -> Iterator[Case]:
    for path in sorted((FOLDER / kind).glob("*.json")):
        for suite in json.loads(path.read_text()):
            protocol = suite["metadata"]["protocol"]
            if protocol not in protocols:
                continue
            operations = {f"{number}": case["given"] for number, case in enumerate(suite["cases"])}
            service = InterningServiceModel({**suite, "operations": operations}, "testservice")
            for number, data in enumerate(suite["cases"]):
                if protocol == "query" and "output" in data["given"]:
                    # The cases leave out what every query model has.
                    data["given"]["output"]["resultWrapper"] = f"{data['given']['name']}Result"
                model = OperationModel(data["given"], service, data["given"]["name"])
                yield Case(protocol, suite.get("description", ""), data["id"], number, data, model)


def ignored_by_botocore(kind: str) -> set[tuple[str, str]]:
    """Return the (protocol, case id) that botocore's own ignore list names for ``kind``."""
    document = json.loads((FOLDER / "protocol-tests-ignore-list.json").read_text())
    return {
        (name.partition("_")[0], case)
        for name, entry in document["protocols"].items()
        for case in entry.get(kind, {}).get("cases", ())
    }


def cases_in_files(kind: str) -> int:
    """Return how many cases the corpus has, counted without understanding them."""
    return sum(len(suite["cases"]) for path in (FOLDER / kind).iterdir() for suite in json.loads(path.read_text()))


def values(shape: Shape, value: Any) -> Any:
    """Return a case's JSON parameters as the codec has them: datetimes, bytes, floats, no nulls."""
    match shape.type_name:
        case "structure":
            if shape.is_document_type:
                return value
            members = shape.members
            return {name: values(members[name], item) for name, item in value.items() if item is not None}
        case "list":
            return [values(shape.member, item) for item in value if item is not None]
        case "map":
            return {key: values(shape.value, item) for key, item in value.items() if item is not None}
        case "timestamp":
            return datetime.fromtimestamp(value, UTC) if isinstance(value, int | float) else value
        case "blob":
            return value.encode() if isinstance(value, str) else value
        case "float" | "double":
            return float(value)
        case _:
            return value


_SPECIAL = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def without_nan(value: Any) -> Any:
    """Return ``value`` with its special floats as JSON spells them, so that it compares equal to itself."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_nan(item) for item in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return _SPECIAL[str(value)]
    return value


def body_bytes(protocol: str, text: str) -> bytes:
    """Return a case's body: CBOR cases hold it as base64."""
    return base64.b64decode(text) if "cbor" in protocol else text.encode()
