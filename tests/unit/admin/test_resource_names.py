"""What people are shown of a resource's name is what they can search for."""

import pytest

from opentrail.admin.resource_names import short_name, spellings

ACCOUNT, REGION = "123456789012", "eu-west-1"


@pytest.mark.parametrize(
    ("arn", "short"),
    [
        (f"arn:aws:iam::{ACCOUNT}:user/bob", "user/bob"),
        (f"arn:aws:iam::{ACCOUNT}:role/path/auditor", "role/path/auditor"),
        (f"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/audit", "trail/audit"),
        (f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234", "key/1234"),
        (f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/t1", "table/t1"),
        (f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f", "function:f"),
        (f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:s-AbCdEf", "secret:s-AbCdEf"),
        (f"arn:aws:sqs:{REGION}:{ACCOUNT}:queue", "queue"),
        ("arn:aws:s3:::bucket", "bucket"),
        ("arn:aws:s3:::bucket/key/of/it", "bucket/key/of/it"),
        ("arn:aws:route53:::hostedzone/Z1", "hostedzone/Z1"),
    ],
)
def test_a_shortened_name_leads_back_to_its_arn(arn: str, short: str) -> None:
    assert short_name(arn, ACCOUNT, REGION) == short
    assert arn in spellings(short, ACCOUNT, REGION)


@pytest.mark.parametrize(
    "name",
    [
        "arn:aws:iam::999999999999:user/of-another-account",
        f"arn:aws:kms:us-east-1:{ACCOUNT}:key/of-another-region",
        f"arn:aws:unheard:{REGION}:{ACCOUNT}:thing/x",
        "bob",
        "arn:broken",
        "",
    ],
)
def test_a_name_that_could_not_be_found_again_is_shown_whole(name: str) -> None:
    assert short_name(name, ACCOUNT, REGION) == name


def test_partitions_follow_the_region() -> None:
    assert f"arn:aws-cn:sqs:cn-north-1:{ACCOUNT}:queue" in spellings("queue", ACCOUNT, "cn-north-1")


def test_an_arn_is_searched_for_as_it_is() -> None:
    assert spellings("arn:aws:s3:::bucket", ACCOUNT, REGION) == ["arn:aws:s3:::bucket"]
