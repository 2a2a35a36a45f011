"""Values that are valid by default, so that a test names only what it is about; and a world of in-memory ports."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from opentrail.adapters.key_names.own import OwnKeyNames
from opentrail.adapters.key_ring.local import LocalKeyRing
from opentrail.arn import root_arn, trail_arn
from opentrail.aws.service import ApiPorts, Call, Outcome
from opentrail.event import Event
from opentrail.http_message import HttpRequest
from opentrail.identity import Credential, Principal, PrincipalType, Role, User
from opentrail.pipeline.alarms import LiveAlarms
from opentrail.pipeline.channel_statuses import ChannelStatuses
from opentrail.pipeline.imports import Imports
from opentrail.pipeline.lake_delivery import LakeDelivery
from opentrail.pipeline.metric_filters import MetricFilters
from opentrail.ports.archives import Archive
from opentrail.ports.journal import SettingsEntry
from opentrail.ports.log_keys import LogDataKeys
from opentrail.protocol import Operation
from opentrail.query.lake_queries import LakeQueries
from opentrail.query.log_queries import LogQueries
from opentrail.query.log_result_keys import LogResultKeys
from opentrail.query.result_delivery import ResultDelivery
from opentrail.resource.key import Key, KeyAlias
from opentrail.resource.lake_query import LakeQuery
from opentrail.resource.log_query import LogQuery
from opentrail.resource.organization import Account, Organization
from opentrail.resource.trail import Trail
from tests.memory.alarms import InMemoryAlarms
from tests.memory.api_destinations import InMemoryApiDestinations, InMemoryConnections
from tests.memory.archives import InMemoryArchives
from tests.memory.delegation import InMemoryDelegation
from tests.memory.delivery_log import InMemoryDeliveryLog
from tests.memory.event_archives import InMemoryEventArchives, InMemoryEventReplays
from tests.memory.event_data_stores import InMemoryEventDataStores
from tests.memory.event_history import InMemoryEventHistory
from tests.memory.event_rules import InMemoryEventRules
from tests.memory.identity_store import InMemoryIdentityStore
from tests.memory.imports import InMemoryImportLog, InMemoryLakeAppender, InMemoryLogSource
from tests.memory.journal import InMemoryJournal
from tests.memory.key_store import InMemoryKeyStore
from tests.memory.lake_table import InMemoryLakeTables
from tests.memory.log_groups import InMemoryLogGroups
from tests.memory.log_policies import InMemoryLogPolicies
from tests.memory.log_store import InMemoryLogRows, InMemoryLogStore
from tests.memory.metric_store import InMemoryMetricStore
from tests.memory.object_store import InMemoryObjectStore, InMemoryObjectStores
from tests.memory.query_definitions import InMemoryQueryDefinitions
from tests.memory.query_engine import InMemoryQueryEngine, InMemoryQueryLog
from tests.memory.signer import InMemorySigner
from tests.memory.topic_store import InMemoryTopicStore
from tests.memory.topics import InMemoryTopics
from tests.memory.trail_store import InMemoryTrailStore

ACCOUNT = "123456789012"
REGION = "us-east-1"
MANAGEMENT, AUDIT, DEV = ACCOUNT, "222222222222", "333333333333"
"""The accounts of ``an_organization``."""
NOON = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)


class HandClock:
    """A clock that a test turns by hand."""

    def __init__(self, now: datetime = NOON) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


class CountedIdentifiers:
    """Identifiers that count up, so that two runs of a test see the same ones."""

    def __init__(self) -> None:
        self._count = 0

    def uuid(self) -> str:
        self._count += 1
        return f"00000000-0000-4000-8000-{self._count:012d}"

    def token(self, length: int, alphabet: str) -> str:
        self._count += 1
        digits, number = "", self._count
        while number:
            number, digit = divmod(number, len(alphabet))
            digits = alphabet[digit] + digits
        return digits.rjust(length, alphabet[0])[-length:]


def a_root(account_id: str = ACCOUNT) -> Principal:
    return Principal(PrincipalType.ROOT, account_id, root_arn(account_id), account_id)


def a_user_principal(name: str = "anaya", account_id: str = ACCOUNT) -> Principal:
    return Principal(
        PrincipalType.IAM_USER,
        f"AIDA{name.upper():X<16}",
        f"arn:aws:iam::{account_id}:user/{name}",
        account_id,
        user_name=name,
    )


def a_user(name: str = "anaya", account_id: str = ACCOUNT, **policies: str) -> User:
    principal = a_user_principal(name, account_id)
    return User(account_id, name, principal.principal_id, principal.arn, "/", NOON, policies)


def a_role(name: str = "auditor", trust_policy: str = "", account_id: str = ACCOUNT, **policies: str) -> Role:
    return Role(
        account_id,
        name,
        f"AROA{name.upper():X<16}",
        f"arn:aws:iam::{account_id}:role/{name}",
        "/",
        NOON,
        trust_policy,
        policies,
    )


def a_credential(principal: Principal | None = None, key: str = "AKIAIOSFODNN7EXAMPLE", **changes: Any) -> Credential:
    return Credential(key, "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", principal or a_root(), **changes)


def a_trail(name: str = "main", *, region: str = REGION, account_id: str = ACCOUNT, **changes: Any) -> Trail:
    values: dict[str, Any] = {
        "arn": trail_arn(region, account_id, name),
        "name": name,
        "account_id": account_id,
        "home_region": region,
        "s3_bucket_name": "logs",
        "created_at": NOON,
    }
    return Trail(**(values | changes))


TRAILS_KEY_POLICY = """{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:GenerateDataKey*",
"Principal": {"Service": "cloudtrail.amazonaws.com"}, "Resource": "*", "Condition": {"StringLike":
{"kms:EncryptionContext:aws:cloudtrail:arn": "arn:aws:cloudtrail:*:123456789012:trail/*"}}}]}"""
"""A key policy that lets CloudTrail encrypt the deliveries of the account's trails, and nobody anything else."""


OTHERS_KEY_POLICY = TRAILS_KEY_POLICY.replace("trail/*", "trail/another")
"""A key policy that lets CloudTrail encrypt the deliveries of another trail only."""


def a_key(
    key_id: str = "11111111-2222-4333-8444-555555555555",
    *,
    region: str = REGION,
    account_id: str = ACCOUNT,
    policy: str = TRAILS_KEY_POLICY,
) -> Key:
    return Key(key_id, account_id, region, NOON, policy)


def an_organization(*members: str, management: str = MANAGEMENT, delegated: tuple[str, ...] = (AUDIT,)) -> Organization:
    """The organization of MANAGEMENT with AUDIT, its delegated administrator, and DEV, or with other members."""
    named = members or (f"{AUDIT} Log Archive <audit@example.com>", DEV)
    accounts = tuple(account for account in map(Account.parse, named) if account.account_id != management)
    found = {account.account_id for account in accounts}
    administrators = tuple(account for account in delegated if account in found)
    return Organization.of("o-exampleorgid", Account(management, "Root", "root@example.com"), accounts, administrators)


def an_event(name: str = "CreateUser", **changes: Any) -> Event:
    """A management event of an IAM user; ``changes`` replace whole members."""
    event: Event = {
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "IAMUser",
            "principalId": "AIDAANAYAXXXXXXXXXXX",
            "arn": f"arn:aws:iam::{ACCOUNT}:user/anaya",
            "accountId": ACCOUNT,
            "accessKeyId": "AKIAIOSFODNN7EXAMPLE",
            "userName": "anaya",
        },
        "eventTime": "2026-11-20T12:00:00Z",
        "eventSource": "iam.amazonaws.com",
        "eventName": name,
        "awsRegion": REGION,
        "sourceIPAddress": "192.0.2.10",
        "userAgent": "aws-cli/1.46.2",
        "requestParameters": {"userName": "bob"},
        "responseElements": None,
        "requestID": "11111111-2222-4333-8444-555555555555",
        "eventID": "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee",
        "readOnly": False,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": ACCOUNT,
        "eventCategory": "Management",
    }
    return event | changes


def an_archive(name: str = "logs", region: str = REGION, account_id: str = ACCOUNT) -> Archive:
    return Archive(name, region, account_id, NOON)


def a_request(
    method: str = "POST", target: str = "/", body: bytes = b"", headers: Mapping[str, str] | None = None
) -> HttpRequest:
    header_list = tuple(({"Host": "127.0.0.1:4701"} | dict(headers or {})).items())
    return HttpRequest(method, target, header_list, body, "127.0.0.1", len(body))


@dataclass
class World:
    """In-memory ports around one account, one bucket ``logs`` (an archive of that name too) and a hand-turned clock."""

    clock: HandClock = field(default_factory=HandClock)
    journal: InMemoryJournal = field(default_factory=InMemoryJournal)
    delivery_log: InMemoryDeliveryLog = field(default_factory=InMemoryDeliveryLog)
    identities: InMemoryIdentityStore = field(default_factory=InMemoryIdentityStore)
    history: InMemoryEventHistory = field(default_factory=InMemoryEventHistory)
    signer: InMemorySigner = field(default_factory=InMemorySigner)
    identifiers: CountedIdentifiers = field(default_factory=CountedIdentifiers)
    archives: InMemoryArchives = field(default_factory=lambda: InMemoryArchives(an_archive()))
    topics: InMemoryTopics = field(default_factory=InMemoryTopics)
    organization: Organization | None = None

    def __post_init__(self) -> None:
        self.archives.follow(self.clock.now)
        self.delegation = InMemoryDelegation(self.organization)
        self.event_data_stores = InMemoryEventDataStores()
        self.log_groups, self.log_store = InMemoryLogGroups(), InMemoryLogStore()
        self.query_definitions, self.log_policies = InMemoryQueryDefinitions(), InMemoryLogPolicies()
        self.metrics = InMemoryMetricStore()
        self.waiting: Counter[str] = Counter()
        self.alarm_store = InMemoryAlarms()
        self.alarms = LiveAlarms(
            self.alarm_store, self.metrics, self.clock, self.identifiers, self.waiting, lambda destinations: None
        )
        self.metrics.watch(self.alarms.wake)
        self.metric_filters = MetricFilters(self.log_groups, self.log_store, self.metrics, self.clock)
        self.log_store.watch(self.metric_filters.wake)
        self.event_rules = InMemoryEventRules()
        self.topic_store = InMemoryTopicStore()
        self.event_archives, self.event_replays = InMemoryEventArchives(), InMemoryEventReplays()
        self.connections, self.api_destinations = InMemoryConnections(), InMemoryApiDestinations()
        self.trails = InMemoryTrailStore(self.delivery_log, self.event_data_stores, self.event_rules, self.topic_store)
        self.tables = InMemoryLakeTables()
        self.lake = LakeDelivery(self.journal, self.event_data_stores, self.tables, self.clock)
        self.query_engine = InMemoryQueryEngine()
        self.query_log = InMemoryQueryLog(LakeQuery.from_json)
        self.log_sources: dict[str, InMemoryLogSource] = {}
        self.imported = InMemoryLakeAppender()
        self.imports = Imports(
            InMemoryImportLog(),
            self.event_data_stores,
            lambda source, selection: self.log_sources[source.uri],
            self.imported,
            self.clock,
            self.identifiers,
        )
        self.keys = InMemoryKeyStore(self.clock)
        self.key_ring = LocalKeyRing(self.keys)
        self.bucket: InMemoryObjectStore = self.archives.stores["logs"]
        object_stores = InMemoryObjectStores(self.bucket)
        self.queries = LakeQueries(
            self.query_log,
            self.query_engine,
            self.lake,
            self.clock,
            self.identifiers,
            delivery=ResultDelivery(object_stores, self.signer, first_pause_seconds=0),
        )
        self.log_query_engine = InMemoryQueryEngine()
        self.log_queries = LogQueries(
            InMemoryQueryLog(LogQuery.from_json),
            self.log_query_engine,
            self.log_groups,
            InMemoryLogRows(),
            self.clock,
            self.identifiers,
            LogResultKeys(self.log_groups, LogDataKeys(self.key_ring)),
        )
        self.ports = ApiPorts(
            trails=self.trails,
            event_data_stores=self.event_data_stores,
            event_rules=self.event_rules,
            lake=self.lake,
            queries=self.queries,
            imports=self.imports,
            channel_statuses=ChannelStatuses(),
            identities=self.identities,
            delivery_log=self.delivery_log,
            object_stores=object_stores,
            archives=self.archives,
            signer=self.signer,
            history=self.history,
            topics=self.topics,
            topic_store=self.topic_store,
            connections=self.connections,
            api_destinations=self.api_destinations,
            event_archives=self.event_archives,
            event_replays=self.event_replays,
            keys=self.keys,
            key_ring=self.key_ring,
            key_names=OwnKeyNames(self.key_ring),
            log_groups=self.log_groups,
            log_store=self.log_store,
            log_queries=self.log_queries,
            query_definitions=self.query_definitions,
            log_policies=self.log_policies,
            metrics=self.metrics,
            alarms=self.alarms,
            clock=self.clock,
            identifiers=self.identifiers,
            delegation=self.delegation,
        )

    def call(
        self,
        operation: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        service: str = "cloudtrail",
        region: str = REGION,
        credential: Credential | None = None,
    ) -> Call:
        return Call(
            Operation(service, operation),
            dict(parameters or {}),
            credential or a_credential(),
            region,
            self.clock.now(),
            a_request(),
        )

    async def put_trail(self, trail: Trail) -> None:
        """Have a trail there, as if it had been made by a call."""
        await self.carry_out(Outcome(settings=(SettingsEntry(trail.arn, trail.to_json()),)))

    async def add_key(self, key: Key, *aliases: str) -> None:
        """Have a key there, with aliases (``alias/NAME``)."""
        await self.keys.add(key, bytes(32))
        for name in aliases:
            await self.keys.add_alias(KeyAlias(name, key.account_id, key.region, key.key_id, NOON, NOON))

    async def carry_out(self, outcome: Outcome) -> None:
        """Do what the server does with an outcome, without a record."""
        if outcome.before is not None:
            await outcome.before()
        for entry in outcome.settings:
            await self.trails.apply(await self.journal.append([entry]), entry)
        if outcome.after is not None:
            await outcome.after()
