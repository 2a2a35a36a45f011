"""``opentrail master-key``."""

import asyncio

import typer

from opentrail.cli.console import Context, HomeOption, output

master_key_app = typer.Typer(help="The key that seals every secret of the home.", no_args_is_help=True)


@master_key_app.callback()
def _group() -> None:
    """The key that seals every secret of the home."""


@master_key_app.command("rotate")
def rotate_master_key_command(context: typer.Context, home: HomeOption = None) -> None:
    """Make a new master key and seal everything under it; stop the server first.

    Backups from before open with the old master.key only: keep it with them.
    """
    from opentrail.wiring.master_key import rotate_master_key

    chosen = Context.of(context, home)
    count = asyncio.run(rotate_master_key(chosen.home, chosen.read_settings().settings))
    output.print(f"{count} secrets are sealed under a new master key; back up {chosen.home.master_key_file}")
