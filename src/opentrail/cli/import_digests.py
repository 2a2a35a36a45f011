"""``opentrail import --check-digests``: what the digests below the source say of its log files, ahead of the import."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer

from opentrail.cli.console import Context, errors, output, plain, visible_line
from opentrail.cli.execution import read_key
from opentrail.cli.log_sources import Where, open_source
from opentrail.digest.verdicts import Finding, ValidationSummary
from opentrail.errors import OperatorError
from opentrail.ports import PortError
from opentrail.ports.object_store import ObjectStores
from opentrail.query.log_validation import LogValidation, NoPublicKeys
from opentrail.resource.delivery_layout import DIGEST_FOLDER, parse_digest_stamp

MAX_KEPT_FINDINGS = 1_000
"""Findings of a chain that are kept for --json; all are printed without it, and counted in any case."""

_KEY = re.compile(
    rf"(?P<prefix>(?:.*/)?)AWSLogs/(?:(?P<organization>o-[a-z0-9]+)/)?(?P<account>\d{{12}})/{DIGEST_FOLDER}/"
    rf"(?P<region>[a-z0-9-]+)/\d{{4}}/\d\d/\d\d/(?P=account)_{DIGEST_FOLDER}_(?P=region)_(?P<name>.+)_"
    r"(?P<home>[a-z0-9]+(?:-[a-z0-9]+)+)_(?P<stamp>\d{8}T\d{6}Z)(?:_backfill)?\.json\.gz",
    re.ASCII,
)
_PARTITIONS = {"cn-": "aws-cn", "us-gov-": "aws-us-gov"}


@dataclass(frozen=True)
class Chain:
    """The digests of one trail in an account and Region: where they lie, and the times of the first and last."""

    trail_arn: str
    account_id: str
    region: str
    prefix: str
    organization_id: str
    first: datetime
    last: datetime


@dataclass
class CheckedChain:
    """What a chain says. ``error`` says why it could not be asked."""

    chain: Chain
    summary: ValidationSummary | None = None
    error: str = ""
    findings: list[Finding] = field(default_factory=list)

    @property
    def is_valid(self) -> bool:
        return self.summary is not None and self.summary.is_valid

    def to_json(self) -> dict[str, Any]:
        """Return what was found for programs."""
        said = self.summary.to_json() if self.summary is not None else {"error": self.error}
        findings = [finding.to_json() for finding in self.findings]
        return {"trail": self.chain.trail_arn, "region": self.chain.region, **said, "findings": findings}


@dataclass(frozen=True)
class DigestCheck:
    """Whose digests: those below ``uri``, of ``regions`` (() for all), from ``start`` to ``end`` where they are set."""

    uri: str
    regions: tuple[str, ...]
    start: datetime | None
    end: datetime | None
    endpoint_url: str
    is_aws: bool
    public_keys: Path | None

    @property
    def bucket(self) -> str:
        return self.uri.removeprefix("s3://").partition("/")[0]

    @property
    def prefix(self) -> str:
        """Where the digests of the log files below the source lie."""
        given = self.uri.removeprefix("s3://").partition("/")[2]
        return given.replace("/CloudTrail/", f"/{DIGEST_FOLDER}/")


def check_digests(context: Context, check: DigestCheck, *, is_quiet: bool = False) -> list[CheckedChain]:
    """Validate every chain of digests below a source against its log files, and print what is not valid.

    Raises OperatorError when there is no bucket to look in, or no digest in it.
    """
    if not check.uri.startswith("s3://"):
        raise OperatorError("--check-digests reads a bucket (s3://BUCKET/PREFIX): digests name the objects of one")
    try:
        chains = asyncio.run(_find_chains(_stores(context, check), check))
    except PortError as error:
        raise OperatorError(f"s3://{check.bucket} could not be listed: {error}") from error
    if not chains:
        raise OperatorError(f"there is no digest file below s3://{check.bucket}/{check.prefix}: nothing can be checked")
    checked = []
    for chain in chains:
        found = _checked(context, check, chain, is_quiet=is_quiet)
        if not is_quiet:
            _print_chain(found)
        checked.append(found)
    return checked


def _stores(context: Context, check: DigestCheck) -> ObjectStores:
    # Imported here because it is most of the start-up time of commands that do not need it.
    if check.is_aws or check.endpoint_url:
        from opentrail.wiring.log_sources import remote_source

        return remote_source(check.endpoint_url, "us-east-1").stores
    from opentrail.wiring.buckets import read_buckets

    settings = context.read_settings().settings
    upstream_url = str((context.home.serving() or {}).get("upstream_url", ""))
    url = upstream_url or settings.upstream__url.removeprefix("moto")
    return read_buckets(context.home, settings, url, read_key(context.home, ""))


async def _find_chains(stores: ObjectStores, check: DigestCheck) -> list[Chain]:
    keys = (summary.key async for summary in stores.bucket(check.bucket).list(check.prefix))
    chains = [one for one in (await chains_of(keys)) if not check.regions or one.region in check.regions]
    return list(_within(chains, check))


async def chains_of(keys: AsyncIterator[str]) -> list[Chain]:
    """Return the chains that keys of digests belong to, in the order in which they first came."""
    chains: dict[tuple[str, ...], Chain] = {}
    async for key in keys:
        found = _KEY.fullmatch(key)
        if found is None:
            continue
        moment = parse_digest_stamp(found["stamp"])
        arn = f"arn:{_partition(found['home'])}:cloudtrail:{found['home']}:{found['account']}:trail/{found['name']}"
        place = (arn, found["region"], found["prefix"], found["organization"] or "")
        chain = chains.get(place) or Chain(
            arn, found["account"], found["region"], found["prefix"].rstrip("/"), place[3], moment, moment
        )
        chains[place] = replace(chain, first=min(chain.first, moment), last=max(chain.last, moment))
    return list(chains.values())


def _partition(region: str) -> str:
    return next((partition for start, partition in _PARTITIONS.items() if region.startswith(start)), "aws")


def _within(chains: list[Chain], check: DigestCheck) -> Iterator[Chain]:
    for chain in chains:
        first = max(chain.first, check.start or chain.first)
        last = min(chain.last, check.end or chain.last)
        if first <= last:
            yield replace(chain, first=first, last=last)


def _checked(context: Context, check: DigestCheck, chain: Chain, *, is_quiet: bool) -> CheckedChain:
    where = Where(
        trail=chain.trail_arn,
        region=chain.region,
        bucket=check.bucket,
        prefix=chain.prefix,
        account_id=chain.account_id if chain.organization_id else "",
        organization_id=chain.organization_id,
        endpoint_url=check.endpoint_url,
        is_aws=check.is_aws,
        public_keys=check.public_keys,
    )
    found = CheckedChain(chain)
    try:
        source = open_source(context, where)
        request = source.request(chain.first.astimezone(UTC), chain.last.astimezone(UTC))
        validation = LogValidation(request, source.stores, source.keys)
        asyncio.run(_validate(validation, found, is_quiet=is_quiet))
    except (OperatorError, PortError, NoPublicKeys) as error:
        found.error = str(error)
    return found


async def _validate(validation: LogValidation, found: CheckedChain, *, is_quiet: bool) -> None:
    async for finding in validation.findings():
        if finding.is_valid:
            continue
        if len(found.findings) < MAX_KEPT_FINDINGS:
            found.findings.append(finding)
        if not is_quiet:
            typer.echo(visible_line(finding.text()), err=True)
    found.summary = validation.summary


def _print_chain(found: CheckedChain) -> None:
    name = f"digests of {found.chain.trail_arn} in {found.chain.region}"
    if found.summary is None:
        errors.print(plain(f"{name} could not be checked: {found.error}"), style="red", soft_wrap=True)
        return
    valid, invalid = sum(found.summary.valid.values()), sum(found.summary.invalid.values())
    said = f"{name}: {valid:,} objects valid, {invalid:,} not, {found.summary.concerns:,} concerns"
    output.print(plain(said), style="" if found.is_valid else "red", soft_wrap=True)
