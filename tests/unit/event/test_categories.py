"""Read-only or not, management or data."""

import pytest

from opentrail.event.categories import is_data_event, is_read_only
from opentrail.event.redaction import HIDDEN, action_of, hide_quoted_values, is_secret_name, replacement


@pytest.mark.parametrize(
    ("service", "operation", "expected"),
    [
        ("cloudtrail", "LookupEvents", True),
        ("ec2", "DescribeInstances", True),
        ("ec2", "GetConsoleOutput", True),
        ("kms", "Decrypt", True),
        ("kms", "GenerateDataKey", True),
        ("kms", "CreateKey", False),
        ("s3", "HeadObject", True),
        ("sts", "AssumeRole", True),
        ("sts", "GetCallerIdentity", True),
        ("sts", "GetFederationToken", False),
        ("secretsmanager", "GetSecretValue", True),
        ("lambda", "Invoke", False),
        ("iam", "SimulatePrincipalPolicy", True),
        ("nosuch", "Listen", False),
        ("nosuch", "List", True),
    ],
)
def test_read_only_follows_the_table_and_else_the_first_word(service: str, operation: str, expected: bool) -> None:
    assert is_read_only(service, operation) is expected


@pytest.mark.parametrize(
    ("service", "operation", "expected"),
    [
        ("s3", "PutObject", True),
        ("s3", "ListObjectsV2", True),
        ("s3", "CreateBucket", False),
        ("s3", "GetBucketAcl", False),
        ("lambda", "Invoke", True),
        ("lambda", "CreateFunction", False),
        ("dynamodb", "Query", True),
        ("dynamodb", "DescribeTable", False),
        ("sqs", "SendMessage", True),
        ("sns", "Publish", True),
        ("kinesis", "PutRecords", True),
        ("cloudtrail-data", "PutAuditEvents", True),
        ("kms", "Decrypt", False),
    ],
)
def test_operations_on_what_a_resource_holds_are_data_events(service: str, operation: str, expected: bool) -> None:
    assert is_data_event(service, operation) is expected


def test_the_most_specific_row_of_the_reviewed_list_wins() -> None:
    assert action_of("rds", "CreateDBInstance", "MasterUserPassword") == "hide"
    assert action_of("iam", "CreateLoginProfile", "Password") == "drop"
    assert action_of("ssm", "PutParameter", "Value") == "hide"
    assert action_of("ssm", "", "Value") is None
    assert replacement(action_of("ec2", "RunInstances", "UserData") or "") == "<sensitiveDataRemoved>"


def test_keys_of_maps_count_as_names_in_any_case() -> None:
    assert is_secret_name("PASSWORD")
    assert not is_secret_name("Passport")


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Value 'x' at 'password' failed to satisfy", f"Value {HIDDEN} at 'password' failed to satisfy"),
        ("Value 'x' at 'a.1.Password' failed", f"Value {HIDDEN} at 'a.1.Password' failed"),
        ("Value 'x' at 'userName' failed to satisfy", "Value 'x' at 'userName' failed to satisfy"),
        ("Value (x) for parameter iamInstanceProfile.name is", "Value (x) for parameter iamInstanceProfile.name is"),
        ("Invalid value 'x'", f"Invalid value {HIDDEN}"),
        ("Value 'it''s' is wrong", f"Value {HIDDEN} is wrong"),
        ("The user with name x cannot be found.", "The user with name x cannot be found."),
    ],
)
def test_quoted_values_are_hidden_unless_they_stood_in_a_harmless_member(message: str, expected: str) -> None:
    assert hide_quoted_values(message, {"password"}) == expected


def test_a_message_of_a_call_without_secrets_stays() -> None:
    assert hide_quoted_values("Invalid value 'x'", ()) == "Invalid value 'x'"
