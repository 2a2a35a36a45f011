"""The targets that the settings name: who may name each, and what sends to it."""

from collections.abc import Callable

from opentrail.adapters.targets import chat
from opentrail.adapters.targets.chat import ChatTarget
from opentrail.adapters.targets.command import Command, CommandTarget
from opentrail.adapters.targets.installation import InstallationEndpoint, InstallationTarget
from opentrail.adapters.targets.mail import Mail, MailServer
from opentrail.adapters.targets.mailbox import MailboxTarget
from opentrail.adapters.targets.named import NamedTargetKinds
from opentrail.adapters.targets.webhook import WebhookTarget
from opentrail.admin.targets import TargetCommands
from opentrail.clock import Clock
from opentrail.errors import SettingsError
from opentrail.outgoing.webhook import WebhookCaller, WebhookEndpoint
from opentrail.pipeline.invocation_delivery import InvocationDelivery
from opentrail.ports.targets import Targets
from opentrail.resource.named_target import NamedTargets
from opentrail.settings import Settings, TargetKind, TargetSettings
from opentrail.settings.values import as_address
from opentrail.wiring.certificates import check_ca_bundle
from opentrail.wiring.installation import Installation

OnClose = Callable[[Callable[[], None]], object]
"""Takes what is to be called at the end."""


TARGET_COMMANDS = frozenset({"list_targets", "try_target"})
"""The operator's commands over named targets."""

_KINDS = {
    TargetKind.WEBHOOK: "webhook",
    TargetKind.COMMAND: "command",
    TargetKind.CHAT: "chat",
    TargetKind.EMAIL: "e-mail",
    TargetKind.OPENTRAIL: "opentrail",
}


def target_commands(
    installation: Installation, targets: Targets, delivery: InvocationDelivery | None = None
) -> TargetCommands:
    """Return the operator's commands over named targets; ``delivery`` is a running server's."""
    settings = installation.settings
    kinds = {name: _KINDS[each.kind] for name, each in settings.targets.items()}
    clock, identifiers = installation.clock, installation.identifiers
    return TargetCommands(kinds, names_of(settings), targets, settings.region, clock, identifiers, delivery)


def open_mail(settings: Settings, clock: Clock, on_close: OnClose) -> Mail | None:
    """Return the mail server of the settings, None when they name none."""
    if not settings.mail__server:
        return None
    host, port = as_address(settings.mail__server)
    server = MailServer(
        host=host,
        port=port,
        sender=settings.mail__sender,
        tls=settings.mail__tls,
        username=settings.mail__username,
        password=settings.mail__password,
        ca_bundle=settings.mail__ca_bundle,
    )
    mail = Mail(server, clock)
    on_close(mail.close)
    return mail


def names_of(settings: Settings) -> NamedTargets:
    """Return which targets there are, and the accounts that may name each."""
    return NamedTargets(
        {name: frozenset(each.accounts or (settings.account_id,)) for name, each in settings.targets.items()}
    )


def open_named_targets(settings: Settings, mail: Mail | None, clock: Clock, on_close: OnClose) -> NamedTargetKinds:
    """Return all named targets behind one door. Raises SettingsError for one that could never be sent to."""
    senders = {name: _open(name, each, mail, clock, on_close) for name, each in settings.targets.items()}
    return NamedTargetKinds(senders, names_of(settings))


def _open(name: str, settings: TargetSettings, mail: Mail | None, clock: Clock, on_close: OnClose) -> Targets:
    if settings.kind is TargetKind.WEBHOOK:
        check_ca_bundle(f"target.{name}.ca_bundle", settings.ca_bundle)
        try:
            caller = WebhookCaller(WebhookEndpoint(settings.url, settings.secret, settings.ca_bundle), clock)
        except ValueError as error:
            raise SettingsError(f"target.{name}.secret: {error}") from error
        return WebhookTarget(caller)
    if settings.kind is TargetKind.OPENTRAIL:
        check_ca_bundle(f"target.{name}.ca_bundle", settings.ca_bundle)
        return InstallationTarget(_installation(settings), clock)
    if settings.kind is TargetKind.COMMAND:
        return CommandTarget(Command(name, settings.command, settings.timeout.total_seconds(), settings.at_once))
    if settings.kind is TargetKind.CHAT:
        if not chat.is_installed():
            raise SettingsError(f"target.{name}.chat needs Apprise: pip install 'opentrail[chat]'")
        sender = ChatTarget(name, settings.chat)
        on_close(sender.close)
        return sender
    assert mail is not None
    return MailboxTarget(settings.email, mail)


def _installation(settings: TargetSettings) -> InstallationEndpoint:
    return InstallationEndpoint(
        url=settings.opentrail,
        region=settings.region,
        access_key_id=settings.access_key_id,
        secret_access_key=settings.secret_access_key,
        log_group=settings.log_group,
        ca_bundle=settings.ca_bundle,
    )
