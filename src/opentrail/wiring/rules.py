"""Rules and alarms at work: the reader that matches events, the alarms, and the delivery to what either sets off."""

from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack

from opentrail.adapters.targets.aws import SERVICES, AwsTargets, TargetEndpoint
from opentrail.adapters.targets.kinds import TargetKinds
from opentrail.pipeline.alarms import LiveAlarms
from opentrail.pipeline.invocation_delivery import InvocationDelivery
from opentrail.pipeline.metric_filters import MetricFilters
from opentrail.pipeline.own_buses import OwnBuses
from opentrail.pipeline.rules import RulesReader
from opentrail.ports.targets import Targets
from opentrail.settings import Settings
from opentrail.wiring.installation import Installation


class Rules:
    """The reader, the alarms and the delivery, joined."""

    def __init__(self, installation: Installation, upstream_url: str, owner_key: Mapping[str, str]) -> None:
        self._closing = ExitStack()
        aws = {service: self._sender(service, installation.settings, upstream_url, owner_key) for service in SERVICES}
        own = OwnBuses(installation.journal, installation.event_rules)
        senders: dict[str, Targets] = {**aws, "events": own}
        waiting: Counter[str] = Counter()
        self.delivery = InvocationDelivery(installation.invocations, TargetKinds(senders), installation.clock, waiting)
        self.reader = RulesReader(
            installation.journal,
            installation.invocations,
            installation.event_rules,
            installation.clock,
            waiting,
            self.delivery.wake,
        )
        self.alarms = LiveAlarms(
            installation.alarms,
            installation.metrics,
            installation.clock,
            installation.identifiers,
            waiting,
            self.delivery.wake,
        )
        self.metric_filters = MetricFilters(
            installation.log_groups, installation.log_store, installation.metrics, installation.clock
        )

    def _sender(self, service: str, settings: Settings, upstream_url: str, owner_key: Mapping[str, str]) -> AwsTargets:
        url = settings.service_urls(upstream_url).get(service, upstream_url)
        endpoint = TargetEndpoint(
            url=url,
            access_key_id=settings.upstream__access_key_id or owner_key["access_key_id"],
            secret_access_key=settings.upstream__secret_access_key or owner_key["secret_access_key"],
            ca_bundle=settings.upstream__ca_bundle,
        )
        sender = AwsTargets(service, endpoint if url else None)
        self._closing.callback(sender.close)
        return sender

    def close(self) -> None:
        """Let the senders' threads go."""
        self._closing.close()
