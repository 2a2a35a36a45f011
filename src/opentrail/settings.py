"""Settings: one frozen value, read from a TOML file, the environment and the command line, each with its origin.

Precedence, highest first: command line, ``OPENTRAIL_`` variable, settings file, default. A nested table is named with a
dot (``upstream.url``); its variable replaces the dot by an underscore (``OPENTRAIL_UPSTREAM_URL``). A name that no
setting has is an error, in the file and in the environment: a misspelt setting must not be taken for its default.
"""

import difflib
import ipaddress
import os
import re
import tomllib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from opentrail.errors import SettingsError
from opentrail.resource.organization import Account, Organization, is_organization_id
from opentrail.resource.witness_layout import is_witness_name

ENVIRONMENT_PREFIX = "OPENTRAIL_"
UPSTREAM_SERVICE_PREFIX = "upstream."
WITNESS_PREFIX = "witness."

MAX_GATEWAY_PROCESSES = 64

MAX_LOCK_DAYS = 36_500
"""S3's own bound of an Object Lock period: a hundred years."""

MIN_SECRET_CHARACTERS = 24
"""Of a webhook's secret: what 16 random bytes take in base64."""

HOME_VARIABLE = "OPENTRAIL_HOME"
"""The command line's: which home folder."""

NO_SETTINGS = frozenset(
    {
        HOME_VARIABLE,  # the others are the test suite's, inherited by the servers it starts
        "OPENTRAIL_AWS_CLI",
        "OPENTRAIL_CRASH_SEEDS",
        "OPENTRAIL_SIMULATE",
        "OPENTRAIL_SIMULATION_SEEDS",
    }
)
"""Variables with our prefix that are no settings."""

_SERVICE_LINK = re.compile(
    r"OPENTRAIL_(\w+_)?(SERVICE_(HOST|PORT(_\w+)?)|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
)
"""What Kubernetes (and links of Docker) put into every container's environment for a service named ``opentrail`` or
``opentrail-api``: nobody spelt it, so it is no mistake. No setting may ever have such a name."""

_LIKE_A_SETTING = 0.75
"""From which likeness (difflib's ratio, 1 = equal) an unknown name is taken for a misspelt setting."""

_LIKE_A_SERVICE = 0.85
"""The same for a service of ``upstream.<service>``, higher because an operator's own services may be named there."""


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


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a text")
    return value


def _account_id(value: object) -> str:
    if not re.fullmatch(r"\d{12}", _text(value)):
        raise ValueError("must be 12 digits")
    return _text(value)


def _region(value: object) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", _text(value)):
        raise ValueError("must be a Region's name, such as us-east-1")
    return _text(value)


def _boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if str(value).lower() in {"true", "false"}:
        return str(value).lower() == "true"
    raise ValueError("must be true or false")


def _list_of(read: Callable[[object], str]) -> Callable[[object], tuple[str, ...]]:
    def read_list(value: object) -> tuple[str, ...]:
        items = [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
        if not isinstance(items, list):
            raise ValueError("must be a list")
        return tuple(read(item) for item in items)

    return read_list


def _network(value: object) -> str:
    return str(ipaddress.ip_network(_text(value)))


def _address(value: object) -> tuple[str, int]:
    host, separator, port = _text(value).rpartition(":")
    if not separator or not host or not port.isdigit() or int(port) > 65535:
        raise ValueError("must be HOST:PORT (port 0 takes a free one)")
    return host.strip("[]"), int(port)


def _duration(value: object) -> timedelta:
    match = _DURATION.fullmatch(_text(value).strip())
    if match is None:
        raise ValueError("must be a number with ms, s, m, h or d, such as 5m")
    duration = float(match[1]) * _DURATION_UNITS[match[2]]
    if duration <= timedelta(0):
        raise ValueError("must be longer than nothing")
    return duration


def _interval(value: object) -> timedelta:
    duration = _duration(value)
    if not timedelta(seconds=1) <= duration <= timedelta(days=1):
        raise ValueError("must be between 1s and 1d")
    return duration


def _processes(value: object) -> int:
    text = str(value).strip()
    if not text.isdigit() or not 1 <= int(text) <= MAX_GATEWAY_PROCESSES:
        raise ValueError(f"must be between 1 and {MAX_GATEWAY_PROCESSES}")
    return int(text)


def _size(value: object) -> int:
    match = _SIZE.fullmatch(str(value).strip().upper())
    if match is None:
        raise ValueError("must be a number of bytes or one with KB, MB, GB or TB")
    return int(match[1]) * _SIZE_UNITS[match[2] or "B"]


def _url(value: object) -> str:
    text = _text(value)
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("must be a URL such as http://127.0.0.1:9000")
    return text.rstrip("/")


def _webhook_url(value: object) -> str:
    parts = urlsplit(_text(value))
    if value != "" and (parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc):
        raise ValueError("must be a URL such as https://example.com/hook, without user name and password")
    return _text(value)


def _upstream(value: object) -> str:
    return "moto" if value == "moto" else ("" if value == "" else _url(value))


def _file(value: object) -> str:
    if value != "" and not Path(_text(value)).is_file():
        raise ValueError("must be the path of a file that can be read")
    return _text(value)


def _one_of(*choices: str) -> Callable[[object], str]:
    def read_choice(value: object) -> str:
        if value not in choices:
            raise ValueError(f"must be {', '.join(choice or 'empty' for choice in choices[:-1])} or {choices[-1]}")
        return str(value)

    return read_choice


def _lock_days(value: object) -> int:
    text = str(value).strip()
    if not text.isdigit() or int(text) > MAX_LOCK_DAYS:
        raise ValueError(f"must be a number of days up to {MAX_LOCK_DAYS}, 0 for none")
    return int(text)


def _webhook_secret(value: object) -> str:
    if value != "" and len(_text(value)) < MIN_SECRET_CHARACTERS:
        raise ValueError(f"must have at least {MIN_SECRET_CHARACTERS} characters")
    return _text(value)


def _mode(value: object) -> RecordingMode:
    try:
        return RecordingMode(_text(value))
    except ValueError:
        raise ValueError("must be fail-closed or fail-open") from None


def _organization_id(value: object) -> str:
    if _text(value) and not is_organization_id(_text(value)):
        raise ValueError("must be an organization's id, such as o-exampleorgid")
    return _text(value)


def _account(value: object) -> str:
    return str(Account.parse(_text(value))) if value else ""


def _setting(read: Callable[[object], Any], default: object, help_text: str, *, is_secret: bool = False) -> Any:
    return field(
        default=read(default),
        metadata={"read": read, "default_text": default, "help": help_text, "is_secret": is_secret},
    )


class WitnessKind(StrEnum):
    """What a witness is."""

    S3_BUCKET = "s3-bucket"
    TIME_STAMP = "time-stamp"
    WEBHOOK = "webhook"


def _witness_kind(value: object) -> WitnessKind:
    try:
        return WitnessKind(_text(value))
    except ValueError:
        raise ValueError("must be s3-bucket, time-stamp or webhook") from None


def _optional_url(value: object) -> str:
    return "" if value == "" else _url(value)


@dataclass(frozen=True)
class WitnessSettings:
    """One witness: ``witness.<name>.kind`` and what its kind needs."""

    kind: WitnessKind = _setting(_witness_kind, "webhook", "s3-bucket, time-stamp or webhook")
    url: str = _setting(_optional_url, "", "where it answers; for an s3-bucket empty is AWS")
    bucket: str = _setting(_text, "", "s3-bucket: the bucket, with Object Lock")
    prefix: str = _setting(_text, "", "s3-bucket: what its keys begin with")
    region: str = _setting(_region, "us-east-1", "s3-bucket: the bucket's Region")
    access_key_id: str = _setting(_text, "", "s3-bucket: key for it; empty: as AWS's tools find one")
    secret_access_key: str = _setting(_text, "", "s3-bucket: secret of that key", is_secret=True)
    retention: timedelta = _setting(_duration, "365d", "s3-bucket: how long each statement is locked")
    certificates: str = _setting(_text, "", "time-stamp: PEM file of the certificates to trust")
    secret: str = _setting(_text, "", "webhook: shared secret that signs what is posted", is_secret=True)
    late_after: timedelta = _setting(_duration, "1d", "how late a digest may be attested and still count")

    def as_options(self) -> dict[str, str]:
        """Return every value as text by name, secrets included."""
        return {entry.name: format_value(getattr(self, entry.name)) for entry in fields(self)}


@dataclass(frozen=True)
class Settings:
    """Every setting, checked. Field names are the file's names, with ``__`` for the dot of a table."""

    account_id: str = _setting(_account_id, "123456789012", "the account that owns this installation")
    region: str = _setting(_region, "us-east-1", "the default Region")
    regions: tuple[str, ...] = _setting(_list_of(_region), [], "further Regions enabled from the start")
    gateway: tuple[str, int] = _setting(_address, "127.0.0.1:4700", "where clients send their calls")
    gateway_processes: int = _setting(
        _processes, "1", "processes that relay calls; 1: the server's own; more use further processor cores"
    )
    api: tuple[str, int] = _setting(_address, "127.0.0.1:4701", "where CloudTrail's own API answers")
    trusted_proxies: tuple[str, ...] = _setting(
        _list_of(_network), [], "networks whose X-Forwarded-For is believed; needed to listen beyond loopback"
    )
    upstream__url: str = _setting(_upstream, "", "where calls go that are not Opentrail's own: a URL, or moto")
    upstream__trusted: bool = _setting(_boolean, False, "learn identities from the upstream's answers")
    upstream__access_key_id: str = _setting(_text, "", "key for delivering to the upstream's buckets")
    upstream__secret_access_key: str = _setting(_text, "", "secret of that key", is_secret=True)
    upstream__ca_bundle: str = _setting(
        _file, "", "PEM file of the CAs that deliveries to the upstream trust; empty: the system's"
    )
    upstream__addressing: str = _setting(
        _one_of("auto", "path", "virtual"),
        "auto",
        "where the upstream's bucket names stand: auto, path or virtual (host)",
    )
    delivery_lock__mode: str = _setting(
        _one_of("", "governance", "compliance"), "", "Object Lock mode of what trails put into the upstream's buckets"
    )
    delivery_lock__days: int = _setting(_lock_days, "0", "days that such an object stays locked")
    delivery_webhook__url: str = _setting(
        _webhook_url,
        "",
        "told of every delivered log file, with a signed POST; hidden, since it may hold a token",
        is_secret=True,
    )
    delivery_webhook__secret: str = _setting(
        _webhook_secret, "", "signs what that URL is told, with HMAC-SHA256", is_secret=True
    )
    delivery_webhook__ca_bundle: str = _setting(
        _file, "", "PEM file of the CAs that this URL's certificate is judged by; empty: the system's"
    )
    recording: RecordingMode = _setting(_mode, "fail-closed", "fail-closed refuses what cannot be recorded")
    commit_interval: timedelta = _setting(_duration, "10ms", "how long fail-open gathers events for one commit")
    log_file_interval: timedelta = _setting(_interval, "5m", "how often trails deliver log files")
    digest_interval: timedelta = _setting(_interval, "1h", "how often trails deliver digest files")
    journal_max_bytes: int = _setting(_size, "10GB", "size at which the slowest reader is cut loose")
    metadata_url: str = _setting(
        _text, "", "PostgreSQL URL of the metadata store; empty: SQLite in the home folder", is_secret=True
    )
    organization__id: str = _setting(_organization_id, "", "the organization that the accounts belong to; empty: none")
    organization__management_account: str = _setting(
        _account, "", "its management account, such as 111111111111 Root <root@example.com>; empty: account_id"
    )
    organization__member_accounts: tuple[str, ...] = _setting(
        _list_of(_account), [], "its other accounts, each with name and <address> as wished"
    )
    organization__delegated_administrators: tuple[str, ...] = _setting(
        _list_of(_account_id), [], "member accounts that may look after organization trails"
    )
    log_level: str = _setting(_text, "info", "debug, info, warning or error")
    witnesses: Mapping[str, "WitnessSettings"] = field(default_factory=dict)
    """``witness.<name>.<setting>``: who is told each digest's signature, by name."""
    upstream_services: Mapping[str, str] = field(default_factory=dict)
    """Endpoints of single services: ``upstream.logs = "http://..."``. A service named here is not Opentrail's own.

    By botocore's name or the signing name; a name that neither knows stands for a service of the operator's own.
    """

    def organization(self) -> Organization | None:
        """Return the organization, None when there is none. Raises SettingsError when its settings do not fit."""
        members, delegated = self.organization__member_accounts, self.organization__delegated_administrators
        if not self.organization__id:
            if members or delegated or self.organization__management_account:
                raise SettingsError("organization.id is missing: without one there is no organization")
            return None
        management = Account.parse(self.organization__management_account or self.account_id)
        try:
            return Organization.of(self.organization__id, management, tuple(map(Account.parse, members)), delegated)
        except ValueError as error:
            raise SettingsError(f"organization: {error}") from error

    def as_options(self) -> dict[str, str]:
        """Return every setting as text by name, secrets included: what ``read_settings`` takes as ``options`` to make
        these settings again in another process."""
        texts = {name: format_value(getattr(self, entry.name)) for name, entry in _entries().items()}
        for witness, values in self.witnesses.items():
            texts |= {f"{WITNESS_PREFIX}{witness}.{name}": text for name, text in values.as_options().items()}
        return texts | {UPSTREAM_SERVICE_PREFIX + name: url for name, url in self.upstream_services.items()}


@dataclass(frozen=True)
class SettingsReport:
    """Settings with where each value came from: ``default``, a file's path, a variable's name or an option's."""

    settings: Settings
    origins: Mapping[str, str]

    def rows(self) -> list[tuple[str, str, str, str]]:
        """Return (name, value as text, origin, help) for each setting, secrets masked."""
        rows = []
        for entry in _entries().values():
            value = getattr(self.settings, entry.name)
            is_hidden = entry.metadata["is_secret"] and value
            text = "(hidden)" if is_hidden else format_value(value)
            name = entry.name.replace("__", ".")
            rows.append((name, text, self.origins.get(name, "default"), entry.metadata["help"]))
        for witness, values in sorted(self.settings.witnesses.items()):
            for entry in fields(WitnessSettings):
                name = f"{WITNESS_PREFIX}{witness}.{entry.name}"
                value = getattr(values, entry.name)
                text = "(hidden)" if entry.metadata["is_secret"] and value else format_value(value)
                rows.append((name, text, self.origins.get(name, "default"), entry.metadata["help"]))
        for service, url in sorted(self.settings.upstream_services.items()):
            name = UPSTREAM_SERVICE_PREFIX + service
            rows.append((name, url, self.origins[name], "where this service's calls go"))
        return rows


def _entries() -> dict[str, Any]:
    return {entry.name.replace("__", "."): entry for entry in fields(Settings) if "read" in entry.metadata}


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


def _flatten(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in table.items():
        if isinstance(value, dict):
            flat.update(_flatten(value, f"{prefix}{name}."))
        else:
            flat[prefix + name] = value
    return flat


def _from_file(path: Path) -> dict[str, tuple[Any, str]]:
    try:
        table = tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not a TOML file: {error}") from error
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from error
    return {name: (value, str(path)) for name, value in _flatten(table).items()}


def _from_environment(environment: Mapping[str, str]) -> dict[str, tuple[Any, str]]:
    known = {_variable(name): name for name in _entries()}
    found: dict[str, tuple[Any, str]] = {}
    for variable, value in environment.items():
        if variable in known:
            found[known[variable]] = (value, variable)
        elif (
            not variable.startswith(ENVIRONMENT_PREFIX) or variable in NO_SETTINGS or _SERVICE_LINK.fullmatch(variable)
        ):
            continue
        elif variable.startswith(_variable(WITNESS_PREFIX)):
            found[_witness_setting(variable)] = (value, variable)
        elif variable.startswith(_variable(UPSTREAM_SERVICE_PREFIX)):
            service = variable.removeprefix(_variable(UPSTREAM_SERVICE_PREFIX)).lower().replace("_", "-")
            found[UPSTREAM_SERVICE_PREFIX + service] = (value, variable)
        else:
            raise _unknown(f"the variable {variable} is no setting", variable, [*known, HOME_VARIABLE])
    return found


def _variable(name: str) -> str:
    return ENVIRONMENT_PREFIX + name.replace(".", "_").upper()


def _witness_setting(variable: str) -> str:
    """Return the setting ``witness.<name>.<setting>`` of a variable: of both, the setting is the longest that fits."""
    rest = variable.removeprefix(_variable(WITNESS_PREFIX)).lower()
    known = sorted((entry.name for entry in fields(WitnessSettings)), key=len, reverse=True)
    for setting in known:
        if rest.endswith(f"_{setting}"):
            return f"{WITNESS_PREFIX}{rest.removesuffix(f'_{setting}').replace('_', '-')}.{setting}"
    raise _unknown(f"the variable {variable} is no setting of a witness", rest.rpartition("_")[2], known)


def _read_witness(name: str, value: object, origin: str) -> tuple[str, str, Any]:
    """Return a witness's name, one of its settings and the value. Raises SettingsError and ValueError."""
    witness, _, setting = name.removeprefix(WITNESS_PREFIX).rpartition(".")
    entries = {entry.name: entry for entry in fields(WitnessSettings)}
    if not is_witness_name(witness):
        raise SettingsError(f"{name} ({origin}): a witness is named by a-z, 0-9 and hyphens, as in witness.vault.kind")
    if setting not in entries:
        raise _unknown(f"unknown setting {name} in {origin}", setting, entries)
    return witness, setting, entries[setting].metadata["read"](value)


_WITNESS_NEEDS = {
    WitnessKind.S3_BUCKET: ("bucket",),
    WitnessKind.TIME_STAMP: ("url", "certificates"),
    WitnessKind.WEBHOOK: ("url", "secret"),
}


def _witnesses(values: Mapping[str, Mapping[str, Any]]) -> dict[str, WitnessSettings]:
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


def _unknown(what: str, name: str, known: Collection[str]) -> SettingsError:
    """Return the error for a name that nothing has: with the one that was probably meant, else with all of them."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=_LIKE_A_SETTING)
    advice = f"did you mean {near[0]}?" if near else f"known: {', '.join(sorted(known))}"
    return SettingsError(f"{what}; {advice}")


def _service(name: str, origin: str) -> str:
    """Return the service that ``upstream.<service>`` names; raises SettingsError for what looks misspelt."""
    # Imported here because most installations name no service, and this is 15 ms of every command's start.
    from opentrail.protocol.index import operation_index

    service = name.removeprefix(UPSTREAM_SERVICE_PREFIX)
    settings = [setting for setting in _entries() if setting.startswith(UPSTREAM_SERVICE_PREFIX)]
    spelt = name.replace("-", "_")
    near = difflib.get_close_matches(spelt, settings, n=1, cutoff=_LIKE_A_SETTING)
    index = operation_index()
    services = index.services.keys() | index.by_signing_name.keys()
    if service in services:
        return service
    if not near:
        near = [
            UPSTREAM_SERVICE_PREFIX + meant
            for meant in difflib.get_close_matches(service, services, n=1, cutoff=_LIKE_A_SERVICE)
        ]
    if near:
        meant = _variable(near[0].replace("-", "_")) if origin.startswith(ENVIRONMENT_PREFIX) else near[0]
        raise SettingsError(f"{name} ({origin}) is neither a setting nor a service; did you mean {meant}?")
    return service


def read_settings(
    path: Path | None,
    environment: Mapping[str, str] = os.environ,
    options: Mapping[str, object] | None = None,
) -> SettingsReport:
    """Read the settings; ``options`` are the command line's, by setting name.

    Raises SettingsError naming the setting, where it was set and what it must be, and for an unknown name the one that
    was probably meant. ``path`` may be missing.
    """
    found = _from_file(path) if path is not None and path.exists() else {}
    found |= _from_environment(environment)
    found |= {name: (value, "command line") for name, value in (options or {}).items() if value is not None}
    values: dict[str, Any] = {}
    services: dict[str, str] = {}
    witnesses: dict[str, dict[str, Any]] = {}
    entries = _entries()
    for name, (value, origin) in found.items():
        try:
            if name in entries:
                values[entries[name].name] = entries[name].metadata["read"](value)
            elif name.startswith(WITNESS_PREFIX):
                witness, setting, read = _read_witness(name, value, origin)
                witnesses.setdefault(witness, {})[setting] = read
            elif name.startswith(UPSTREAM_SERVICE_PREFIX):
                service = _service(name, origin)
                services[service] = _url(value)
            else:
                raise _unknown(f"unknown setting {name} in {origin}", name, entries)
        except ValueError as error:
            raise SettingsError(f"{name} = {_shown(name, value)} ({origin}): {error}") from error
    settings = Settings(**values, upstream_services=services, witnesses=_witnesses(witnesses))
    for listener in ("gateway", "api"):
        _refuse_open_listener(listener, getattr(settings, listener)[0], settings.trusted_proxies)
    _refuse_halves(settings)
    settings.organization()
    return SettingsReport(settings, {name: origin for name, (_, origin) in found.items()})


def _refuse_halves(settings: Settings) -> None:
    """Refuse one of two settings that need each other."""
    if bool(settings.delivery_lock__mode) != bool(settings.delivery_lock__days):
        raise SettingsError("delivery_lock.mode and delivery_lock.days are needed together")
    if settings.delivery_webhook__url and not settings.delivery_webhook__secret:
        raise SettingsError("delivery_webhook.url needs a delivery_webhook.secret, so that its receiver can trust it")


_SECRET_WORDS = ("secret", "password", "key", "token", "credential", "metadata_url", "webhook")


def _shown(name: str, value: object) -> str:
    """Return a value for an error message; one whose name, be it misspelt, speaks of a secret is hidden."""
    return "(hidden)" if any(word in name.lower() for word in _SECRET_WORDS) else repr(value)


def _refuse_open_listener(name: str, host: str, trusted_proxies: tuple[str, ...]) -> None:
    try:
        is_loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = host == "localhost"
    if not is_loopback and not trusted_proxies:
        raise SettingsError(
            f"{name} = {host}: listening beyond loopback needs a TLS proxy in front; name it in trusted_proxies"
        )
