"""``opentrail import`` and ``opentrail imports``: logs from elsewhere into an event data store, and how that went."""

import asyncio
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from opentrail.cli.asking import Ask, asking
from opentrail.cli.console import Context, HomeOption, errors, output, plain, print_table
from opentrail.cli.import_digests import CheckedChain, DigestCheck
from opentrail.cli.import_digests import check_digests as validate_digests
from opentrail.cli.log_sources import AwsOption, EndpointOption, PublicKeysOption
from opentrail.cli.lookup import parse_when
from opentrail.errors import OperatorError

SHOWN_FAILURES = 10
"""Failures that the command itself prints; ``opentrail imports ID`` prints all."""

LOOK_SECONDS = 0.5
EXIT_FAILURES = 1


@dataclass(frozen=True)
class Request:
    """What to import, and with whose credentials."""

    uri: str
    into: str
    regions: tuple[str, ...]
    start: datetime | None
    end: datetime | None
    endpoint_url: str
    key: Mapping[str, str] | None

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of ``begin_import``."""
        return {
            "uri": self.uri,
            "into": self.into,
            "regions": list(self.regions),
            "start": self.start.isoformat() if self.start else "",
            "end": self.end.isoformat() if self.end else "",
            "endpoint_url": self.endpoint_url,
            "key": self.key,
        }


def import_command(
    context: typer.Context,
    source: Annotated[str, typer.Argument(metavar="SOURCE", show_default=False)],
    into: Annotated[
        str,
        typer.Option(
            metavar="STORE", help="An event data store's name, id or ARN; default: `imported`, made if absent."
        ),
    ] = "",
    region: Annotated[
        list[str] | None, typer.Option("--region", metavar="REGION", help="Events of this Region only; repeatable.")
    ] = None,
    since: Annotated[
        str, typer.Option(metavar="WHEN", help="Events from then on: 7d ago, or a time such as 2026-01-31T12:00:00Z.")
    ] = "",
    until: Annotated[str, typer.Option(metavar="WHEN", help="Up to then, said the same way.")] = "",
    endpoint_url: EndpointOption = "",
    aws: AwsOption = False,
    check_digests: Annotated[
        bool, typer.Option("--check-digests", help="First validate the digests below SOURCE against its log files.")
    ] = False,
    public_keys: PublicKeysOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print how it ended as JSON.")] = False,
    home: HomeOption = None,
) -> None:
    """Import log files of CloudTrail: SOURCE is s3://BUCKET/PREFIX, a folder or a file.

    Every event comes once, however often it is imported. Files of any form are read: gzip or plain, log files, arrays,
    lines of JSON, envelopes of EventBridge. What cannot be read is listed, and the rest goes on. Give the same command
    again after it was interrupted, and it goes on where it was. With --check-digests, log files that are not what their
    digests say are named first, and imported all the same; the exit code is then 1.
    """
    now = datetime.now(UTC)
    uri, endpoint, key = source_of(source, endpoint_url, aws)
    request = Request(uri, into, tuple(region or ()), parse_when(since, now), parse_when(until, now), endpoint, key)
    if request.start and request.end and request.start > request.end:
        raise OperatorError("--since is after --until: nothing can be between them")
    chosen, checked = Context.of(context, home), list[CheckedChain]()
    if check_digests:
        check = DigestCheck(uri, request.regions, request.start, request.end, endpoint_url, aws, public_keys)
        checked = validate_digests(chosen, check, is_quiet=as_json)
    ended = asyncio.run(_import(chosen, request, as_json=as_json))
    if as_json:
        said = {"digests": [one.to_json() for one in checked]} if check_digests else {}
        sys.stdout.write(orjson.dumps(ended | said).decode() + "\n")
    if ended["status"] != "COMPLETED" or not all(one.is_valid for one in checked):
        raise typer.Exit(EXIT_FAILURES)


def imports_command(
    context: typer.Context,
    import_id: Annotated[str, typer.Argument(metavar="[ID]", show_default=False)] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON: one object a line.")] = False,
    home: HomeOption = None,
) -> None:
    """List the imports of the last seven days, or all that failed in one of them."""
    asyncio.run(_show_imports(Context.of(context, home), import_id, as_json=as_json))


def source_of(given: str, endpoint_url: str, is_aws: bool) -> tuple[str, str, Mapping[str, str] | None]:
    """Return the source's URI, its endpoint, and the credentials for it. Raises OperatorError."""
    if is_aws and endpoint_url:
        raise OperatorError("choose one of --aws and --endpoint-url")
    if not given.startswith("s3://"):
        if endpoint_url or is_aws:
            raise OperatorError("--aws and --endpoint-url are for sources such as s3://bucket/prefix")
        path = Path(given).expanduser().absolute()
        if not _is_utf_8(str(path)):
            raise OperatorError("the source's own path must be UTF-8; names in it need not be: import the folder above")
        if not path.exists():
            raise OperatorError(f"there is no folder or file {path}; a bucket is named s3://BUCKET/PREFIX")
        return str(path), "", None
    if not given.removeprefix("s3://").partition("/")[0]:
        raise OperatorError("name the bucket: s3://BUCKET/PREFIX")
    if not endpoint_url and not is_aws:
        return given, "", None
    from opentrail.wiring.log_sources import caller_key

    return given, endpoint_url or "aws", caller_key()


def _is_utf_8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


async def _import(context: Context, request: Request, *, as_json: bool) -> dict[str, Any]:
    """Import, and print how it ended unless that is printed as JSON. Returns how it ended, with its store."""
    async with asking(context) as ask:
        begun = await ask("begin_import", **request.arguments())
        if begun["is_resumed"]:
            errors.print("going on with the import that was interrupted", style="dim")
        try:
            ended = await _watch(partial(ask, "import_progress", import_id=begun["id"]), begun)
        except asyncio.CancelledError:
            await asyncio.shield(ask("stop_import", import_id=begun["id"]))
            errors.print("stopped; the same command goes on where it was", style="dim")
            raise
        failures = (await ask("import_failures", import_id=begun["id"]))["failures"]
    if not as_json:
        if ended["error"] and not any(ended["statistics"][name] for name in ("files_found", "files_completed")):
            raise OperatorError(f"nothing was imported: {ended['error']}")
        _print_ending(ended, str(begun["store"]), failures)
    return ended | {"store": begun["store"]}


async def _watch(look: Ask, current: dict[str, Any]) -> dict[str, Any]:
    """Show progress until the import has ended."""
    from opentrail.cli.import_progress import ImportProgress

    shown = ImportProgress(errors) if errors.is_terminal else None
    with shown or nullcontext():
        while not current["is_final"]:
            current = await look(wait_seconds=LOOK_SECONDS)
            if shown is not None:
                shown.show(current["statistics"])
    return current


def _print_ending(ended: Mapping[str, Any], store: str, failures: list[dict[str, Any]]) -> None:
    found = ended["statistics"]
    output.print(
        f"{found['events_completed']:,} events of {found['files_completed']:,} files imported into {store}",
        style="bold",
    )
    if not found["files_found"]:
        output.print("no file there may be a log file of what was asked for", style="yellow")
    for name, said in _ASIDE.items():
        if found[name]:
            output.print(f"{found[name]:,} {said}")
    if ended["error"]:
        errors.print(plain(ended["error"]), style="red")
    if found["failed_entries"]:
        output.print(f"{found['failed_entries']:,} could not be read:", style="red")
        for one in [one for one in failures if one["status"] == "FAILED"][:SHOWN_FAILURES]:
            output.print(plain("  " + _failure_line(one)), soft_wrap=True)
        if found["failed_entries"] > SHOWN_FAILURES:
            output.print(f"  all of them: opentrail imports {ended['id']}")


_ASIDE = {
    "duplicates": "were there already",
    "events_expired": "are outside what the store keeps",
    "events_outside": "are not of the time or Region asked for",
}


def _failure_line(one: Mapping[str, Any]) -> str:
    place = f", {one['place']}" if one["place"] else ""
    return f"{one['location']}{place}: {one['message']} ({one['error_type']})"


async def _show_imports(context: Context, import_id: str, *, as_json: bool) -> None:
    async with asking(context) as ask:
        if import_id:
            start: int | None = 0
            while start is not None:
                page = await ask("import_failures", import_id=import_id, start=start)
                start = page["next"]
                for one in page["failures"]:
                    text = orjson.dumps(one).decode() if as_json else f"{one['status']}  {_failure_line(one)}"
                    output.print(plain(text), soft_wrap=True)
            return
        found = (await ask("imports_seen"))["imports"]
    if as_json:
        for one in found:
            sys.stdout.write(orjson.dumps(one).decode() + "\n")
        return
    rows = [
        (
            one["id"],
            one["status"],
            one["created_at"][:19],
            f"{one['statistics']['events_completed']:,}",
            f"{one['statistics']['failed_entries']:,}",
            one["source"],
        )
        for one in found
    ]
    print_table(
        ["Import", "Status", "Started", "Events", "Failed", "Source"], rows, "no imports in the last seven days"
    )
