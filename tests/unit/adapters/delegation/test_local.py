"""Registered delegated administrators, kept in the home."""

from pathlib import Path

import pytest

from opentrail.adapters.delegation.local import LocalDelegation
from opentrail.errors import OperatorError
from opentrail.ports import Unavailable
from tests.builders import AUDIT, DEV, MANAGEMENT, an_organization


def administrators(delegation: LocalDelegation) -> tuple[str, ...]:
    assert delegation.organization is not None
    return delegation.organization.delegated_administrators


async def test_registered_accounts_are_there_again_beside_those_of_the_settings(tmp_path: Path) -> None:
    path = tmp_path / "administrators.json"
    delegation = LocalDelegation(path, an_organization())
    await delegation.register(DEV)

    again = LocalDelegation(path, an_organization())

    assert administrators(delegation) == administrators(again) == tuple(sorted((AUDIT, DEV)))
    assert (again.is_named_by_settings(AUDIT), again.is_named_by_settings(DEV)) == (True, False)
    await again.deregister(DEV)
    assert administrators(again) == administrators(LocalDelegation(path, an_organization())) == (AUDIT,)


async def test_account_that_left_the_organization_administers_nothing(tmp_path: Path) -> None:
    path = tmp_path / "administrators.json"
    await LocalDelegation(path, an_organization()).register(DEV)

    assert administrators(LocalDelegation(path, an_organization(AUDIT))) == (AUDIT,)
    assert administrators(LocalDelegation(path, an_organization(AUDIT, DEV, management=MANAGEMENT))) == (AUDIT, DEV)
    assert LocalDelegation(path, None).organization is None


@pytest.mark.parametrize("content", [b"", b"[]", b'{"accounts": 7}'])
def test_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "administrators.json"
    path.write_bytes(content)

    with pytest.raises(OperatorError, match=r"administrators\.json is damaged"):
        LocalDelegation(path, an_organization())


async def test_what_cannot_be_written_is_not_so(tmp_path: Path) -> None:
    delegation = LocalDelegation(tmp_path / "nowhere" / "administrators.json", an_organization())

    with pytest.raises(Unavailable):
        await delegation.register(DEV)

    assert administrators(delegation) == (AUDIT,)
