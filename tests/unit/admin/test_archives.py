"""Commands over archives: more protection is taken as it is, less must be asked for, and all is on record."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from opentrail.adapters.key_ring.local import LocalKeyRing
from opentrail.admin.archives import ArchiveAdministration
from opentrail.errors import OperatorError
from opentrail.identity.mfa import MfaDevice, code_at, step_at
from opentrail.ports import Unavailable
from opentrail.ports.journal import Position, SettingsEntry
from opentrail.resource.archive import LockMode, LockRule
from tests.builders import ACCOUNT, REGION, HandClock, a_root, a_trail
from tests.memory.archives import InMemoryArchives, InMemoryArchiveStore
from tests.memory.delivery_log import InMemoryDeliveryLog
from tests.memory.identity_store import InMemoryIdentityStore
from tests.memory.key_store import InMemoryKeyStore
from tests.memory.trail_store import InMemoryTrailStore

DEVICE = MfaDevice(f"arn:aws:iam::{ACCOUNT}:mfa/root-account-mfa-device", a_root().arn, b"s" * 20, HandClock().now())


class Bench:
    """An ArchiveAdministration over ports in memory, with what it put on record."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.archives = InMemoryArchives(now=self.clock.now)
        self.identities = InMemoryIdentityStore()
        self.trails = InMemoryTrailStore(InMemoryDeliveryLog())
        self.recorded: list[tuple[str, dict[str, Any]]] = []
        self.takes_records = True
        self.when_recorded: Callable[[], Awaitable[None]] | None = None
        self.administration = ArchiveAdministration(
            account_id=ACCOUNT,
            region=REGION,
            archives=self.archives,
            identities=self.identities,
            trails=self.trails,
            key_ring=LocalKeyRing(InMemoryKeyStore(self.clock)),
            record=self._record,
            clock=self.clock,
        )

    async def _record(self, event_source: str, event_name: str, details: dict[str, Any]) -> None:
        assert event_source == "s3.amazonaws.com"
        if not self.takes_records:
            raise Unavailable("the journal takes nothing")
        self.recorded.append((event_name, details))
        if self.when_recorded is not None:
            await self.when_recorded()

    @property
    def store(self) -> InMemoryArchiveStore:
        return self.archives.stores["logs"]

    async def with_archive(self, **rules: Any) -> "Bench":
        await self.administration.create_archive("logs", **rules)
        await self.store.put_if_absent("k.gz", b"0123456789", content_type="")
        self.recorded.clear()
        return self

    def code(self) -> str:
        return code_at(DEVICE.secret, step_at(self.clock.now()))


async def test_an_archive_is_made_with_its_rules_and_all_of_them_are_on_record(tmp_path: Path) -> None:
    bench = Bench()

    answer = await bench.administration.create_archive(
        "logs", worm="compliance", days=365, retention_days=400, cold_folder=str(tmp_path), cold_after_days=90
    )

    archive = bench.archives.get("logs")
    assert archive is not None
    assert (archive.lock, archive.expire_after_days) == (LockRule(LockMode.COMPLIANCE, 365), 400)
    assert archive.cold is not None
    assert (archive.cold.folder, archive.cold.after_days) == (str(tmp_path), 90)
    assert (answer["worm"], answer["days"]) == ("compliance", 365)
    names = [name for name, _ in bench.recorded]
    assert names == ["CreateBucket", "PutBucketObjectLockConfiguration", "PutBucketLifecycle"]


@pytest.mark.parametrize(
    ("rules", "sentence"),
    [
        ({"worm": "forever", "days": 1}, "compliance"),
        ({"worm": "compliance"}, "--days N"),
        ({"days": 5}, "give both"),
        ({"worm": "governance", "days": 0}, "1 to 36500"),
        ({"retention_days": -1}, "0 to 36500"),
        ({"cold_folder": "/no/such/folder", "cold_after_days": 1}, "not a folder"),
        ({"cold_folder": "relative", "cold_after_days": 1}, "whole path"),
        ({"cold_after_days": 1}, "--cold-folder DIR"),
        ({"cold_folder": "/", "cold_after_days": 30, "retention_days": 30}, "expire before they move"),
        ({"kms_key": "alias/none"}, "no key alias/none"),
        ({"mfa_delete": True}, "users mfa enable --owner"),
    ],
)
async def test_rules_that_make_no_sense_are_explained_and_nothing_is_made(rules: dict[str, Any], sentence: str) -> None:
    bench = Bench()

    with pytest.raises(OperatorError, match=sentence):
        await bench.administration.create_archive("logs", **rules)

    assert (bench.archives.list(), bench.recorded) == ([], [])


@pytest.mark.parametrize(
    "weaker", [{"worm": "none"}, {"worm": "governance"}, {"days": 29}, {"worm": "none", "days": 1}]
)
async def test_nobody_weakens_compliance_mode(weaker: dict[str, Any]) -> None:
    bench = await Bench().with_archive(worm="compliance", days=30)

    with pytest.raises(OperatorError, match="nobody can shorten"):
        await bench.administration.set_archive("logs", allow_weaker=True, **weaker)

    archive = bench.archives.get("logs")
    assert archive is not None
    assert archive.lock == LockRule(LockMode.COMPLIANCE, 30)
    assert bench.recorded == []


async def test_what_protects_more_is_taken_as_it_is() -> None:
    bench = await Bench().with_archive(worm="governance", days=30, retention_days=60)

    await bench.administration.set_archive("logs", worm="compliance", days=31, retention_days=0)

    archive = bench.archives.get("logs")
    assert archive is not None
    assert (archive.lock, archive.expire_after_days) == (LockRule(LockMode.COMPLIANCE, 31), 0)
    assert all("isWeaker" not in details for _, details in bench.recorded)


@pytest.mark.parametrize(
    ("weaker", "option"), [({"worm": "none"}, "worm"), ({"days": 29}, "worm"), ({"retention_days": 10}, "retention")]
)
async def test_what_protects_less_is_asked_for_and_on_record_before_it_is_so(
    weaker: dict[str, Any], option: str
) -> None:
    bench = await Bench().with_archive(worm="governance", days=30)
    before = bench.archives.get("logs")

    with pytest.raises(OperatorError, match=f"--{option}.*--allow-weaker"):
        await bench.administration.set_archive("logs", **weaker)
    assert bench.recorded == []

    async def not_yet() -> None:
        assert bench.archives.get("logs") == before

    bench.when_recorded = not_yet
    await bench.administration.set_archive("logs", allow_weaker=True, **weaker)

    assert bench.archives.get("logs") != before
    assert [details["isWeaker"] for _, details in bench.recorded] == [True]


async def test_a_change_that_cannot_be_recorded_is_not_made() -> None:
    bench = await Bench().with_archive()
    bench.takes_records = False

    with pytest.raises(OperatorError, match="nothing was changed"):
        await bench.administration.set_archive("logs", retention_days=10, allow_weaker=True)
    with pytest.raises(OperatorError, match="nothing was changed"):
        await bench.administration.delete_archive("logs", purge=True)

    archive = bench.archives.get("logs")
    assert archive is not None
    assert archive.expire_after_days == 0


async def test_mfa_delete_is_weakened_and_purged_with_a_code_only() -> None:
    bench = Bench()
    await bench.identities.add_mfa_device(DEVICE)
    await bench.with_archive(mfa_delete=True)

    for arguments in ({}, {"mfa_code": "000000" if bench.code() != "000000" else "111111"}):
        with pytest.raises(OperatorError, match="code"):
            await bench.administration.set_archive("logs", mfa_delete=False, allow_weaker=True, **arguments)
        with pytest.raises(OperatorError, match="code"):
            await bench.administration.delete_archive("logs", purge=True, **arguments)
    spent = bench.code()
    await bench.administration.set_archive("logs", mfa_delete=False, allow_weaker=True, mfa_code=spent)
    await bench.administration.set_archive("logs", mfa_delete=True)
    with pytest.raises(OperatorError, match="used already"):
        await bench.administration.delete_archive("logs", purge=True, mfa_code=spent)
    bench.clock.advance(60)
    await bench.administration.delete_archive("logs", purge=True, mfa_code=bench.code())

    assert bench.archives.get("logs") is None


async def test_an_archive_is_deleted_empty_or_with_all_it_holds_and_never_while_something_is_locked() -> None:
    bench = await Bench().with_archive(worm="governance", days=30)

    with pytest.raises(OperatorError, match="holds 1 objects"):
        await bench.administration.delete_archive("logs")
    with pytest.raises(OperatorError, match="are locked; the last lock ends 2026-12-20"):
        await bench.administration.delete_archive("logs", purge=True)
    bench.clock.advance(timedelta(days=31).total_seconds())
    await bench.store.set_legal_hold("k.gz", is_on=True)
    with pytest.raises(OperatorError, match="are locked"):
        await bench.administration.delete_archive("logs", purge=True)
    await bench.store.set_legal_hold("k.gz", is_on=False)
    assert bench.recorded == []
    await bench.administration.delete_archive("logs", purge=True)

    assert bench.archives.get("logs") is None
    assert bench.recorded == [("DeleteBucket", {"bucketName": "logs", "objects": 1, "sizeBytes": 10})]


@pytest.mark.parametrize(
    ("account_id", "called"), [(ACCOUNT, "main"), ("222222222222", "arn:aws:cloudtrail:.*:222222222222:trail/main")]
)
async def test_an_archive_that_a_trail_of_any_account_delivers_to_stays(account_id: str, called: str) -> None:
    bench = await Bench().with_archive()
    trail = a_trail("main", account_id=account_id, arn=a_trail("main").arn.replace(ACCOUNT, account_id))
    await bench.trails.apply(Position("0000"), SettingsEntry(trail.arn, trail.to_json()))

    with pytest.raises(OperatorError, match=f"the trail {called} delivers to logs"):
        await bench.administration.delete_archive("logs", purge=True)

    assert bench.archives.get("logs") is not None


async def test_show_counts_what_an_archive_holds(tmp_path: Path) -> None:
    bench = await Bench().with_archive(worm="compliance", days=2, cold_folder=str(tmp_path), cold_after_days=1)
    bench.clock.advance(60)
    await bench.store.put_if_absent("l.gz", b"01234", content_type="", kms_key_id="key")
    await bench.store.move_to_cold("k.gz")
    await bench.store.set_legal_hold("l.gz", is_on=True)

    holds = (await bench.administration.show_archive("logs"))["holds"]

    assert holds == {
        "objects": 2,
        "size_bytes": 15,
        "cold_objects": 1,
        "encrypted_objects": 1,
        "locked_objects": 2,
        "legal_holds": 1,
        "oldest_at": "2026-11-20T12:00:00Z",
        "newest_at": "2026-11-20T12:01:00Z",
        "locked_until": "2026-11-22T12:01:00Z",
    }


async def test_a_cold_folder_stays_while_objects_lie_in_it(tmp_path: Path) -> None:
    bench = await Bench().with_archive(cold_folder=str(tmp_path), cold_after_days=1)
    await bench.store.move_to_cold("k.gz")

    for folder in ("none", "/"):
        with pytest.raises(OperatorError, match="stays the cold folder"):
            await bench.administration.set_archive("logs", cold_folder=folder)
    await bench.administration.set_archive("logs", cold_after_days=7)


async def test_what_does_not_exist_and_what_says_nothing_is_explained() -> None:
    bench = await Bench().with_archive()

    for command in (bench.administration.show_archive, bench.administration.delete_archive):
        with pytest.raises(OperatorError, match="no archive nowhere"):
            await command("nowhere")
    with pytest.raises(OperatorError, match="say what to change"):
        await bench.administration.set_archive("logs")
