"""``opentrail targets``: what the settings name for rules, alarms and topics, how it fares, and a try of it."""

from typing import Annotated

import orjson
import typer

from opentrail.cli.console import Context, HomeOption, output, print_error, print_table

EXIT_NOT_TAKEN = 1

targets_app = typer.Typer(
    help="Webhooks, commands, chat services and mailboxes that the settings name.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@targets_app.command("list")
def list_targets(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    home: HomeOption = None,
) -> None:
    """List the targets that the settings name, by which ARN, and how each fares since the server's start."""
    answer = Context.of(context, home).run("list_targets")
    if as_json:
        typer.echo(orjson.dumps(answer, option=orjson.OPT_INDENT_2).decode())
        return
    rows = [
        [
            each["name"],
            each["kind"],
            str(each["delivered"]),
            str(each["waiting"]),
            f"failing since {each['failing_since']}: {each['last_error']}" if each["failing_since"] else "",
            " ".join(each["arns"]),
        ]
        for each in answer["targets"]
    ]
    empty = "The settings name no targets (target.NAME.url, .command, .chat, .email)"
    print_table(["Name", "Kind", "Delivered", "Waiting", "State", "ARN"], rows, empty, is_cut=False)


@targets_app.command("test")
def try_target(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", show_default=False)],
    home: HomeOption = None,
) -> None:
    """Send a target one message that says that it is a test. The exit code is 1 when it is not taken."""
    failure = Context.of(context, home).run("try_target", name=name)["failure"]
    if failure:
        print_error(f"{name} did not take it: {failure}")
        raise typer.Exit(EXIT_NOT_TAKEN)
    output.print(f"{name} took it", style="green")
