"""``opentrail serve``, ``settings`` and ``status``."""

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer
from rich.panel import Panel
from rich.text import Text

from opentrail.cli.columns import Column
from opentrail.cli.console import Context, HomeOption, output, print_table
from opentrail.cli.doctoring import print_findings

if TYPE_CHECKING:
    from opentrail.wiring.serving import Serving


_WIDE = 100
"""Columns of a terminal from which on `opentrail settings` has room for more than a word of what a setting is."""


def serve_command(
    context: typer.Context,
    home: HomeOption = None,
    gateway: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="Where clients send calls (default: 127.0.0.1:4700). Port 0 takes a free one."
        ),
    ] = None,
    api: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Where CloudTrail's API answers (default: 127.0.0.1:4701).")
    ] = None,
    upstream: Annotated[
        str | None,
        typer.Option(
            metavar="URL|moto", help="Where calls go that are not Opentrail's own; `moto` starts a stand-in for AWS."
        ),
    ] = None,
    ready_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Written once everything answers: JSON with the URLs.")
    ] = None,
) -> None:
    """Start Opentrail: gateway, API and deliveries.

    Runs until SIGTERM or Ctrl-C, then drains and loses nothing. What no option says comes from the settings.
    """
    # Imported here because it is most of the start-up time of commands that do not need it.
    from opentrail.wiring.serving import serve

    chosen = Context.of(context, home)
    options = {"gateway": gateway, "api": api, "upstream.url": upstream}
    report = chosen.read_settings(options)
    upstream_url = report.settings.upstream__url
    serve(chosen.home, report, ready_file, on_ready=lambda serving: _print_banner(chosen, serving, upstream_url))


def _print_banner(context: Context, serving: "Serving", upstream: str) -> None:
    home = context.home.path
    program = "opentrail" if shutil.which("opentrail") else sys.argv[0]
    first_call = "aws s3 mb s3://my-first-bucket" if serving.upstream_url else "aws cloudtrail describe-trails"
    lines = Text()
    for name, value, remark in (
        ("Gateway", serving.gateway_url, "clients call this"),
        ("API", serving.api_url, "/healthz, /metrics"),
        ("Upstream", serving.upstream_url or "none", _upstream_remark(serving.upstream_url, upstream)),
        ("Account", f"{serving.account_id}, {serving.region}", ""),
        ("Home", str(home), ""),
    ):
        lines.append(f"{name:<10}", style="bold").append(f"{value:<24}  ").append(f"{remark}\n", style="dim")
    lines.append("\nIn another terminal:\n\n", style="dim")
    lines.append(f"  {program} --home {home} exec -- {first_call}\n", style="bold")
    lines.append(f"  {program} --home {home} lookup", style="bold")
    output.print(Panel(lines, title="Opentrail is recording", expand=False, padding=(1, 2)))


def _upstream_remark(url: str, setting: str) -> str:
    if setting == "moto":
        return "moto, a stand-in for AWS"
    return "" if url else "only Opentrail's own API answers"


def settings_command(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    home: HomeOption = None,
) -> None:
    """Show every setting with its value and where it comes from.

    They are the running server's; without a server, those of its next start.
    """
    chosen = Context.of(context, home)
    if chosen.home.serving() is not None:
        rows = chosen.run("settings_rows")["rows"]
    else:
        rows = [list(row) for row in chosen.read_settings().rows()]
    if as_json:
        named = [dict(zip(("name", "value", "origin", "help"), row, strict=True)) for row in rows]
        typer.echo(orjson.dumps({"settings": named}, option=orjson.OPT_INDENT_2).decode())
        return
    shown = [[name, value, origin.rpartition("/")[2], told] for name, value, origin, told in rows]
    told_least = 24 if output.width >= _WIDE else 10
    columns = (
        Column("Value", shrinks=2, least=13),
        Column("Origin"),
        Column("What it is", shrinks=3, least=told_least),
    )
    print_table([Column("Setting"), *columns], shown, "")


def status_command(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    home: HomeOption = None,
) -> None:
    """Show what is recorded, how far each delivery got, and what is wrong."""
    chosen = Context.of(context, home)
    serving = chosen.home.serving()
    answer = chosen.run("status")
    running = f"running, process {serving['pid']}, {serving['gateway_url']}" if serving else "not running"
    answer["installation"] = {"Server": running, **answer["installation"]}
    if as_json:
        typer.echo(orjson.dumps(answer, option=orjson.OPT_INDENT_2).decode())
        return
    print_table(["What", "Value"], [[name, str(value)] for name, value in answer["installation"].items()], "")
    columns = ["Trail", "Region", "Logging", "Last log file", "Last digest", "Error"]
    rows = [[str(trail[column.lower().replace(" ", "_")]) for column in columns] for trail in answer["trails"]]
    output.print()
    print_table(columns, rows, "No trails yet: aws cloudtrail create-trail")
    if answer["witnesses"]:
        output.print()
        rows = [[row["witness"], row["not_attested"], row["since"]] for row in answer["witnesses"]]
        print_table(["Witness", "Digests not attested", "Since"], rows, "")
    if answer["findings"]:
        output.print()
        print_findings(answer["findings"])
