"""``opentrail archive``: local buckets, what they hold and the rules that they keep it by."""

from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from opentrail.cli.console import Context, HomeOption, output, print_table

archive_app = typer.Typer(help="Local buckets that trails deliver to, served over S3.", no_args_is_help=True)

WormOption = Annotated[
    str | None,
    typer.Option(
        "--worm",
        metavar="MODE",
        help="Lock every new object for --days: compliance (nobody can shorten it) or governance (who may bypass it "
        "can); none locks no more.",
    ),
]
DaysOption = Annotated[
    int | None, typer.Option("--days", metavar="N", help="How long --worm locks an object, from its writing.")
]
RetentionOption = Annotated[
    int | None,
    typer.Option(
        "--retention-days", metavar="N", help="Delete objects after so many days, never while locked; 0 keeps them."
    ),
]
ColdFolderOption = Annotated[
    str | None, typer.Option("--cold-folder", metavar="DIR", help="Where objects move to, on a cheaper disk.")
]
ColdAfterOption = Annotated[
    int | None, typer.Option("--cold-after-days", metavar="N", help="When objects move to --cold-folder.")
]
KmsKeyOption = Annotated[
    str | None,
    typer.Option(
        "--kms-key", metavar="KEY", help="Encrypt what is put without a key of its own: key id, ARN or alias/NAME."
    ),
]
MfaDeleteOption = Annotated[
    bool | None,
    typer.Option(
        "--mfa-delete/--no-mfa-delete", help="Ask for the owner's one-time code to delete.", show_default=False
    ),
]
MfaCodeOption = Annotated[str, typer.Option("--mfa", metavar="CODE", help="A one-time code of the owner's device.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@archive_app.command("create")
def create_archive(
    context: typer.Context,
    name: str,
    region: Annotated[str, typer.Option("--region", help="The bucket's Region; default: the home's.")] = "",
    worm: WormOption = None,
    days: DaysOption = None,
    retention_days: RetentionOption = None,
    cold_folder: ColdFolderOption = None,
    cold_after_days: ColdAfterOption = None,
    kms_key: KmsKeyOption = None,
    mfa_delete: MfaDeleteOption = None,
    home: HomeOption = None,
) -> None:
    """Make a local bucket that trails can deliver to. Objects are written once and never altered."""
    rules = _rules(worm, days, retention_days, cold_folder, cold_after_days, kms_key, mfa_delete)
    answer = Context.of(context, home).run("create_archive", name=name, region=region, **rules)
    output.print(f"Created the archive s3://{answer['name']} in {answer['region']}")
    _print_rules(answer)


@archive_app.command("list")
def list_archives(context: typer.Context, as_json: JsonOption = False, home: HomeOption = None) -> None:
    """List the local buckets."""
    answer = Context.of(context, home).run("list_archives")
    if as_json:
        _print_json(answer)
        return
    rows = [
        [archive["name"], archive["region"], archive["created_at"], ", ".join(_told_rules(archive)) or "-"]
        for archive in answer["archives"]
    ]
    print_table(["Archive", "Region", "Created", "Rules"], rows, "No archives yet: opentrail archive create NAME")


@archive_app.command("show")
def show_archive(context: typer.Context, name: str, as_json: JsonOption = False, home: HomeOption = None) -> None:
    """Show what a local bucket holds, and its rules."""
    answer = Context.of(context, home).run("show_archive", name=name)
    if as_json:
        _print_json(answer)
        return
    holds = answer["holds"]
    more = "" if answer["is_counted"] else " (and more: only so many were counted)"
    rows = [
        ["Region", answer["region"]],
        ["Created", answer["created_at"]],
        ["Rules", ", ".join(_told_rules(answer)) or "none: objects are kept for ever, and nobody deletes them"],
        ["Objects", f"{holds['objects']:,}{more}"],
        ["Size", f"{holds['size_bytes']:,} bytes"],
        ["Oldest, newest", f"{holds['oldest_at'] or '-'}, {holds['newest_at'] or '-'}"],
        ["In the cold folder", f"{holds['cold_objects']:,}"],
        ["Encrypted", f"{holds['encrypted_objects']:,}"],
        [
            "Locked",
            f"{holds['locked_objects']:,}" + (f", until {holds['locked_until']}" if holds["locked_until"] else ""),
        ],
        ["Legal holds", f"{holds['legal_holds']:,}"],
    ]
    if abs(answer["time_behind_seconds"]) > _TOLD_SECONDS:
        rows.append(["Time", f"{answer['time_behind_seconds']:,} s behind the clock: locks end that much later"])
    print_table(["Archive", answer["name"]], rows, "", is_cut=False)


@archive_app.command("set")
def set_archive(
    context: typer.Context,
    name: str,
    worm: WormOption = None,
    days: DaysOption = None,
    retention_days: RetentionOption = None,
    cold_folder: ColdFolderOption = None,
    cold_after_days: ColdAfterOption = None,
    kms_key: KmsKeyOption = None,
    mfa_delete: MfaDeleteOption = None,
    allow_weaker: Annotated[
        bool, typer.Option("--allow-weaker", help="Take rules that protect less than those before.")
    ] = False,
    mfa: MfaCodeOption = "",
    home: HomeOption = None,
) -> None:
    """Change a local bucket's rules, for objects written from now on. A compliance lock only ever grows."""
    rules = _rules(worm, days, retention_days, cold_folder, cold_after_days, kms_key, mfa_delete)
    answer = Context.of(context, home).run("set_archive", name=name, allow_weaker=allow_weaker, mfa_code=mfa, **rules)
    output.print(f"The rules of s3://{name} are set")
    _print_rules(answer)


@archive_app.command("delete")
def delete_archive(
    context: typer.Context,
    name: str,
    purge: Annotated[bool, typer.Option("--purge", help="Delete its objects, too; none may be locked.")] = False,
    mfa: MfaCodeOption = "",
    home: HomeOption = None,
) -> None:
    """Delete a local bucket that is empty."""
    answer = Context.of(context, home).run("delete_archive", name=name, purge=purge, mfa_code=mfa)
    objects = f" and its {answer['objects']:,} objects" if answer["objects"] else ""
    output.print(f"Deleted the archive {name}{objects}")


_TOLD_SECONDS = 3600
"""From when on ``show`` says that the archives' own time is behind."""


def _rules(
    worm: str | None,
    days: int | None,
    retention_days: int | None,
    cold_folder: str | None,
    cold_after_days: int | None,
    kms_key: str | None,
    mfa_delete: bool | None,
) -> dict[str, Any]:
    """Return what the options say, by the names that the command knows; a folder by its whole path."""
    if cold_folder not in (None, "none"):
        cold_folder = str(Path(cold_folder or ".").expanduser().resolve())
    given = {
        "worm": worm,
        "days": days,
        "retention_days": retention_days,
        "cold_folder": cold_folder,
        "cold_after_days": cold_after_days,
        "kms_key": kms_key,
        "mfa_delete": mfa_delete,
    }
    return {name: value for name, value in given.items() if value is not None}


def _print_rules(archive: dict[str, Any]) -> None:
    for rule in _told_rules(archive):
        output.print(f"  {rule}", style="dim")


def _told_rules(archive: dict[str, Any]) -> list[str]:
    rules = []
    if archive["worm"]:
        rules.append(f"locked for {archive['days']} days ({archive['worm']})")
    if archive["retention_days"]:
        rules.append(f"expires after {archive['retention_days']} days")
    if archive["cold_folder"]:
        rules.append(f"moves to {archive['cold_folder']} after {archive['cold_after_days']} days")
    if archive["kms_key"]:
        rules.append(f"encrypted with {archive['kms_key']}")
    if archive["mfa_delete"]:
        rules.append("deleting takes the owner's one-time code")
    return rules


def _print_json(answer: object) -> None:
    typer.echo(orjson.dumps(answer, option=orjson.OPT_INDENT_2).decode())
