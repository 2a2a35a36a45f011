"""``opentrail follow``: keep an event data store up to date with a bucket that CloudTrail delivers to."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from opentrail.cli.asking import asking
from opentrail.cli.console import Context, HomeOption, output, plain
from opentrail.cli.imports import source_of
from opentrail.cli.log_sources import AwsOption, EndpointOption
from opentrail.cli.lookup import parse_when
from opentrail.errors import OperatorError

LOOK_SECONDS = 1.0


def follow_command(
    context: typer.Context,
    source: Annotated[str, typer.Argument(metavar="[SOURCE]", show_default=False)] = "",
    queue: Annotated[
        str,
        typer.Option(
            metavar="URL",
            help="Be told by this SQS queue, which gets the bucket's notices, straight, by SNS or EventBridge.",
        ),
    ] = "",
    into: Annotated[str, typer.Option(metavar="STORE", help="An event data store; default: `imported`.")] = "",
    region: Annotated[
        list[str] | None, typer.Option("--region", metavar="REGION", help="Files of this Region only; repeatable.")
    ] = None,
    since: Annotated[
        str, typer.Option(metavar="WHEN", help="Without a queue: files of that day on; default: all there are.")
    ] = "",
    every: Annotated[
        int, typer.Option(min=1, max=86_400, metavar="SECONDS", help="Without a queue: list the bucket so often.")
    ] = 60,
    once: Annotated[bool, typer.Option("--once", help="End as soon as everything is there.")] = False,
    endpoint_url: EndpointOption = "",
    aws: AwsOption = False,
    home: HomeOption = None,
) -> None:
    """Follow a bucket of CloudTrail, s3://BUCKET/PREFIX or a queue's: new log files go into an event data store.

    Whatever was delivered while nobody followed is caught up with first. Stop it when you like; the same command goes
    on where it was.
    """
    if not source and not queue:
        raise OperatorError("say what to follow: s3://BUCKET/PREFIX, or --queue URL")
    if source and not source.startswith("s3://"):
        raise OperatorError("only buckets can be followed: s3://BUCKET/PREFIX")
    if queue and not (endpoint_url or aws):
        raise OperatorError("say where the queue is: --aws, or --endpoint-url URL")
    uri, endpoint, key = source_of(source or "s3://queue", endpoint_url, aws)
    start = parse_when(since, datetime.now(UTC))
    asked = {
        "uri": uri,
        "queue_url": queue,
        "into": into,
        "regions": list(region or ()),
        "since": start.isoformat() if start else "",
        "poll_seconds": every,
        "endpoint_url": endpoint,
        "key": key,
    }
    if asyncio.run(_follow(Context.of(context, home), asked, is_once=once)):
        raise typer.Exit(1)


async def _follow(context: Context, asked: dict[str, Any], *, is_once: bool) -> bool:
    """Follow until interrupted, or up to date when that is asked; return True when something failed."""
    async with asking(context) as ask:
        begun = await ask("begin_follow", **asked)
        shown, said = {"events": 0, "files": 0, "failed": 0}, ""
        try:
            while True:
                status = await ask("follow_progress", follow_id=begun["id"])
                said = _print_news(status, shown, str(begun["store"]), said)
                if status["ended"]:
                    raise OperatorError(f"the follow ended: {status['ended']}")
                if is_once and status["is_up_to_date"]:
                    return bool(status["failed"])
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            await asyncio.shield(ask("end_follow", follow_id=begun["id"]))


def _print_news(status: dict[str, Any], shown: dict[str, int], store: str, said: str) -> str:
    """Print what is new since ``shown``, which is brought up to date; return the error that was shown last."""
    new = {name: status[name] - count for name, count in shown.items()}
    if new["files"]:
        time = f"{datetime.now(UTC):%H:%M:%SZ}"
        output.print(f"{time}  {new['events']:,} events of {new['files']:,} files into {store}")
        shown.update({name: status[name] for name in shown})
    if new["failed"]:
        for failure in status["failures"][-new["failed"] :]:
            output.print(plain(f"  could not be read: {failure}"), style="red", soft_wrap=True)
    if status["error"] and status["error"] != said:
        output.print(plain(f"waiting: {status['error']}"), style="yellow", soft_wrap=True)
    return str(status["error"])
