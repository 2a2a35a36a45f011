"""Rules and alarms at work: the reader that matches events, the alarms, and the delivery to what either sets off."""

from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack

from opentrail.adapters.targets.api_destinations import ApiDestinationTargets
from opentrail.adapters.targets.aws import SERVICES, AwsTargets, TargetEndpoint
from opentrail.adapters.targets.kinds import TargetKinds
from opentrail.adapters.targets.mail import Mail
from opentrail.adapters.targets.message_signer import MessageSigner
from opentrail.adapters.targets.oauth_tokens import OAuthTokens
from opentrail.adapters.targets.own_events import OwnEvents
from opentrail.adapters.targets.queues import QueueTargets
from opentrail.adapters.targets.subscriptions import SubscriptionTargets
from opentrail.arn import Arn
from opentrail.home import write_private
from opentrail.outgoing.guard import CredentialGuard, Guard
from opentrail.pipeline.alarms import LiveAlarms
from opentrail.pipeline.connection_authorization import ConnectionAuthorization
from opentrail.pipeline.event_replays import ReplayWorker
from opentrail.pipeline.invocation_delivery import InvocationDelivery
from opentrail.pipeline.log_subscriptions import SubscribedLogStore
from opentrail.pipeline.metric_filters import MetricFilters
from opentrail.pipeline.own_buses import OwnBuses
from opentrail.pipeline.own_event_archives import EventArchiveUpkeep, OwnEventArchives
from opentrail.pipeline.own_log_groups import OwnLogGroups
from opentrail.pipeline.own_topics import OwnTopics
from opentrail.pipeline.rules import RulesReader
from opentrail.pipeline.sealed_messages import SealedMessages
from opentrail.ports.log_keys import LogDataKeys
from opentrail.ports.targets import Targets
from opentrail.resource.named_target import NAMED_SERVICE
from opentrail.settings import Settings
from opentrail.wiring.installation import Installation
from opentrail.wiring.interpreter import freeze_loaded_objects
from opentrail.wiring.named_targets import open_mail, open_named_targets

_ALIASES = {"states": "stepfunctions"}
"""botocore's names of services that ARNs call otherwise."""


class Rules:
    """The reader, the alarms and the delivery, joined. ``api_url`` is set once the API listens."""

    api_url = ""

    def __init__(self, installation: Installation, upstream_url: str, owner_key: Mapping[str, str]) -> None:
        self._closing = ExitStack()
        self._aws = {
            service: self._sender(service, installation.settings, upstream_url, owner_key) for service in SERVICES
        }
        self.message_signer = MessageSigner(
            installation.home.topic_key_file, installation.clock, installation.home.sealer(), write_private
        )
        settings, clock = installation.settings, installation.clock
        mail = open_mail(settings, clock, self._closing.callback)
        senders: dict[str, Targets] = {
            **self._aws,
            NAMED_SERVICE: open_named_targets(settings, mail, clock, self._closing.callback),
            "events": OwnEvents(
                self._buses(installation),
                self._api(installation),
                OwnEventArchives(installation.event_rules, installation.event_archives, clock),
            ),
            "logs": OwnLogGroups(
                installation.log_groups, installation.log_store, installation.clock, installation.identifiers
            ),
        }
        senders["sns"] = self._topics(installation, senders[NAMED_SERVICE], mail)
        waiting: Counter[str] = Counter()
        self.targets = TargetKinds(senders)
        sealing = SealedMessages(LogDataKeys(installation.key_ring))
        self.delivery = InvocationDelivery(
            installation.invocations, self.targets, installation.clock, waiting, opened=sealing.opened
        )
        self.log_store = SubscribedLogStore(
            installation.log_store,
            installation.log_groups,
            installation.invocations,
            installation.clock,
            waiting,
            self.delivery.wake,
            sealing,
        )
        self.reader = RulesReader(
            installation.journal,
            installation.invocations,
            installation.event_rules,
            installation.clock,
            waiting,
            self.delivery.wake,
            installation.topic_store,
            self.delivery.is_failing,
            freeze_loaded_objects,
            self._prepare,
        )
        self.replays = ReplayWorker(
            installation.event_replays,
            installation.event_archives,
            installation.event_rules,
            installation.invocations,
            installation.clock,
            waiting,
            self.delivery.wake,
        )
        self.archive_upkeep = EventArchiveUpkeep(
            installation.event_rules, installation.event_archives, installation.event_replays, installation.clock
        )
        self.alarms = LiveAlarms(
            installation.alarms,
            installation.metrics,
            installation.clock,
            installation.identifiers,
            waiting,
            self.delivery.wake,
            self._prepare,
        )
        self.delivery.on_ended = self.alarms.note_action
        self.metric_filters = MetricFilters(
            installation.log_groups, installation.log_store, installation.metrics, installation.clock
        )

    def _prepare(self, destination: str) -> None:
        """Make ready what sends to a queue, a function or a stream; topics are our own, as a rule."""
        try:
            service = Arn.parse(destination).service
        except ValueError:
            return  # a web server's or a mailbox's address
        if service in self._aws and service != "sns":
            self._aws[service].prepare(destination)

    def _buses(self, installation: Installation) -> OwnBuses:
        return OwnBuses(installation.journal, installation.event_rules, installation.settings.organization())

    def _api(self, installation: Installation) -> ApiDestinationTargets:
        guard = CredentialGuard(installation.settings.outgoing__allow)
        tokens = OAuthTokens(installation.connections, guard)
        self.authorization = ConnectionAuthorization(installation.connections, tokens, installation.clock)
        return ApiDestinationTargets(
            installation.api_destinations, installation.connections, tokens, guard, installation.clock
        )

    def _topics(self, installation: Installation, named: Targets, mail: Mail | None) -> OwnTopics:
        settings = installation.settings
        subscriptions = SubscriptionTargets(
            self._aws["sqs"],
            self._aws["lambda"],
            named,
            self.message_signer,
            Guard(settings.outgoing__allow),
            lambda: settings.topics__url or self.api_url,
            mail,
        )
        return OwnTopics(
            installation.journal,
            installation.topic_store,
            subscriptions,
            self._aws["sns"],
            installation.clock,
            is_upstream="sns" in settings.upstream_services,
        )

    def _sender(self, service: str, settings: Settings, upstream_url: str, owner_key: Mapping[str, str]) -> AwsTargets:
        urls = settings.service_urls(upstream_url)
        url = urls.get(service, urls.get(_ALIASES.get(service, ""), upstream_url))
        endpoint = TargetEndpoint(
            url=url,
            access_key_id=settings.upstream__access_key_id or owner_key["access_key_id"],
            secret_access_key=settings.upstream__secret_access_key or owner_key["secret_access_key"],
            ca_bundle=settings.upstream__ca_bundle,
        )
        made = endpoint if url else None
        sender = QueueTargets(made) if service == "sqs" else AwsTargets(service, made)
        self._closing.callback(sender.close)
        return sender

    def close(self) -> None:
        """Let the senders' threads go."""
        self._closing.close()
