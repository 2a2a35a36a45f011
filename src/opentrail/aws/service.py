"""What a service of ours is made of: calls come in, outcomes go out; ports are handed to every handler.

A handler is one operation in snake case. It reads or plans: what an outcome changes is carried out by the server, in
the order that keeps the record true.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from opentrail.aws.common_errors import ValidationFailed
from opentrail.clock import Clock, Identifiers
from opentrail.errors import AwsError
from opentrail.http_message import HttpRequest
from opentrail.identity import Credential, Principal
from opentrail.pipeline.alarms import LiveAlarms
from opentrail.pipeline.channel_statuses import ChannelStatuses
from opentrail.pipeline.imports import Imports
from opentrail.ports.api_destinations import ApiDestinations, Connections
from opentrail.ports.archives import Archives
from opentrail.ports.delegation import Delegation
from opentrail.ports.delivery_log import DeliveryLog
from opentrail.ports.event_archives import EventArchiveStore, EventReplays
from opentrail.ports.event_data_stores import EventDataStores
from opentrail.ports.event_history import EventHistory
from opentrail.ports.event_rules import EventRules
from opentrail.ports.identity_store import IdentityStore
from opentrail.ports.journal import EventEntry, EventsEntry, SettingsEntry
from opentrail.ports.key_names import KeyNames
from opentrail.ports.key_ring import KeyRing
from opentrail.ports.key_store import KeyStore
from opentrail.ports.lake_table import Lake
from opentrail.ports.log_groups import LogGroups
from opentrail.ports.log_policies import LogPolicies
from opentrail.ports.log_store import LogStore
from opentrail.ports.metric_store import MetricStore
from opentrail.ports.notices import Topics
from opentrail.ports.object_store import ObjectStores
from opentrail.ports.query_definitions import QueryDefinitions
from opentrail.ports.signer import Signer
from opentrail.ports.topic_store import TopicStore
from opentrail.ports.trail_store import TrailStore
from opentrail.protocol import Operation, Parameters
from opentrail.query.lake_queries import LakeQueries
from opentrail.query.log_queries import LogQueries
from opentrail.query.replay.replays import Replays
from opentrail.resource.named_target import NamedTargets
from opentrail.resource.organization import Organization

Effect = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class ApiPorts:
    """Everything that handlers may ask of the world."""

    trails: TrailStore
    event_data_stores: EventDataStores
    event_rules: EventRules
    lake: Lake
    queries: LakeQueries
    imports: Imports
    channel_statuses: ChannelStatuses
    identities: IdentityStore
    delivery_log: DeliveryLog
    object_stores: ObjectStores
    archives: Archives
    signer: Signer
    history: EventHistory
    topics: Topics
    topic_store: TopicStore
    connections: Connections
    api_destinations: ApiDestinations
    event_archives: EventArchiveStore
    event_replays: EventReplays
    keys: KeyStore
    key_ring: KeyRing
    key_names: KeyNames
    log_groups: LogGroups
    log_store: LogStore
    log_queries: LogQueries
    query_definitions: QueryDefinitions
    log_policies: LogPolicies
    metrics: MetricStore
    alarms: LiveAlarms
    clock: Clock
    identifiers: Identifiers
    delegation: Delegation
    replays: Replays | None = None
    named_targets: NamedTargets = field(default_factory=NamedTargets)
    """The targets that the settings name, so that rules and subscriptions can."""

    sends_mail: bool = False
    """Whether the settings name a mail server, so that subscriptions can be to e-mail addresses."""

    owns_log_groups: bool = True
    """Whether log groups are ours, so that trails can deliver to them; else they are those of ``upstream.logs``."""

    @property
    def organization(self) -> Organization | None:
        """The organization with its delegated administrators, None when there is none."""
        return self.delegation.organization


@dataclass(frozen=True, slots=True)
class Call:
    """One call whose signature held: who calls what, where and with which parameters.

    ``region`` is the signing scope's Region, ``received_at`` the server's time when the request was complete.
    ``resolved`` holds what ``Handler.prepare`` found out, by the parameter that it is about.
    """

    operation: Operation
    parameters: Parameters
    credential: Credential
    region: str
    received_at: datetime
    request: HttpRequest
    resolved: Mapping[str, str] = field(default_factory=dict)

    @property
    def caller(self) -> Principal:
        return self.credential.principal

    @property
    def account_id(self) -> str:
        return self.credential.principal.account_id


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a call answers, and what it changes.

    ``settings`` go to the journal together with the call's event: after the event when ``weakens_record`` is set, so
    that the call is on record before it takes effect, else before it. ``events`` are what the call hands in besides
    its own event, stored in the same transaction. ``before`` runs ahead of the journal and must be
    harmless if the call fails there; ``after`` runs once the call is on record. ``notes`` are what Opentrail has to say
    of the call in its event, in ``additionalEventData.opentrail``.
    """

    output: Parameters = field(default_factory=dict)
    http_status: int = 200
    settings: tuple[SettingsEntry, ...] = ()
    events: tuple[EventEntry | EventsEntry, ...] = ()
    weakens_record: bool = False
    before: Effect | None = None
    after: Effect | None = None
    notes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Requirement:
    """One permission that a call needs: an IAM action on a resource's ARN ("*" for none in particular)."""

    action: str
    resource: str
    context: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Handler:
    """How one operation is answered.

    ``check`` judges raw parameters ahead of the model's own constraints, for operations that document an error of their
    own for them. ``keeps_constraints`` may say True of parameters that the model's constraints certainly allow, for
    calls so large that asking the model takes long. ``prepare`` does what needs the network, before the lock that
    ``is_change`` asks for, and returns the call to run.
    """

    run: Callable[[ApiPorts, Call], Awaitable[Outcome]]
    is_change: bool = False
    prepare: Callable[[ApiPorts, Call], Awaitable[Call]] | None = None
    check: Callable[[Parameters], None] | None = None
    keeps_constraints: Callable[[Parameters], bool] | None = None


@dataclass(frozen=True, slots=True)
class Service:
    """One AWS service: botocore's name for it, its handlers by operation name, and what each call must be allowed.

    ``invalid_parameters`` makes the error for parameters that break the model's constraints, of the sentence that
    tells which, for services that do not answer ValidationException. ``own_resource_policy`` tells the policy of a
    resource of the caller's own account ("" for none), for services whose resources have them: it can let a principal
    in whose own policies say nothing, and shut one out.
    """

    name: str
    handlers: Mapping[str, Handler]
    requirements: Callable[[Call], tuple[Requirement, ...]]
    invalid_parameters: Callable[[str], AwsError] = ValidationFailed
    own_resource_policy: "Callable[[ApiPorts, Call, Requirement], Awaitable[str]] | None" = None
