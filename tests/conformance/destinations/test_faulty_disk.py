"""Delivery to a local archive whose disk is full or read-only for a while: late, and otherwise as if nothing was."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from opentrail.adapters.object_store.archives import LocalArchives
from opentrail.adapters.object_store.buckets import Buckets
from opentrail.adapters.signer.local import LocalSigner
from opentrail.query.log_validation import LogValidation, ValidationRequest
from opentrail.sealing import Sealer
from tests.builders import an_archive
from tests.support.delivery import HOUR, MINUTE, NOON, REGION, DeliveryWorld, event_ids

BUCKET = "audit-logs"


@contextmanager
def faulty(monkeypatch: pytest.MonkeyPatch, folder: Path, call: str, number: int) -> Iterator[list[str]]:
    """Have the system call fail below ``folder``, or on any descriptor; yield what failed."""
    failed: list[str] = []
    real = getattr(os, call)

    def fail(*given: Any, **named: Any) -> Any:
        is_reading = call == "open" and not given[1] & os.O_CREAT
        if is_reading or (isinstance(given[0], (str, Path)) and not str(given[0]).startswith(str(folder))):
            return real(*given, **named)
        failed.append(str(given[0]))
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(os, call, fail)
        yield failed


@pytest.mark.parametrize(
    ("call", "number"),
    [
        ("fsync", errno.ENOSPC),
        ("open", errno.ENOSPC),
        ("open", errno.EROFS),
        ("link", errno.EDQUOT),
        ("fsync", errno.EIO),
    ],
)
async def test_what_a_disk_did_not_take_is_delivered_when_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    archives = LocalArchives(tmp_path / "archives")
    archives.create(an_archive(BUCKET))
    buckets, signer, world = Buckets(archives), LocalSigner(tmp_path / "keys", Sealer(bytes(32))), DeliveryWorld()
    world.delivery = world.deliver_with(object_stores=buckets, signer=signer)
    trail = await world.start(s3_bucket_name=BUCKET)
    await world.tick()
    ids = await world.record(3)
    await world.pass_time(HOUR, step=5 * MINUTE)
    with faulty(monkeypatch, tmp_path / "archives", call, number) as failed:
        for _ in range(6):
            ids += await world.record(3)
            await world.pass_time(10 * MINUTE, step=5 * MINUTE)
    status = await world.log.status(trail.arn, REGION)
    assert failed
    assert status["LatestDeliveryAttemptTime"] > status["LatestDeliveryTime"]

    await world.pass_time(3 * HOUR, step=5 * MINUTE)

    files = [path for path in (tmp_path / "archives").rglob("*_CloudTrail_*.json.gz") if "objects" in path.parts]
    delivered = [event_id for path in sorted(files) for event_id in event_ids(path.read_bytes())]
    assert delivered == ids
    assert world.gaps == []
    request = ValidationRequest(trail.arn, REGION, NOON, world.clock.now(), BUCKET)
    validation = LogValidation(request, buckets, signer)
    assert [finding async for finding in validation.findings() if not finding.is_valid] == []
    assert validation.summary.valid["log"] == len(files) == 7
