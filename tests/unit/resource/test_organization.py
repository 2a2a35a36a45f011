"""The organization as the settings tell it."""

import pytest

from opentrail.resource.organization import MAX_ACCOUNTS, Account, Organization, organized
from tests.builders import AUDIT, DEV, MANAGEMENT, a_trail, an_organization


@pytest.mark.parametrize(
    ("text", "account"),
    [
        (AUDIT, Account(AUDIT)),
        (f"{AUDIT} Log Archive", Account(AUDIT, "Log Archive")),
        (f" {AUDIT}  Log Archive <audit@example.com> ", Account(AUDIT, "Log Archive", "audit@example.com")),
        (f"{AUDIT} <audit@example.com>", Account(AUDIT, "", "audit@example.com")),
        (f"{AUDIT} Größe & Söhne", Account(AUDIT, "Größe & Söhne")),
    ],
)
def test_an_account_is_read_with_name_and_address(text: str, account: Account) -> None:
    assert Account.parse(text) == account
    assert Account.parse(str(account)) == account


@pytest.mark.parametrize(
    "text", ["", "12345", "x22222222222", f"{AUDIT}name", f"{AUDIT} <nobody>", f"{AUDIT} a, b", f"{AUDIT} " + "n" * 51]
)
def test_what_is_no_account_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be an account"):
        Account.parse(text)


@pytest.mark.parametrize(
    ("members", "delegated", "message"),
    [
        ([AUDIT, AUDIT], [], "named twice"),
        ([MANAGEMENT], [], "named twice"),
        ([AUDIT], [DEV], "must be a member"),
        ([AUDIT], [MANAGEMENT], "must be a member"),
        ([f"{number:012d}" for number in range(1, 5)], [f"{number:012d}" for number in range(1, 5)], "at most 3"),
        ([f"{number:012d}" for number in range(MAX_ACCOUNTS)], [], "at most 1000 accounts"),
    ],
)
def test_an_organization_that_cannot_be_is_refused(members: list[str], delegated: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Organization.of("o-exampleorgid", Account(MANAGEMENT), tuple(map(Account, members)), tuple(delegated))


def test_a_trail_of_the_management_account_takes_the_accounts_of_the_day() -> None:
    trail = organized(a_trail(account_id=MANAGEMENT), an_organization())

    assert trail.is_organization
    assert trail.organization_id == "o-exampleorgid"
    assert trail.account_ids == tuple(sorted([MANAGEMENT, AUDIT, DEV]))
    assert organized(trail, an_organization()) == trail


def test_a_trail_whose_account_manages_no_organization_is_an_ordinary_one() -> None:
    trail = organized(a_trail(account_id=MANAGEMENT), an_organization())

    for organization in (None, an_organization(management=DEV)):
        ordinary = organized(trail, organization)
        assert not ordinary.is_organization
        assert ordinary.account_ids == (MANAGEMENT,)
        assert ordinary.organization_id == ""
