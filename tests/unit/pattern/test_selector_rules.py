"""Which selectors CloudTrail refuses, and with which words."""

from typing import Any

import pytest

from opentrail.pattern.selectors import InvalidSelector, check_advanced_event_selectors, check_event_selectors

MANAGEMENT = {"Field": "eventCategory", "Equals": ["Management"]}
DATA = {"Field": "eventCategory", "Equals": ["Data"]}
NETWORK = {"Field": "eventCategory", "Equals": ["NetworkActivity"]}
OBJECTS = {"Field": "resources.type", "Equals": ["AWS::S3::Object"]}
KMS = {"Field": "eventSource", "Equals": ["kms.amazonaws.com"]}

Selector = dict[str, Any]


def data_resource(kind: str, *values: str) -> Selector:
    return {"DataResources": [{"Type": kind, "Values": list(values)}]}


def arns(**operators: list[str]) -> Selector:
    return {"Field": "resources.ARN", **operators}


@pytest.mark.parametrize(
    "selector",
    [
        {},
        {"ReadWriteType": "WriteOnly", "IncludeManagementEvents": False},
        {"ExcludeManagementEventSources": ["kms.amazonaws.com", "rdsdata.amazonaws.com"]},
        data_resource("AWS::S3::Object", "arn:aws:s3", "arn:aws:s3:::", "arn:aws:s3:::b/", "arn:aws:s3:::b/p/q"),
        data_resource("AWS::S3::Object", "arn:aws-us-gov:s3:::b/"),
        data_resource("AWS::Lambda::Function", "arn:aws:lambda", "arn:aws:lambda:us-east-1:123456789012:function:f"),
        data_resource("AWS::DynamoDB::Table", "arn:aws:dynamodb", "arn:aws:dynamodb:us-east-1:123456789012:table/t"),
        data_resource("AWS::S3::Object"),
    ],
)
def test_basic_selectors_that_are_accepted(selector: Selector) -> None:
    check_event_selectors([selector])


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("AWS::S3::Object", "arn:aws:s3:::bucket"),
        ("AWS::S3::Object", "arn:aws:s3:::bucket*/"),
        ("AWS::S3::Object", "arn:aws:s3:::bucket/*"),
        ("AWS::S3::Object", "bucket/"),
        ("AWS::S3::Object", ""),
        ("AWS::S3::Object", "arn:aws:lambda"),
        ("AWS::Lambda::Function", "arn:aws:lambda:us-east-1:123456789012:function"),
        ("AWS::Lambda::Function", "arn:aws:lambda:us-east-1:123456789012:function:*"),
        ("AWS::DynamoDB::Table", "arn:aws:dynamodb:us-east-1:123456789012:table/t/stream/1"),
    ],
)
def test_a_wrong_resource_value_is_named(kind: str, value: str) -> None:
    with pytest.raises(InvalidSelector) as refusal:
        check_event_selectors([data_resource(kind, value)])

    assert str(refusal.value) == f"Value {value} for DataResources.Values is invalid."


def test_a_type_that_basic_selectors_do_not_know_is_named_with_those_they_do() -> None:
    with pytest.raises(InvalidSelector) as refusal:
        check_event_selectors([data_resource("AWS::SQS::Queue", "arn:aws:sqs")])

    assert str(refusal.value) == (
        "Value AWS::SQS::Queue for DataResources.Type is invalid. "
        "Valid values are: AWS::DynamoDB::Table, AWS::Lambda::Function, AWS::S3::Object"
    )


@pytest.mark.parametrize(
    "selector", [{"ReadWriteType": "Read"}, {"ExcludeManagementEventSources": ["s3.amazonaws.com"]}]
)
def test_other_wrong_members_are_refused(selector: Selector) -> None:
    with pytest.raises(InvalidSelector):
        check_event_selectors([selector])


@pytest.mark.parametrize("count", [0, 6])
def test_a_trail_has_one_to_five_basic_selectors(count: int) -> None:
    with pytest.raises(InvalidSelector, match="between 1 and 5"):
        check_event_selectors([{}] * count)


def test_values_for_single_resources_are_counted_and_values_for_all_are_not() -> None:
    every = ["arn:aws:s3"] * 20
    most = [f"arn:aws:s3:::bucket-{n}/" for n in range(125)]

    check_event_selectors([data_resource("AWS::S3::Object", *most, *every)] * 2)
    with pytest.raises(InvalidSelector, match="251"):
        check_event_selectors(
            [data_resource("AWS::S3::Object", *most)] * 2 + [data_resource("AWS::S3::Object", "arn:aws:s3:::b/")]
        )


@pytest.mark.parametrize(
    "fields",
    [
        [MANAGEMENT],
        [MANAGEMENT, {"Field": "readOnly", "Equals": ["true"]}],
        [MANAGEMENT, {"Field": "eventSource", "NotEquals": ["kms.amazonaws.com", "rdsdata.amazonaws.com"]}],
        [MANAGEMENT, {"Field": "eventSource", "NotEquals": ["s3.amazonaws.com", "runtime.lex.amazonaws.com"]}],
        [DATA, OBJECTS],
        [DATA, OBJECTS, arns(StartsWith=["arn:aws:s3:::b/"], NotEndsWith=["/"])],
        [DATA, OBJECTS, arns(Equals=["arn:aws:s3:::b/key"], NotEquals=["arn:aws:s3:::b/other"])],
        [DATA, OBJECTS, {"Field": "sessionCredentialFromConsole", "NotEquals": ["true"]}],
        [DATA, OBJECTS, {"Field": "userIdentity.arn", "NotEndsWith": ["/backup"]}],
        [DATA, OBJECTS, {"Field": "eventType", "Equals": ["AwsApiCall"]}],
        [DATA, {"Field": "resources.type", "Equals": ["AWS::SNS::Topic"]}, arns(Equals=["arn:aws:sns:us-east-1:1:t"])],
        [NETWORK, KMS],
        [NETWORK, KMS, {"Field": "errorCode", "Equals": ["VpceAccessDenied"]}],
        [NETWORK, KMS, {"Field": "vpcEndpointId", "StartsWith": ["vpce-"]}, {"Field": "eventName", "Equals": ["A"]}],
    ],
)
def test_advanced_selectors_that_are_accepted(fields: list[Selector]) -> None:
    check_advanced_event_selectors([{"Name": "a name", "FieldSelectors": fields}])


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ([], "eventCategory is required"),
        ([OBJECTS], "eventCategory is required"),
        ([{"Field": "eventCategory", "Equals": ["Management", "Data"]}], "exactly one value"),
        ([{"Field": "eventCategory", "Equals": ["Insight"]}], "exactly one value"),
        ([{"Field": "eventCategory", "NotEquals": ["Data"]}], "exactly one value"),
        ([{"Field": "eventCategory", "Equals": ["Data"], "NotEquals": ["Management"]}, OBJECTS], "NotEquals is not"),
        ([MANAGEMENT, MANAGEMENT], "only once"),
        ([MANAGEMENT, OBJECTS], "resources.type is not valid for event category Management"),
        ([MANAGEMENT, {"Field": "eventName", "Equals": ["CreateBucket"]}], "eventName is not valid"),
        ([MANAGEMENT, {"Field": "eventSource", "Equals": ["kms.amazonaws.com"]}], "Operator Equals is not valid"),
        ([MANAGEMENT, {"Field": "eventSource", "NotEquals": ["s3"]}], "Value s3 is not valid for field eventSource"),
        ([MANAGEMENT, {"Field": "eventSource", "NotEquals": ["*.amazonaws.com"]}], "is not valid for field"),
        ([MANAGEMENT, {"Field": "eventSource", "NotStartsWith": ["s3"]}], "Operator NotStartsWith"),
        ([MANAGEMENT, {"Field": "readOnly", "Equals": ["yes"]}], "Value yes"),
        ([MANAGEMENT, {"Field": "readOnly", "Equals": ["true", "false"]}], "exactly one value"),
        ([MANAGEMENT, {"Field": "readOnly", "NotEquals": ["true"]}], "Operator NotEquals"),
        ([MANAGEMENT, {"Field": "readOnly"}], "no operator"),
        ([MANAGEMENT, {"Field": "readOnly", "Equals": []}], "no operator"),
        ([MANAGEMENT, {"Field": "sourceIPAddress", "Equals": ["192.0.2.1"]}], "sourceIPAddress is not valid"),
        ([DATA], "resources.type is required"),
        ([DATA, {"Field": "resources.type", "Equals": ["AWS::S3::Object", "AWS::SQS::Queue"]}], "exactly one value"),
        ([DATA, {"Field": "resources.type", "StartsWith": ["AWS::"]}], "Operator StartsWith"),
        ([DATA, {"Field": "resources.type", "Equals": ["AWS::S3::Thing"]}], "Value AWS::S3::Thing"),
        ([DATA, OBJECTS, arns(Equals=["arn:aws:s3:::bucket"])], "not a valid ARN of resource type AWS::S3::Object"),
        ([DATA, OBJECTS, arns(NotEquals=["bucket/key"])], "not a valid ARN"),
        ([DATA, {"Field": "resources.type", "Equals": ["AWS::SQS::Queue"]}, arns(Equals=["queue"])], "not a valid ARN"),
        ([DATA, OBJECTS, {"Field": "eventName", "Equals": [""]}], "between 1 and 2048"),
        ([DATA, OBJECTS, {"Field": "eventName", "Equals": ["x" * 2049]}], "between 1 and 2048"),
        ([DATA, OBJECTS, {"Field": "sessionCredentialFromConsole", "StartsWith": ["t"]}], "Operator StartsWith"),
        ([DATA, OBJECTS, {"Field": "vpcEndpointId", "Equals": ["vpce-1"]}], "vpcEndpointId is not valid"),
        ([NETWORK], "eventSource is required"),
        ([NETWORK, {"Field": "eventSource", "Equals": ["kms.amazonaws.com", "ec2.amazonaws.com"]}], "exactly one"),
        ([NETWORK, {"Field": "eventSource", "Equals": ["nothing.amazonaws.com"]}], "Value nothing.amazonaws.com"),
        ([NETWORK, KMS, {"Field": "errorCode", "Equals": ["AccessDenied"]}], "Value AccessDenied"),
        ([NETWORK, KMS, {"Field": "readOnly", "Equals": ["true"]}], "readOnly is not valid"),
    ],
)
def test_advanced_selectors_that_are_refused(fields: list[Selector], reason: str) -> None:
    with pytest.raises(InvalidSelector, match=reason):
        check_advanced_event_selectors([{"FieldSelectors": fields}])


def test_no_advanced_selector_and_a_name_too_long_are_refused() -> None:
    with pytest.raises(InvalidSelector, match="At least one"):
        check_advanced_event_selectors([])
    check_advanced_event_selectors([{"Name": "n" * 1000, "FieldSelectors": [MANAGEMENT]}])
    with pytest.raises(InvalidSelector, match="1000"):
        check_advanced_event_selectors([{"Name": "n" * 1001, "FieldSelectors": [MANAGEMENT]}])


def test_values_of_all_selectors_are_counted_together() -> None:
    def selector(count: int) -> Selector:
        names = {"Field": "eventName", "Equals": [f"Event{n}" for n in range(count - 2)]}
        return {"FieldSelectors": [DATA, OBJECTS, names]}

    check_advanced_event_selectors([selector(250), selector(250)])
    with pytest.raises(InvalidSelector, match="501"):
        check_advanced_event_selectors([selector(250), selector(251)])
