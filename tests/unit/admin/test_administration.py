"""The operator's commands change the stores, put each change on record, and say what to do about a mistake."""

from base64 import b32decode
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from opentrail.adapters.key_ring.local import LocalKeyRing
from opentrail.admin.administration import Administration
from opentrail.clock import RandomIdentifiers
from opentrail.errors import OperatorError
from opentrail.ports import Unavailable
from tests.memory.archives import InMemoryArchives
from tests.memory.delivery_log import InMemoryDeliveryLog
from tests.memory.identity_store import InMemoryIdentityStore
from tests.memory.key_store import InMemoryKeyStore
from tests.memory.signer import InMemorySigner
from tests.memory.trail_store import InMemoryTrailStore

ACCOUNT = "123456789012"
NOW = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)
TRUST = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole",'
    '"Principal":{"AWS":"123456789012"}}]}'
)


class StillClock:
    def now(self) -> datetime:
        return NOW


class Bench:
    """An Administration over ports in memory, with what it put on record."""

    def __init__(self) -> None:
        self.identities = InMemoryIdentityStore()
        self.archives = InMemoryArchives()
        self.recorded: list[tuple[str, str, dict[str, Any]]] = []
        self.takes_records = True
        self.when_recorded: Callable[[], Awaitable[None]] | None = None
        self.administration = Administration(
            account_id=ACCOUNT,
            region="us-east-1",
            identities=self.identities,
            archives=self.archives,
            trails=InMemoryTrailStore(InMemoryDeliveryLog()),
            key_ring=LocalKeyRing(InMemoryKeyStore(StillClock())),
            signer=InMemorySigner(),
            record=self._record,
            clock=StillClock(),
            identifiers=RandomIdentifiers(),
        )

    async def _record(self, event_source: str, event_name: str, details: dict[str, Any]) -> None:
        if not self.takes_records:
            raise Unavailable("the journal takes nothing")
        self.recorded.append((event_source, event_name, details))
        if self.when_recorded is not None:
            await self.when_recorded()


async def test_a_user_gets_a_key_that_is_known_at_once_and_both_are_on_record() -> None:
    bench = Bench()

    await bench.administration.create_user("bob", managed="AWSCloudTrail_ReadOnlyAccess")
    key = await bench.administration.create_key("bob")

    credential = await bench.identities.credential(key["access_key_id"])
    assert credential is not None
    assert credential.secret_access_key == key["secret_access_key"]
    assert credential.principal.arn == "arn:aws:iam::123456789012:user/bob"
    assert [name for _, name, _ in bench.recorded] == ["CreateUser", "CreateAccessKey"]
    assert key["secret_access_key"] not in str(bench.recorded)


async def test_an_imported_key_needs_no_user_made_beforehand() -> None:
    bench = Bench()

    answer = await bench.administration.import_key("minioadmin", "minioadmin-secret", "storage")
    second = await bench.administration.import_key("minio-two", "minioadmin-secret", "storage")

    assert (answer["has_made_user"], second["has_made_user"]) == (True, False)
    credential = await bench.identities.credential("minioadmin")
    assert credential is not None
    assert credential.is_imported
    assert credential.principal.user_name == "storage"
    assert "minioadmin-secret" not in str(bench.recorded)


async def test_a_key_can_be_switched_off_listed_and_deleted() -> None:
    bench = Bench()
    key = await bench.administration.create_key()

    await bench.administration.set_key_active(key["access_key_id"], False)

    listed = (await bench.administration.list_keys())["keys"]
    assert [(entry["access_key_id"], entry["status"]) for entry in listed] == [(key["access_key_id"], "Inactive")]
    assert key["secret_access_key"] not in str(listed)
    await bench.administration.delete_key(key["access_key_id"])
    assert (await bench.administration.list_keys())["keys"] == []


async def test_roles_keep_their_trust_policy() -> None:
    bench = Bench()

    answer = await bench.administration.create_role("auditor", TRUST, managed="AWSCloudTrail_ReadOnlyAccess")

    role = await bench.identities.role(ACCOUNT, "auditor")
    assert role is not None
    assert role.trust_policy == TRUST
    assert answer["arn"] == role.arn == "arn:aws:iam::123456789012:role/auditor"


@pytest.mark.parametrize(
    ("command", "arguments", "sentence"),
    [
        ("create_user", {"name": "a/b"}, "cannot be a name"),
        ("create_user", {"name": "x" * 65}, "at most 64"),
        ("create_user", {"name": "bob", "policy": "{"}, "not well formed"),
        ("create_user", {"name": "bob", "managed": "Nothing"}, "AdministratorAccess"),
        ("create_user", {"name": "bob", "managed": "AdministratorAccess", "policy": "{}"}, "not both"),
        ("delete_user", {"name": "nobody"}, "no user nobody"),
        ("create_key", {"user": "nobody"}, "opentrail users create nobody"),
        ("delete_key", {"access_key_id": "AKIANONE"}, "no key AKIANONE"),
        ("set_key_active", {"access_key_id": "AKIANONE", "is_active": True}, "no key AKIANONE"),
        ("delete_role", {"name": "nobody"}, "no role nobody"),
        ("put_policy", {"kind": "user", "name": "nobody"}, "no user nobody"),
        ("put_policy", {"kind": "role", "name": "nobody", "managed": "AdministratorAccess"}, "no role nobody"),
        ("enable_mfa", {"name": "nobody"}, "no user nobody"),
        ("disable_mfa", {"name": "nobody"}, "no user nobody"),
        ("create_archive", {"name": "Not A Bucket"}, "cannot be an archive's name"),
        ("import_key", {"access_key_id": "x", "secret_access_key": "y"}, "4 to 128"),
    ],
)
async def test_a_mistake_changes_nothing_and_is_explained(
    command: str, arguments: dict[str, Any], sentence: str
) -> None:
    bench = Bench()

    with pytest.raises(OperatorError, match=sentence):
        await bench.administration.commands()[command](**arguments)

    assert bench.recorded == []


async def test_names_that_are_taken_are_refused() -> None:
    bench = Bench()
    await bench.administration.create_user("bob")
    await bench.administration.archives.create_archive("audit-archive")
    await bench.administration.create_role("auditor", TRUST)

    for command, arguments in (
        ("create_user", {"name": "bob"}),
        ("create_archive", {"name": "audit-archive"}),
        ("create_role", {"name": "auditor", "trust_policy": TRUST}),
    ):
        with pytest.raises(OperatorError, match="exists already"):
            await bench.administration.commands()[command](**arguments)


async def test_users_roles_and_keys_of_further_accounts_are_kept_apart_by_account() -> None:
    bench = Bench()
    other = "999988887777"

    await bench.administration.create_user("bob")
    await bench.administration.create_user("bob", account=other)
    await bench.administration.create_role("auditor", TRUST, account=other)
    root_key = await bench.administration.create_key(account=other)
    user_key = await bench.administration.create_key("bob", account=other)

    assert root_key["arn"] == f"arn:aws:iam::{other}:root"
    assert user_key["arn"] == f"arn:aws:iam::{other}:user/bob"
    assert (await bench.administration.list_roles())["roles"] == []
    assert (await bench.administration.list_keys())["keys"] == []
    assert len((await bench.administration.list_keys(other))["keys"]) == 2
    await bench.administration.delete_user("bob", other)
    assert [user["arn"] for user in (await bench.administration.list_users())["users"]] == [
        f"arn:aws:iam::{ACCOUNT}:user/bob"
    ]


@pytest.mark.parametrize("account", ["1", "12345678901x", "1234567890123"])
async def test_what_is_no_account_id_is_refused(account: str) -> None:
    with pytest.raises(OperatorError, match="12 digits"):
        await Bench().administration.create_key(account=account)


@pytest.mark.parametrize("region", ["../x", "us east 1", "us-east-1\n", "x" * 64, "US-EAST-1"])
async def test_what_cannot_be_a_region_changes_nothing(region: str) -> None:
    bench = Bench()

    with pytest.raises(OperatorError, match="Region"):
        await bench.administration.archives.create_archive("logs", region=region)
    with pytest.raises(OperatorError, match="Region"):
        await bench.administration.rotate_signing_key(region)

    assert bench.archives.list() == []
    assert bench.recorded == []


@pytest.mark.parametrize("key_id", ["abc", "AKIA\u00e9\u00e9", "AKIA BCD", "AKIA\x1b[2J", "A" * 129])
async def test_what_cannot_be_a_key_id_is_refused_with_a_sentence(key_id: str) -> None:
    with pytest.raises(OperatorError, match="access key id"):
        await Bench().administration.import_key(key_id, "secret")


async def test_a_user_s_mfa_device_is_made_once_listed_and_taken_away() -> None:
    bench = Bench()
    await bench.administration.create_user("bob")

    answer = await bench.administration.enable_mfa("bob")

    arn = f"arn:aws:iam::{ACCOUNT}:user/bob"
    device = await bench.identities.mfa_device(arn)
    assert device is not None
    assert answer["serial_number"] == device.serial_number == f"arn:aws:iam::{ACCOUNT}:mfa/bob"
    assert len(device.secret) == 20
    assert f"secret={answer['secret']}&" in answer["otpauth_uri"]
    assert b32decode(answer["secret"]) == device.secret
    assert [user["has_mfa"] for user in (await bench.administration.list_users())["users"]] == [True]
    with pytest.raises(OperatorError, match="users mfa disable bob"):
        await bench.administration.enable_mfa("bob")
    await bench.administration.disable_mfa("bob")
    assert await bench.identities.mfa_device(arn) is None
    with pytest.raises(OperatorError, match="has no MFA device"):
        await bench.administration.disable_mfa("bob")
    assert [name for _, name, _ in bench.recorded] == ["CreateUser", "EnableMFADevice", "DeactivateMFADevice"]
    assert answer["secret"] not in str(bench.recorded)


async def a_full_bench() -> tuple[Bench, str]:
    """A bench with a user, its key, its MFA device, a role and policies; the key's id."""
    bench = Bench()
    await bench.administration.create_user("bob", managed="AdministratorAccess")
    await bench.administration.enable_mfa("bob")
    await bench.administration.create_role("auditor", TRUST)
    key = await bench.administration.create_key("bob")
    bench.recorded.clear()
    return bench, key["access_key_id"]


async def everything(bench: Bench) -> object:
    users = await bench.identities.users(ACCOUNT)
    devices = [await bench.identities.mfa_device(user.arn) for user in users]
    roles = await bench.identities.roles(ACCOUNT)
    return users, devices, roles, await bench.identities.credentials(ACCOUNT)


CHANGES: list[tuple[str, dict[str, Any], str]] = [
    ("create_user", {"name": "cyd"}, "CreateUser"),
    ("delete_user", {"name": "bob"}, "DeleteUser"),
    ("disable_mfa", {"name": "bob"}, "DeactivateMFADevice"),
    ("create_role", {"name": "admin", "trust_policy": TRUST}, "CreateRole"),
    ("delete_role", {"name": "auditor"}, "DeleteRole"),
    ("put_policy", {"kind": "role", "name": "auditor", "managed": "AdministratorAccess"}, "PutRolePolicy"),
    ("put_policy", {"kind": "user", "name": "bob"}, "DeleteUserPolicy"),
    ("create_key", {"user": "bob"}, "CreateAccessKey"),
    ("import_key", {"access_key_id": "minioadmin", "secret_access_key": "s"}, "ImportAccessKey"),
    ("set_key_active", {"access_key_id": "KEY", "is_active": False}, "UpdateAccessKey"),
    ("delete_key", {"access_key_id": "KEY"}, "DeleteAccessKey"),
]


@pytest.mark.parametrize(("command", "arguments", "event_name"), CHANGES)
async def test_a_change_is_on_record_before_it_takes_effect(
    command: str, arguments: dict[str, Any], event_name: str
) -> None:
    bench, key = await a_full_bench()
    arguments = {name: key if value == "KEY" else value for name, value in arguments.items()}
    before = await everything(bench)
    seen: list[object] = []

    async def look() -> None:
        seen.append(await everything(bench))

    bench.when_recorded = look
    await bench.administration.commands()[command](**arguments)

    assert [name for _, name, _ in bench.recorded] == [event_name]
    assert seen == [before]
    assert await everything(bench) != before


@pytest.mark.parametrize(("command", "arguments", "event_name"), CHANGES)
async def test_a_change_that_cannot_be_put_on_record_is_not_made(
    command: str, arguments: dict[str, Any], event_name: str
) -> None:
    bench, key = await a_full_bench()
    arguments = {name: key if value == "KEY" else value for name, value in arguments.items()}
    before = await everything(bench)
    bench.takes_records = False

    with pytest.raises(OperatorError, match="could not be put on record"):
        await bench.administration.commands()[command](**arguments)

    assert await everything(bench) == before


async def test_a_change_that_did_not_take_effect_is_said_to_on_record() -> None:
    bench, key = await a_full_bench()

    async def somebody_else_is_faster() -> None:
        bench.when_recorded = None
        await bench.identities.delete_credential(key)

    bench.when_recorded = somebody_else_is_faster
    with pytest.raises(OperatorError, match="nothing was changed: no access key"):
        await bench.administration.delete_key(key)

    (_, first, asked), (_, second, failed) = bench.recorded
    assert (first, second) == ("DeleteAccessKey", "DeleteAccessKey")
    assert "tookEffect" not in asked
    assert (failed["accessKeyId"], failed["tookEffect"]) == (key, False)
    assert "no access key" in failed["reason"]
