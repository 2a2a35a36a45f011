"""What the commits of a table say of themselves, as JSON in the ``opentrail`` member of Delta's commitInfo.

Every version of a table carries one: ``commit`` for new events, else ``upkeep`` or ``drop``, which repeat where the
table is. Each commit names the SHA-256 of the one before, so that the last one vouches for all (docs/formats/lake.md).
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import orjson

from opentrail.digest.merkle import tree_hash
from opentrail.ports.journal import START, Position
from opentrail.ports.lake_table import Commit, DayProof, TableDamaged

MEMBER = "opentrail"

FIRST = "0" * 64
"""The ``previous`` of the first commit, and the head of a table without any."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a table is: number, position and hash of its last commit of events."""

    number: int = 0
    position: Position = START
    head: str = FIRST


def commit_statement(commit: Commit, previous: str) -> str:
    """Return what a commit of events says, as JSON of fixed form: its hash is the next one's ``previous``."""
    days = {str(day): {"count": proof.count, "root": proof.root} for day, proof in sorted(commit.days.items())}
    said = {
        "kind": "commit",
        "number": commit.number,
        "position": commit.position,
        "days": days,
        "set_aside": commit.set_aside,
        "previous": previous,
    }
    if commit.batch:
        said |= {"batch": commit.batch, "sources": commit.sources}
    return orjson.dumps(said).decode()


def upkeep_statement(kind: str, place: Place, details: dict[str, Any]) -> str:
    """Return what a version says that brings no events."""
    said = {"kind": kind, "number": place.number, "position": place.position, "head": place.head, **details}
    return orjson.dumps(said).decode()


def place_after(statement: str) -> Place:
    """Return where the table is once the version with this statement is the last."""
    said = orjson.loads(statement)
    head = said["head"] if "head" in said else hashlib.sha256(statement.encode()).hexdigest()
    return Place(int(said["number"]), Position(said["position"]), head)


def read_commit(statement: str) -> Commit | None:
    """Return the commit that a statement is of, None when it brought no events."""
    said = orjson.loads(statement)
    if said["kind"] != "commit":
        return None
    days = {date.fromisoformat(day): DayProof(proof["count"], proof["root"]) for day, proof in said["days"].items()}
    batch, sources = said.get("batch", ""), tuple(said.get("sources", ()))
    return Commit(said["number"], Position(said["position"]), days, said["set_aside"], batch, sources)


def head_at(newest_first: Iterable[str], number: int) -> str:
    """Return the head after the ``number``-th commit of a table with these statements. Raises TableDamaged."""
    expected = None
    for statement in newest_first:
        said = orjson.loads(statement)
        if said["kind"] != "commit":
            continue
        head = hashlib.sha256(statement.encode()).hexdigest()
        if expected is not None and (said["number"], head) != expected:
            raise TableDamaged(f"commit {expected[0]} of the table is not what the one after it says")
        if said["number"] == number:
            return head
        expected = (said["number"] - 1, said["previous"])
    if number == 0 and expected in (None, (0, FIRST)):
        return FIRST
    raise TableDamaged(f"commit {number} of the table is not there")


def days_of(commits: Sequence[Commit], days: Collection[date]) -> dict[date, DayProof]:
    """Return how many events commits brought of each of ``days``, and the root over what they say of them."""
    lines: dict[date, list[bytes]] = {day: [] for day in sorted(days)}
    counts = dict.fromkeys(lines, 0)
    for commit in commits:
        for day in commit.days.keys() & lines.keys():
            proof = commit.days[day]
            lines[day].append(f"{commit.number} {proof.count} {proof.root}".encode())
            counts[day] += proof.count
    return {day: DayProof(counts[day], tree_hash(lines[day])) for day in lines}


def statements(log: Path) -> Iterator[tuple[int, str]]:
    """Yield (version, statement) of a table's log, newest first. Raises TableDamaged."""
    for path in sorted(log.glob("*.json"), reverse=True):
        if path.stem.isdigit():
            statement = statement_of(path)
            if statement is not None:
                yield int(path.stem), statement


def statement_of(path: Path) -> str | None:
    """Return the statement of one version's file, None when it has none. Raises TableDamaged."""
    for action in actions_of(path):
        if "commitInfo" in action:
            statement = action["commitInfo"].get(MEMBER)
            return statement if isinstance(statement, str) else None
    return None


def actions_of(path: Path) -> list[dict[str, Any]]:
    """Return the actions of one version's file. Raises TableDamaged."""
    try:
        actions = [orjson.loads(line) for line in path.read_bytes().splitlines() if line]
    except ValueError as error:
        raise TableDamaged(f"{path.name} of the table's log is not JSON") from error
    if not actions or not all(isinstance(action, dict) for action in actions):
        raise TableDamaged(f"{path.name} of the table's log is empty or no list of actions")
    return actions
