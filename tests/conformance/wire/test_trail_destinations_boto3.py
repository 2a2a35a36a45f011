"""Topics and keys of trails as boto3 and Terraform's sequences of calls see them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from opentrail.resource.key import KeyState
from tests.builders import ACCOUNT, OTHERS_KEY_POLICY, a_key, a_trail
from tests.support.api import ApiInThread, recorded

Connect = Callable[..., Any]

TOPIC = f"arn:aws:sns:us-east-1:{ACCOUNT}:deliveries"
KEY = a_key()
ARN = a_trail().arn


@pytest.fixture
def cloudtrail(api: ApiInThread, connect: Connect) -> Any:
    api.world.topics.topic_arns.add(TOPIC)
    api.do(api.world.add_key(KEY, "alias/trails"))
    return connect("cloudtrail")


def error_of(call: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(ClientError) as refused:
        call()
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


def read(cloudtrail: Any) -> dict[str, Any]:
    """Read a trail as Terraform does: by its ARN, through DescribeTrails."""
    trails = cloudtrail.describe_trails(trailNameList=[ARN])["trailList"]
    assert len(trails) == 1
    trail: dict[str, Any] = trails[0]
    return trail


def test_what_is_written_is_read_back(cloudtrail: Any) -> None:
    written = {
        "Name": "main",
        "S3BucketName": "logs",
        "S3KeyPrefix": "audit",
        "SnsTopicName": "deliveries",
        "KmsKeyId": KEY.arn,
        "IncludeGlobalServiceEvents": True,
        "IsMultiRegionTrail": True,
        "RecursiveLogging": False,
    }

    created = cloudtrail.create_trail(**written, EnableLogFileValidation=True)
    described = read(cloudtrail)
    got = cloudtrail.get_trail(Name="main")["Trail"]

    for shown in (created, described, got):
        assert {name: shown[name] for name in written} == written
        assert (shown["SnsTopicARN"], shown["LogFileValidationEnabled"]) == (TOPIC, True)


def test_terraform_changes_and_unsets_what_it_had_set(cloudtrail: Any) -> None:
    cloudtrail.create_trail(Name="main", S3BucketName="logs", IncludeGlobalServiceEvents=True, TagsList=[])
    cloudtrail.start_logging(Name=ARN)

    cloudtrail.update_trail(Name=ARN, SnsTopicName="deliveries", KmsKeyId=KEY.arn, S3KeyPrefix="audit")
    with_all = read(cloudtrail)
    cloudtrail.update_trail(
        Name=ARN,
        SnsTopicName="",
        KmsKeyId="",
        S3KeyPrefix="",
        CloudWatchLogsRoleArn="",
        CloudWatchLogsLogGroupArn="",
        IsOrganizationTrail=False,
    )
    without = read(cloudtrail)

    assert (with_all["SnsTopicARN"], with_all["KmsKeyId"], with_all["S3KeyPrefix"]) == (TOPIC, KEY.arn, "audit")
    assert {"SnsTopicARN", "SnsTopicName", "KmsKeyId", "S3KeyPrefix"}.isdisjoint(without)
    assert cloudtrail.get_trail_status(Name=ARN)["IsLogging"] is True


def test_a_removed_topic_is_answered_as_cloudtrail_answers_it(cloudtrail: Any) -> None:
    cloudtrail.create_trail(Name="main", S3BucketName="logs", SnsTopicName="deliveries")

    updated = cloudtrail.update_trail(Name="main", SnsTopicName="")

    assert (updated["SnsTopicName"], updated["SnsTopicARN"]) == ("", "")


@pytest.mark.parametrize("key", [KEY.key_id, "alias/trails", f"arn:aws:kms:us-east-1:{ACCOUNT}:alias/trails"])
def test_key_is_answered_by_its_arn(cloudtrail: Any, key: str) -> None:
    assert cloudtrail.create_trail(Name="main", S3BucketName="logs", KmsKeyId=key)["KmsKeyId"] == KEY.arn


def test_errors_of_topics_and_keys(api: ApiInThread, cloudtrail: Any) -> None:
    cloudtrail.create_trail(Name="main", S3BucketName="logs")

    def both(**members: str) -> tuple[str, str]:
        created = error_of(lambda: cloudtrail.create_trail(Name="other", S3BucketName="logs", **members))
        updated = error_of(lambda: cloudtrail.update_trail(Name="main", **members))
        assert created == updated
        return created

    of_another = replace(KEY, policy=OTHERS_KEY_POLICY)
    api.do(api.world.keys.change(KEY, of_another))
    assert both(KmsKeyId="alias/trails") == (
        "InsufficientEncryptionPolicyException",
        f"Insufficient permissions to access S3 bucket logs or KMS key {KEY.arn}.",
    )
    api.do(api.world.keys.change(of_another, replace(KEY, state=KeyState.DISABLED)))
    assert both(KmsKeyId="alias/trails")[0] == "KmsException"
    assert both(KmsKeyId="alias/missing")[0] == "KmsKeyNotFoundException"
    assert both(KmsKeyId="alias/")[0] == "InvalidKmsKeyIdException"
    assert both(SnsTopicName="missing")[0] == "InsufficientSnsTopicPolicyException"
    assert both(SnsTopicName="a b")[0] == "InvalidSnsTopicNameException"


def test_key_is_on_record_as_it_was_named(api: ApiInThread, cloudtrail: Any) -> None:
    cloudtrail.create_trail(Name="main", S3BucketName="logs", KmsKeyId="alias/trails")

    event = next(event for event in recorded(api.world) if event["eventName"] == "CreateTrail")

    assert event["requestParameters"]["kmsKeyId"] == "alias/trails"
    assert event["responseElements"]["kmsKeyId"] == KEY.arn
