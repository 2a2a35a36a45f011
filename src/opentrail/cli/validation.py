"""``opentrail validate-logs``: AWS's verdicts on a trail's digests and log files, fetched many at a time."""

import asyncio
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from opentrail.cli.console import Context, HomeOption, errors, visible_line
from opentrail.cli.event_printer import terminal_json
from opentrail.cli.html_report import HtmlReport
from opentrail.cli.log_sources import AwsOption, EndpointOption, LogSource, PublicKeysOption, Where, open_source
from opentrail.cli.lookup import parse_when
from opentrail.cli.timeline import Timeline
from opentrail.cli.witnesses import WitnessOption, WitnessReport, ask_witnesses
from opentrail.clock import format_time
from opentrail.digest.chain_checks import Schedule
from opentrail.digest.verdicts import Finding, FindingKind
from opentrail.digest.verification import ReadDigest
from opentrail.errors import OperatorError
from opentrail.ports import PortError
from opentrail.query.log_validation import LogValidation, NoPublicKeys, ValidationRequest
from opentrail.query.witnessed_validation import WitnessedValidation

if TYPE_CHECKING:
    from opentrail.wiring.log_sources import FileMemory

EXIT_INVALID = 1


def validate_logs_command(
    context: typer.Context,
    trail_arn: Annotated[str, typer.Option(metavar="ARN|NAME", help="The trail's ARN, or its name.")],
    start_time: Annotated[
        str, typer.Option(metavar="WHEN", help="From then on: 2h, 7d ago, or a time such as 2026-01-31T12:00:00Z.")
    ],
    end_time: Annotated[str, typer.Option(metavar="WHEN", help="Up to then, said the same way; default: now.")] = "",
    region: Annotated[
        str, typer.Option(metavar="REGION", help="Whose digests; default: the trail's home Region.")
    ] = "",
    s3_bucket: Annotated[
        str, typer.Option(metavar="BUCKET", help="Where the digests are, if not in the trail's bucket now.")
    ] = "",
    s3_prefix: Annotated[str, typer.Option(metavar="PREFIX", help="The key prefix in that bucket.")] = "",
    account_id: Annotated[str, typer.Option(metavar="ID", help="A member account of an organization trail.")] = "",
    organization_id: Annotated[
        str, typer.Option(metavar="ID", help="The organization in the keys, when nobody can be asked for it.")
    ] = "",
    endpoint_url: EndpointOption = "",
    aws: AwsOption = False,
    public_keys: PublicKeysOption = None,
    witness: WitnessOption = None,
    resume: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Note there what was found, and go on from there after an interruption."),
    ] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a report with a timeline there: one file, no scripts.")
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Also name what is valid.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    home: HomeOption = None,
) -> None:
    """Verify that a trail's log files were not altered.

    The exit code is 0 when all is as it was delivered, 1 when something was altered or is missing, 2 when it cannot be
    told.
    """
    chosen = Context.of(context, home)
    now = datetime.now(UTC)
    start, end = parse_when(start_time, now), parse_when(end_time, now) or now
    assert start is not None
    if start > end:
        raise OperatorError("Invalid time range specified: start-time must occur before end-time")
    where = Where(
        trail=trail_arn,
        region=region,
        bucket=s3_bucket,
        prefix=s3_prefix,
        account_id=account_id,
        organization_id=organization_id,
        endpoint_url=endpoint_url,
        is_aws=aws,
        public_keys=public_keys,
    )
    source = open_source(chosen, where)
    request = source.request(start, end)
    if not source.is_delivering:
        errors.print("opentrail: no server holds this home, so no newer digests are expected than it delivered")
    page = HtmlReport(request, source.key_origin, Timeline(start, end)) if html else None
    report = Report(verbose=verbose, as_json=as_json, page=page, memory=_open_memory(resume, source))
    is_finished = False
    try:
        is_valid = asyncio.run(_validate(chosen, source, request, report, witness or ()))
        is_finished = True
    except (PortError, NoPublicKeys) as error:
        raise OperatorError(f"the validation could not look at everything: {error}") from error
    finally:
        report.close(is_finished=is_finished)
    if html is not None:
        html.write_text(report.html())
    if not is_valid:
        raise typer.Exit(EXIT_INVALID)


class Report:
    """Prints findings as they come, worded as AWS's verifier words them, or one JSON document at the end."""

    def __init__(
        self, *, verbose: bool, as_json: bool, page: HtmlReport | None = None, memory: "FileMemory | None" = None
    ) -> None:
        self.memory = memory
        self._page = page
        self._html = ""
        self._is_verbose = verbose
        self._is_json = as_json
        self._findings: list[dict[str, object]] = []
        self._has_lines = False
        self._is_terminal = sys.stderr.isatty() and not as_json
        self.progress = Progress(
            TextColumn("Validating"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=errors,
            disable=not self._is_terminal, transient=True,
        )  # fmt: skip
        self._task = self.progress.add_task("objects", total=None)

    def begin(self, request: ValidationRequest) -> None:
        if not self._is_json:
            span = f"between {format_time(request.start_time)} and {format_time(request.end_time)}"
            typer.echo(f"Validating log files for trail {request.trail_arn} {span}\n\n", nl=False)

    def on_progress(self, checked: int, known: int) -> None:
        self.progress.update(self._task, completed=checked, total=known)

    def on_digest(self, digest: ReadDigest) -> None:
        if self._page is not None:
            self._page.timeline.add_digest(digest)

    def add(self, finding: Finding) -> None:
        if self._page is not None:
            self._page.add(finding)
        if self._is_json:
            if self._is_verbose or not finding.is_valid or finding.kind is FindingKind.GAP:
                self._findings.append(finding.to_json())
        elif not finding.is_valid:
            typer.echo(visible_line(finding.text()), err=True)
        elif self._is_verbose or finding.kind is FindingKind.GAP:
            typer.echo(visible_line(finding.text()))
            self._has_lines = True

    def close(self, *, is_finished: bool) -> None:
        """Keep what was found when the validation was broken off."""
        if self.memory is not None:
            self.memory.close(is_finished=is_finished)

    def html(self) -> str:
        """Return the page of a validation that ended."""
        return self._html

    def end(self, validation: LogValidation, told: Sequence[WitnessReport]) -> None:
        if self._page is not None:
            self._html = self._page.page(validation.summary, datetime.now(UTC), told)
        if self._is_json:
            document = {**validation.summary.to_json(), "findings": self._findings}
            if told:
                document["witnesses"] = [one.to_json() for one in told]
            typer.echo(terminal_json(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()))
            return
        for finding in (finding for one in told for finding in one.findings):
            if self._is_verbose or not finding.is_sound:
                typer.echo(visible_line(finding.text()), err=not finding.is_sound)
        typer.echo(("\n" if self._has_lines else "") + validation.summary.text())
        for one in told:
            typer.echo(visible_line(one.text()))


async def _validate(
    context: Context, source: LogSource, request: ValidationRequest, report: Report, witnesses: Sequence[str]
) -> bool:
    witnessed = WitnessedValidation(request)

    def on_digest(digest: ReadDigest) -> None:
        witnessed.on_digest(digest)
        report.on_digest(digest)

    validation = LogValidation(
        request,
        source.stores,
        source.keys,
        on_progress=report.on_progress,
        on_digest=on_digest,
        schedule=Schedule(
            now=datetime.now(UTC) if source.is_delivering else None,
            stopped_at=source.stopped_at,
            serving_since=source.serving_since,
        ),
        ledger=source.ledger,
        memory=report.memory,
    )
    report.begin(request)
    with report.progress:
        async for finding in validation.findings():
            witnessed.on_finding(finding)
            report.add(finding)
    told = await ask_witnesses(context, witnesses, source.stores, witnessed)
    report.end(validation, told)
    return validation.summary.is_valid and all(one.is_sound for one in told)


def _open_memory(path: Path | None, source: LogSource) -> "FileMemory | None":
    if path is None:
        return None
    if not source.has_true_etags:
        errors.print("opentrail: a local archive's own entity tags prove nothing: all of its files are read again")
        return None
    # Imported here because most validations begin anew.
    from opentrail.wiring.log_sources import open_memory

    return open_memory(path)
