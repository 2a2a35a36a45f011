"""Where the commands that verify read from, chosen by their options.

| options | buckets | trail, public keys |
|---|---|---|
| none | local archives, the upstream's | this home's server or files |
| ``--endpoint-url URL`` | that endpoint's | its CloudTrail API |
| ``--aws`` | AWS's | AWS's |

The last two use the credentials of the environment. ``--public-keys FILE`` replaces the listed keys, and together with
``--s3-bucket`` spares asking anybody but the bucket.
"""

import asyncio
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from opentrail.arn import Arn
from opentrail.cli.console import Context
from opentrail.cli.execution import read_key
from opentrail.digest.key_file import MAX_KEY_FILE_BYTES, parse_key_file
from opentrail.digest.signing import UnreadableKey
from opentrail.errors import OperatorError
from opentrail.ports import PortError
from opentrail.ports.delivery_log import DigestSpan
from opentrail.ports.object_store import ObjectStores
from opentrail.ports.signer import PublicKey
from opentrail.query.log_validation import PublicKeySource, ValidationRequest
from opentrail.query.public_keys import FixedKeys
from opentrail.query.validation_request import ChainLedger, DigestLedger

EndpointOption = Annotated[
    str,
    typer.Option(
        "--endpoint-url", metavar="URL", help="Read there, with your AWS credentials, and not in this installation."
    ),
]
AwsOption = Annotated[bool, typer.Option("--aws", help="Read at AWS itself, with your AWS credentials.")]
PublicKeysOption = Annotated[
    Path | None,
    typer.Option(
        "--public-keys",
        metavar="FILE",
        help="Trust exactly these keys: PEM, DER, or what `aws cloudtrail list-public-keys` printed.",
    ),
]


_SAY_ACCOUNT = "say --account-id: an organization trail has digests for each member account"


@dataclass(frozen=True)
class Where:
    """The options that say where to read."""

    trail: str
    region: str = ""
    bucket: str = ""
    prefix: str = ""
    account_id: str = ""
    organization_id: str = ""
    endpoint_url: str = ""
    is_aws: bool = False
    public_keys: Path | None = None

    @property
    def is_remote(self) -> bool:
        return self.is_aws or bool(self.endpoint_url)


@dataclass(frozen=True)
class LogSource:
    """A trail's place and how to read it. ``key_origin`` says in words whose keys are believed; ``stopped_at`` is when
    logging stopped, None while it goes on or when nobody was asked."""

    trail_arn: str
    region: str
    bucket: str
    prefix: str
    account_id: str
    organization_id: str
    stores: ObjectStores
    keys: PublicKeySource
    key_origin: str
    stopped_at: datetime | None = None
    is_delivering: bool = True
    """Whether somebody should be delivering now: False for a home that no server holds."""
    serving_since: datetime | None = None
    """Since when this home's server runs; None for every other source."""
    ledger: DigestLedger | None = None
    """The delivery log of this installation; None for every other source."""
    has_true_etags: bool = True
    """Whether the store itself works out its objects' entity tags."""

    def request(self, start: datetime, end: datetime) -> ValidationRequest:
        """Return what to validate."""
        return ValidationRequest(
            self.trail_arn, self.region, start, end, self.bucket, self.prefix, self.account_id, self.organization_id
        )


def open_source(context: Context, where: Where) -> LogSource:
    """Find the trail and what to read it with. Raises OperatorError."""
    if where.is_aws and where.endpoint_url:
        raise OperatorError("choose one of --aws and --endpoint-url")
    try:
        return _remote(where) if where.is_remote else _own(context, where)
    except PortError as error:
        raise OperatorError(f"{where.endpoint_url or 'AWS'} could not be asked: {error}") from error


def _own(context: Context, where: Where) -> LogSource:
    # Imported here because it is most of the start-up time of commands that do not need it.
    from opentrail.wiring.buckets import read_buckets

    is_told = bool(where.bucket and where.public_keys and where.trail.startswith("arn:"))
    trail = _told(where) if is_told else context.run("describe_trail", arn=where.trail)
    settings = context.read_settings().settings
    serving = context.home.serving() or {}
    upstream_url = str(serving.get("upstream_url", "")) or settings.upstream__url.removeprefix("moto")
    organization_id = where.organization_id or str(trail.get("organization_id") or "")
    if organization_id and not where.account_id:
        raise OperatorError(_SAY_ACCOUNT)
    return LogSource(
        trail_arn=trail["arn"],
        region=where.region or trail["home_region"],
        bucket=where.bucket or trail["bucket"],
        prefix=where.prefix if where.bucket else trail["prefix"],
        account_id=where.account_id,
        organization_id=organization_id,
        stores=read_buckets(context.home, settings, upstream_url, read_key(context.home, "")),
        keys=key_file(where.public_keys) if where.public_keys else ListedKeys(context),
        key_origin=_file_origin(where) or f"ListPublicKeys of the installation {context.home.path}",
        stopped_at=_moment(trail.get("logging_stopped_at")),
        is_delivering=bool(serving),
        serving_since=_moment(serving.get("started_at")),
        ledger=None if is_told else OwnDeliveryLog(context, str(trail["arn"])),
        has_true_etags=not (context.home.archives / (where.bucket or trail["bucket"])).is_dir(),
    )


def _moment(text: object) -> datetime | None:
    return datetime.fromisoformat(str(text)) if text else None


def _told(where: Where) -> Mapping[str, Any]:
    return {"arn": where.trail, "home_region": _arn(where.trail).region}


def _remote(where: Where) -> LogSource:
    # Imported here because it is most of the start-up time of commands that do not need it.
    from opentrail.wiring.log_sources import remote_source

    home_region = _arn(where.trail).region
    source = remote_source(where.endpoint_url, where.region or home_region)
    trail: Mapping[str, Any] = {}
    organization_id, stopped_at = where.organization_id, None
    if not where.bucket:
        found = asyncio.run(source.api.describe_trail(where.trail))
        if found is None:
            raise OperatorError(f"A trail could not be found for {where.trail}")
        trail = found
        stopped_at = _stopped_at(asyncio.run(source.api.trail_status(where.trail)))
        if trail.get("IsOrganizationTrail") and not organization_id:
            if not where.account_id:
                raise OperatorError(_SAY_ACCOUNT)
            organization_id = asyncio.run(source.api.organization_id())
    return LogSource(
        trail_arn=where.trail,
        region=where.region or home_region,
        bucket=where.bucket or str(trail.get("S3BucketName", "")),
        prefix=where.prefix if where.bucket else str(trail.get("S3KeyPrefix") or ""),
        account_id=where.account_id,
        organization_id=organization_id,
        stores=source.stores,
        keys=key_file(where.public_keys) if where.public_keys else source.api,
        key_origin=_file_origin(where) or f"ListPublicKeys of {where.endpoint_url or 'AWS'}",
        stopped_at=stopped_at,
    )


def _stopped_at(status: Mapping[str, Any]) -> datetime | None:
    stopped = status.get("StopLoggingTime")
    if status.get("IsLogging", True) or not isinstance(stopped, int | float):
        return None
    return datetime.fromtimestamp(stopped).astimezone()


def _arn(text: str) -> Arn:
    try:
        return Arn.parse(text)
    except ValueError as error:
        raise OperatorError(f"Invalid trail ARN provided: {text}") from error


def _file_origin(where: Where) -> str:
    return f"the file {where.public_keys}" if where.public_keys else ""


def key_file(path: Path) -> FixedKeys:
    """Read a file of public keys. Raises OperatorError."""
    try:
        with path.open("rb") as file:
            keys = parse_key_file(file.read(MAX_KEY_FILE_BYTES + 1))
    except UnreadableKey as error:
        raise OperatorError(f"{path} holds no public keys that can be used: {error}") from error
    return FixedKeys(tuple(PublicKey(key.der, key.fingerprint, key.valid_from, key.valid_until) for key in keys))


@dataclass(frozen=True)
class ListedKeys:
    """The public keys that ListPublicKeys of this home gives."""

    context: Context

    async def public_keys(self, region: str, start: datetime, end: datetime) -> Sequence[PublicKey]:
        """Return the Region's keys whose validity meets [start, end]."""
        times = {"start": start.isoformat(), "end": end.isoformat()}
        answer = await asyncio.to_thread(self.context.run, "list_public_keys", region=region, **times)
        return [
            PublicKey(
                b64decode(key["der"]),
                key["fingerprint"],
                datetime.fromisoformat(key["valid_from"]),
                datetime.fromisoformat(key["valid_until"]),
            )
            for key in answer["keys"]
        ]


@dataclass(frozen=True)
class OwnDeliveryLog:
    """The delivery log of this home, of one trail."""

    context: Context
    trail_arn: str

    async def chain(self, account_id: str, region: str, start: datetime, end: datetime) -> ChainLedger:
        """Return what is on record of the chain in an account and Region."""
        asked = {"account": account_id, "region": region, "start": start.isoformat(), "end": end.isoformat()}
        answer = await asyncio.to_thread(self.context.run, "digest_chain", arn=self.trail_arn, **asked)
        spans = [
            DigestSpan(bucket, key, datetime.fromisoformat(first), datetime.fromisoformat(last))
            for bucket, key, first, last in answer["delivered"]
        ]
        return ChainLedger(spans, _moment(answer["settled_until"]), bool(answer["is_resting"]))
