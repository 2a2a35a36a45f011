"""Settings of targets that rules, alarms and subscriptions may name, ``target.<name>.<setting>``: any number."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any

import orjson

from opentrail.errors import SettingsError
from opentrail.resource.named_target import is_target_name
from opentrail.settings.named_tables import NamedTables
from opentrail.settings.values import (
    as_account_id,
    as_duration,
    as_file,
    as_optional_url,
    as_region,
    as_text,
    as_webhook_secret,
    as_webhook_url,
    format_value,
    list_of,
    setting,
)

TARGET_PREFIX = "target."

MAX_TARGETS = 100
MAX_WORDS = 64
"""Of a command."""

MAX_AT_ONCE = 8
"""Runs of one command at a time: as many as are delivered to one target at a time."""

MAX_COMMAND_TIME = timedelta(minutes=5)


class TargetKind(StrEnum):
    """What a target is, by the setting that makes it one."""

    WEBHOOK = "url"
    COMMAND = "command"
    CHAT = "chat"
    EMAIL = "email"
    OPENTRAIL = "opentrail"


def _words(value: object) -> tuple[str, ...]:
    """Read a command: a list of texts, or such a list as JSON, whose first is the path of a program."""
    if isinstance(value, str) and value:
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            value = None
    if value in ("", []):
        return ()
    given = value if isinstance(value, list) else [value]
    words = tuple(word for word in given if isinstance(word, str) and "\0" not in word)
    if not words or len(words) != len(given) or len(words) > MAX_WORDS or not PurePosixPath(words[0]).is_absolute():
        raise ValueError('must be a list of texts, the path of a program first, such as ["/usr/local/bin/react", "-v"]')
    return words


def _command_time(value: object) -> timedelta:
    duration = as_duration(value)
    if not timedelta(seconds=1) <= duration <= MAX_COMMAND_TIME:
        raise ValueError("must be between 1s and 5m")
    return duration


def _at_once(value: object) -> int:
    text = str(value).strip()
    if not text.isdigit() or not 1 <= int(text) <= MAX_AT_ONCE:
        raise ValueError(f"must be between 1 and {MAX_AT_ONCE}")
    return int(text)


def _chat_url(value: object) -> str:
    if value != "" and "://" not in as_text(value):
        raise ValueError("must be a URL of Apprise's, such as slack://...")
    return as_text(value)


def _mail_address(value: object) -> str:
    name, separator, host = as_text(value).rpartition("@")
    if not separator or not name or not host or not as_text(value).isprintable() or " " in as_text(value):
        raise ValueError("must be addresses such as ann@example.com")
    return as_text(value)


@dataclass(frozen=True)
class TargetSettings:
    """One target: exactly one of ``url``, ``command``, ``chat``, ``email`` and ``opentrail``, and what goes with it."""

    url: str = setting(
        as_webhook_url, "", "webhook: gets a signed POST; hidden, since it may hold a token", is_secret=True
    )
    secret: str = setting(as_webhook_secret, "", "webhook: signs what is posted, with HMAC-SHA256", is_secret=True)
    ca_bundle: str = setting(
        as_file, "", "webhook, opentrail: PEM file of the CAs that it is trusted by; else the system's"
    )
    command: tuple[str, ...] = setting(_words, [], "command: program and arguments, run without a shell")
    timeout: timedelta = setting(_command_time, "30s", "command: how long it may run")
    at_once: int = setting(_at_once, "4", "command: how many run at a time")
    chat: str = setting(
        _chat_url, "", "chat: the service as Apprise writes it; hidden, since it holds a token", is_secret=True
    )
    email: tuple[str, ...] = setting(list_of(_mail_address), [], "e-mail: addresses, by the server of mail.server")
    opentrail: str = setting(as_optional_url, "", "opentrail: URL of another installation's gateway or API")
    access_key_id: str = setting(as_text, "", "opentrail: key of a user there who may put log events")
    secret_access_key: str = setting(as_text, "", "opentrail: secret of that key", is_secret=True)
    region: str = setting(as_region, "us-east-1", "opentrail: Region of the log groups there")
    log_group: str = setting(
        as_text, "", "opentrail: log group there; empty: of the name that the group has here, else opentrail"
    )
    accounts: tuple[str, ...] = setting(
        list_of(as_account_id), [], "accounts whose rules, alarms and topics may name it; empty: account_id"
    )

    @property
    def kind(self) -> TargetKind:
        return next(kind for kind in TargetKind if getattr(self, kind.value))

    def as_options(self) -> dict[str, str]:
        """Return every value as text by name, secrets included."""
        return {entry.name: _format(getattr(self, entry.name), entry.name) for entry in fields(self)}


def _format(value: object, name: str) -> str:
    return orjson.dumps(value).decode() if name == "command" and value else format_value(value)


TARGETS = NamedTables(TARGET_PREFIX, "target", TargetSettings, is_target_name, "pager.url")


def make_targets(values: Mapping[str, Mapping[str, Any]]) -> dict[str, TargetSettings]:
    """Return the targets by name; raises SettingsError for one that is nothing, two things, or lacks its secret."""
    if len(values) > MAX_TARGETS:
        raise SettingsError(f"target: at most {MAX_TARGETS} targets can be named")
    targets = {}
    for name, given in values.items():
        targets[name] = target = TargetSettings(**given)
        if sum(bool(getattr(target, kind.value)) for kind in TargetKind) != 1:
            raise SettingsError(f"target.{name} needs one of url, command, chat, email and opentrail, and only one")
        if target.url and not target.secret:
            raise SettingsError(f"target.{name}.secret is missing: a webhook's receiver cannot trust it without")
        if target.opentrail and not (target.access_key_id and target.secret_access_key):
            raise SettingsError(f"target.{name} needs access_key_id and secret_access_key of a user there")
    return targets
