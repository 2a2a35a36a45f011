"""Every manipulation of a delivered trail is found, and where it was done. AWS's verifier beside it: conformance."""

import copy
from datetime import UTC, datetime

import pytest

from opentrail.digest.chain_checks import Schedule
from opentrail.digest.verdicts import Finding, ValidationSummary
from opentrail.ports.object_store import ObjectSummary, StoredObject
from opentrail.query.log_validation import LogValidation, ValidationRequest
from opentrail.resource.delivery_layout import log_file_stamp
from tests.conformance.manipulations.manipulations import (
    DIGESTS,
    EVENTS,
    FILES,
    FOR_A_WITNESS,
    MANIPULATIONS,
    Manipulation,
)
from tests.memory.object_store import InMemoryObjectStore, InMemoryObjectStores
from tests.support.delivered_trail import BUCKET, REGION, START_TIME, TRAIL, DeliveredTrail

NOW = datetime(2026, 6, 20, tzinfo=UTC)
_whole: list[DeliveredTrail] = []


async def a_trail() -> DeliveredTrail:
    if not _whole:
        _whole.append(await DeliveredTrail().deliver(DIGESTS, FILES, EVENTS))
    return copy.copy(_whole[0])


async def validate(trail: DeliveredTrail) -> tuple[list[Finding], ValidationSummary]:
    store = InMemoryObjectStore(BUCKET)
    for key, (body, metadata) in trail.objects.items():
        summary = ObjectSummary(key, len(body), log_file_stamp(key) or START_TIME, "")
        store.objects[key] = StoredObject(summary, body, metadata=metadata)
    request = ValidationRequest(TRAIL.arn, REGION, START_TIME, trail.end_time, BUCKET)
    validation = LogValidation(request, InMemoryObjectStores(store), trail.signer, schedule=Schedule(NOW))
    findings = [finding async for finding in validation.findings() if not finding.is_valid]
    return findings, validation.summary


async def test_a_trail_that_nobody_touched_is_valid() -> None:
    trail = await a_trail()

    findings, summary = await validate(trail)

    assert findings == []
    assert (len(trail.digests), len(trail.log_files)) == (52, 208)
    assert summary.valid == {"digest": 52, "log": 208}
    assert summary.is_valid


@pytest.mark.parametrize("title", [title for title in MANIPULATIONS if title not in FOR_A_WITNESS])
async def test_a_manipulation_is_found(title: str) -> None:
    trail = await a_trail()
    trail.objects = dict(trail.objects)
    manipulate: Manipulation = MANIPULATIONS[title]
    await manipulate(trail)

    findings, summary = await validate(trail)

    assert findings
    assert not summary.is_valid
    assert len(findings) <= 10, "the rest of the chain is not drawn into it"


@pytest.mark.parametrize("title", FOR_A_WITNESS)
async def test_who_holds_key_and_bucket_and_leaves_nothing_over_is_found_by_a_witness_alone(title: str) -> None:
    trail = await a_trail()
    trail.objects = dict(trail.objects)
    await MANIPULATIONS[title](trail)

    findings, _ = await validate(trail)

    assert findings == []
