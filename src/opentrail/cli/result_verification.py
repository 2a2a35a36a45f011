"""``opentrail verify-query-results``: whether a delivered result of a query is as it was delivered."""

import asyncio
from pathlib import Path
from typing import Annotated

import orjson
import typer

from opentrail.cli.console import Context, HomeOption, output, plain
from opentrail.cli.execution import read_key
from opentrail.cli.log_sources import AwsOption, EndpointOption, ListedKeys, PublicKeysOption, key_file
from opentrail.errors import OperatorError
from opentrail.ports import PortError
from opentrail.ports.object_store import ObjectStores
from opentrail.query.log_validation import PublicKeySource
from opentrail.query.result_verification import BucketFiles, FolderFiles, ResultFiles, ResultFinding, verify_result

EXIT_INVALID = 1


def verify_query_results_command(
    context: typer.Context,
    local_export_path: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The folder that the result's files were downloaded into.")
    ] = None,
    s3_bucket: Annotated[str, typer.Option(metavar="BUCKET", help="The bucket that the result was delivered to.")] = "",
    s3_prefix: Annotated[
        str, typer.Option(metavar="PREFIX", help="The folder of the result in that bucket, up to the query's id.")
    ] = "",
    region: Annotated[
        str, typer.Option(metavar="REGION", help="Whose keys to trust; default: the Region that the sign file names.")
    ] = "",
    endpoint_url: EndpointOption = "",
    aws: AwsOption = False,
    public_keys: PublicKeysOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    home: HomeOption = None,
) -> None:
    """Verify a query's delivered result: its files' hashes, and the signature over them.

    The exit code is 0 when all is as it was delivered, 1 when something was altered or is missing, 2 when it cannot be
    told.
    """
    if (local_export_path is None) == (not s3_bucket):
        raise OperatorError("say where the result is: --local-export-path DIR, or --s3-bucket and --s3-prefix")
    if aws and endpoint_url:
        raise OperatorError("choose one of --aws and --endpoint-url")
    if local_export_path is not None and not local_export_path.is_dir():
        raise OperatorError(f"there is no folder {local_export_path}")
    stores, keys = _source(Context.of(context, home), endpoint_url, region, s3_bucket, public_keys, is_aws=aws)
    try:
        findings = asyncio.run(verify_result(_files(local_export_path, stores, s3_bucket, s3_prefix), keys, region))
    except PortError as error:
        raise OperatorError(f"the verification could not look at everything: {error}") from error
    _print(findings, as_json=as_json)
    if not all(finding.is_good for finding in findings):
        raise typer.Exit(EXIT_INVALID)


def _files(folder: Path | None, stores: ObjectStores | None, bucket: str, prefix: str) -> ResultFiles:
    if folder is not None:
        return FolderFiles(folder)
    assert stores is not None
    inner = prefix.strip("/")
    return BucketFiles(stores.bucket(bucket), f"{inner}/" if inner else "")


def _source(
    context: Context, endpoint_url: str, region: str, bucket: str, public_keys: Path | None, *, is_aws: bool
) -> tuple[ObjectStores | None, PublicKeySource]:
    """Return where the files are (None: nowhere is asked for) and whose keys are believed."""
    if is_aws or endpoint_url:
        # Imported here because it is most of the start-up time of commands that do not need it.
        from opentrail.wiring.log_sources import remote_source

        source = remote_source(endpoint_url, region or "us-east-1")
        return source.stores, key_file(public_keys) if public_keys else source.api
    keys: PublicKeySource = key_file(public_keys) if public_keys else ListedKeys(context)
    if not bucket:
        return None, keys
    from opentrail.wiring.buckets import read_buckets

    settings = context.read_settings().settings
    serving = context.home.serving() or {}
    upstream_url = str(serving.get("upstream_url", "")) or settings.upstream__url.removeprefix("moto")
    return read_buckets(context.home, settings, upstream_url, read_key(context.home, "")), keys


def _print(findings: list[ResultFinding], *, as_json: bool) -> None:
    is_good = all(finding.is_good for finding in findings)
    if as_json:
        found = [{"file": f.name, "verdict": str(f.verdict), "detail": f.detail} for f in findings]
        typer.echo(orjson.dumps({"is_valid": is_good, "files": found}, option=orjson.OPT_INDENT_2))
        return
    for finding in findings:
        output.print(plain(f"{finding.name}: "), end="")
        output.print(str(finding.verdict), style="green" if finding.is_good else "bold red", end="")
        output.print(plain(f" ({finding.detail})" if finding.detail else ""), soft_wrap=True)
    if is_good:
        output.print(plain("Successfully validated sign and query result files"))
