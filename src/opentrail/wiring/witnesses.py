"""The witnesses that the settings name: told by the server, asked by a validation."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from opentrail.adapters.witness.kept_file import KeptFile
from opentrail.adapters.witness.s3_bucket import S3BucketWitness, WitnessBucket
from opentrail.adapters.witness.time_stamp import KeptTimeStamps, TimeStampService, TimeStampWitness
from opentrail.adapters.witness.webhook import WebhookReceiver, WebhookWitness
from opentrail.clock import Clock
from opentrail.errors import OperatorError
from opentrail.ports.object_store import ObjectStores
from opentrail.ports.witness import TestimonySource, Witness
from opentrail.query.witness_check import LATE_AFTER
from opentrail.settings import Settings, WitnessKind, WitnessSettings


@dataclass(frozen=True)
class AskedWitness:
    """Whom a validation asks, and how late that witness may have been told."""

    source: TestimonySource
    late_after: timedelta


def open_witnesses(settings: Settings, clock: Clock) -> list[Witness]:
    """Return the configured witnesses by name. Raises OperatorError for one that cannot be used as it is set."""
    return [_witness(name, chosen, clock) for name, chosen in sorted(settings.witnesses.items())]


def asked_witness(settings: Settings, name_or_file: str, stores: ObjectStores, clock: Clock) -> AskedWitness:
    """Return the witness that ``validate-logs --witness`` names, or the file that holds what one received.

    ``stores`` are where digests lie. Raises OperatorError when it is neither.
    """
    chosen = settings.witnesses.get(name_or_file)
    if chosen is not None:
        return AskedWitness(_source(name_or_file, chosen, stores, clock), chosen.late_after)
    if Path(name_or_file).is_file():
        return AskedWitness(KeptFile(Path(name_or_file)), LATE_AFTER)
    known = ", ".join(sorted(settings.witnesses)) or "none"
    raise OperatorError(f"{name_or_file} is neither a file nor a witness of the settings (there: {known})")


def _witness(name: str, chosen: WitnessSettings, clock: Clock) -> Witness:
    if chosen.kind is WitnessKind.S3_BUCKET:
        return _bucket(name, chosen, clock)
    if chosen.kind is WitnessKind.TIME_STAMP:
        return _time_stamp(name, chosen)
    return WebhookWitness(WebhookReceiver(name, chosen.url, chosen.secret), clock)


def _source(name: str, chosen: WitnessSettings, stores: ObjectStores, clock: Clock) -> TestimonySource:
    if chosen.kind is WitnessKind.S3_BUCKET:
        return _bucket(name, chosen, clock)
    if chosen.kind is WitnessKind.TIME_STAMP:
        return KeptTimeStamps(_time_stamp(name, chosen), stores)
    return WebhookWitness(WebhookReceiver(name, chosen.url, chosen.secret), clock)


def _bucket(name: str, chosen: WitnessSettings, clock: Clock) -> S3BucketWitness:
    place = WitnessBucket(
        name=name,
        bucket=chosen.bucket,
        retention=chosen.retention,
        url=chosen.url,
        region=chosen.region,
        prefix=chosen.prefix.strip("/"),
        access_key_id=chosen.access_key_id,
        secret_access_key=chosen.secret_access_key,
    )
    return S3BucketWitness(place, clock)


def _time_stamp(name: str, chosen: WitnessSettings) -> TimeStampWitness:
    try:
        certificates = Path(chosen.certificates).read_bytes()
        return TimeStampWitness(TimeStampService(name, chosen.url, certificates))
    except (OSError, ValueError) as error:
        raise OperatorError(f"witness.{name}.certificates = {chosen.certificates}: {error}") from error
