"""Each usual fault, made in an installation that has no other: the doctor finds exactly it and says what to type."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from opentrail.admin.doctor.destinations import Destinations
from opentrail.admin.doctor.doctor import Doctor
from opentrail.admin.doctor.event_data_stores import StoreChecks
from opentrail.admin.doctor.findings import Fault, Finding
from opentrail.admin.doctor.progress import Progress
from opentrail.admin.doctor.targets import TargetChecks
from opentrail.identity import Role
from opentrail.pipeline.invocation_delivery import TargetHealth
from opentrail.ports import Unavailable
from opentrail.ports.host import DiskSpace
from opentrail.ports.journal import Position, SettingsEntry
from opentrail.ports.lake_keys import KeyRingStoreKeys, new_data_key
from opentrail.ports.object_store import AccessRefused, BucketNotFound
from opentrail.resource.archive import Archive
from opentrail.resource.event_data_store import EventDataStore
from opentrail.resource.key import KeyState
from opentrail.resource.trail import Trail
from tests.builders import ACCOUNT, NOON, REGION, a_key
from tests.memory.archives import InMemoryArchives
from tests.memory.attestation_log import InMemoryAttestationLog
from tests.memory.event_data_stores import InMemoryEventDataStores
from tests.memory.identity_store import InMemoryIdentityStore
from tests.memory.key_ring import InMemoryKeyRing
from tests.memory.object_store import InMemoryObjectStores
from tests.memory.topics import InMemoryTopics
from tests.support.delivery import HOUR, MINUTE, DeliveryWorld

GB = 10**9
TRUST = """{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
"Principal": {"Service": "%s.amazonaws.com"}}]}"""
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/deliver"
STORE_ARN = f"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:eventdatastore/6f9b1e1a-0000-4000-8000-000000000001"
TOPIC_ARN = f"arn:aws:sns:us-east-1:{ACCOUNT}:files"
DATA_ONLY = {
    "ReadWriteType": "All",
    "IncludeManagementEvents": False,
    "DataResources": [{"Type": "AWS::S3::Object", "Values": ["arn:aws:s3"]}],
    "ExcludeManagementEventSources": [],
}


class SomeHost:
    """A machine whose disk and peers a test sets."""

    def __init__(self, world: DeliveryWorld) -> None:
        self.space = DiskSpace(50 * GB, 100 * GB, 9_000, 10_000)
        self.skew = timedelta(0)
        self.is_down = False
        self._world = world

    async def disk(self) -> DiskSpace:
        return self.space

    async def peer_time(self, url: str) -> datetime | None:
        if self.is_down:
            raise Unavailable(f"{url} does not answer")
        return self._world.clock.now() + self.skew


class Clinic:
    """An installation where nothing is wrong: one multi-Region trail that logs and is validated, its file delivered."""

    def __init__(self) -> None:
        self.world = DeliveryWorld()
        self.host = SomeHost(self.world)
        self.archives = InMemoryArchives()
        self.key_ring = InMemoryKeyRing()
        self.identities = InMemoryIdentityStore(self.world.clock)
        self.topics = InMemoryTopics(TOPIC_ARN)
        self.stores = InMemoryEventDataStores()
        self.journal_max_bytes = 10 * GB
        self.lag_seconds = 0.0
        self.witnesses: dict[str, timedelta] = {}
        self.health: dict[str, TargetHealth] = {}
        self.is_program_there = True

    async def open(self) -> "Clinic":
        self.trail = await self.world.start(is_multi_region=True)
        await self.world.tick()
        await self.world.record(3)
        await self.world.pass_time(2 * HOUR, step=5 * MINUTE)
        return self

    async def change(self, **changes: Any) -> Trail:
        self.trail = await self.world.settle(replace(self.trail, **changes))
        await self.world.tick()
        return self.trail

    async def examine(self, *, has_upstream: bool = True) -> list[Finding]:
        destinations = Destinations(
            InMemoryObjectStores(self.world.bucket),
            self.archives,
            self.key_ring,
            self.identities,
            self.topics,
            has_upstream,
        )
        progress = Progress(
            self.world.journal,
            self.world.log,
            InMemoryAttestationLog(self.world.log),
            timedelta(minutes=5),
            HOUR,
            self.journal_max_bytes,
            self.witnesses,
            lambda _: self.lag_seconds,
        )
        endpoints = {"upstream.url": "http://127.0.0.1:9000"}
        targets = TargetChecks({"react": "/bin/react"}, lambda _: self.is_program_there, lambda: self.health)
        stores = StoreChecks(ACCOUNT, self.stores, KeyRingStoreKeys(self.key_ring))
        clock = self.world.clock
        trails = self.world.trails
        doctor = Doctor(ACCOUNT, REGION, trails, destinations, progress, stores, self.host, clock, endpoints, targets)
        return await doctor.findings()

    def use_archive(self) -> None:
        self.archives.create(Archive("logs", REGION, ACCOUNT, NOON))

    async def use_key(self) -> str:
        key = a_key()
        self.key_ring.add(key)
        await self.change(kms_key_id=key.arn)
        return key.arn

    async def use_store_key(self) -> str:
        key = a_key()
        self.key_ring.add(key)
        sealed = await new_data_key(self.key_ring, key.arn, STORE_ARN)
        store = EventDataStore(STORE_ARN, "audit", ACCOUNT, REGION, NOON, NOON)
        store = replace(store, kms_key_id=key.arn, sealed_data_key=sealed)
        self.stores.apply(Position("1"), SettingsEntry(store.arn, store.to_json()))
        return key.arn

    async def use_role(self, service: str) -> None:
        role = Role(ACCOUNT, "deliver", "AROAEXAMPLE", ROLE_ARN, "/", NOON, TRUST % service, {})
        await self.identities.create_role(role)
        await self.change(cloud_watch_logs_role_arn=ROLE_ARN)


@pytest.fixture
async def clinic() -> Clinic:
    return await Clinic().open()


async def test_nothing_is_found_where_nothing_is_wrong(clinic: Clinic) -> None:
    clinic.use_archive()
    await clinic.use_key()
    await clinic.use_store_key()
    await clinic.use_role("cloudtrail")
    await clinic.change(sns_topic_arn=TOPIC_ARN)
    clinic.witnesses = {"vault": timedelta(days=1)}

    assert await clinic.examine() == []


async def no_trail(clinic: Clinic) -> None:
    await clinic.world.delete(clinic.trail)


async def logging_stopped(clinic: Clinic) -> None:
    await clinic.world.stop_logging(clinic.trail)


async def selects_nothing(clinic: Clinic) -> None:
    await clinic.change(event_selectors=({**DATA_ONLY, "DataResources": []},))


async def contradicts_itself(clinic: Clinic) -> None:
    fields = [
        {"Field": "eventCategory", "Equals": ["Management"]},
        {"Field": "eventSource", "Equals": ["kms.amazonaws.com"], "NotEquals": ["kms.amazonaws.com"]},
    ]
    await clinic.change(event_selectors=(), advanced_event_selectors=({"FieldSelectors": fields},))


async def no_validation(clinic: Clinic) -> None:
    await clinic.change(is_log_file_validation_enabled=False)


async def region_not_covered(clinic: Clinic) -> None:
    await clinic.change(is_multi_region=False)
    await clinic.world.enable_regions("eu-west-1", REGION)


async def global_events_excluded(clinic: Clinic) -> None:
    await clinic.change(includes_global_service_events=False)


async def only_data_events(clinic: Clinic) -> None:
    await clinic.change(event_selectors=(DATA_ONLY,))


async def bucket_missing(clinic: Clinic) -> None:
    clinic.world.bucket.failure = BucketNotFound("logs")


async def bucket_policy(clinic: Clinic) -> None:
    clinic.world.bucket.failure = AccessRefused("AccessDenied", "the policy of logs does not let CloudTrail deliver")


async def bucket_silent(clinic: Clinic) -> None:
    clinic.world.bucket.failure = Unavailable("timed out")


async def key_missing(clinic: Clinic) -> None:
    clinic.use_archive()
    clinic.key_ring.remove(await clinic.use_key())


async def key_disabled(clinic: Clinic) -> None:
    clinic.use_archive()
    clinic.key_ring.set_state(await clinic.use_key(), KeyState.DISABLED)


async def key_policy(clinic: Clinic) -> None:
    clinic.use_archive()
    clinic.key_ring.refused.add(await clinic.use_key())


async def key_of_a_store_missing(clinic: Clinic) -> None:
    clinic.key_ring.remove(await clinic.use_store_key())


async def key_of_a_store_disabled(clinic: Clinic) -> None:
    clinic.key_ring.set_state(await clinic.use_store_key(), KeyState.DISABLED)


async def key_policy_of_a_store(clinic: Clinic) -> None:
    clinic.key_ring.refused.add(await clinic.use_store_key())


async def key_of_the_upstream_disabled(clinic: Clinic) -> None:
    clinic.world.bucket.failure = AccessRefused("KMS.DisabledException", "the key is disabled")


async def key_policy_of_the_upstream(clinic: Clinic) -> None:
    clinic.world.bucket.failure = AccessRefused("KMS.AccessDeniedException", "the key policy says no")


async def role_missing(clinic: Clinic) -> None:
    await clinic.change(cloud_watch_logs_role_arn=ROLE_ARN)


async def role_trusts_another(clinic: Clinic) -> None:
    await clinic.use_role("ec2")


async def topic_missing(clinic: Clinic) -> None:
    await clinic.change(sns_topic_arn=TOPIC_ARN + "-gone")


async def topic_policy(clinic: Clinic) -> None:
    clinic.topics.refusing.add(TOPIC_ARN)
    await clinic.change(sns_topic_arn=TOPIC_ARN)


async def delivery_failing(clinic: Clinic) -> None:
    await clinic.world.log.set_status(clinic.trail.arn, REGION, {"LatestDeliveryError": "AccessDenied"})


async def delivery_late(clinic: Clinic) -> None:
    await clinic.world.record()
    clinic.world.bucket.failure = AccessRefused("SlowDown", "no")
    await clinic.world.pass_time(30 * MINUTE)
    clinic.world.bucket.failure = None
    await clinic.world.log.set_status(clinic.trail.arn, REGION, {"LatestDeliveryError": ""})


async def reader_stuck(clinic: Clinic) -> None:
    clinic.lag_seconds = 3600.0


async def digest_behind(clinic: Clinic) -> None:
    clinic.world.clock.advance(5 * 3600)


async def witness_behind(clinic: Clinic) -> None:
    await clinic.world.pass_time(14 * HOUR, step=30 * MINUTE)
    clinic.witnesses = {"vault": timedelta(days=1)}


async def journal_full(clinic: Clinic) -> None:
    clinic.journal_max_bytes = clinic.world.journal.size_bytes() + 1


async def disk_space(clinic: Clinic) -> None:
    clinic.host.space = DiskSpace(GB // 2, 100 * GB, 9_000, 10_000)


async def disk_inodes(clinic: Clinic) -> None:
    clinic.host.space = DiskSpace(50 * GB, 100 * GB, 10, 10_000)


async def clock_slow(clinic: Clinic) -> None:
    clinic.host.skew = timedelta(seconds=90)


async def clock_fast(clinic: Clinic) -> None:
    clinic.host.skew = timedelta(seconds=-90)


async def clock_set_back(clinic: Clinic) -> None:
    clinic.world.clock.advance(-90)


async def endpoint(clinic: Clinic) -> None:
    clinic.host.is_down = True


async def program_missing(clinic: Clinic) -> None:
    clinic.is_program_there = False


async def target_failing(clinic: Clinic) -> None:
    now = clinic.world.clock.now()
    clinic.health["a"] = TargetHealth(last_error="it answered 503", failing_since=now - timedelta(minutes=2))
    clinic.health["b"] = TargetHealth(failing_since=now - timedelta(seconds=30))
    clinic.health["c"] = TargetHealth(delivered=1)


MAKERS: list[tuple[Callable[[Clinic], Awaitable[None]], Fault, str]] = [
    (no_trail, Fault.NO_TRAIL, "create-trail"),
    (logging_stopped, Fault.LOGGING_STOPPED, "start-logging --region us-east-1 --name main"),
    (selects_nothing, Fault.SELECTS_NOTHING, "put-event-selectors"),
    (contradicts_itself, Fault.SELECTS_NOTHING, "put-event-selectors"),
    (no_validation, Fault.NO_VALIDATION, "--enable-log-file-validation"),
    (region_not_covered, Fault.REGION_NOT_COVERED, "--is-multi-region-trail"),
    (global_events_excluded, Fault.GLOBAL_EVENTS_MISSED, "--include-global-service-events"),
    (only_data_events, Fault.GLOBAL_EVENTS_MISSED, "--include-global-service-events"),
    (bucket_missing, Fault.BUCKET_MISSING, "opentrail archive create logs"),
    (bucket_policy, Fault.BUCKET_POLICY, "put-bucket-policy --bucket logs"),
    (bucket_silent, Fault.BUCKET_SILENT, "aws s3 ls s3://logs"),
    (key_missing, Fault.KEY_MISSING, "--kms-key-id"),
    (key_disabled, Fault.KEY_DISABLED, "aws kms enable-key"),
    (key_policy, Fault.KEY_POLICY, "aws kms put-key-policy"),
    (key_of_a_store_missing, Fault.KEY_MISSING, "another key"),
    (key_of_a_store_disabled, Fault.KEY_DISABLED, "aws kms enable-key"),
    (key_policy_of_a_store, Fault.KEY_POLICY, "kms:GenerateDataKey and kms:Decrypt"),
    (key_of_the_upstream_disabled, Fault.KEY_DISABLED, "aws kms enable-key"),
    (key_policy_of_the_upstream, Fault.KEY_POLICY, "aws kms put-key-policy"),
    (role_missing, Fault.ROLE, "opentrail roles create deliver"),
    (role_trusts_another, Fault.ROLE, "sts:AssumeRole"),
    (topic_missing, Fault.TOPIC, "--sns-topic-name"),
    (topic_policy, Fault.TOPIC, "aws sns set-topic-attributes"),
    (delivery_failing, Fault.DELIVERY_FAILING, "get-trail-status"),
    (delivery_late, Fault.DELIVERY_LATE, "opentrail serve"),
    (reader_stuck, Fault.DELIVERY_LATE, "opentrail serve"),
    (digest_behind, Fault.DIGEST_BEHIND, "opentrail serve"),
    (witness_behind, Fault.WITNESS_BEHIND, "witness.vault"),
    (program_missing, Fault.TARGET_COMMAND, "target.react.command"),
    (target_failing, Fault.TARGET_FAILING, "see that it answers"),
    (journal_full, Fault.JOURNAL_FULL, "journal_max_bytes"),
    (disk_space, Fault.DISK_SPACE, "df -h"),
    (disk_inodes, Fault.DISK_INODES, "df -i"),
    (clock_slow, Fault.CLOCK, "set-ntp"),
    (clock_fast, Fault.CLOCK, "set-ntp"),
    (clock_set_back, Fault.CLOCK, "set-ntp"),
    (endpoint, Fault.ENDPOINT, "upstream.url"),
]


@pytest.mark.parametrize(("make", "fault", "mend"), MAKERS, ids=[made[0].__name__ for made in MAKERS])
async def test_a_fault_is_found_alone_and_says_how_it_is_mended(
    clinic: Clinic, make: Callable[[Clinic], Awaitable[None]], fault: Fault, mend: str
) -> None:
    await make(clinic)

    findings = await clinic.examine()

    assert [finding.fault for finding in findings] == [fault], findings
    assert mend in findings[0].mend
    assert findings[0].problem


def test_every_kind_of_fault_is_made_by_a_test() -> None:
    assert {fault for _, fault, _ in MAKERS} == set(Fault)


async def test_buckets_of_an_upstream_that_is_not_running_are_not_asked(clinic: Clinic) -> None:
    clinic.world.bucket.failure = Unavailable("nobody there")

    assert await clinic.examine(has_upstream=False) == []


async def test_small_disks_with_a_good_share_free_are_well(clinic: Clinic) -> None:
    clinic.host.space = DiskSpace(GB // 2, GB, 0, 0)

    assert await clinic.examine() == []


async def test_what_is_wrong_with_one_trail_is_told_of_that_trail(clinic: Clinic) -> None:
    await clinic.world.start("second")
    await clinic.world.tick()
    await clinic.world.stop_logging(await clinic.world.create("third", is_log_file_validation_enabled=True))

    findings = await clinic.examine()

    assert [(finding.where, finding.fault) for finding in findings] == [("third", Fault.LOGGING_STOPPED)]


async def test_a_mend_by_an_aws_client_is_told_with_the_command_that_leads_it_here(clinic: Clinic) -> None:
    await clinic.world.stop_logging(await clinic.world.create("third", is_log_file_validation_enabled=True))

    told = (await clinic.examine())[0].to_json()

    assert told["mend"].startswith("opentrail exec -- aws cloudtrail start-logging ")


async def test_trails_of_other_accounts_are_examined_too_and_mended_by_their_own_users(clinic: Clinic) -> None:
    arn = f"arn:aws:cloudtrail:{REGION}:222222222222:trail/theirs"
    await clinic.world.create("theirs", arn=arn, account_id="222222222222")

    findings = await clinic.examine()

    assert [(finding.where, finding.fault) for finding in findings] == [
        (arn, Fault.LOGGING_STOPPED),
        (arn, Fault.NO_VALIDATION),
    ]
    assert findings[0].to_json()["mend"].startswith("opentrail exec --as 222222222222/USER -- aws cloudtrail ")


async def test_a_trail_of_the_organization_delivers_the_events_of_its_members(clinic: Clinic) -> None:
    await clinic.world.delete(clinic.trail)
    arn = f"arn:aws:cloudtrail:{REGION}:222222222222:trail/all"
    members = ("222222222222", ACCOUNT)
    await clinic.world.start(
        "all",
        arn=arn,
        account_id="222222222222",
        is_multi_region=True,
        is_organization=True,
        member_account_ids=members,
    )
    await clinic.world.tick()

    assert Fault.NO_TRAIL not in {finding.fault for finding in await clinic.examine()}
