"""How one setting's value is read: each reader takes what a file or a variable holds, and raises ValueError saying what
it must be."""

import difflib
import ipaddress
import re
from collections.abc import Callable, Collection
from dataclasses import field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from opentrail.errors import SettingsError
from opentrail.outgoing.guard import check_allowance
from opentrail.resource.bucket_name import is_bucket_name
from opentrail.resource.organization import Account, is_organization_id

MAX_GATEWAY_PROCESSES = 64

MAX_COUNT = 1_000_000
"""Of connections, and of whatever else is counted."""

MAX_LOCK_DAYS = 36_500
"""S3's own bound of an Object Lock period: a hundred years."""

MIN_SECRET_CHARACTERS = 24
"""Of a webhook's secret: what 16 random bytes take in base64."""

LIKE_A_SETTING = 0.75
"""From which likeness (difflib's ratio, 1 = equal) an unknown name is taken for a misspelt setting."""


class RecordingMode(StrEnum):
    """What happens to a call that cannot be put on record (design: fail-closed refuses it, fail-open lets it go)."""

    FAIL_CLOSED = "fail-closed"
    FAIL_OPEN = "fail-open"


_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_DURATION_UNITS = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}
_SIZE = re.compile(r"(\d+)(B|KB|MB|GB|TB)?")
_SIZE_UNITS = {"B": 1, "KB": 1024, "MB": 1024**2, "GB": 1024**3, "TB": 1024**4}


def as_text(value: object) -> str:
    """Read a text."""
    if not isinstance(value, str):
        raise ValueError("must be a text")
    return value


def as_account_id(value: object) -> str:
    """Read an account's twelve digits."""
    if not re.fullmatch(r"\d{12}", as_text(value)):
        raise ValueError("must be 12 digits")
    return as_text(value)


def as_region(value: object) -> str:
    """Read a Region's name."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", as_text(value)):
        raise ValueError("must be a Region's name, such as us-east-1")
    return as_text(value)


def as_boolean(value: object) -> bool:
    """Read true or false."""
    if isinstance(value, bool):
        return value
    if str(value).lower() in {"true", "false"}:
        return str(value).lower() == "true"
    raise ValueError("must be true or false")


def list_of(read: Callable[[object], str]) -> Callable[[object], tuple[str, ...]]:
    """Return the reader of a list, also of one text with commas."""

    def read_list(value: object) -> tuple[str, ...]:
        items = [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
        if not isinstance(items, list):
            raise ValueError("must be a list")
        return tuple(read(item) for item in items)

    return read_list


def as_network(value: object) -> str:
    """Read a network as ``address/bits``."""
    return str(ipaddress.ip_network(as_text(value)))


def as_address(value: object) -> tuple[str, int]:
    """Read HOST:PORT."""
    host, separator, port = as_text(value).rpartition(":")
    if not separator or not host or not port.isdigit() or int(port) > 65535:
        raise ValueError("must be HOST:PORT (port 0 takes a free one)")
    return host.strip("[]"), int(port)


def as_server(value: object) -> str:
    """Read the HOST:PORT of a server; empty is none."""
    if value != "":
        as_address(value)
    return as_text(value)


def as_duration(value: object) -> timedelta:
    """Read a duration longer than nothing."""
    match = _DURATION.fullmatch(as_text(value).strip())
    if match is None:
        raise ValueError("must be a number with ms, s, m, h or d, such as 5m")
    duration = float(match[1]) * _DURATION_UNITS[match[2]]
    if duration <= timedelta(0):
        raise ValueError("must be longer than nothing")
    return duration


def as_interval(value: object) -> timedelta:
    """Read a duration from a second to a day."""
    duration = as_duration(value)
    if not timedelta(seconds=1) <= duration <= timedelta(days=1):
        raise ValueError("must be between 1s and 1d")
    return duration


def as_processes(value: object) -> int:
    """Read a number of processes."""
    text = str(value).strip()
    if not text.isdigit() or not 1 <= int(text) <= MAX_GATEWAY_PROCESSES:
        raise ValueError(f"must be between 1 and {MAX_GATEWAY_PROCESSES}")
    return int(text)


def as_allowance(value: object) -> str:
    """Read where calls may go beside the public internet."""
    return check_allowance(as_text(value))


def as_count(value: object) -> int:
    """Read a whole number from 0 to MAX_COUNT."""
    text = str(value).strip()
    if not text.isascii() or not text.isdigit() or not int(text[:9]) <= MAX_COUNT or len(text) > 9:
        raise ValueError(f"must be a whole number up to {MAX_COUNT}")
    return int(text)


def as_size(value: object) -> int:
    """Read a number of bytes."""
    match = _SIZE.fullmatch(str(value).strip().upper())
    if match is None:
        raise ValueError("must be a number of bytes or one with KB, MB, GB or TB")
    return int(match[1]) * _SIZE_UNITS[match[2] or "B"]


def as_url(value: object) -> str:
    """Read a URL without query and without user name and password, which settings and logs would show; its final slash
    is dropped."""
    text = as_text(value)
    parts = urlsplit(text)
    if "@" in parts.netloc:
        raise ValueError("must be a URL without user name and password, such as http://127.0.0.1:9000")
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("must be a URL such as http://127.0.0.1:9000")
    return text.rstrip("/")


def as_bucket_place(value: object) -> str:
    """Read ``s3://bucket/prefix``, which ends without a slash; empty is none."""
    bucket, _, prefix = as_text(value).removeprefix("s3://").partition("/")
    folders = prefix.rstrip("/").split("/")
    is_plain = prefix.isascii() and prefix.isprintable() and not {"", ".", ".."} & set(folders)
    if value == "":
        return ""
    if not as_text(value).startswith("s3://") or not is_bucket_name(bucket) or (prefix and not is_plain):
        raise ValueError("must be a bucket and what keys begin with, such as s3://audit/lake")
    return as_text(value).rstrip("/")


def as_webhook_url(value: object) -> str:
    """Read a webhook's URL, which may have a query; empty is none."""
    parts = urlsplit(as_text(value))
    if value != "" and (parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc):
        raise ValueError("must be a URL such as https://example.com/hook, without user name and password")
    return as_text(value)


def as_upstream(value: object) -> str:
    """Read the upstream: a URL, moto or empty."""
    return "moto" if value == "moto" else ("" if value == "" else as_url(value))


def as_file(value: object) -> str:
    """Read the path of a file that is there; empty is none."""
    if value != "" and not Path(as_text(value)).is_file():
        raise ValueError("must be the path of a file that can be read")
    return as_text(value)


def one_of(*choices: str) -> Callable[[object], str]:
    """Return the reader of one of these texts."""

    def read_choice(value: object) -> str:
        if value not in choices:
            raise ValueError(f"must be {', '.join(choice or 'empty' for choice in choices[:-1])} or {choices[-1]}")
        return str(value)

    return read_choice


def as_lock_days(value: object) -> int:
    """Read a number of days up to MAX_LOCK_DAYS."""
    text = str(value).strip()
    if not text.isdigit() or int(text) > MAX_LOCK_DAYS:
        raise ValueError(f"must be a number of days up to {MAX_LOCK_DAYS}, 0 for none")
    return int(text)


def as_webhook_secret(value: object) -> str:
    """Read a secret that is long enough; empty is none."""
    if value != "" and len(as_text(value)) < MIN_SECRET_CHARACTERS:
        raise ValueError(f"must have at least {MIN_SECRET_CHARACTERS} characters")
    return as_text(value)


def as_mode(value: object) -> RecordingMode:
    """Read a recording mode."""
    try:
        return RecordingMode(as_text(value))
    except ValueError:
        raise ValueError("must be fail-closed or fail-open") from None


def as_organization_id(value: object) -> str:
    """Read an organization's id; empty is none."""
    if as_text(value) and not is_organization_id(as_text(value)):
        raise ValueError("must be an organization's id, such as o-exampleorgid")
    return as_text(value)


def as_account(value: object) -> str:
    """Read a member account's line; empty is none."""
    return str(Account.parse(as_text(value))) if value else ""


def setting(read: Callable[[object], Any], default: object, help_text: str, *, is_secret: bool = False) -> Any:
    """Declare a setting: a dataclass field that knows how it is read and what it is."""
    return field(
        default=read(default),
        metadata={"read": read, "default_text": default, "help": help_text, "is_secret": is_secret},
    )


def as_optional_url(value: object) -> str:
    """Read a URL; empty is none."""
    return "" if value == "" else as_url(value)


def format_value(value: object) -> str:
    """Format a setting's value as the settings file would spell it."""
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
        for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
            if seconds >= size and seconds % size == 0:
                return f"{int(seconds // size)}{unit}"
        return f"{seconds * 1000:g}ms"
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], int):
        return f"{value[0]}:{value[1]}"
    if isinstance(value, tuple):
        return ", ".join(str(item) for item in value)
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def unknown_name(what: str, name: str, known: Collection[str]) -> SettingsError:
    """Return the error for a name that nothing has: with the one that was probably meant, else with all of them."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=LIKE_A_SETTING)
    advice = f"did you mean {near[0]}?" if near else f"known: {', '.join(sorted(known))}"
    return SettingsError(f"{what}; {advice}")
