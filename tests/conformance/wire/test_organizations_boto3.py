"""Organizations, and organization trails in several accounts, as boto3 sees them."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from opentrail.identity import Credential
from tests.builders import AUDIT, DEV, MANAGEMENT, World, a_credential, a_root, an_organization
from tests.support.api import ApiInThread, ShiftedClock, recorded

Connect = Callable[..., Any]

KEYS = {AUDIT: "AKIAAUDITAUDITAUDIT1", DEV: "AKIADEVDEVDEVDEVDEV1"}


@pytest.fixture
def api() -> Iterator[ApiInThread]:
    """An API server of an organization, with a Root key of each account."""
    server = ApiInThread()
    server.world = World(clock=ShiftedClock(), organization=an_organization())
    server.start()
    for account in KEYS:
        server.do(server.world.identities.add_credential(key_of(account)))
    yield server
    server.stop()


def key_of(account: str) -> Credential:
    return a_credential(a_root(account), KEYS[account])


def error_of(call: Callable[[], object]) -> str:
    with pytest.raises(ClientError) as refused:
        call()
    code: str = refused.value.response["Error"]["Code"]
    return code


def test_the_organization_is_shown_in_pages_that_boto3_walks(connect: Connect) -> None:
    organizations = connect("organizations")

    pages = organizations.get_paginator("list_accounts").paginate(PaginationConfig={"PageSize": 1})
    accounts = [account["Id"] for page in pages for account in page["Accounts"]]

    assert accounts == sorted([MANAGEMENT, AUDIT, DEV])
    assert organizations.describe_organization()["Organization"]["Id"] == "o-exampleorgid"
    [administrator] = organizations.list_delegated_administrators()["DelegatedAdministrators"]
    assert administrator["Id"] == AUDIT
    assert error_of(lambda: organizations.list_accounts(NextToken="nonsense")) == "InvalidInputException"
    assert error_of(lambda: organizations.list_accounts(MaxResults=21)) == "ValidationException"
    assert error_of(lambda: organizations.describe_account(AccountId="999999999999")) == "AccountNotFoundException"


def test_a_member_sees_its_organization_and_not_the_others(connect: Connect) -> None:
    organizations = connect("organizations", credential=key_of(DEV))

    assert organizations.describe_organization()["Organization"]["MasterAccountId"] == MANAGEMENT
    assert error_of(organizations.list_accounts) == "AccessDeniedException"


def test_an_operation_that_is_not_built_has_its_service_s_own_error(connect: Connect) -> None:
    assert error_of(lambda: connect("organizations").list_roots()) == "UnknownOperationException"


def test_calls_to_organizations_are_on_record_in_the_first_region(api: ApiInThread, connect: Connect) -> None:
    connect("organizations", region="eu-west-1", credential=key_of(DEV)).describe_organization()

    event = recorded(api.world)[-1]
    assert (event["eventSource"], event["eventName"]) == ("organizations.amazonaws.com", "DescribeOrganization")
    assert (event["awsRegion"], event["recipientAccountId"], event["readOnly"]) == ("us-east-1", DEV, True)


def test_an_organization_trail_from_each_account(connect: Connect) -> None:
    administrator, member = (connect("cloudtrail", credential=key_of(account)) for account in (AUDIT, DEV))
    owner = connect("cloudtrail")

    made = administrator.create_trail(Name="all", S3BucketName="logs", IsOrganizationTrail=True)
    arn = made["TrailARN"]
    administrator.start_logging(Name=arn)

    assert arn == f"arn:aws:cloudtrail:us-east-1:{MANAGEMENT}:trail/all"
    for client in (owner, administrator, member):
        assert client.get_trail(Name=arn)["Trail"]["IsOrganizationTrail"] is True
        assert client.get_trail_status(Name=arn)["IsLogging"] is True
        assert [trail["TrailARN"] for trail in client.describe_trails()["trailList"]] == [arn]
        assert client.get_event_selectors(TrailName=arn)["TrailARN"] == arn
    for call in (member.delete_trail, member.stop_logging, member.update_trail):
        assert error_of(lambda call=call: call(Name=arn)) == "NotOrganizationMasterAccountException"  # type: ignore[misc]
    assert error_of(lambda: member.get_trail(Name="all")) == "TrailNotFoundException"
    owner.delete_trail(Name="all")
    assert member.describe_trails()["trailList"] == []


def test_a_caller_without_the_permission_is_not_told(api: ApiInThread, connect: Connect) -> None:
    policy = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "sts:*", "Resource": "*"}}'
    narrow = replace(key_of(DEV), access_key_id="AKIANARROWNARROW0001", session_policy=policy)
    api.do(api.world.identities.add_credential(narrow))

    refused = error_of(connect("organizations", credential=narrow).describe_organization)

    assert refused == "AccessDeniedException"
