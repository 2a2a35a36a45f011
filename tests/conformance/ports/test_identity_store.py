"""What every identity store promises, whatever it is built on."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from opentrail.identity import Credential, Principal, PrincipalType, Role, SessionContext, UpstreamOwner, User
from opentrail.identity.mfa import MfaDevice, code_at, step_at
from opentrail.ports.identity_store import EntityAlreadyExists, NoSuchEntity
from tests.support.metadata import TECHNOLOGIES, MetadataStores, metadata_stores

ACCOUNT = "123456789012"
CREATED = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
ROOT = Principal(PrincipalType.ROOT, ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT)
TOKEN_HASH = "e3" * 32


@pytest.fixture(params=TECHNOLOGIES)
async def stores(request: pytest.FixtureRequest) -> AsyncIterator[MetadataStores]:
    async with metadata_stores(request) as opened:
        yield opened


def a_user(name: str = "alice", account_id: str = ACCOUNT, **policies: str) -> User:
    arn = f"arn:aws:iam::{account_id}:user/{name}"
    return User(account_id, name, f"AIDA{name.upper()}", arn, "/", CREATED, policies)


def a_role(name: str = "auditor", account_id: str = ACCOUNT, **policies: str) -> Role:
    arn = f"arn:aws:iam::{account_id}:role/{name}"
    return Role(account_id, name, f"AROA{name.upper()}", arn, "/", CREATED, '{"Statement":[]}', policies, 7200)


def principal_of(user: User) -> Principal:
    return Principal(PrincipalType.IAM_USER, user.user_id, user.arn, user.account_id, user.name)


def session_of(role: Role, name: str = "night") -> Principal:
    return Principal(
        PrincipalType.ASSUMED_ROLE,
        f"{role.role_id}:{name}",
        f"arn:aws:sts::{role.account_id}:assumed-role/{role.name}/{name}",
        role.account_id,
        session=SessionContext(
            CREATED, True, "Role", role.role_id, role.arn, role.account_id, role.name, source_identity="bob"
        ),
    )


def a_key(key_id: str = "AKIAEXAMPLE", principal: Principal = ROOT) -> Credential:
    return Credential(key_id, f"secret-of-{key_id}", principal)


async def test_a_key_nobody_added_is_not_ours(stores: MetadataStores) -> None:
    assert await stores.identities.credential("AKIAUNKNOWN") is None
    assert await stores.identities.credential("") is None
    assert await stores.identities.credential("\x00\udcff" + "x" * 5000) is None


async def test_a_long_lived_key_comes_back_whole(stores: MetadataStores) -> None:
    credential = replace(a_key(), is_imported=True)

    await stores.identities.add_credential(credential)

    assert await stores.identities.credential("AKIAEXAMPLE") == credential


async def test_a_session_s_key_comes_back_with_token_expiry_and_policy(stores: MetadataStores) -> None:
    credential = replace(
        a_key("ASIAEXAMPLE", session_of(a_role())),
        session_token="Fwo/" * 300,
        expires_at=stores.clock.now() + timedelta(hours=1),
        session_policy='{"Statement":[]}',
    )

    await stores.identities.add_credential(credential)

    assert await stores.identities.credential("ASIAEXAMPLE") == credential


async def test_an_expired_or_inactive_key_is_still_known(stores: MetadataStores) -> None:
    expired = replace(a_key("ASIAOLD"), expires_at=stores.clock.now() - timedelta(seconds=1), is_active=False)

    await stores.identities.add_credential(expired)

    assert await stores.identities.credential("ASIAOLD") == expired


async def test_a_key_asked_for_too_early_is_seen_once_it_is_added(stores: MetadataStores) -> None:
    assert await stores.identities.credential("AKIAEXAMPLE") is None

    await stores.identities.add_credential(a_key())

    assert await stores.identities.credential("AKIAEXAMPLE") == a_key()


async def test_the_same_key_id_cannot_be_added_twice(stores: MetadataStores) -> None:
    await stores.identities.add_credential(a_key())

    with pytest.raises(EntityAlreadyExists):
        await stores.identities.add_credential(replace(a_key(), secret_access_key="other"))

    assert await stores.identities.credential("AKIAEXAMPLE") == a_key()


async def test_switching_a_key_off_and_on_is_seen_at_once(stores: MetadataStores) -> None:
    await stores.identities.add_credential(a_key())
    assert await stores.identities.credential("AKIAEXAMPLE") == a_key()

    await stores.identities.set_credential_active("AKIAEXAMPLE", False)
    assert await stores.identities.credential("AKIAEXAMPLE") == replace(a_key(), is_active=False)

    await stores.identities.set_credential_active("AKIAEXAMPLE", True)
    assert await stores.identities.credential("AKIAEXAMPLE") == a_key()


async def test_a_deleted_key_is_forgotten_at_once(stores: MetadataStores) -> None:
    await stores.identities.add_credential(a_key())
    assert await stores.identities.credential("AKIAEXAMPLE") is not None

    await stores.identities.delete_credential("AKIAEXAMPLE")

    assert await stores.identities.credential("AKIAEXAMPLE") is None
    await stores.identities.add_credential(a_key())


async def test_changing_an_unknown_key_is_refused(stores: MetadataStores) -> None:
    with pytest.raises(NoSuchEntity):
        await stores.identities.set_credential_active("AKIAUNKNOWN", False)
    with pytest.raises(NoSuchEntity):
        await stores.identities.delete_credential("AKIAUNKNOWN")


async def test_an_account_s_keys_are_listed_by_key_id(stores: MetadataStores) -> None:
    other = Principal(PrincipalType.ROOT, "210987654321", "arn:aws:iam::210987654321:root", "210987654321")
    for credential in (a_key("AKIAb"), a_key("AKIAB"), a_key("AKIAa"), a_key("AKIAC", other)):
        await stores.identities.add_credential(credential)

    listed = await stores.identities.credentials(ACCOUNT)

    assert list(listed) == [a_key("AKIAB"), a_key("AKIAa"), a_key("AKIAb")]


async def test_users_come_back_with_their_policies(stores: MetadataStores) -> None:
    alice = a_user(read='{"Statement":[]}', write="{}")

    await stores.identities.create_user(alice)

    assert await stores.identities.user(ACCOUNT, "alice") == alice
    assert await stores.identities.user(ACCOUNT, "Alice") is None
    assert await stores.identities.user("210987654321", "alice") is None


async def test_users_are_listed_by_name(stores: MetadataStores) -> None:
    users = [a_user("mallory", p="1"), a_user("alice", p="2", q="3"), a_user("Zoë")]
    for user in [*users, a_user("eve", "210987654321")]:
        await stores.identities.create_user(user)

    assert list(await stores.identities.users(ACCOUNT)) == [users[2], users[1], users[0]]


async def test_a_user_s_name_is_taken_once_per_account(stores: MetadataStores) -> None:
    await stores.identities.create_user(a_user(p="1"))
    await stores.identities.create_user(a_user(account_id="210987654321"))

    with pytest.raises(EntityAlreadyExists):
        await stores.identities.create_user(a_user(p="2", q="3"))

    assert await stores.identities.user(ACCOUNT, "alice") == a_user(p="1")


async def test_deleting_a_user_deletes_its_keys_and_policies(stores: MetadataStores) -> None:
    alice = a_user(p="{}")
    await stores.identities.create_user(alice)
    await stores.identities.add_credential(a_key("AKIAALICE", principal_of(alice)))
    session = replace(principal_of(alice), session=SessionContext(CREATED))
    await stores.identities.add_credential(replace(a_key("ASIAALICE", session), session_token="t"))
    await stores.identities.add_credential(a_key("AKIAROOT"))
    assert await stores.identities.credential("AKIAALICE") is not None

    await stores.identities.delete_user(ACCOUNT, "alice")

    assert await stores.identities.user(ACCOUNT, "alice") is None
    assert await stores.identities.credential("AKIAALICE") is None
    assert [credential.access_key_id for credential in await stores.identities.credentials(ACCOUNT)] == ["AKIAROOT"]
    await stores.identities.create_user(a_user())
    assert list(await stores.identities.policies(principal_of(alice))) == []


async def test_roles_come_back_whole_and_listed_by_name(stores: MetadataStores) -> None:
    roles = [a_role("writer"), a_role("auditor", p="{}")]
    for role in roles:
        await stores.identities.create_role(role)

    assert await stores.identities.role(ACCOUNT, "auditor") == roles[1]
    assert await stores.identities.role(ACCOUNT, "nobody") is None
    assert list(await stores.identities.roles(ACCOUNT)) == [roles[1], roles[0]]
    with pytest.raises(EntityAlreadyExists):
        await stores.identities.create_role(a_role("writer"))


async def test_deleting_a_role_ends_its_sessions(stores: MetadataStores) -> None:
    await stores.identities.create_role(a_role())
    await stores.identities.create_role(a_role("other"))
    await stores.identities.add_credential(a_key("ASIANIGHT", session_of(a_role())))
    await stores.identities.add_credential(a_key("ASIAOTHER", session_of(a_role("other"))))

    await stores.identities.delete_role(ACCOUNT, "auditor")

    assert await stores.identities.role(ACCOUNT, "auditor") is None
    assert await stores.identities.credential("ASIANIGHT") is None
    assert await stores.identities.credential("ASIAOTHER") is not None


async def test_deleting_who_is_not_there_is_refused(stores: MetadataStores) -> None:
    with pytest.raises(NoSuchEntity):
        await stores.identities.delete_user(ACCOUNT, "alice")
    with pytest.raises(NoSuchEntity):
        await stores.identities.delete_role(ACCOUNT, "auditor")


async def test_a_user_and_a_role_may_share_a_name(stores: MetadataStores) -> None:
    await stores.identities.create_user(a_user("same", p="user's"))
    await stores.identities.create_role(a_role("same", p="role's"))

    await stores.identities.delete_role(ACCOUNT, "same")

    assert await stores.identities.user(ACCOUNT, "same") == a_user("same", p="user's")


async def test_policies_are_set_replaced_and_removed_by_name(stores: MetadataStores) -> None:
    alice = a_user(b="1")
    await stores.identities.create_user(alice)

    await stores.identities.put_policy(alice.arn, "a", "2")
    await stores.identities.put_policy(alice.arn, "b", "3")
    assert list(await stores.identities.policies(principal_of(alice))) == ["2", "3"]

    await stores.identities.put_policy(alice.arn, "a", None)
    assert list(await stores.identities.policies(principal_of(alice))) == ["3"]
    assert (await stores.identities.users(ACCOUNT))[0].policies == {"b": "3"}


async def test_a_policy_of_nobody_is_refused(stores: MetadataStores) -> None:
    await stores.identities.create_user(a_user())

    with pytest.raises(NoSuchEntity):
        await stores.identities.put_policy(a_role().arn, "a", "{}")
    with pytest.raises(NoSuchEntity):
        await stores.identities.put_policy(a_user().arn, "a", None)


async def test_a_session_has_its_role_s_policies_and_root_needs_none(stores: MetadataStores) -> None:
    await stores.identities.create_role(a_role(p="role's"))
    await stores.identities.create_user(a_user(p="user's"))
    user_session = replace(principal_of(a_user()), session=SessionContext(CREATED))

    assert list(await stores.identities.policies(session_of(a_role()))) == ["role's"]
    assert list(await stores.identities.policies(user_session)) == ["user's"]
    assert list(await stores.identities.policies(ROOT)) == []
    assert list(await stores.identities.policies(principal_of(a_user("nobody")))) == []


async def test_an_identity_is_learned_by_key_and_token(stores: MetadataStores) -> None:
    await stores.identities.learn("ASIAUP", TOKEN_HASH, session_of(a_role()), None)
    await stores.identities.learn("AKIAUP", "", ROOT, None)

    assert await stores.identities.learned("ASIAUP", TOKEN_HASH) == session_of(a_role())
    assert await stores.identities.learned("ASIAUP", "") is None
    assert await stores.identities.learned("AKIAUP", "") == ROOT
    assert await stores.identities.learned("\x00", "") is None


async def test_what_is_learned_later_wins_at_once(stores: MetadataStores) -> None:
    assert await stores.identities.learned("AKIAUP", "") is None
    await stores.identities.learn("AKIAUP", "", ROOT, None)
    assert await stores.identities.learned("AKIAUP", "") == ROOT

    await stores.identities.learn("AKIAUP", "", principal_of(a_user()), None)

    assert await stores.identities.learned("AKIAUP", "") == principal_of(a_user())


async def test_a_learned_identity_is_forgotten_when_it_expires(stores: MetadataStores) -> None:
    await stores.identities.learn("ASIAUP", TOKEN_HASH, ROOT, stores.clock.now() + timedelta(seconds=60))
    stores.clock.turn(seconds=59)
    assert await stores.identities.learned("ASIAUP", TOKEN_HASH) == ROOT

    stores.clock.turn(seconds=1)

    assert await stores.identities.learned("ASIAUP", TOKEN_HASH) is None


async def test_a_key_of_ours_is_never_relearned(stores: MetadataStores) -> None:
    await stores.identities.learn("AKIAEXAMPLE", "", principal_of(a_user()), None)
    await stores.identities.add_credential(a_key())
    assert await stores.identities.learned("AKIAEXAMPLE", "") is None

    await stores.identities.learn("AKIAEXAMPLE", "", principal_of(a_user()), None)

    assert await stores.identities.learned("AKIAEXAMPLE", "") is None


def an_owner(name: str = "ann", kind: str = "user", account_id: str = ACCOUNT, unique_id: str = "") -> UpstreamOwner:
    arn = f"arn:aws:iam::{account_id}:{kind}/team/{name}"
    return UpstreamOwner(kind, account_id, name, unique_id or f"AID{name.upper()}", arn)


async def test_what_an_upstream_said_of_its_users_and_roles_is_remembered(stores: MetadataStores) -> None:
    await stores.identities.note_upstream_owners([an_owner("ann"), an_owner("ann", "role"), an_owner("bob")])
    await stores.identities.note_upstream_owners([an_owner("bob", unique_id="AIDANEW")])

    assert await stores.identities.upstream_owner("user", ACCOUNT, "ann") == an_owner("ann")
    assert await stores.identities.upstream_owner("role", ACCOUNT, "ann") == an_owner("ann", "role")
    assert await stores.identities.upstream_owner("user", ACCOUNT, "bob") == an_owner("bob", unique_id="AIDANEW")
    assert await stores.identities.upstream_owner("role", ACCOUNT, "bob") is None
    assert await stores.identities.upstream_owner("user", "", "\x00") is None


async def test_an_owner_is_found_without_its_account_while_there_is_only_one(stores: MetadataStores) -> None:
    await stores.identities.note_upstream_owners([an_owner("ann")])
    assert await stores.identities.upstream_owner("user", "", "ann") == an_owner("ann")

    await stores.identities.note_upstream_owners([an_owner("ann", account_id="210987654321")])

    assert await stores.identities.upstream_owner("user", "", "ann") is None


def a_device(user: User) -> MfaDevice:
    serial_number = f"arn:aws:iam::{user.account_id}:mfa/{user.name}"
    return MfaDevice(serial_number, user.arn, b"12345678901234567890", CREATED)


async def test_a_user_has_one_mfa_device_until_it_is_deleted(stores: MetadataStores) -> None:
    await stores.identities.create_user(a_user())
    device = a_device(a_user())
    with pytest.raises(NoSuchEntity):
        await stores.identities.add_mfa_device(a_device(a_user("nobody")))

    await stores.identities.add_mfa_device(device)

    assert await stores.identities.mfa_device(device.user_arn) == device
    with pytest.raises(EntityAlreadyExists):
        await stores.identities.add_mfa_device(replace(device, secret=b"another"))
    await stores.identities.delete_mfa_device(device.user_arn)
    assert await stores.identities.mfa_device(device.user_arn) is None
    with pytest.raises(NoSuchEntity):
        await stores.identities.delete_mfa_device(device.user_arn)


async def test_a_deleted_user_leaves_no_mfa_device_behind(stores: MetadataStores) -> None:
    await stores.identities.create_user(a_user())
    await stores.identities.add_mfa_device(a_device(a_user()))

    await stores.identities.delete_user(ACCOUNT, "alice")

    await stores.identities.create_user(a_user())
    assert await stores.identities.mfa_device(a_user().arn) is None


async def test_of_many_attempts_at_once_with_one_code_a_single_one_succeeds(stores: MetadataStores) -> None:
    await stores.identities.create_user(a_user())
    device = a_device(a_user())
    await stores.identities.add_mfa_device(device)
    now = stores.clock.now()
    code = code_at(device.secret, step_at(now))

    verdicts = await asyncio.gather(
        *(stores.identities.try_mfa_code(device.user_arn, device.serial_number, code, now) for _ in range(4))
    )

    assert sorted(verdicts) == [False, False, False, True]
    kept = await stores.identities.mfa_device(device.user_arn)
    assert kept is not None
    assert (kept.last_step, kept.wrong_codes, kept.wrong_at) == (step_at(now), 3, now)


@pytest.mark.parametrize("whose", ["another serial number", "another user"])
async def test_a_code_of_no_device_of_the_user_is_no_attempt(stores: MetadataStores, whose: str) -> None:
    await stores.identities.create_user(a_user())
    device = a_device(a_user())
    await stores.identities.add_mfa_device(device)
    arn = a_user("bob").arn if whose == "another user" else device.user_arn
    serial_number = device.serial_number + ("x" if whose == "another serial number" else "")

    with pytest.raises(NoSuchEntity):
        await stores.identities.try_mfa_code(arn, serial_number, "000000", stores.clock.now())

    assert await stores.identities.mfa_device(device.user_arn) == device
