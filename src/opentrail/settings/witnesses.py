"""Settings of witnesses, ``witness.<name>.<setting>``: any number, each by a name of its own."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from enum import StrEnum
from typing import Any

from opentrail.errors import SettingsError
from opentrail.resource.witness_layout import is_witness_name
from opentrail.settings.named_tables import NamedTables
from opentrail.settings.values import (
    MAX_LOCK_DAYS,
    as_duration,
    as_optional_url,
    as_region,
    as_text,
    format_value,
    setting,
)

WITNESS_PREFIX = "witness."


class WitnessKind(StrEnum):
    """What a witness is."""

    S3_BUCKET = "s3-bucket"
    TIME_STAMP = "time-stamp"
    WEBHOOK = "webhook"


def _retention(value: object) -> timedelta:
    duration = as_duration(value)
    if duration > timedelta(days=MAX_LOCK_DAYS):
        raise ValueError(f"must be {MAX_LOCK_DAYS}d at most")
    return duration


def _witness_kind(value: object) -> WitnessKind:
    try:
        return WitnessKind(as_text(value))
    except ValueError:
        raise ValueError("must be s3-bucket, time-stamp or webhook") from None


@dataclass(frozen=True)
class WitnessSettings:
    """One witness: ``witness.<name>.kind`` and what its kind needs."""

    kind: WitnessKind = setting(_witness_kind, "webhook", "s3-bucket, time-stamp or webhook")
    url: str = setting(
        as_optional_url,
        "",
        "where it answers; for an s3-bucket empty is AWS; hidden, since it may hold a token",
        is_secret=True,
    )
    bucket: str = setting(as_text, "", "s3-bucket: the bucket, with Object Lock")
    prefix: str = setting(as_text, "", "s3-bucket: what its keys begin with")
    region: str = setting(as_region, "us-east-1", "s3-bucket: the bucket's Region")
    access_key_id: str = setting(as_text, "", "s3-bucket: key for it; empty: as AWS's tools find one")
    secret_access_key: str = setting(as_text, "", "s3-bucket: secret of that key", is_secret=True)
    retention: timedelta = setting(_retention, "365d", "s3-bucket: how long each statement is locked")
    certificates: str = setting(as_text, "", "time-stamp: PEM file of the certificates to trust")
    secret: str = setting(as_text, "", "webhook: shared secret that signs what is posted", is_secret=True)
    late_after: timedelta = setting(as_duration, "1d", "how late a digest may be attested and still count")

    def as_options(self) -> dict[str, str]:
        """Return every value as text by name, secrets included."""
        return {entry.name: format_value(getattr(self, entry.name)) for entry in fields(self)}


WITNESSES = NamedTables(WITNESS_PREFIX, "witness", WitnessSettings, is_witness_name, "vault.kind")

_WITNESS_NEEDS = {
    WitnessKind.S3_BUCKET: ("bucket",),
    WitnessKind.TIME_STAMP: ("url", "certificates"),
    WitnessKind.WEBHOOK: ("url", "secret"),
}


def make_witnesses(values: Mapping[str, Mapping[str, Any]]) -> dict[str, WitnessSettings]:
    """Return the witnesses by name; raises SettingsError for one that lacks what its kind needs."""
    witnesses = {}
    for name, given in values.items():
        if "kind" not in given:
            raise SettingsError(f"witness.{name}.kind is missing: s3-bucket, time-stamp or webhook")
        witnesses[name] = witness = WitnessSettings(**given)
        for needed in _WITNESS_NEEDS[witness.kind]:
            if not getattr(witness, needed):
                raise SettingsError(f"witness.{name}.{needed} is missing: a {witness.kind} witness needs it")
    return witnesses
