"""The operator's commands change the stores, put each change on record, and say what to do about a mistake."""

from datetime import UTC, datetime
from typing import Any

import pytest

from opentrail.admin.administration import Administration
from opentrail.clock import RandomIdentifiers
from opentrail.errors import OperatorError
from tests.memory.archives import InMemoryArchives
from tests.memory.identity_store import InMemoryIdentityStore
from tests.memory.signer import InMemorySigner

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
        self.administration = Administration(
            account_id=ACCOUNT,
            region="us-east-1",
            identities=self.identities,
            archives=self.archives,
            signer=InMemorySigner(),
            record=self._record,
            clock=StillClock(),
            identifiers=RandomIdentifiers(),
        )

    async def _record(self, event_source: str, event_name: str, details: dict[str, Any]) -> None:
        self.recorded.append((event_source, event_name, details))


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

    await bench.administration.import_key("minioadmin", "minioadmin-secret", "storage")

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
    await bench.administration.create_archive("audit-archive")
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
        await bench.administration.create_archive("logs", region=region)
    with pytest.raises(OperatorError, match="Region"):
        await bench.administration.rotate_signing_key(region)

    assert bench.archives.list() == []
    assert bench.recorded == []


@pytest.mark.parametrize("key_id", ["abc", "AKIA\u00e9\u00e9", "AKIA BCD", "AKIA\x1b[2J", "A" * 129])
async def test_what_cannot_be_a_key_id_is_refused_with_a_sentence(key_id: str) -> None:
    with pytest.raises(OperatorError, match="access key id"):
        await Bench().administration.import_key(key_id, "secret")
