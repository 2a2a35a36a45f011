"""KMS keys of log groups and of query results as boto3 sees them, with the service's own answers."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.builders import ACCOUNT, REGION

Connect = Callable[..., Any]

GROUP = "/audit"
GROUP_ARN = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{GROUP}"
RESULTS = f"arn:aws:logs:{REGION}:{ACCOUNT}:query-result:*"
REFUSED = "The specified KMS key does not exist or is not allowed to be used with Arn '{}'"


@pytest.fixture
def logs(connect: Connect) -> Any:
    return connect("logs")


def a_key_for_logs(kms: Any, arn: str = f"arn:aws:logs:{REGION}:{ACCOUNT}:*") -> str:
    """Make a key with the policy that CloudWatch Logs' documentation has users write."""
    owner = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        "Action": "kms:*",
        "Resource": "*",
    }
    service = {
        "Effect": "Allow",
        "Principal": {"Service": f"logs.{REGION}.amazonaws.com"},
        "Action": ["kms:Encrypt*", "kms:Decrypt*", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"],
        "Resource": "*",
        "Condition": {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": arn}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [owner, service]})
    return str(kms.create_key(Policy=policy)["KeyMetadata"]["Arn"])


def error_of(call: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(ClientError) as refused:
        call()
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


def shown_key(logs: Any) -> str:
    [group] = logs.describe_log_groups()["logGroups"]
    return str(group.get("kmsKeyId", ""))


def put(logs: Any, message: str) -> None:
    event = {"timestamp": int(time.time() * 1000), "message": message}
    logs.put_log_events(logGroupName=GROUP, logStreamName="one", logEvents=[event])


def test_a_key_is_given_at_creation_changed_and_taken_away(logs: Any, kms: Any) -> None:
    first, second = a_key_for_logs(kms), a_key_for_logs(kms)

    logs.create_log_group(logGroupName=GROUP, kmsKeyId=first)
    assert shown_key(logs) == first
    logs.associate_kms_key(logGroupName=GROUP, kmsKeyId=second)
    assert shown_key(logs) == second
    assert logs.describe_log_groups(logGroupNamePattern="audit")["logGroups"][0]["kmsKeyId"] == second
    logs.disassociate_kms_key(resourceIdentifier=GROUP_ARN)
    assert shown_key(logs) == ""
    logs.associate_kms_key(resourceIdentifier=GROUP_ARN, kmsKeyId=first)
    assert shown_key(logs) == first
    logs.disassociate_kms_key(logGroupName=GROUP)
    logs.disassociate_kms_key(logGroupName=GROUP)
    assert shown_key(logs) == ""


def test_keys_that_cannot_be_used_are_refused_and_nothing_changes(logs: Any, kms: Any) -> None:
    logs.create_log_group(logGroupName=GROUP)
    for_another_group = a_key_for_logs(kms, f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/other")
    without_a_policy = kms.create_key()["KeyMetadata"]["Arn"]
    disabled = a_key_for_logs(kms)
    kms.disable_key(KeyId=disabled)
    missing = disabled[:-4] + "0000"

    def refusal(key: str) -> tuple[str, str]:
        return error_of(lambda: logs.associate_kms_key(logGroupName=GROUP, kmsKeyId=key))

    assert refusal(for_another_group) == ("AccessDeniedException", REFUSED.format(GROUP_ARN))
    assert refusal(without_a_policy) == ("AccessDeniedException", REFUSED.format(GROUP_ARN))
    assert refusal(disabled)[0] == refusal(missing)[0] == "InvalidParameterException"
    for no_arn in (disabled.rpartition("/")[2], "alias/logs", disabled.replace(REGION, "eu-west-1")):
        assert refusal(no_arn)[0] == "InvalidParameterException"
    assert shown_key(logs) == ""
    create = error_of(lambda: logs.create_log_group(logGroupName="/new", kmsKeyId=disabled))
    assert create[0] == "InvalidParameterException"
    assert [group["logGroupName"] for group in logs.describe_log_groups()["logGroups"]] == [GROUP]


def test_one_target_is_named_and_it_is_there(logs: Any, kms: Any) -> None:
    key = a_key_for_logs(kms)
    logs.create_log_group(logGroupName=GROUP)

    def code(**target: str) -> str:
        return error_of(lambda: logs.associate_kms_key(kmsKeyId=key, **target))[0]

    assert code() == code(logGroupName=GROUP, resourceIdentifier=GROUP_ARN) == "InvalidParameterException"
    assert code(resourceIdentifier=GROUP) == "InvalidParameterException"
    assert code(logGroupName="/missing") == "ResourceNotFoundException"
    assert code(resourceIdentifier=f"{GROUP_ARN}x") == "ResourceNotFoundException"
    assert error_of(lambda: logs.disassociate_kms_key())[0] == "InvalidParameterException"
    assert error_of(lambda: logs.disassociate_kms_key(logGroupName="/missing"))[0] == "ResourceNotFoundException"


def test_results_of_queries_have_a_key_of_their_own(logs: Any, kms: Any) -> None:
    for_groups = a_key_for_logs(kms, f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:*")

    refused = error_of(lambda: logs.associate_kms_key(resourceIdentifier=RESULTS, kmsKeyId=for_groups))
    logs.associate_kms_key(resourceIdentifier=RESULTS, kmsKeyId=a_key_for_logs(kms, RESULTS))
    logs.disassociate_kms_key(resourceIdentifier=RESULTS)

    assert refused == ("AccessDeniedException", REFUSED.format(RESULTS))
