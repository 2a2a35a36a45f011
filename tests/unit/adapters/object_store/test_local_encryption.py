"""Archives encrypt at rest: what lies on the disk, who may read it, and what happens to it there."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from opentrail.adapters.key_ring.local import LocalKeyRing
from opentrail.adapters.object_store.archives import LocalArchives
from opentrail.adapters.object_store.local import LocalBucket
from opentrail.policy.context import request_principal
from opentrail.policy.document import parse_policy
from opentrail.ports import Unavailable
from opentrail.ports.key_ring import KeyCaller
from opentrail.ports.object_store import AccessRefused, AlreadyExists
from opentrail.resource.archive import Archive, ColdTier
from opentrail.resource.key import KeyState
from tests.builders import (
    ACCOUNT,
    NOON,
    OTHERS_KEY_POLICY,
    REGION,
    TRAILS_KEY_POLICY,
    HandClock,
    a_key,
    a_root,
    a_trail,
    a_user_principal,
)
from tests.memory.key_store import InMemoryKeyStore

KEY = "AWSLogs/1/CloudTrail/x.json.gz"
BODY = b"\x1f\x8b a log file that nobody reads on the disk" * 20
TRAIL = {"aws:cloudtrail:arn": a_trail().arn}
READERS = [a_user_principal().arn, a_root().arn]
READER_STATEMENT = {"Effect": "Allow", "Principal": {"AWS": READERS}, "Action": "kms:Decrypt"}
READER_POLICY = TRAILS_KEY_POLICY.replace(
    '"Statement": [', '"Statement": [' + orjson.dumps({**READER_STATEMENT, "Resource": "*"}).decode() + ","
)


class Bench:
    """An archive in ``tmp_path`` and a key ring with one key."""

    def __init__(self, tmp_path: Path, policy: str = READER_POLICY, **rules: Any) -> None:
        self.path = tmp_path
        self.key = a_key(policy=policy)
        self.keys = InMemoryKeyStore(HandClock())
        self.rules = rules
        self.archives = self.opened()

    def opened(self) -> LocalArchives:
        archives = LocalArchives(self.path / "archives", keys=LocalKeyRing(self.keys))
        if archives.get("logs") is None:
            archives.create(Archive("logs", REGION, ACCOUNT, NOON, **self.rules))
        return archives

    @property
    def store(self) -> LocalBucket:
        return self.archives.store("logs")

    @property
    def file(self) -> Path:
        return self.path / "archives/logs/objects" / KEY

    async def __aenter__(self) -> "Bench":
        await self.keys.add(self.key, bytes(range(32)))
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def put(self, body: bytes = BODY, context: Mapping[str, str] = TRAIL, kms_key_id: str | None = None) -> None:
        key = self.key.arn if kms_key_id is None else kms_key_id
        await self.store.put_if_absent(
            KEY, body, content_type="application/json", encryption_context=context, kms_key_id=key
        )

    def spoil(self, change: bytes) -> None:
        self.file.chmod(0o600)
        self.file.write_bytes(change)


READER = KeyCaller(request_principal(a_user_principal()))
MAY_ALL = parse_policy('{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}')


async def test_a_trails_object_is_encrypted_on_disk_and_read_by_whom_the_key_policy_lets(tmp_path: Path) -> None:
    async with Bench(tmp_path) as bench:
        await bench.put()

        found = await bench.store.read(KEY, READER)

        assert (found.body, found.kms_key_arn) == (BODY, bench.key.arn)
        assert found.summary.size_bytes == len(BODY)
        for path in bench.path.rglob("*"):
            assert not path.is_file() or b"nobody reads" not in path.read_bytes()
        described = await bench.store.describe(KEY)
        assert (described.kms_key_arn, described.summary) == (bench.key.arn, found.summary)
        assert [item.size_bytes async for item in bench.store.list("")] == [len(BODY)]


async def test_a_caller_whom_the_key_policy_does_not_let_is_refused(tmp_path: Path) -> None:
    async with Bench(tmp_path, TRAILS_KEY_POLICY) as bench:
        await bench.put()

        for caller in (READER, replace(READER, identity=(MAY_ALL,))):
            with pytest.raises(AccessRefused) as refused:
                await bench.store.read(KEY, caller)
            assert refused.value.code == "AccessDenied"


async def test_a_key_that_refuses_is_disabled_or_gone_stores_nothing(tmp_path: Path) -> None:
    async with Bench(tmp_path, OTHERS_KEY_POLICY) as bench:
        with pytest.raises(AccessRefused) as refused:
            await bench.put()
        assert refused.value.code == "AccessDenied"
        with pytest.raises(AccessRefused) as refused:
            await bench.put(kms_key_id=bench.key.arn.replace("1111", "2222"))
        assert refused.value.code == "KMS.NotFoundException"
    async with Bench(tmp_path / "two") as bench:
        await bench.keys.change(bench.key, replace(bench.key, state=KeyState.DISABLED))
        with pytest.raises(AccessRefused) as refused:
            await bench.put()
        assert refused.value.code == "KMS.DisabledException"
        assert [item async for item in bench.store.list("")] == []


async def test_putting_again_after_a_crash_counts_as_done_without_decrypting(tmp_path: Path) -> None:
    async with Bench(tmp_path, TRAILS_KEY_POLICY) as bench:
        await bench.put()
        before = bench.file.read_bytes()

        await bench.put()

        assert bench.file.read_bytes() == before
        with pytest.raises(AlreadyExists):
            await bench.put(b"another body")


@pytest.mark.parametrize(
    "change",
    [
        lambda file: file[:-1],
        lambda file: file[:40],
        lambda file: file[:-1] + bytes([file[-1] ^ 1]),
        lambda file: file.replace(b'"sha256":"', b'"sha256":"0'),
        lambda file: file.replace(b"trail/main", b"trail/mein"),
    ],
)
async def test_what_was_altered_on_disk_comes_as_it_lies_and_never_decrypted(tmp_path: Path, change: Any) -> None:
    async with Bench(tmp_path) as bench:
        await bench.put()
        bench.spoil(change(bench.file.read_bytes()))

        for found in (await bench.store.read(KEY, READER), await bench.store.get(KEY)):
            assert found.body == bench.file.read_bytes()
            assert b"nobody reads" not in found.body
        assert [item.key async for item in bench.store.list("")] == [KEY]


CONTEXT_POLICY = orjson.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            *orjson.loads(TRAILS_KEY_POLICY)["Statement"],
            {
                **READER_STATEMENT,
                "Resource": "*",
                "Condition": {"StringEquals": {"kms:EncryptionContext:aws:cloudtrail:arn": a_trail().arn}},
            },
        ],
    }
).decode()


async def test_no_flipped_bit_makes_an_error_of_what_was_altered(tmp_path: Path) -> None:
    async with Bench(tmp_path, CONTEXT_POLICY) as bench:
        await bench.put(b"body")
        file = bench.file.read_bytes()
        assert (await bench.store.read(KEY, READER)).body == b"body"

        for bit in range(0, len(file) * 8, 7):
            spoilt = bytearray(file)
            spoilt[bit // 8] ^= 1 << bit % 8
            bench.spoil(bytes(spoilt))
            assert (await bench.store.read(KEY, READER)).body == bytes(spoilt), bit


async def test_a_key_that_is_gone_or_disabled_is_an_error_and_no_altered_file(tmp_path: Path) -> None:
    async with Bench(tmp_path) as bench:
        await bench.put()
        disabled = replace(bench.key, state=KeyState.DISABLED)
        await bench.keys.change(bench.key, disabled)
        with pytest.raises(AccessRefused) as refused:
            await bench.store.read(KEY, READER)
        assert refused.value.code == "KMS.DisabledException"
        await bench.keys.change(disabled, replace(disabled, deletion_at=NOON - timedelta(days=1)))
        with pytest.raises(AccessRefused) as refused:
            await bench.store.read(KEY, READER)
        assert refused.value.code == "KMS.NotFoundException"


async def test_a_file_that_was_moved_to_another_key_does_not_open(tmp_path: Path) -> None:
    async with Bench(tmp_path) as bench:
        await bench.put()
        other = bench.file.with_name("y.json.gz")
        bench.file.rename(other)

        moved = await bench.store.read(KEY.replace("x.json", "y.json"), READER)

        assert moved.body == other.read_bytes()


async def test_an_encrypted_file_without_its_sidecar_is_read_all_the_same(tmp_path: Path) -> None:
    async with Bench(tmp_path) as bench:
        await bench.put()
        bench.file.with_name("x.json.gz%meta").unlink()

        found = await bench.store.read(KEY, READER)

        assert (found.body, found.summary.size_bytes, found.kms_key_arn) == (BODY, len(BODY), bench.key.arn)


async def test_the_archives_own_key_encrypts_what_comes_without_one(tmp_path: Path) -> None:
    async with Bench(tmp_path, kms_key_arn=a_key().arn) as bench:
        await bench.put(kms_key_id="")

        assert b"nobody reads" not in bench.file.read_bytes()
        assert (await bench.store.read(KEY, READER)).body == BODY


async def test_an_encrypted_object_moves_to_the_cold_folder_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "cold").mkdir()
    async with Bench(tmp_path, cold=ColdTier(str(tmp_path / "cold"), 1)) as bench:
        await bench.put()
        before = bench.file.read_bytes()

        await bench.store.move_to_cold(KEY)

        assert (tmp_path / "cold/logs/objects" / KEY).read_bytes() == before
        found = await bench.store.read(KEY, READER)
        assert (found.body, found.is_cold, found.summary.size_bytes) == (BODY, True, len(BODY))


async def test_rotating_a_key_leaves_older_objects_readable(tmp_path: Path) -> None:
    async with Bench(tmp_path) as bench:
        await bench.put()
        await bench.keys.rotate(bench.key.key_id, bytes(32), NOON, is_on_demand=True, next_at=None)

        assert (await bench.store.read(KEY, READER)).body == BODY


async def test_without_a_key_ring_nothing_encrypted_is_put_or_read(tmp_path: Path) -> None:
    async with Bench(tmp_path) as bench:
        await bench.put()
        bare = LocalArchives(bench.path / "archives").store("logs")

        with pytest.raises(Unavailable, match="no key ring"):
            await bare.get(KEY)
        with pytest.raises(Unavailable, match="no key ring"):
            await bare.put_if_absent("other.gz", BODY, content_type="", kms_key_id=bench.key.arn)
