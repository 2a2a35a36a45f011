"""How the organization is told in the settings, and which mistakes are named."""

from pathlib import Path

import pytest

from opentrail.errors import SettingsError
from opentrail.resource.organization import Account
from opentrail.settings import read_settings
from tests.builders import AUDIT, DEV, MANAGEMENT

VARIABLES = {
    "OPENTRAIL_ORGANIZATION_ID": "o-exampleorgid",
    "OPENTRAIL_ORGANIZATION_MEMBER_ACCOUNTS": f"{AUDIT} Log Archive <audit@example.com>, {DEV}",
    "OPENTRAIL_ORGANIZATION_DELEGATED_ADMINISTRATORS": AUDIT,
}
TABLE = f"""
[organization]
id = "o-exampleorgid"
member_accounts = ["{AUDIT} Log Archive <audit@example.com>", "{DEV}"]
delegated_administrators = ["{AUDIT}"]
"""


def test_there_is_no_organization_unless_one_is_told() -> None:
    assert read_settings(None, {}).settings.organization() is None


def test_the_file_and_variables_tell_the_same_organization(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(TABLE)

    organization = read_settings(path, {}).settings.organization()

    assert organization is not None
    assert organization == read_settings(None, VARIABLES).settings.organization()
    assert organization.management_account_id == MANAGEMENT
    assert organization.account(AUDIT) == Account(AUDIT, "Log Archive", "audit@example.com")
    assert [account.account_id for account in organization.accounts] == sorted([MANAGEMENT, AUDIT, DEV])
    assert [organization.is_administrator(account) for account in (MANAGEMENT, AUDIT, DEV)] == [True, True, False]


def test_the_management_account_may_be_another_than_the_installation_s() -> None:
    variables = {**VARIABLES, "OPENTRAIL_ORGANIZATION_MANAGEMENT_ACCOUNT": "111111111111 Root <root@example.com>"}

    organization = read_settings(None, variables).settings.organization()

    assert organization is not None
    assert organization.management_account_id == "111111111111"


def test_the_organization_survives_as_options() -> None:
    settings = read_settings(None, VARIABLES).settings

    again = read_settings(None, {}, settings.as_options()).settings

    assert again.organization() == settings.organization()
    assert read_settings(None, {}, read_settings(None, {}).settings.as_options()).settings.organization() is None


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"OPENTRAIL_ORGANIZATION_ID": "o-X"}, "organization.id = 'o-X'.*must be an organization's id"),
        ({"OPENTRAIL_ORGANIZATION_ID": ""}, "organization.id is missing"),
        ({"OPENTRAIL_ORGANIZATION_MEMBER_ACCOUNTS": "22 Audit"}, "member_accounts = '22 Audit'.*must be an account"),
        ({"OPENTRAIL_ORGANIZATION_MEMBER_ACCOUNTS": f"{AUDIT}, {AUDIT}"}, "named twice"),
        ({"OPENTRAIL_ORGANIZATION_MEMBER_ACCOUNTS": f"{AUDIT}, {MANAGEMENT}"}, "management account is no member"),
        ({"OPENTRAIL_ORGANIZATION_DELEGATED_ADMINISTRATORS": "999999999999"}, "must be a member account"),
        ({"OPENTRAIL_ORGANIZATION_DELEGATED_ADMINISTRATORS": "Audit"}, "must be 12 digits"),
    ],
)
def test_an_organization_that_cannot_be_meant_is_refused(changes: dict[str, str], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        read_settings(None, VARIABLES | changes)
