"""Secrets at rest, bounds and memory of the identity store; what it promises is in the port's suite."""

import asyncio
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, select, update

from opentrail.adapters.metadata_store import Database, SqlIdentityStore, open_database
from opentrail.adapters.metadata_store import credentials as credentials_module
from opentrail.adapters.metadata_store import learned_identities as learned_module
from opentrail.adapters.metadata_store import upstream_owners as owners_module
from opentrail.adapters.metadata_store.tables import credentials, learned_identities, upstream_owners
from opentrail.identity import Credential, Principal, PrincipalType, SessionContext, UpstreamOwner, User
from opentrail.identity.mfa import MfaDevice
from opentrail.ports import Unavailable
from opentrail.sealing import MASTER_KEY_BYTES, Sealer
from tests.support.metadata import DATABASES, SEALER, TurnedClock, database_url

ACCOUNT = "123456789012"
ROOT = Principal(PrincipalType.ROOT, ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT)
SESSION = replace(ROOT, session=SessionContext(datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)))


@pytest.fixture(params=DATABASES)
async def database(request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    with database_url(request, request.param) as url:
        opened = await open_database(url)
        yield opened
        await opened.close()


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock()


def a_store(database: Database, clock: TurnedClock, sealer: Sealer = SEALER) -> SqlIdentityStore:
    return SqlIdentityStore(database, sealer, clock=clock, monotonic=clock.monotonic)


def a_key(key_id: str = "AKIAEXAMPLE") -> Credential:
    return Credential(key_id, "wJalrXUtnFEMI-secret", ROOT)


async def count(database: Database, table: object) -> int:
    def work(connection: Connection) -> int:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()  # type: ignore[arg-type]

    return await database.read(work)


async def test_neither_secret_nor_session_token_is_in_the_file(tmp_path: Path, clock: TurnedClock) -> None:
    database = await open_database(f"sqlite:///{tmp_path}/metadata.sqlite")
    session = replace(a_key("ASIAEXAMPLE"), session_token="FwoGZXIvYXdzE-token", principal=SESSION)

    await a_store(database, clock).add_credential(session)
    await database.close()

    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"ASIAEXAMPLE" in kept
    assert b"wJalrXUtnFEMI" not in kept
    assert b"FwoGZXIvYXdzE" not in kept


async def test_another_master_key_opens_nothing(database: Database, clock: TurnedClock) -> None:
    await a_store(database, clock).add_credential(a_key())

    with pytest.raises(Unavailable, match="master key"):
        await a_store(database, clock, Sealer(b"\xff" * MASTER_KEY_BYTES)).credential("AKIAEXAMPLE")


async def test_a_secret_moved_to_another_key_s_row_does_not_open(database: Database, clock: TurnedClock) -> None:
    store = a_store(database, clock)
    await store.add_credential(a_key("AKIAONE"))
    await store.add_credential(a_key("AKIATWO"))
    stolen = select(credentials.c.sealed_secrets).where(credentials.c.access_key_id == "AKIAONE").scalar_subquery()
    move = update(credentials).where(credentials.c.access_key_id == "AKIATWO").values(sealed_secrets=stolen)
    await database.write(lambda connection: connection.execute(move).rowcount)

    with pytest.raises(Unavailable):
        await store.credential("AKIATWO")


async def test_a_key_asked_for_again_is_answered_from_memory(database: Database, clock: TurnedClock) -> None:
    store = a_store(database, clock)
    await store.add_credential(a_key())
    assert await store.credential("AKIAEXAMPLE") == a_key()
    assert await store.credential("AKIAUNKNOWN") is None
    await store.learn("AKIAUP", "", ROOT, None)
    assert await store.learned("AKIAUP", "") == ROOT
    await database.close()

    assert await store.credential("AKIAEXAMPLE") == a_key()
    assert await store.credential("AKIAUNKNOWN") is None
    assert await store.learned("AKIAUP", "") == ROOT


async def test_another_process_s_change_is_seen_within_the_stated_time(database: Database, clock: TurnedClock) -> None:
    ours, theirs = a_store(database, clock), a_store(database, clock)
    await ours.add_credential(a_key())
    assert await ours.credential("AKIAEXAMPLE") == a_key()
    assert await ours.credential("AKIANEW") is None

    await theirs.set_credential_active("AKIAEXAMPLE", False)
    await theirs.add_credential(a_key("AKIANEW"))
    clock.turn(seconds=credentials_module.CACHE_SECONDS)

    assert await ours.credential("AKIAEXAMPLE") == replace(a_key(), is_active=False)
    assert await ours.credential("AKIANEW") == a_key("AKIANEW")


async def test_what_another_process_changed_is_seen_at_once_after_forgetting(
    database: Database, clock: TurnedClock
) -> None:
    ours, theirs = a_store(database, clock), a_store(database, clock)
    ann = User(ACCOUNT, "ann", "AIDAANN", f"arn:aws:iam::{ACCOUNT}:user/ann", "/", clock.now(), {"default": "{}"})
    principal = Principal(PrincipalType.IAM_USER, ann.user_id, ann.arn, ACCOUNT, "ann")
    await ours.create_user(ann)
    await ours.add_credential(a_key())
    assert await ours.credential("AKIAEXAMPLE") == a_key()
    assert await ours.policies(principal) == ("{}",)
    assert await ours.learned("AKIAUP", "") is None

    await theirs.delete_credential("AKIAEXAMPLE")
    await theirs.put_policy(ann.arn, "default", None)
    await theirs.learn("AKIAUP", "", ROOT, None)
    ours.forget()

    assert await ours.credential("AKIAEXAMPLE") is None
    assert await ours.policies(principal) == ()
    assert await ours.learned("AKIAUP", "") == ROOT


async def test_a_key_read_while_it_is_switched_off_is_not_remembered_as_it_was(
    database: Database, clock: TurnedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = a_store(database, clock)
    await store.add_credential(a_key())
    was_read, go_on = threading.Event(), threading.Event()
    read = database.read

    async def slow_read(work):  # type: ignore[no-untyped-def]
        found = await read(work)
        was_read.set()
        await asyncio.to_thread(go_on.wait, 30)
        return found

    monkeypatch.setattr(database, "read", slow_read)
    reading = asyncio.ensure_future(store.credential("AKIAEXAMPLE"))
    await asyncio.to_thread(was_read.wait, 30)
    monkeypatch.setattr(database, "read", read)
    await store.set_credential_active("AKIAEXAMPLE", False)
    go_on.set()
    await reading

    assert await store.credential("AKIAEXAMPLE") == replace(a_key(), is_active=False)


async def test_a_cancelled_change_is_still_seen_at_once(database: Database, clock: TurnedClock) -> None:
    store = a_store(database, clock)
    await store.add_credential(a_key())
    assert await store.credential("AKIAEXAMPLE") == a_key()
    hold, began = threading.Event(), threading.Event()

    def busy(_: Connection) -> None:
        began.set()
        assert hold.wait(30)

    holding = asyncio.ensure_future(database.write(busy))
    await asyncio.to_thread(began.wait, 30)
    deleting = asyncio.ensure_future(store.delete_credential("AKIAEXAMPLE"))
    await asyncio.sleep(0)
    deleting.cancel()
    await asyncio.gather(deleting, return_exceptions=True)
    hold.set()
    await holding
    await database.write(lambda _: None)  # made after the delete, since writes keep their order

    assert await store.credential("AKIAEXAMPLE") is None


async def test_memory_is_bounded_and_strangers_do_not_push_out_our_keys(
    database: Database, clock: TurnedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials_module, "CACHED_KEYS", 3)
    store = a_store(database, clock)
    await store.add_credential(a_key())
    await store.credential("AKIAEXAMPLE")
    for number in range(10):
        assert await store.credential(f"AKIASTRANGER{number}") is None

    await database.close()

    assert await store.credential("AKIAEXAMPLE") == a_key()
    assert await store.credential("AKIASTRANGER9") is None
    with pytest.raises(Unavailable):
        await store.credential("AKIASTRANGER0")


async def test_sessions_long_expired_make_way_for_new_ones(database: Database, clock: TurnedClock) -> None:
    store = a_store(database, clock)
    expires_at = clock.now() + timedelta(hours=1)
    await store.add_credential(replace(a_key("ASIAOLD"), expires_at=expires_at))
    await store.add_credential(a_key("AKIAFOREVER"))

    clock.moment = expires_at + credentials_module.EXPIRED_KEPT
    await store.add_credential(a_key("ASIAFIRST"))
    assert await store.credential("ASIAOLD") is not None
    clock.turn(seconds=1)
    await store.add_credential(a_key("ASIASECOND"))
    clock.turn(seconds=credentials_module.CACHE_SECONDS)

    assert await store.credential("ASIAOLD") is None
    assert await store.credential("AKIAFOREVER") is not None


@pytest.mark.parametrize("key_id", ["", "x" * 129, "AK\x00IA", "ключ", "AK\udcff", "AK\nIA"])
async def test_a_key_id_that_iam_would_refuse_is_refused(database: Database, clock: TurnedClock, key_id: str) -> None:
    store = a_store(database, clock)

    with pytest.raises(ValueError, match="access key id"):
        await store.add_credential(a_key(key_id))
    await store.learn(key_id or "\x00", "", ROOT, None)

    assert await store.credential(key_id) is None
    assert await store.learned(key_id, "") is None
    assert await count(database, learned_identities) == 0


async def test_the_identity_not_used_for_longest_makes_room(
    database: Database, clock: TurnedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learned_module, "MAX_LEARNED", 3)
    store = a_store(database, clock)
    hour = learned_module.USE_IS_NOTED_EVERY.total_seconds()
    for key_id in ("AKIAA", "AKIAB", "AKIAC"):
        await store.learn(key_id, "", ROOT, None)
        clock.turn(seconds=1)
    clock.turn(seconds=hour)
    assert await store.learned("AKIAA", "") == ROOT

    await store.learn("AKIAD", "", ROOT, None)

    clock.turn(seconds=hour)
    known = [key_id for key_id in ("AKIAA", "AKIAB", "AKIAC", "AKIAD") if await store.learned(key_id, "")]
    assert known == ["AKIAA", "AKIAC", "AKIAD"]
    assert await count(database, learned_identities) == 3


async def test_an_expired_identity_makes_room_first(
    database: Database, clock: TurnedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learned_module, "MAX_LEARNED", 2)
    store = a_store(database, clock)
    await store.learn("AKIAOLDEST", "", ROOT, None)
    clock.turn(seconds=1)
    await store.learn("ASIABRIEF", "ab", ROOT, clock.now() + timedelta(seconds=60))
    clock.turn(seconds=60)

    await store.learn("AKIANEW", "", ROOT, None)

    assert await store.learned("AKIAOLDEST", "") == ROOT
    assert await count(database, learned_identities) == 2


async def test_policies_are_answered_from_memory_and_changes_are_seen_at_once(
    database: Database, clock: TurnedClock
) -> None:
    store = a_store(database, clock)
    arn = f"arn:aws:iam::{ACCOUNT}:user/alice"
    alice = Principal(PrincipalType.IAM_USER, "AIDAALICE", arn, ACCOUNT, "alice")
    assert list(await store.policies(alice)) == []
    await store.create_user(User(ACCOUNT, "alice", "AIDAALICE", arn, "/", clock.now(), {"a": "1"}))
    assert list(await store.policies(alice)) == ["1"]
    await store.put_policy(arn, "b", "2")
    assert list(await store.policies(alice)) == ["1", "2"]

    await database.close()

    assert list(await store.policies(alice)) == ["1", "2"]


async def test_an_mfa_secret_is_not_in_the_file(tmp_path: Path, clock: TurnedClock) -> None:
    database = await open_database(f"sqlite:///{tmp_path}/metadata.sqlite")
    store = a_store(database, clock)
    arn = f"arn:aws:iam::{ACCOUNT}:user/ann"
    await store.create_user(User(ACCOUNT, "ann", "AIDAANN", arn, "/", clock.now(), {}))
    await store.add_mfa_device(MfaDevice("arn:mfa/ann", arn, b"a-totp-secret-of-ann", clock.now()))
    await store.try_mfa_code(arn, "arn:mfa/ann", "000000", clock.now())
    await database.close()

    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"arn:mfa/ann" in kept
    assert b"a-totp-secret-of-ann" not in kept


async def test_owners_seen_longest_ago_make_room(
    database: Database, clock: TurnedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owners_module, "MAX_OWNERS", 2)
    store = a_store(database, clock)
    owners = [UpstreamOwner("user", ACCOUNT, name, "AIDA", f"arn:{name}") for name in ("ann", "bob", "cyd")]
    for owner in owners:
        await store.note_upstream_owners([owner])
        clock.turn(seconds=1)

    assert await count(database, upstream_owners) == 2
    assert await store.upstream_owner("user", ACCOUNT, "ann") is None
    assert await store.upstream_owner("user", ACCOUNT, "cyd") == owners[2]


async def test_an_owner_seen_again_costs_no_write_within_the_hour(database: Database, clock: TurnedClock) -> None:
    store = a_store(database, clock)
    ann = UpstreamOwner("user", ACCOUNT, "ann", "AIDA", "arn:ann")
    first_seen = clock.now()
    await store.note_upstream_owners([ann])

    clock.turn(seconds=3599)
    await store.note_upstream_owners([ann])
    assert await seen_at(database) == [first_seen]

    clock.turn(seconds=1)
    await store.note_upstream_owners([ann])
    assert await seen_at(database) == [clock.now()]


async def seen_at(database: Database) -> list[datetime]:
    def work(connection: Connection) -> list[datetime]:
        return list(connection.execute(select(upstream_owners.c.seen_at)).scalars())

    return await database.read(work)


@pytest.mark.parametrize("arn", ["arn:\x00", "a" * 2049])
async def test_an_owner_that_cannot_be_kept_is_left_out(database: Database, clock: TurnedClock, arn: str) -> None:
    store = a_store(database, clock)

    await store.note_upstream_owners([UpstreamOwner("user", ACCOUNT, "ann", "AIDA", arn)])

    assert await count(database, upstream_owners) == 0
