"""The operator's questions: names shown and searched for, keys that sign."""

import dataclasses
from datetime import timedelta
from typing import Any

from opentrail.admin.inquiries import Inquiries
from opentrail.pipeline.history import history_event
from opentrail.ports.delivery_log import DigestPlan
from opentrail.ports.journal import Position
from opentrail.resource.account_region import AccountRegion
from tests.builders import ACCOUNT, NOON, HandClock, an_event
from tests.memory.attestation_log import InMemoryAttestationLog
from tests.memory.delivery_log import InMemoryDeliveryLog
from tests.memory.event_data_stores import InMemoryEventDataStores
from tests.memory.event_history import InMemoryEventHistory
from tests.memory.journal import InMemoryJournal
from tests.memory.lake_seals import InMemoryLakeSeals
from tests.memory.signer import InMemorySigner
from tests.memory.trail_store import InMemoryTrailStore


@dataclasses.dataclass
class Desk:
    history: InMemoryEventHistory = dataclasses.field(default_factory=InMemoryEventHistory)
    signer: InMemorySigner = dataclasses.field(default_factory=InMemorySigner)
    log: InMemoryDeliveryLog = dataclasses.field(default_factory=InMemoryDeliveryLog)

    def __post_init__(self) -> None:
        log = self.log
        self.inquiries = Inquiries(
            account_id=ACCOUNT,
            region="us-east-1",
            journal=InMemoryJournal(),
            history=self.history,
            trails=InMemoryTrailStore(log),
            event_data_stores=InMemoryEventDataStores(),
            lake_seals=InMemoryLakeSeals(),
            delivery_log=log,
            signer=self.signer,
            attestations=InMemoryAttestationLog(log),
            witnesses=["vault"],
            clock=HandClock(),
        )

    async def record(self, **changes: Any) -> None:
        await self.history.store([history_event(an_event(**changes))], Position("1"))


async def test_every_resource_name_of_a_row_finds_the_row_again() -> None:
    desk = Desk()
    arns = [f"arn:aws:iam::{ACCOUNT}:user/bob", f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/of-another-region"]
    await desk.record(awsRegion="us-east-1", resources=[{"type": "AWS::IAM::User", "ARN": arn} for arn in arns])
    (row,) = (await desk.inquiries.lookup_events("us-east-1", []))["events"]
    assert "user/bob" in row["resources"]
    assert arns[1] in row["resources"]

    for name in row["resources"]:
        found = []
        for spelling in (await desk.inquiries.resource_spellings(name, "us-east-1"))["spellings"]:
            page = await desk.inquiries.lookup_events("us-east-1", [["ResourceName", spelling]])
            found += page["events"]
        assert found == [row], name


async def test_all_keys_of_a_region_are_listed_and_the_newest_signs() -> None:
    desk = Desk()
    first = await desk.signer.current_key("us-east-1", NOON)
    second = await desk.signer.rotate("us-east-1", NOON + timedelta(days=1))

    keys = (await desk.inquiries.list_signing_keys())["keys"]

    assert [(key["fingerprint"], key["is_signing"]) for key in keys] == [
        (first.fingerprint, False),
        (second.fingerprint, True),
    ]
    assert {key["region"] for key in keys} == {"us-east-1"}
    assert (await desk.inquiries.list_signing_keys("eu-west-1"))["keys"] == []


async def test_the_digests_of_a_chain_are_those_of_the_delivery_log() -> None:
    desk, arn, region = Desk(), "arn:aws:cloudtrail:us-east-1:123456789012:trail/audit", "us-east-1"
    hour, end = timedelta(hours=1), NOON + timedelta(hours=9)
    for number in (1, 2):
        at = NOON + number * hour
        plan = DigestPlan(arn, ACCOUNT, region, "logs", f"d{number}", at - hour, at, b"{}", "", "", "")
        await desk.log.plan_digest(plan)
    await desk.log.confirm_digest(arn, AccountRegion(ACCOUNT, region), NOON + hour, NOON + hour)
    times = (NOON.isoformat(), end.isoformat())

    chain = await desk.inquiries.digest_chain(arn, ACCOUNT, region, *times)

    assert chain == {
        "delivered": [["logs", "d1", NOON.isoformat(), (NOON + hour).isoformat()]],
        "settled_until": (NOON + 2 * hour).isoformat(),
        "is_resting": True,
    }
    other = await desk.inquiries.digest_chain(arn, "222222222222", region, *times)
    assert other == {"delivered": [], "settled_until": "", "is_resting": True}
