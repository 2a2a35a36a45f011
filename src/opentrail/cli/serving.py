"""``opentrail serve``, ``settings`` and ``status``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer
from rich.console import Group
from rich.panel import Panel
from rich.text import Text

from opentrail.cli.console import Context, HomeOption, output, print_table

if TYPE_CHECKING:
    from opentrail.wiring.serving import Serving


def serve_command(
    context: typer.Context,
    home: HomeOption = None,
    gateway: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Where clients send calls; port 0 takes a free one.")
    ] = None,
    api: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Where CloudTrail's API answers.")] = None,
    upstream: Annotated[
        str | None, typer.Option(metavar="URL|moto", help="Where calls go; `moto` starts a stand-in for AWS.")
    ] = None,
    ready_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Written (JSON) once everything answers.")
    ] = None,
) -> None:
    """Start Opentrail: gateway, API, deliveries. SIGTERM and Ctrl-C drain and lose nothing."""
    # Imported here because it is most of the start-up time of commands that do not need it.
    from opentrail.wiring.serving import serve

    chosen = Context.of(context, home)
    options = {"gateway": gateway, "api": api, "upstream.url": upstream}
    settings = chosen.read_settings(options).settings
    serve(
        chosen.home,
        settings,
        ready_file,
        on_ready=lambda serving: _print_banner(chosen, serving, settings.upstream__url),
    )


def _print_banner(context: Context, serving: "Serving", upstream: str) -> None:
    home = context.home.path
    described = serving.upstream_url or "none: only Opentrail's own API answers"
    if upstream == "moto":
        described += "   moto, a stand-in for AWS; it forgets everything when it stops"
    lines = Text()
    lines.append("Gateway  ", style="bold").append(f"{serving.gateway_url}   clients call this\n")
    lines.append("API      ", style="bold").append(f"{serving.api_url}   /healthz, /metrics\n")
    lines.append("Upstream ", style="bold").append(f"{described}\n")
    lines.append("Account  ", style="bold").append(f"{serving.account_id} in {serving.region}, home {home}")
    usage = Text("\nIn another terminal:\n\n", style="dim")
    for command in (
        f"opentrail --home {home} exec -- aws s3 mb s3://my-first-bucket",
        f"opentrail --home {home} lookup",
    ):
        usage.append(f"  {command}\n", style="bold")
    output.print(Panel(Group(lines, usage), title="Opentrail is recording", expand=False, padding=(1, 2)))


def settings_command(context: typer.Context, home: HomeOption = None) -> None:
    """Show every setting, its value and where it comes from."""
    rows = [list(row) for row in Context.of(context, home).read_settings().rows()]
    print_table(["Setting", "Value", "Origin", "What it is"], rows, "")


def status_command(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    home: HomeOption = None,
) -> None:
    """Show what is recorded, how far each delivery got, and what is wrong."""
    answer = Context.of(context, home).run("status")
    if as_json:
        typer.echo(orjson.dumps(answer, option=orjson.OPT_INDENT_2).decode())
        return
    print_table(["What", "Value"], [[name, str(value)] for name, value in answer["installation"].items()], "")
    columns = ["Trail", "Region", "Logging", "Last log file", "Last digest", "Error"]
    rows = [[str(trail[column.lower().replace(" ", "_")]) for column in columns] for trail in answer["trails"]]
    output.print()
    print_table(columns, rows, "No trails yet: aws cloudtrail create-trail")
