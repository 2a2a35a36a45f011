"""How keys are named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentrail.resource.key import KeyName, parse_key_name

ACCOUNT, REGION = "123456789012", "us-east-1"
ID = "11111111-2222-4333-8444-555555555555"
PREFIX = f"arn:aws:kms:{REGION}:{ACCOUNT}:"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (ID, KeyName(ACCOUNT, REGION, key_id=ID)),
        ("alias/logs", KeyName(ACCOUNT, REGION, alias="alias/logs")),
        ("alias/a/b:c_d-e", KeyName(ACCOUNT, REGION, alias="alias/a/b:c_d-e")),
        (f"arn:aws:kms:eu-west-1:222222222222:key/{ID}", KeyName("222222222222", "eu-west-1", key_id=ID)),
        (f"arn:aws-cn:kms:cn-north-1:{ACCOUNT}:alias/x", KeyName(ACCOUNT, "cn-north-1", alias="alias/x")),
    ],
)
def test_a_key_has_four_kinds_of_names(name: str, expected: KeyName) -> None:
    assert parse_key_name(name, ACCOUNT, REGION) == expected
    assert parse_key_name(expected.arn) == expected


@pytest.mark.parametrize(
    "name",
    [
        "",
        "alias/",
        "alias/with space",
        "alias/" + "x" * 251,
        "alias/\0",
        ID.upper().replace("1", "A"),
        f"mrk-{ID[4:]}",
        ID + "\n",
        f"{PREFIX}{ID}",
        f"{PREFIX}key/alias/logs",
        f"{PREFIX}key/",
        f"arn:aws:s3:{REGION}:{ACCOUNT}:key/{ID}",
        f"arn:aws-cn:kms:{REGION}:{ACCOUNT}:key/{ID}",
        "arn:aws:kms",
    ],
)
def test_anything_else_is_no_name(name: str) -> None:
    assert parse_key_name(name, ACCOUNT, REGION) is None


@given(st.text(max_size=80))
def test_any_text_is_a_name_or_none(text: str) -> None:
    for name in (text, f"alias/{text}", f"{PREFIX}{text}", f"{PREFIX}key/{text}", f"{PREFIX}alias/{text}"):
        found = parse_key_name(name, ACCOUNT, REGION)
        assert found is None or parse_key_name(found.arn) == found
