"""``archive.json``: an archive's name and rules (docs/formats/archive.md)."""

from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from opentrail.errors import OperatorError
from opentrail.resource.archive import Archive, ColdTier, LockMode, LockRule

DESCRIPTION = "archive.json"


class ArchiveDamaged(OperatorError):
    """An archive's description cannot be read; the message names the file."""


def format_description(archive: Archive) -> bytes:
    """Return the file's bytes."""
    lock, cold = archive.lock, archive.cold
    values = {
        "name": archive.name,
        "region": archive.region,
        "account_id": archive.account_id,
        "created_at": archive.created_at.isoformat(),
        "lock": {"mode": lock.mode, "days": lock.days} if lock else None,
        "expire_after_days": archive.expire_after_days,
        "cold": {"folder": cold.folder, "after_days": cold.after_days} if cold else None,
        "kms_key_arn": archive.kms_key_arn,
        "needs_mfa_delete": archive.needs_mfa_delete,
    }
    return orjson.dumps(values, option=orjson.OPT_INDENT_2)


def read_description(path: Path) -> Archive:
    """Read an archive's file. Raises ArchiveDamaged: rules are never guessed."""
    try:
        values = orjson.loads(path.read_bytes())
        return Archive(
            name=str(values["name"]),
            region=str(values["region"]),
            account_id=str(values["account_id"]),
            created_at=datetime.fromisoformat(values["created_at"]),
            lock=_lock(values.get("lock")),
            expire_after_days=int(values.get("expire_after_days", 0)),
            cold=_cold(values.get("cold")),
            kms_key_arn=str(values.get("kms_key_arn", "")),
            needs_mfa_delete=bool(values.get("needs_mfa_delete", False)),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArchiveDamaged(f"{path} cannot be read ({error}); restore it from a backup") from error


def _lock(values: dict[str, Any] | None) -> LockRule | None:
    return LockRule(LockMode(values["mode"]), int(values["days"])) if values is not None else None


def _cold(values: dict[str, Any] | None) -> ColdTier | None:
    return ColdTier(str(values["folder"]), int(values["after_days"])) if values is not None else None
