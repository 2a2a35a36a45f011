"""The sidecar of an archived object: what S3 would keep beside the body, as JSON (docs/formats/archive.md)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import orjson

from opentrail.clock import format_time, parse_time
from opentrail.resource.archive import LockMode, ObjectLock, Retention

_METADATA_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VERSION_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NO_VERSION = "null"
"""S3's name of the version of an object that was written without one."""


class Place(StrEnum):
    """Where an object's body is; ``gone`` says that it was deleted."""

    HOT = "hot"
    COLD = "cold"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Sidecar:
    """What is known of one object. ``size_bytes`` is that of what was put, None (and ``written_at``) when nothing says
    so. ``is_sound`` is False when the file was missing or damaged: then nothing is known of a lock either."""

    etag: str = ""
    content_type: str = ""
    content_encoding: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    version_id: str = _NO_VERSION
    written_at: datetime | None = None
    size_bytes: int | None = None
    place: Place = Place.HOT
    kms_key_arn: str = ""
    lock: ObjectLock = field(default_factory=ObjectLock)
    is_sound: bool = True

    def at(self, place: Place) -> "Sidecar":
        """Return this sidecar with the body elsewhere."""
        return replace(self, place=place)


UNKNOWN = Sidecar(is_sound=False)


def format_sidecar(sidecar: Sidecar) -> bytes:
    """Return the file's bytes."""
    held = sidecar.lock.retention
    return orjson.dumps(
        {
            "etag": sidecar.etag,
            "content_type": sidecar.content_type,
            "content_encoding": sidecar.content_encoding,
            "metadata": dict(sidecar.metadata),
            "version_id": sidecar.version_id,
            "written_at": format_time(sidecar.written_at) if sidecar.written_at else None,
            "size_bytes": sidecar.size_bytes,
            "place": sidecar.place,
            "kms_key_arn": sidecar.kms_key_arn,
            "retention": {"mode": held.mode, "until": _format_end(held.until)} if held else None,
            "legal_hold": sidecar.lock.has_legal_hold,
        }
    )


def parse_sidecar(raw: bytes) -> Sidecar:
    """Read a sidecar's bytes; never raises.

    What has not the form that ``format_sidecar`` gives is left out, so that a sidecar that was tampered with neither
    hides its object from who checks it nor ends a header line; a lock that cannot be read makes it unsound.
    """
    try:
        values = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return UNKNOWN
    if not isinstance(values, dict):
        return UNKNOWN
    try:
        lock = _parse_lock(values)
    except (ValueError, KeyError, TypeError):
        lock = None
    size = values.get("size_bytes")
    version_id = _text(values, "version_id")
    place = _text(values, "place")
    return Sidecar(
        etag=_text(values, "etag"),
        content_type=_text(values, "content_type"),
        content_encoding=_text(values, "content_encoding"),
        metadata=_metadata(values.get("metadata")),
        version_id=version_id if _VERSION_ID.fullmatch(version_id) else _NO_VERSION,
        written_at=_time(values.get("written_at")),
        size_bytes=size if isinstance(size, int) and size >= 0 else None,
        place=Place(place) if place in list(Place) else Place.HOT,
        kms_key_arn=_text(values, "kms_key_arn"),
        lock=lock or ObjectLock(),
        is_sound=lock is not None,
    )


def _parse_lock(values: dict[str, Any]) -> ObjectLock:
    held, has_hold = values.get("retention"), values.get("legal_hold", False)
    if not isinstance(has_hold, bool):
        raise TypeError("legal_hold")
    if held is None:
        return ObjectLock(None, has_hold)
    return ObjectLock(Retention(LockMode(held["mode"]), parse_time(held["until"])), has_hold)


def _text(values: dict[str, Any], name: str) -> str:
    value = values.get(name)
    return value if isinstance(value, str) and value.isprintable() else ""


def _metadata(values: object) -> dict[str, str]:
    if not isinstance(values, dict):
        return {}
    return {
        name: value
        for name, value in values.items()
        if isinstance(value, str) and value.isprintable() and _METADATA_NAME.fullmatch(name)
    }


def _time(value: object) -> datetime | None:
    try:
        return parse_time(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _format_end(moment: datetime) -> str:
    """Round up to the second, so that no period ends early."""
    whole = moment.replace(microsecond=0)
    return format_time(whole if whole == moment else whole + timedelta(seconds=1))
