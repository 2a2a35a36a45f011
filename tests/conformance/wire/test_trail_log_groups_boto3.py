"""A trail's log group as boto3 and Terraform's sequences of calls see it."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.builders import ACCOUNT, REGION, a_credential, a_role, a_user, a_user_principal
from tests.support.api import ApiInThread

Connect = Callable[..., Any]

GROUP = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:trails:*"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/delivery"
BOTH = {"CloudWatchLogsLogGroupArn": GROUP, "CloudWatchLogsRoleArn": ROLE}
TRUST = (
    '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", '
    '"Principal": {"Service": "cloudtrail.amazonaws.com"}}]}'
)


@pytest.fixture
def cloudtrail(connect: Connect) -> Any:
    connect("logs").create_log_group(logGroupName="trails")
    return connect("cloudtrail")


def error_of(call: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(ClientError) as refused:
        call()
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


def shown(cloudtrail: Any) -> dict[str, Any]:
    trail = cloudtrail.get_trail(Name="main")["Trail"]
    return {name: value for name, value in trail.items() if name.startswith("CloudWatchLogs")}


def test_a_log_group_is_set_kept_changed_and_removed(cloudtrail: Any, connect: Connect) -> None:
    created = cloudtrail.create_trail(Name="main", S3BucketName="logs", **BOTH)
    assert {name: created[name] for name in BOTH} == BOTH == shown(cloudtrail)

    cloudtrail.update_trail(Name="main", S3KeyPrefix="audit")
    assert shown(cloudtrail) == BOTH
    connect("logs").create_log_group(logGroupName="other")
    other = GROUP.replace("trails", "other")
    cloudtrail.update_trail(Name="main", CloudWatchLogsLogGroupArn=other)
    assert shown(cloudtrail) == {**BOTH, "CloudWatchLogsLogGroupArn": other}
    code, _ = error_of(lambda: cloudtrail.update_trail(Name="main", CloudWatchLogsRoleArn=""))
    assert code == "InvalidCloudWatchLogsRoleArnException"
    cloudtrail.update_trail(Name="main", **dict.fromkeys(BOTH, ""))
    assert shown(cloudtrail) == {}


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"CloudWatchLogsLogGroupArn": GROUP[:-2]}, "InvalidCloudWatchLogsLogGroupArnException"),
        (
            {"CloudWatchLogsLogGroupArn": GROUP.replace("trails", "missing")},
            "InvalidCloudWatchLogsLogGroupArnException",
        ),
        (
            {"CloudWatchLogsLogGroupArn": GROUP.replace(REGION, "eu-west-1")},
            "InvalidCloudWatchLogsLogGroupArnException",
        ),
        ({"CloudWatchLogsRoleArn": "x"}, "InvalidCloudWatchLogsRoleArnException"),
    ],
)
def test_a_log_group_that_takes_nothing_is_refused(cloudtrail: Any, members: dict[str, str], code: str) -> None:
    parameters = {"Name": "main", "S3BucketName": "logs", **BOTH, **members}

    assert error_of(lambda: cloudtrail.create_trail(**parameters))[0] == code
    assert cloudtrail.describe_trails()["trailList"] == []


def test_a_role_of_ours_is_judged_by_trust_and_permissions(cloudtrail: Any, api: ApiInThread) -> None:
    def create() -> Any:
        return cloudtrail.create_trail(Name="main", S3BucketName="logs", **BOTH)

    api.do(api.world.identities.create_role(a_role("delivery", TRUST.replace("cloudtrail", "ec2"))))
    assert error_of(create) == (
        "InvalidCloudWatchLogsRoleArnException",
        "Access denied. Check the trust relationships for your role.",
    )
    api.do(api.world.identities.delete_role(ACCOUNT, "delivery"))
    api.do(api.world.identities.create_role(a_role("delivery", TRUST)))
    assert error_of(create) == (
        "InvalidCloudWatchLogsRoleArnException",
        "Access denied. Verify in IAM that the role has adequate permissions.",
    )
    stream = f"{GROUP[:-2]}:log-stream:{ACCOUNT}_CloudTrail_{REGION}*"
    policy = f'{{"Statement": [{{"Effect": "Allow", "Action": "logs:*", "Resource": "{stream}"}}]}}'
    api.do(api.world.identities.put_policy(ROLE, "write", policy))
    assert create()["CloudWatchLogsRoleArn"] == ROLE


def test_who_names_a_role_must_be_allowed_to_pass_it_on(cloudtrail: Any, api: ApiInThread, connect: Connect) -> None:
    policy = '{"Statement": [{"Effect": "Allow", "Action": "cloudtrail:*", "Resource": "*"}]}'
    api.do(api.world.identities.create_user(a_user("anaya", trails=policy)))
    credential = a_credential(a_user_principal(), "AKIAPASSING000000001")
    api.do(api.world.identities.add_credential(credential))
    theirs = connect("cloudtrail", credential=credential)

    code, message = error_of(lambda: theirs.create_trail(Name="main", S3BucketName="logs", **BOTH))

    assert code == "AccessDeniedException"
    assert "iam:PassRole on resource: " + ROLE in message
