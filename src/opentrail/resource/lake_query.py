"""One query of the lake: what was asked, how it stands, and what it took."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from opentrail.resource.query import KeptQuery


class DeliveryStatus(StrEnum):
    """How the delivery of a result stands, as the service model spells it; all but PENDING are final."""

    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    FAILED_SIGNING_FILE = "FAILED_SIGNING_FILE"
    PENDING = "PENDING"
    RESOURCE_NOT_FOUND = "RESOURCE_NOT_FOUND"
    ACCESS_DENIED = "ACCESS_DENIED"
    ACCESS_DENIED_SIGNING_FILE = "ACCESS_DENIED_SIGNING_FILE"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True, slots=True, kw_only=True)
class LakeQuery(KeptQuery):
    """One query of event data stores (ARNs). The types of its columns are Trino's. ``encrypted_stores`` are those that
    have KMS keys: its result is kept encrypted under all of them."""

    event_data_stores: tuple[str, ...]
    statement: str
    events_scanned: int = 0
    events_matched: int = 0
    delivery_s3_uri: str = ""
    delivery_status: str = ""
    encrypted_stores: tuple[str, ...] = ()


def unique_labels(labels: Sequence[str]) -> list[str]:
    """Return a result's labels so that they differ from one another: ``arn``, ``arn_2``."""
    found: list[str] = []
    for label in labels:
        number, name = 1, label
        while name in found:
            number += 1
            name = f"{label}_{number}"
        found.append(name)
    return found
