"""``opentrail lake``: event data stores and the legal holds on them."""

from typing import Annotated

import orjson
import typer

from opentrail.cli.console import Context, HomeOption, output, plain, print_table
from opentrail.cli.event_printer import terminal_json

lake_app = typer.Typer(help="Event data stores, and legal holds on them.", no_args_is_help=True)

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
StoreArgument = Annotated[str, typer.Argument(metavar="STORE", show_default=False)]


@lake_app.command("list")
def list_stores(context: typer.Context, as_json: JsonOption = False, home: HomeOption = None) -> None:
    """List the event data stores of all accounts and Regions."""
    answer = Context.of(context, home).run("list_event_data_stores")
    if as_json:
        typer.echo(terminal_json(orjson.dumps(answer, option=orjson.OPT_INDENT_2).decode()))
        return
    rows = [
        [
            store["name"],
            store["status"],
            f"{store['retention_days']} days",
            f"since {store['legal_hold_since']}: {store['legal_hold_reason']}" if store["legal_hold_since"] else "-",
            store["arn"],
        ]
        for store in answer["event_data_stores"]
    ]
    columns = ["Event data store", "Status", "Retention", "Legal hold", "ARN"]
    print_table(columns, rows, "No event data stores yet: aws cloudtrail create-event-data-store")


@lake_app.command("hold")
def hold_store(
    context: typer.Context,
    store: StoreArgument,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it goes on record.")],
    home: HomeOption = None,
) -> None:
    """Put a legal hold on an event data store (name, id or ARN): no day of it ends, and it cannot be deleted."""
    answer = Context.of(context, home).run("hold_event_data_store", name=store, reason=reason)
    output.print(plain(f"{answer['name']} is under a legal hold since {answer['legal_hold_since']}"))


@lake_app.command("release")
def release_store(context: typer.Context, store: StoreArgument, home: HomeOption = None) -> None:
    """Lift the legal hold on an event data store (name, id or ARN)."""
    answer = Context.of(context, home).run("release_event_data_store", name=store)
    output.print(plain(f"The legal hold on {answer['name']} is lifted"))
    if answer["deletion_at"]:
        output.print(plain(f"It was deleted: it can be restored until {answer['deletion_at']}"))
