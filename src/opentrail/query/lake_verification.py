"""Verifies an event data store: every commit's events are there as committed, and days that ended did so by right.

Seals and tombstones are checked with public keys; counts and roots are computed anew from the rows as they stand.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import groupby
from typing import Any, Protocol

import orjson

from opentrail.clock import format_time
from opentrail.digest.lake_chain import (
    FileRows,
    FindingKind,
    LakeFinding,
    LogReading,
    Tombstone,
    ranges_of,
    rows_findings,
    spelled,
    tombstone_faults,
)
from opentrail.digest.merkle import root_of
from opentrail.digest.signing import UnreadableKey, is_signature_of, load_public_key
from opentrail.ports.lake_audit import NOT_THERE, FileExtent, FileProof, LakeAudit
from opentrail.ports.lake_seals import LakeSeal
from opentrail.ports.signer import PublicKey
from opentrail.resource.event_data_store import EventDataStore


class KeySource(Protocol):
    """Where public keys come from."""

    async def public_keys(self, region: str, start: datetime, end: datetime) -> Sequence[PublicKey]: ...


@dataclass
class LakeSummary:
    """What was verified of one event data store."""

    arn: str
    name: str
    commits: int = 0
    events: int = 0
    files: int = 0
    days: int = 0
    ended_days: int = 0
    set_aside: int = 0
    sealed_commits: int = 0
    sealed_at: str = ""
    findings: list[LakeFinding] = field(default_factory=list)

    @property
    def is_valid(self) -> bool:
        return all(finding.is_sound for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        return {
            "eventDataStore": self.arn,
            "name": self.name,
            "valid": self.is_valid,
            "commits": self.commits,
            "events": self.events,
            "files": self.files,
            "days": self.days,
            "endedDays": self.ended_days,
            "setAside": self.set_aside,
            "sealedCommits": self.sealed_commits,
            "sealedAt": self.sealed_at,
            "findings": [finding.to_json() for finding in self.findings],
        }


OnProgress = Callable[[int, int], None]
"""Called with how many files were read, and of how many."""


class LakeVerification:
    """One verification of one store. ``seals`` are those to hold it to: the installation's newest, and others kept
    elsewhere. Raises Unavailable from ``run`` when it cannot look."""

    def __init__(
        self,
        store: EventDataStore,
        seals: Sequence[LakeSeal],
        audit: LakeAudit,
        keys: KeySource,
        now: datetime,
        on_progress: OnProgress = lambda read, known: None,
    ) -> None:
        self._store = store
        self._seals = seals
        self._audit = audit
        self._keys = keys
        self._now = now
        self._on_progress = on_progress
        self._reading = LogReading()
        self._summary = LakeSummary(store.arn, store.name)
        self._ended: dict[date, int] = {}
        self._told: Mapping[str, FileExtent] = {}
        self._is_moved = False

    async def run(self) -> LakeSummary:
        """Verify everything. A table that a long verification was overtaken by is verified once more."""
        summary = await self._verified()
        if self._is_moved and await self._is_overtaken():
            summary = await self._verified()
        return summary

    async def _is_overtaken(self) -> bool:
        versions = await self._audit.versions(self._store)
        return bool(versions) and versions[-1].version > self._reading.version

    async def _verified(self) -> LakeSummary:
        self._reading, self._ended, self._is_moved = LogReading(), {}, False
        self._summary = LakeSummary(self._store.arn, self._store.name)
        for version in await self._audit.versions(self._store):
            self._reading.add(version)
        for seal in self._seals:
            await self._check_seal(seal)
        for tombstone in self._reading.tombstones:
            await self._check_tombstone(tombstone)
        self._note_unsealed()
        await self._check_files()
        await self._check_set_aside()
        self._summary.findings[:0] = self._reading.findings
        self._summary.commits = len(self._reading.commits)
        return self._summary

    def _find(self, kind: FindingKind, subject: str, said: str) -> None:
        self._summary.findings.append(LakeFinding(kind, subject, said))

    async def _check_seal(self, seal: LakeSeal) -> None:
        subject = "a seal"
        try:
            said = orjson.loads(seal.statement)
            number, head, sealed_at = int(said["commits"]), str(said["head"]), str(said["sealedAt"])
            moment = datetime.fromisoformat(sealed_at)
            is_own = said["eventDataStore"] == self._store.arn
        except (ValueError, KeyError, TypeError):
            self._find(FindingKind.FORGED, subject, "its statement cannot be read")
            return
        subject = f"the seal of {sealed_at}"
        if not is_own or not await self._is_signed(seal.statement, seal.fingerprint, seal.signature, moment):
            self._find(FindingKind.FORGED, subject, "no key of this installation signed it for this event data store")
            return
        if number > self._summary.sealed_commits:
            self._summary.sealed_commits, self._summary.sealed_at = number, sealed_at
        held = self._reading.commits.get(number)
        if number > self._reading.number:
            gone = range(self._reading.number + 1, number + 1)
            self._find(FindingKind.REMOVED, spelled("commit", gone), f"they were there at {sealed_at}, by its seal")
        elif number and (held is None or held.head != head):
            self._find(FindingKind.CHANGED, f"commit {number} or one before it", f"{subject} vouches for another")

    def _note_unsealed(self) -> None:
        left = self._reading.number - self._summary.sealed_commits
        if not self._seals and self._reading.number:
            said = "the table has commits, and nobody sealed it: its log proves nothing by itself"
            self._find(FindingKind.FORGED, "the seal", said)
        elif left > 0:
            what = spelled("commit", range(self._summary.sealed_commits + 1, self._reading.number + 1))
            self._find(FindingKind.UNPROVEN, what, "not sealed yet: only the log vouches")

    async def _is_signed(self, statement: str, fingerprint: str, signature: str, at: datetime) -> bool:
        for key in await self._keys.public_keys(self._store.home_region, at, at):
            if key.fingerprint == fingerprint:
                try:
                    return is_signature_of(load_public_key(key.der), statement.encode(), signature)
                except UnreadableKey:
                    return False
        return False

    async def _check_tombstone(self, tombstone: Tombstone) -> None:
        days = ", ".join(str(day) for day in sorted(tombstone.days)[:5])
        subject = f"the tombstone of {days}"
        try:
            at = tombstone.dropped_at()
            is_signed = await self._is_signed(tombstone.statement, tombstone.fingerprint, tombstone.signature, at)
        except ValueError:
            is_signed = False
        if not is_signed:
            self._find(FindingKind.FORGED, subject, "no key of this installation signed it")
            return
        faults = tombstone_faults(self._reading, tombstone, self._store.arn, self._now)
        if self._store.legal_hold_since is not None and at >= self._store.legal_hold_since:
            faults.append(f"a legal hold is on the store since {format_time(self._store.legal_hold_since)}")
        for fault in faults:
            self._find(FindingKind.FORGED, subject, fault)
        if not faults:
            self._ended |= dict.fromkeys(tombstone.days, tombstone.commits)
            self._summary.ended_days = len(self._ended)

    async def _check_files(self) -> None:
        paths = await self._readers_files()
        expected = self._expected()
        self._summary.files, self._summary.days = len(paths), len(expected)
        done = 0
        async for day, proofs in self._by_day(paths):
            done += len(proofs)
            self._on_progress(done, len(paths))
            await self._check_day(day, expected.pop(day, {}), proofs)
        for day, commits in sorted(expected.items()):
            await self._check_day(day, commits, [])

    async def _readers_files(self) -> list[str]:
        """Return the files that readers are given; those of the log when they are given none."""
        listed = await self._audit.listed(self._store, self._reading.version) if self._reading.version >= 0 else {}
        if isinstance(listed, str):
            self._find(FindingKind.CHANGED, "the log", listed)
            return sorted(self._reading.files)
        for path in sorted(set(listed) - self._reading.files):
            self._find(FindingKind.ADDED, path, "readers are given it by a checkpoint, and no version of the log")
        for path in sorted(self._reading.files - set(listed)):
            self._find(FindingKind.REMOVED, path, "a checkpoint keeps it from readers")
        self._told = listed
        return sorted(listed)

    def _expected(self) -> dict[date, dict[int, Any]]:
        """Return, by day, what each commit says of it; without what ended by right."""
        expected: dict[date, dict[int, Any]] = {}
        for number, commit in self._reading.commits.items():
            for day, rows in commit.days.items():
                if number > self._ended.get(day, 0):
                    expected.setdefault(day, {})[number] = rows
        return expected

    async def _by_day(self, paths: Sequence[str]) -> AsyncIterator[tuple[date, list[FileProof]]]:
        """Read the files and yield those of each day together."""
        proofs = self._audit.read(self._store, paths)
        for day, of_day in groupby(paths, key=_day_of):
            yield day, [await anext(proofs) for _ in of_day]

    async def _check_day(self, day: date, expected: Mapping[int, Any], proofs: Sequence[FileProof]) -> None:
        found: dict[int, list[tuple[str, FileRows]]] = {}
        for proof in proofs:
            self._note_file(proof)
            for rows in proof.commits:
                found.setdefault(rows.commit, []).append((proof.path, rows))
        for number in sorted(found.keys() - expected.keys()):
            count = sum(rows.count for _, rows in found[number])
            self._find(FindingKind.ADDED, f"commit {number} of {day}", f"{count} events that the log does not have")
        for number, said in sorted(expected.items()):
            joined = await self._joined(number, found.get(number, []))
            findings = rows_findings(day, number, said, joined)
            self._summary.findings += findings
            self._summary.events += said.count if not findings else 0

    async def _joined(self, number: int, found: Sequence[tuple[str, FileRows]]) -> FileRows | None:
        if len(found) <= 1:
            return found[0][1] if found else None
        leaves = [leaf for path, _ in found for leaf in await self._audit.leaves(self._store, path, number)]
        leaves.sort()
        root = root_of([leaf for _, leaf in leaves])
        return FileRows(number, len(leaves), ranges_of(index for index, _ in leaves), root)

    def _note_file(self, proof: FileProof) -> None:
        if proof.fault:
            kind = FindingKind.REMOVED if proof.fault == NOT_THERE else FindingKind.CHANGED
            self._find(kind, proof.path, proof.fault)
            self._is_moved = self._is_moved or kind is FindingKind.REMOVED
        told = self._told.get(proof.path)
        if proof.extent is not None and told is not None and told != proof.extent:
            said = "the log says another size, number of rows or first or last time of it, by which readers skip files"
            self._find(FindingKind.CHANGED, proof.path, said)
        for row in proof.odd_rows:
            self._find(FindingKind.CHANGED, proof.path, row)
        if proof.odd_count > len(proof.odd_rows):
            more = proof.odd_count - len(proof.odd_rows)
            self._find(FindingKind.CHANGED, proof.path, f"and {more} rows more that are not what their record says")

    async def _check_set_aside(self) -> None:
        for number, commit in sorted(self._reading.commits.items()):
            if commit.set_aside:
                self._summary.set_aside += commit.set_aside
                found = await self._audit.set_aside(self._store, number)
                if found != commit.set_aside:
                    said = f"{commit.set_aside} records were set aside, {found} are there"
                    self._find(FindingKind.CHANGED, f"what commit {number} set aside", said)


def _day_of(path: str) -> date:
    try:
        return date.fromisoformat(path.partition("/")[0].partition("=")[2])
    except ValueError:
        return date.min
