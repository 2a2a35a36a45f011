"""``opentrail signing-keys list``."""

from typing import Annotated

import orjson
import typer

from opentrail.cli.console import Context, HomeOption, print_table


def list_signing_keys(
    context: typer.Context,
    region: Annotated[str, typer.Option("--region", metavar="REGION", help="Of this Region; default: all.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    home: HomeOption = None,
) -> None:
    """List the keys that sign digests, those that signed earlier ones too."""
    answer = Context.of(context, home).run("list_signing_keys", region=region)
    if as_json:
        typer.echo(orjson.dumps(answer, option=orjson.OPT_INDENT_2).decode())
        return
    rows = [
        [key["region"], key["valid_from"], key["valid_until"], "yes" if key["is_signing"] else "no", key["fingerprint"]]
        for key in answer["keys"]
    ]
    columns = ["Region", "Valid from", "Valid until", "Signs now", "Fingerprint"]
    print_table(columns, rows, "No signing keys yet: a Region gets one with its first digest")
