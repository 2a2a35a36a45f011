"""``opentrail verify-lake``: whether event data stores hold what was committed, no less, no more, nothing else."""

import asyncio
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from opentrail.cli.console import Context, HomeOption, errors, visible_line
from opentrail.cli.event_printer import terminal_json
from opentrail.cli.log_sources import PublicKeysOption, key_file
from opentrail.errors import OperatorError
from opentrail.ports import PortError
from opentrail.ports.lake_seals import LakeSeal
from opentrail.ports.signer import PublicKey
from opentrail.query.lake_verification import KeySource, LakeSummary, LakeVerification
from opentrail.query.public_keys import FixedKeys
from opentrail.resource.event_data_store import EventDataStore

EXIT_INVALID = 1

MAX_SEAL_FILE_BYTES = 16 * 1024 * 1024
"""A file of kept seals beyond this is refused: thousands of stores have less."""

_EVER = {"start": "1970-01-01T00:00:00+00:00", "end": "9000-01-01T00:00:00+00:00"}


@dataclass(frozen=True)
class SealedStore:
    """One event data store to verify, with the seals to hold it to."""

    store: EventDataStore
    seals: tuple[LakeSeal, ...]


def verify_lake_command(
    context: typer.Context,
    stores: Annotated[
        list[str] | None,
        typer.Argument(metavar="STORE", show_default=False),
    ] = None,
    seals: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also hold the stores to the seals that --save-seals wrote there."),
    ] = None,
    save_seals: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the newest seals there when all is valid: keep them elsewhere."),
    ] = None,
    public_keys: PublicKeysOption = None,
    workers: Annotated[
        int, typer.Option(min=0, max=256, metavar="N", help="Processes that read; default: one for each processor.")
    ] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    home: HomeOption = None,
) -> None:
    """Verify that event data stores (names, ids or ARNs; all unless told) hold exactly what was committed to them.

    The exit code is 0 when all is as it was committed, 1 when something was changed, removed, added or forged, 2 when
    it cannot be told.
    """
    chosen = Context.of(context, home)
    chosen_stores = _stores(chosen, stores or [], _kept_seals(seals))
    try:
        summaries = asyncio.run(_verify(chosen, chosen_stores, public_keys, workers, as_json=as_json))
    except PortError as error:
        raise OperatorError(f"the verification could not look at everything: {error}") from error
    is_valid = all(summary.is_valid for summary in summaries)
    if as_json:
        document = {"valid": is_valid, "eventDataStores": [summary.to_json() for summary in summaries]}
        typer.echo(terminal_json(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()))
    if not is_valid:
        raise typer.Exit(EXIT_INVALID)
    if save_seals is not None:
        newest = [one.seals[0] for one in chosen_stores if one.seals]
        save_seals.write_bytes(b"".join(orjson.dumps(asdict(seal)) + b"\n" for seal in newest))


def _stores(context: Context, named: Sequence[str], kept: Sequence[LakeSeal]) -> list[SealedStore]:
    """Return the stores that were asked for, each with the installation's seal first. Raises OperatorError."""
    rows: list[dict[str, Any]] = context.run("event_data_stores")["event_data_stores"]
    found = []
    for row in rows:
        store = EventDataStore.from_json(row["settings"].encode())
        own = [LakeSeal(**row["seal"])] if row["seal"] else []
        found.append(SealedStore(store, (*own, *(seal for seal in kept if seal.arn == store.arn and seal not in own))))
    chosen = []
    for name in named:
        of_name = [one for one in found if name in (one.store.name, one.store.id, one.store.arn)]
        if not of_name:
            raise OperatorError(f"there is no event data store {name}")
        chosen += [one for one in of_name if one not in chosen]
    return chosen if named else found


def _kept_seals(path: Path | None) -> list[LakeSeal]:
    if path is None:
        return []
    with path.open("rb") as file:
        content = file.read(MAX_SEAL_FILE_BYTES + 1)
    if len(content) > MAX_SEAL_FILE_BYTES:
        raise OperatorError(f"{path} is too long to hold seals")
    try:
        return [LakeSeal(**orjson.loads(line)) for line in content.splitlines() if line]
    except (ValueError, TypeError) as error:
        raise OperatorError(f"{path} holds no seals: {error}") from error


class _InstallationKeys:
    """The public keys of every Region, asked for once."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._keys: dict[str, FixedKeys] = {}

    async def public_keys(self, region: str, start: datetime, end: datetime) -> Sequence[PublicKey]:
        if region not in self._keys:
            answer = await asyncio.to_thread(self._context.run, "list_public_keys", region=region, **_EVER)
            self._keys[region] = FixedKeys(tuple(_public_key(key) for key in answer["keys"]))
        return await self._keys[region].public_keys(region, start, end)


def _public_key(key: dict[str, str]) -> PublicKey:
    valid_from, valid_until = (datetime.fromisoformat(key[name]) for name in ("valid_from", "valid_until"))
    return PublicKey(b64decode(key["der"]), key["fingerprint"], valid_from, valid_until)


async def _verify(
    context: Context, stores: Sequence[SealedStore], public_keys: Path | None, workers: int, *, as_json: bool
) -> list[LakeSummary]:
    # Imported here because Arrow and Delta are most of a command's start-up time.
    from opentrail.wiring.lake_audit import open_lake_audit

    audit = open_lake_audit(context.home, context.read_settings().settings, workers)
    keys: KeySource = key_file(public_keys) if public_keys else _InstallationKeys(context)
    summaries = []
    for one in stores:
        with _progress(is_shown=errors.is_terminal and not as_json) as progress:
            task = progress.add_task(one.store.name, total=None)
            verification = LakeVerification(
                one.store,
                one.seals,
                audit,
                keys,
                datetime.now(UTC),
                lambda read, known, task=task, progress=progress: progress.update(task, completed=read, total=known),  # type: ignore[misc]
            )
            summaries.append(await verification.run())
        if not as_json:
            _print(summaries[-1])
    if not stores and not as_json:
        typer.echo("There are no event data stores.")
    return summaries


def _progress(*, is_shown: bool) -> Progress:
    return Progress(
        TextColumn("Verifying {task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        console=errors, disable=not is_shown, transient=True,
    )  # fmt: skip


def _print(summary: LakeSummary) -> None:
    for finding in summary.findings:
        typer.echo(visible_line(f"{summary.name}: {finding.text()}"), err=not finding.is_sound)
    verdict = "valid" if summary.is_valid else "INVALID"
    sealed = f", sealed through commit {summary.sealed_commits} at {summary.sealed_at}" if summary.sealed_at else ""
    ended = f", {summary.ended_days} days ended by the retention" if summary.ended_days else ""
    aside = f", {summary.set_aside} set aside" if summary.set_aside else ""
    typer.echo(
        visible_line(
            f"{summary.name}: {verdict}: {summary.events} events in {summary.commits} commits, {summary.days} days and "
            f"{summary.files} files{ended}{aside}{sealed}"
        )
    )
