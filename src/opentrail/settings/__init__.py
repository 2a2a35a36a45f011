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
from collections.abc import Iterator, Mapping
from dataclasses import Field, dataclass, field, fields
from datetime import timedelta
from pathlib import Path
from typing import Any

from opentrail.errors import SettingsError
from opentrail.resource.organization import Account, Organization
from opentrail.settings.named_tables import NamedTables
from opentrail.settings.targets import TARGET_PREFIX, TARGETS, make_targets
from opentrail.settings.targets import TargetKind as TargetKind
from opentrail.settings.targets import TargetSettings as TargetSettings
from opentrail.settings.values import (
    LIKE_A_SETTING,
    as_account,
    as_account_id,
    as_address,
    as_allowance,
    as_boolean,
    as_bucket_place,
    as_count,
    as_duration,
    as_file,
    as_interval,
    as_lock_days,
    as_mode,
    as_network,
    as_optional_url,
    as_organization_id,
    as_processes,
    as_region,
    as_server,
    as_size,
    as_text,
    as_upstream,
    as_url,
    as_webhook_secret,
    as_webhook_url,
    list_of,
    one_of,
    setting,
    unknown_name,
)
from opentrail.settings.values import (
    RecordingMode as RecordingMode,
)
from opentrail.settings.values import format_value as format_value
from opentrail.settings.witnesses import WITNESS_PREFIX, WITNESSES, make_witnesses
from opentrail.settings.witnesses import WitnessKind as WitnessKind
from opentrail.settings.witnesses import WitnessSettings as WitnessSettings

ENVIRONMENT_PREFIX = "OPENTRAIL_"
_NAMED: tuple[NamedTables, ...] = (WITNESSES, TARGETS)
UPSTREAM_SERVICE_PREFIX = "upstream."
SAME_UPSTREAM = "upstream"
"""What ``upstream.<service>`` says where that service is at ``upstream.url``, too."""

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

_LIKE_A_SERVICE = 0.85
"""The same for a service of ``upstream.<service>``, higher because an operator's own services may be named there."""


@dataclass(frozen=True)
class Settings:
    """Every setting, checked. Field names are the file's names, with ``__`` for the dot of a table."""

    account_id: str = setting(as_account_id, "123456789012", "the account that owns this installation")
    region: str = setting(as_region, "us-east-1", "the default Region")
    regions: tuple[str, ...] = setting(list_of(as_region), [], "further Regions enabled from the start")
    gateway: tuple[str, int] = setting(as_address, "127.0.0.1:4700", "where clients send their calls")
    gateway_processes: int = setting(
        as_processes, "1", "processes that relay calls; 1: the server's own; more use further processor cores"
    )
    gateway_connections_per_peer: int = setting(
        as_count, "0", "client connections of one peer, for each such process; 0: half of all that it takes"
    )
    claimed_regions: int = setting(
        as_count, "8", "Regions that calls whose signature nobody here checked may enable, beside region and regions"
    )
    api: tuple[str, int] = setting(as_address, "127.0.0.1:4701", "where CloudTrail's own API answers")
    trusted_proxies: tuple[str, ...] = setting(
        list_of(as_network), [], "networks whose X-Forwarded-For is believed; needed to listen beyond loopback"
    )
    upstream__url: str = setting(as_upstream, "", "where calls go that are not Opentrail's own: a URL, or moto")
    upstream__trusted: bool = setting(as_boolean, False, "learn identities from the upstream's answers")
    upstream__access_key_id: str = setting(as_text, "", "key for delivering to the upstream's buckets")
    upstream__secret_access_key: str = setting(as_text, "", "secret of that key", is_secret=True)
    upstream__ca_bundle: str = setting(
        as_file, "", "PEM file of the CAs that https upstreams are trusted by; empty: the system's"
    )
    upstream__addressing: str = setting(
        one_of("auto", "path", "virtual"),
        "auto",
        "where the upstream's bucket names stand: auto, path or virtual (host)",
    )
    delivery_lock__mode: str = setting(
        one_of("", "governance", "compliance"), "", "Object Lock mode of what trails put into the upstream's buckets"
    )
    delivery_lock__days: int = setting(as_lock_days, "0", "days that such an object stays locked")
    delivery_webhook__url: str = setting(
        as_webhook_url,
        "",
        "told of every delivered log file, with a signed POST; hidden, since it may hold a token",
        is_secret=True,
    )
    delivery_webhook__secret: str = setting(
        as_webhook_secret, "", "signs what that URL is told, with HMAC-SHA256", is_secret=True
    )
    delivery_webhook__ca_bundle: str = setting(
        as_file, "", "PEM file of the CAs that this URL's certificate is judged by; empty: the system's"
    )
    outgoing__allow: tuple[str, ...] = setting(
        list_of(as_allowance), [], "networks and hosts beyond the public internet that subscriptions may name"
    )
    topics__url: str = setting(
        as_optional_url,
        "",
        "where receivers of topics' messages reach the API, for their links; empty: its own address",
    )
    mail__server: str = setting(
        as_server, "", "HOST:PORT of the SMTP server that subscriptions by e-mail use; empty: none"
    )
    mail__sender: str = setting(as_text, "", "the address that such mail is from")
    mail__tls: str = setting(one_of("starttls", "tls", "none"), "starttls", "how that server is spoken to")
    mail__username: str = setting(as_text, "", "who logs in there; empty: nobody")
    mail__password: str = setting(as_text, "", "password of that user", is_secret=True)
    mail__ca_bundle: str = setting(as_file, "", "PEM file of the CAs that server is trusted by; empty: the system's")
    recording: RecordingMode = setting(as_mode, "fail-closed", "fail-closed refuses what cannot be recorded")
    commit_interval: timedelta = setting(as_duration, "10ms", "how long fail-open gathers events for one commit")
    log_file_interval: timedelta = setting(as_interval, "5m", "how often trails deliver log files")
    digest_interval: timedelta = setting(as_interval, "1h", "how often trails deliver digest files")
    journal_max_bytes: int = setting(as_size, "10GB", "size at which the slowest reader is cut loose")
    metadata_url: str = setting(
        as_text, "", "PostgreSQL URL of the metadata store; empty: SQLite in the home folder", is_secret=True
    )
    organization__id: str = setting(as_organization_id, "", "the organization that the accounts belong to; empty: none")
    organization__management_account: str = setting(
        as_account, "", "its management account, such as 111111111111 Root <root@example.com>; empty: account_id"
    )
    organization__member_accounts: tuple[str, ...] = setting(
        list_of(as_account), [], "its other accounts, each with name and <address> as wished"
    )
    organization__delegated_administrators: tuple[str, ...] = setting(
        list_of(as_account_id), [], "member accounts that may look after organization trails"
    )
    log_level: str = setting(as_text, "info", "debug, info, warning or error")
    signer__kind: str = setting(
        one_of("local", "kms", "pkcs11"), "local", "what holds the keys that sign digests: local, kms or pkcs11"
    )
    signer__keys: tuple[str, ...] = setting(
        list_of(as_text), [], "kms: key ids, ARNs or aliases; pkcs11: labels; empty: keys are made"
    )
    signer__url: str = setting(as_optional_url, "", "kms: the service's endpoint; empty: AWS")
    signer__region: str = setting(as_region, "us-east-1", "kms: the keys' Region")
    signer__access_key_id: str = setting(as_text, "", "kms: key for it; empty: as AWS's tools find one")
    signer__secret_access_key: str = setting(as_text, "", "kms: secret of that key", is_secret=True)
    signer__module: str = setting(as_file, "", "pkcs11: the module's library")
    signer__token: str = setting(as_text, "", "pkcs11: the token's label")
    signer__pin: str = setting(as_text, "", "pkcs11: the token's user PIN", is_secret=True)
    lake__location: str = setting(
        as_bucket_place, "", "where event data stores' tables lie: s3://BUCKET/PREFIX; empty: the home folder"
    )
    lake__url: str = setting(as_optional_url, "", "the S3 endpoint of lake.location; empty: AWS")
    lake__region: str = setting(as_region, "us-east-1", "the Region of lake.location's bucket")
    lake__access_key_id: str = setting(as_text, "", "key for lake.location; empty: as AWS's tools find one")
    lake__secret_access_key: str = setting(as_text, "", "secret of that key", is_secret=True)
    lake__ca_bundle: str = setting(as_file, "", "PEM file of the CAs that lake.url is trusted by; empty: the system's")
    lake__cache: int = setting(as_size, "10GB", "files of lake.location that are kept in the home, at most")
    witnesses: Mapping[str, "WitnessSettings"] = field(default_factory=dict)
    """``witness.<name>.<setting>``: who is told each digest's signature, by name."""
    targets: Mapping[str, "TargetSettings"] = field(default_factory=dict)
    """``target.<name>.<setting>``: what rules, alarms and subscriptions may set off, by name."""
    upstream_services: Mapping[str, str] = field(default_factory=dict)
    """Endpoints of single services: ``upstream.logs = "http://..."``, or SAME_UPSTREAM. A service named here is not
    Opentrail's own.

    By botocore's name or the signing name; a name that neither knows stands for a service of the operator's own.
    """

    def service_urls(self, upstream_url: str) -> dict[str, str]:
        """Return the endpoints of single services where the upstream is at ``upstream_url``, "" for one unknown."""
        return {
            service: upstream_url if url == SAME_UPSTREAM else url for service, url in self.upstream_services.items()
        }

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
        texts |= {name: text for name, _, text in self.named()}
        return texts | {UPSTREAM_SERVICE_PREFIX + name: url for name, url in self.upstream_services.items()}

    def named(self) -> Iterator[tuple[str, Field[Any], str]]:
        """Yield the settings that stand under names of their own: the whole name, the field, the value as text."""
        sorts: tuple[tuple[str, Mapping[str, WitnessSettings | TargetSettings]], ...] = (
            (WITNESS_PREFIX, self.witnesses),
            (TARGET_PREFIX, self.targets),
        )
        for prefix, tables in sorts:
            for owner, values in sorted(tables.items()):
                texts = values.as_options()
                for entry in fields(values):
                    yield f"{prefix}{owner}.{entry.name}", entry, texts[entry.name]


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
        for name, entry, text in self.settings.named():
            shown = "(hidden)" if entry.metadata["is_secret"] and text else text
            rows.append((name, shown, self.origins.get(name, "default"), entry.metadata["help"]))
        for service, url in sorted(self.settings.upstream_services.items()):
            name = UPSTREAM_SERVICE_PREFIX + service
            rows.append((name, url, self.origins[name], "where this service's calls go"))
        return rows


def _entries() -> dict[str, Any]:
    return {entry.name.replace("__", "."): entry for entry in fields(Settings) if "read" in entry.metadata}


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
        elif sort := next((each for each in _NAMED if variable.startswith(_variable(each.prefix))), None):
            found[sort.setting_of(variable, _variable(sort.prefix))] = (value, variable)
        elif variable.startswith(_variable(UPSTREAM_SERVICE_PREFIX)):
            service = variable.removeprefix(_variable(UPSTREAM_SERVICE_PREFIX)).lower().replace("_", "-")
            found[UPSTREAM_SERVICE_PREFIX + service] = (value, variable)
        else:
            raise unknown_name(f"the variable {variable} is no setting", variable, [*known, HOME_VARIABLE])
    return found


def _variable(name: str) -> str:
    return ENVIRONMENT_PREFIX + name.replace(".", "_").upper()


def _service(name: str, origin: str) -> str:
    """Return the service that ``upstream.<service>`` names; raises SettingsError for what looks misspelt."""
    # Imported here because most installations name no service, and this is 15 ms of every command's start.
    from opentrail.protocol.index import operation_index

    service = name.removeprefix(UPSTREAM_SERVICE_PREFIX)
    settings = [setting for setting in _entries() if setting.startswith(UPSTREAM_SERVICE_PREFIX)]
    spelt = name.replace("-", "_")
    near = difflib.get_close_matches(spelt, settings, n=1, cutoff=LIKE_A_SETTING)
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
    named: dict[str, dict[str, dict[str, Any]]] = {each.prefix: {} for each in _NAMED}
    entries = _entries()
    for name, (value, origin) in found.items():
        try:
            if name in entries:
                values[entries[name].name] = entries[name].metadata["read"](value)
            elif sort := next((each for each in _NAMED if name.startswith(each.prefix)), None):
                owner, setting, read = sort.read(name, value, origin)
                named[sort.prefix].setdefault(owner, {})[setting] = read
            elif name.startswith(UPSTREAM_SERVICE_PREFIX):
                service = _service(name, origin)
                services[service] = SAME_UPSTREAM if value == SAME_UPSTREAM else as_url(value)
            else:
                raise unknown_name(f"unknown setting {name} in {origin}", name, entries)
        except ValueError as error:
            raise SettingsError(f"{name} = {_shown(name, value)} ({origin}): {error}") from error
    settings = Settings(
        **values,
        upstream_services=services,
        witnesses=make_witnesses(named[WITNESS_PREFIX]),
        targets=make_targets(named[TARGET_PREFIX]),
    )
    for listener in ("gateway", "api"):
        _refuse_open_listener(listener, getattr(settings, listener)[0], settings.trusted_proxies)
    _refuse_halves(settings)
    settings.organization()
    return SettingsReport(settings, {name: origin for name, (_, origin) in found.items()})


def _refuse_halves(settings: Settings) -> None:
    """Refuse one of two settings that need each other."""
    same = sorted(service for service, url in settings.upstream_services.items() if url == SAME_UPSTREAM)
    if same and not settings.upstream__url:
        raise SettingsError(f"upstream.{same[0]} = {SAME_UPSTREAM} needs upstream.url: there is no upstream")
    if bool(settings.delivery_lock__mode) != bool(settings.delivery_lock__days):
        raise SettingsError("delivery_lock.mode and delivery_lock.days are needed together")
    if settings.lake__url and not settings.lake__location:
        raise SettingsError("lake.url needs a lake.location: the bucket where tables lie")
    if settings.delivery_webhook__url and not settings.delivery_webhook__secret:
        raise SettingsError("delivery_webhook.url needs a delivery_webhook.secret, so that its receiver can trust it")
    if bool(settings.mail__server) != bool(settings.mail__sender):
        raise SettingsError("mail.server and mail.sender are needed together")
    if not settings.mail__server and (mailboxes := [name for name, each in settings.targets.items() if each.email]):
        raise SettingsError(f"target.{mailboxes[0]}.email needs mail.server and mail.sender")
    if settings.signer__kind == "pkcs11":
        for name in ("module", "token", "pin"):
            if not getattr(settings, f"signer__{name}"):
                raise SettingsError(f"signer.{name} is missing: signer.kind = pkcs11 needs it")


_SECRET_WORDS = ("secret", "password", "key", "token", "credential", "metadata_url", "webhook", "signer.pin")


def _shown(name: str, value: object) -> str:
    """Return a value for an error message; one whose name, be it misspelt, speaks of a secret is hidden, and a URL
    with a password."""
    is_target = name.startswith((TARGET_PREFIX, _variable(TARGET_PREFIX)))
    is_secret = (
        is_target or any(word in name.lower() for word in _SECRET_WORDS) or ("://" in str(value) and "@" in str(value))
    )
    return "(hidden)" if is_secret else repr(value)


def _refuse_open_listener(name: str, host: str, trusted_proxies: tuple[str, ...]) -> None:
    try:
        is_loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = host == "localhost"
    if not is_loopback and not trusted_proxies:
        raise SettingsError(
            f"{name} = {host}: listening beyond loopback needs a TLS proxy in front; name it in trusted_proxies"
        )
