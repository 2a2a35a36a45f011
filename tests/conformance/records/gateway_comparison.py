"""Where the event of a call through the gateway differs from the real record of the same operation.

Beside the shape (``comparison``): the order of members, and the values of every parameter that the row took over from
the witness. Left aside is what depends on caller and connection.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any

from opentrail.event import Event
from tests.conformance.records.comparison import EXPLAINED, covers, differences
from tests.conformance.records.gateway_session import Made

GATEWAY_EXPLAINED = Path(__file__).parent / "gateway_explained.json"
DOCUMENT = Path(__file__).parents[3] / "docs" / "compatibility.md"
HEADING = "### Explained differences"

ASIDE = ("userIdentity", "recipientAccountId", "tlsDetails", "additionalEventData.CipherSuite")
"""Who called, from where and over which connection: the witness's caller was another one."""

CALLERS_OWN = ("Host", "clientToken", "clientRequestToken")
"""Parameters that every client fills in for itself."""


class Verdict(StrEnum):
    """How the events of one operation compare; the worst of its rows counts."""

    IDENTICAL = "identical"
    UPSTREAM = "answer"
    EXPLAINED = "explained"
    DIFFERENT = "different"


def lines_of(made: Made) -> list[str]:
    """Return every difference between a call's event and its witness's record."""
    assert made.row.witness is not None
    real = made.row.witness.record
    lines = [line for line in differences(made.event, real) if not line.startswith(ASIDE)]
    return lines + _order(made.event, real) + _values(made, real)


def verdict_of(made: Made) -> tuple[Verdict, list[str]]:
    """Return the verdict on a call and the lines that nothing explains."""
    lines = lines_of(made)
    if not lines:
        return Verdict.IDENTICAL, []
    left = [line for line in lines if not is_upstreams(line, made)]
    if not left:
        return Verdict.UPSTREAM, []
    operation = made.row.operation
    left = [line for line in left if not any(covers(row, operation.service, operation.name, line) for row in rows())]
    return (Verdict.DIFFERENT if left else Verdict.EXPLAINED), left


def is_upstreams(line: str, made: Made) -> bool:
    """Say whether a member of ``responseElements`` is missing or extra because the upstream's answer is: the bytes of
    the answer say so, not our reading of them. The same for the one header that S3's events repeat."""
    path, _, said = line.partition(": ")
    if path == "additionalEventData.x-amz-id-2":
        return said.startswith("absent") and "x-amz-id-2" not in made.headers
    if not path.startswith("responseElements."):
        return False
    parent, _, name = path.replace("[]", "").rpartition(".")
    is_sent = _is_sent(parent.rpartition(".")[2].lower(), name.lower(), made.body.decode("utf-8", "replace").lower())
    return is_sent if said.endswith("real absent") else said.startswith("absent") and not is_sent


def _is_sent(parent: str, name: str, answer: str) -> bool:
    if name == "items":
        return re.search(rf"<{re.escape(parent)}[^/>]*>\s*<item", answer) is not None
    return name in answer


def rows() -> list[dict[str, Any]]:
    """Return every row that explains a difference, offline ones first."""
    return [row for path in (EXPLAINED, GATEWAY_EXPLAINED) for row in json.loads(path.read_text())["rows"]]


def table() -> list[str]:
    """Return the rows as the lines of the table in the documentation."""
    lines = ["| events of | difference | reason |", "|---|---|---|"]
    for row in rows():
        where = f"{row.get('service', '*')}.{row.get('operation', '*')}"
        said = "; ".join(line.replace("[[]", "[") for line in row["lines"])
        lines.append(f"| `{'every call' if where == '*.*' else where}` | `{said}` | {row['why']} |")
    return lines


def documented() -> tuple[list[str], str]:
    """Return the table that the documentation has, and its line of figures."""
    text = DOCUMENT.read_text()
    section = text.partition(HEADING + "\n")[2].partition("\n## ")[0]
    figures = next((line for line in text.splitlines() if line.startswith("Figures: ")), "")
    return [line for line in section.splitlines() if line.startswith("|")], figures


def figures(calls: list[Made]) -> str:
    """Return the sentence that counts operations: all, those with a witness, and how those compare."""
    verdicts: dict[Any, Verdict] = {}
    order = list(Verdict)
    for made in calls:
        if made.row.witness is not None:
            verdict, _ = verdict_of(made)
            old = verdicts.get(made.row.operation, Verdict.IDENTICAL)
            verdicts[made.row.operation] = max(old, verdict, key=order.index)
    counted = Counter(verdicts.values())
    return (
        f"Figures: {len({made.row.operation for made in calls})} operations of "
        f"{len({made.row.operation.service for made in calls})} services, {len(verdicts)} with a real record; "
        f"{counted[Verdict.IDENTICAL]} identical, {counted[Verdict.UPSTREAM]} but for members that the upstream's "
        f"answer lacks or adds, {counted[Verdict.EXPLAINED]} explained below, {counted[Verdict.DIFFERENT]} unexplained."
    )


def _order(ours: Event, real: Event) -> list[str]:
    """Events of the corpus whose members stand in alphabetical order were sorted by whoever published them."""
    if list(real) == sorted(real):
        return []
    mine, theirs = [name for name in ours if name in real], [name for name in real if name in ours]
    return [f"order: {a}, real {b}" for a, b in zip(mine, theirs, strict=True) if a != b][:1]


def _values(made: Made, real: Event) -> list[str]:
    ours, theirs = _leaves(made.event.get("requestParameters")), _leaves(real.get("requestParameters"))
    sent = {str(value).lower() for values in _leaves(made.sent).values() for value in values}
    found = []
    for path in sorted(ours.keys() & theirs.keys()):
        if path.rpartition(".")[2] in CALLERS_OWN:
            continue
        changed = [value for value in ours[path] - theirs[path] if value.lower() not in sent]
        found += [f"requestParameters{path} = {value}, real {sorted(theirs[path])}" for value in sorted(changed)]
    return found


def _leaves(value: Any) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for path, leaf in _walk(value, ""):
        found.setdefault(path, set()).add(str(leaf))
    return found


def _walk(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _walk(item, f"{path}.{key}")
    elif isinstance(value, list):
        for item in value:
            yield from _walk(item, f"{path}[]")
    else:
        yield path, value
