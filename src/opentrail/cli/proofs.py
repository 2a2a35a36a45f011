"""``opentrail prove`` and ``opentrail check-proof``: one event shown to someone who may see no other."""

import asyncio
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from opentrail.cli.console import Context, HomeOption, errors, output, plain
from opentrail.cli.log_sources import (
    AwsOption,
    EndpointOption,
    ListedKeys,
    LogSource,
    PublicKeysOption,
    Where,
    key_file,
    open_source,
)
from opentrail.cli.lookup import parse_when
from opentrail.digest.key_file import TrustedKey
from opentrail.digest.proof import (
    MAX_PROOF_BYTES,
    EventProof,
    KeyNotTrusted,
    ProofInvalid,
    ProvedEvent,
    check_proof,
    digest_in,
    parse_proof,
)
from opentrail.errors import OperatorError
from opentrail.ports import PortError
from opentrail.query.event_proofs import NoProof, ProofSearch, search_start
from opentrail.query.log_validation import PublicKeySource
from opentrail.resource.delivery_layout import digest_region

EXIT_NOT_PROVED = 1
DEFAULT_SPAN = timedelta(days=90)

_WITHOUT_WITNESS = (
    "Not proved: that the owner of this key did not sign another digest of the same files as well. Only a witness's "
    "receipt for the digest's signature shows that (opentrail validate-logs --witness)."
)


@dataclass(frozen=True)
class _Clue:
    """What Event history knows of an event: enough to read a few files and not all."""

    event_time: str = ""
    region: str = ""
    account_id: str = ""


def prove_command(
    context: typer.Context,
    event_id: str,
    trail: Annotated[
        str, typer.Option("--trail", metavar="ARN|NAME", help="The trail that delivered it; default: each in turn.")
    ] = "",
    region: Annotated[str, typer.Option(metavar="REGION", help="The event's Region, if it is not in history.")] = "",
    since: Annotated[
        str, typer.Option(metavar="WHEN", help="Search from then on: 2h, 7d ago, or a time; default: 90d.")
    ] = "",
    target: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the proof there; default: print it.")
    ] = None,
    s3_bucket: Annotated[str, typer.Option(metavar="BUCKET", help="If not in the trail's bucket now.")] = "",
    s3_prefix: Annotated[str, typer.Option(metavar="PREFIX", help="The key prefix in that bucket.")] = "",
    account_id: Annotated[str, typer.Option(metavar="ID", help="A member account of an organization trail.")] = "",
    endpoint_url: EndpointOption = "",
    aws: AwsOption = False,
    public_keys: PublicKeysOption = None,
    home: HomeOption = None,
) -> None:
    """Prove one event without showing another: write what check-proof verifies.

    The exit code is 0 with a proof, 1 when there is none, 2 when it cannot be told.
    """
    chosen = Context.of(context, home)
    now = datetime.now(UTC)
    is_remote = aws or bool(endpoint_url)
    clue = _Clue() if is_remote else _clue(chosen, event_id)
    start = parse_when(since, now) or search_start(clue.event_time, now - DEFAULT_SPAN)
    trails = [trail] if trail else _trails(chosen, account_id or clue.account_id, is_remote=is_remote)
    refusals, unread = [], []
    for name in trails:
        where = Where(
            trail=name,
            region=region or clue.region,
            bucket=s3_bucket,
            prefix=s3_prefix,
            account_id=account_id or clue.account_id,
            endpoint_url=endpoint_url,
            is_aws=aws,
            public_keys=public_keys,
        )
        try:
            proof = _search(open_source(chosen, where), event_id, clue, start, now)
        except NoProof as error:
            refusals.append(str(error))
            continue
        except OperatorError as error:
            unread.append(f"{name}: {error}")
            continue
        _write(proof, target)
        return
    if unread:
        raise OperatorError("; ".join([*refusals, *unread]))
    errors.print("no proof: ", style="bold red", end="")
    errors.print(plain("; ".join(refusals)))
    raise typer.Exit(EXIT_NOT_PROVED)


def _clue(context: Context, event_id: str) -> _Clue:
    for region in context.run("list_regions")["regions"]:
        found = context.run("lookup_events", region=region, attributes=[("EventId", event_id)])["events"]
        if found:
            event = orjson.loads(found[0]["event"])
            return _Clue(
                str(event.get("eventTime", "")),
                str(event.get("awsRegion", "")),
                str(event.get("recipientAccountId", "")),
            )
    return _Clue()


def _trails(context: Context, account_id: str, *, is_remote: bool) -> list[str]:
    if is_remote:
        raise OperatorError("say --trail ARN: which trail's digests to search there")
    found = [str(trail["arn"]) for trail in context.run("list_trails", account=account_id)["trails"]]
    if not found:
        raise OperatorError("there is no trail, so no log file that an event could be proved from")
    return found


def _search(source: LogSource, event_id: str, clue: _Clue, start: datetime, end: datetime) -> EventProof:
    progress = Progress(
        SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(),
        console=errors, disable=not sys.stderr.isatty(), transient=True,
    )  # fmt: skip
    task = progress.add_task("Searching", total=None)

    def show(digests: int, files: int) -> None:
        progress.update(task, description=f"Searching: {digests} digests, {files} log files read")

    search = ProofSearch(
        source.request(start, end), source.stores, source.keys, event_id, clue.event_time, on_progress=show
    )
    with progress:
        try:
            return asyncio.run(search.find())
        except PortError as error:
            raise OperatorError(f"the search could not look at everything: {error}") from error


def _write(proof: EventProof, target: Path | None) -> None:
    data = proof.to_json()
    if target is None:
        typer.echo(data, nl=False)
        return
    target.write_bytes(data)
    errors.print(plain(f"Proof of {len(data):,} bytes written to {target}. It shows this event and the digest only."))


def check_proof_command(
    context: typer.Context,
    file: Path,
    public_key: Annotated[
        Path | None,
        typer.Option(
            "--public-key",
            metavar="FILE",
            help="Trust exactly this: PEM, DER, or what `aws cloudtrail list-public-keys` printed.",
        ),
    ] = None,
    endpoint_url: EndpointOption = "",
    aws: AwsOption = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    home: HomeOption = None,
) -> None:
    """Check a proof of one event, offline with --public-key, else with this installation's listed keys.

    The exit code is 0 when it proves its event, 1 when it does not, 2 when it cannot be told.
    """
    try:
        proof = parse_proof(_read(file))
        digest = digest_in(proof)
        region = digest_region(digest.key)
        source, origin = _trusted(Context.of(context, home), public_key, endpoint_url, region, is_aws=aws)
        keys = asyncio.run(source.public_keys(region, digest.end_time, digest.end_time))
        listed = [TrustedKey(key.der, key.fingerprint, key.valid_from, key.valid_until) for key in keys]
        proved = check_proof(proof, listed)
    except ProofInvalid as error:
        _refuse(str(error), as_json=as_json)
        raise typer.Exit(EXIT_NOT_PROVED) from error
    except KeyNotTrusted as error:
        raise OperatorError(
            f"the proof's key {error.fingerprint} is not among those of {origin}, so it proves nothing to you; give "
            "the signer's public key with --public-key"
        ) from error
    except PortError as error:
        raise OperatorError(f"the public keys could not be had: {error}") from error
    if as_json:
        typer.echo(orjson.dumps(_document(proved, origin), option=orjson.OPT_INDENT_2))
    else:
        _tell(proved, origin)


def _read(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(MAX_PROOF_BYTES + 1)


def _trusted(
    context: Context, public_key: Path | None, endpoint_url: str, region: str, *, is_aws: bool
) -> tuple[PublicKeySource, str]:
    if public_key is not None:
        return key_file(public_key), f"the file {public_key}"
    if is_aws or endpoint_url:
        # Imported here because it is most of the start-up time of commands that do not need it.
        from opentrail.wiring.log_sources import remote_source

        return remote_source(endpoint_url, region).api, f"ListPublicKeys of {endpoint_url or 'AWS'}"
    return ListedKeys(context), f"ListPublicKeys of the installation {context.home.path}"


def _refuse(reason: str, *, as_json: bool) -> None:
    if as_json:
        typer.echo(orjson.dumps({"is_proved": False, "reason": reason}, option=orjson.OPT_INDENT_2))
        return
    output.print("Not proved: ", style="bold red", end="")
    output.print(plain(reason))


def _document(proved: ProvedEvent, origin: str) -> dict[str, Any]:
    members = proved.digest.members
    return {
        "is_proved": True,
        "event": proved.event,
        "position": {"index": proved.leaf_index, "of": proved.event_count},
        "log_file": {"bucket": proved.bucket, "key": proved.object_key},
        "digest": {
            "bucket": proved.digest.bucket,
            "key": proved.digest.key,
            "start_time": members["digestStartTime"],
            "end_time": members["digestEndTime"],
            "account_id": members.get("awsAccountId"),
        },
        "key": {"fingerprint": proved.key.fingerprint, "from": origin},
    }


def _tell(proved: ProvedEvent, origin: str) -> None:
    event, members = proved.event, proved.digest.members
    identity = event.get("userIdentity")
    who = identity.get("arn", "") if isinstance(identity, dict) else ""
    what = f"{event.get('eventName', '?')} ({event.get('eventSource', '?')})"
    output.print("Proved: ", style="bold green", end="")
    lines = [
        f"event {event.get('eventID', '?')}",
        f"  {what} at {event.get('eventTime', '?')}" + (f" by {who}" if who else ""),
        f"was event {proved.leaf_index + 1} of {proved.event_count} in the log file",
        f"  s3://{proved.bucket}/{proved.object_key}",
        f"delivered between {members['digestStartTime']} and {members['digestEndTime']}, says the digest",
        f"  s3://{proved.digest.bucket}/{proved.digest.key}",
        f"of account {members.get('awsAccountId', '?')}, signed with the key {proved.key.fingerprint}",
        f"  from {origin}.",
        _WITHOUT_WITNESS,
    ]
    for line in lines:
        output.print(plain(line), soft_wrap=True)
