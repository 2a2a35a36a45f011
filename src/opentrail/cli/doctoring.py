"""``opentrail doctor``, and how findings are shown."""

from collections.abc import Mapping, Sequence
from typing import Annotated

import orjson
import typer
from rich.text import Text

from opentrail.cli.console import Context, HomeOption, output, plain

EXIT_FINDINGS = 1


def doctor_command(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    home: HomeOption = None,
) -> None:
    """Find what keeps events from being recorded, delivered and proved, and say how to mend it.

    Looks at the running server's installation, or at the home when there is none. The exit code is 0 when nothing was
    found, else 1.
    """
    findings = Context.of(context, home).run("diagnose")["findings"]
    if as_json:
        typer.echo(orjson.dumps({"findings": findings}, option=orjson.OPT_INDENT_2).decode())
    else:
        print_findings(findings)
    if findings:
        raise typer.Exit(EXIT_FINDINGS)


def print_findings(findings: Sequence[Mapping[str, str]]) -> None:
    """Print each finding with what to type against it; a sentence when there are none."""
    if not findings:
        output.print("Nothing found that is wrong", style="green")
        return
    for finding in findings:
        line = Text().append(f"{_plain(finding['where'])}: ", style="bold").append(_plain(finding["problem"]))
        output.print(line.append(f" [{finding['fault']}]", style="dim"), soft_wrap=True)
        mend = Text().append("  mend: ", style="dim").append(_plain(finding["mend"]), style="cyan")
        output.print(mend, soft_wrap=True)


def _plain(text: str) -> str:
    return plain(text).plain
