"""Event selectors as boto3 sends them: what is taken, how it is read back, and the words of what is refused."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.builders import a_trail

Connect = Callable[..., Any]
Selectors = list[dict[str, Any]]

ACCEPTANCE = Path(__file__).parents[3] / ".." / "shared" / "acceptance" / "selectors.json"
ARN = a_trail().arn
MANAGEMENT = {"Field": "eventCategory", "Equals": ["Management"]}
DATA = {"Field": "eventCategory", "Equals": ["Data"]}
OBJECTS = {"Field": "resources.type", "Equals": ["AWS::S3::Object"]}


@pytest.fixture
def cloudtrail(connect: Connect) -> Any:
    client = connect("cloudtrail")
    client.create_trail(Name="main", S3BucketName="logs", IsMultiRegionTrail=True)
    return client


def error_of(call: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(ClientError) as refused:
        call()
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


def test_acceptance_selectors_are_taken_and_read_back_as_written(cloudtrail: Any) -> None:
    if not ACCEPTANCE.exists() and not os.environ.get("CI"):
        pytest.skip("the shared corpus is not here")
    cases = json.loads(ACCEPTANCE.read_text())

    for case in cases:
        put = cloudtrail.put_event_selectors(TrailName="main", AdvancedEventSelectors=case["selectors"])
        got = cloudtrail.get_event_selectors(TrailName=ARN)

        assert put["AdvancedEventSelectors"] == got["AdvancedEventSelectors"] == case["selectors"]
        assert (put["TrailARN"], "EventSelectors" in got) == (ARN, False)
    assert cases


def test_any_management_event_source_may_be_left_out(cloudtrail: Any) -> None:
    quiet = {"Field": "eventSource", "NotEquals": ["s3.amazonaws.com", "monitoring.amazonaws.com"]}
    selectors = [{"FieldSelectors": [MANAGEMENT, quiet]}]

    cloudtrail.put_event_selectors(TrailName="main", AdvancedEventSelectors=selectors)

    assert cloudtrail.get_event_selectors(TrailName="main")["AdvancedEventSelectors"] == selectors


def test_terraform_sets_changes_and_removes_selectors(cloudtrail: Any) -> None:
    data = {"Type": "AWS::S3::Object", "Values": ["arn:aws:s3:::ledger/"]}
    written = {
        "ReadWriteType": "WriteOnly",
        "IncludeManagementEvents": False,
        "DataResources": [data],
        "ExcludeManagementEventSources": ["kms.amazonaws.com"],
    }
    removed = {"ReadWriteType": "All", "IncludeManagementEvents": True, "DataResources": []}

    cloudtrail.put_event_selectors(TrailName=ARN, EventSelectors=[written])
    has_custom = cloudtrail.describe_trails(trailNameList=[ARN])["trailList"][0]["HasCustomEventSelectors"]
    read = cloudtrail.get_event_selectors(TrailName=ARN)["EventSelectors"]
    cloudtrail.put_event_selectors(TrailName=ARN, EventSelectors=[removed])

    assert (has_custom, read) == (True, [written])
    assert cloudtrail.get_event_selectors(TrailName=ARN)["EventSelectors"] == [
        removed | {"ExcludeManagementEventSources": []}
    ]


def test_resources_without_values_are_taken_as_cloudtrail_takes_them(cloudtrail: Any) -> None:
    nothing = {"Type": "AWS::S3::Object", "Values": []}

    put = cloudtrail.put_event_selectors(
        TrailName="main", EventSelectors=[{"IncludeManagementEvents": False, "DataResources": [nothing]}]
    )

    assert put["EventSelectors"][0]["DataResources"] == [nothing]


def names(count: int) -> dict[str, Any]:
    return {"FieldSelectors": [DATA, OBJECTS, {"Field": "eventName", "Equals": [f"E{n}" for n in range(count - 2)]}]}


def of_type(kind: str, *values: str) -> dict[str, Any]:
    return {"EventSelectors": [{"DataResources": [{"Type": kind, "Values": list(values)}]}]}


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"EventSelectors": [{"ReadWriteType": "read-only"}]}, "Value read-only for ReadWriteType is invalid"),
        ({"EventSelectors": [{}] * 6}, "between 1 and 5"),
        (
            of_type("AWS::SQS::Queue", "arn:aws:sqs"),
            "Value AWS::SQS::Queue for DataResources.Type is invalid. "
            "Valid values are: AWS::DynamoDB::Table, AWS::Lambda::Function, AWS::S3::Object",
        ),
        (
            of_type("AWS::S3::Object", "arn:aws:s3:::*"),
            "Value arn:aws:s3:::* for DataResources.Values is invalid.",
        ),
        (
            of_type("AWS::Lambda::Function", "arn:aws:lambda:*"),
            "Value arn:aws:lambda:* for DataResources.Values is invalid.",
        ),
        (of_type("AWS::S3::Object", *(f"arn:aws:s3:::b{n}/" for n in range(251))), "251"),
        ({"EventSelectors": [{"ExcludeManagementEventSources": ["s3.amazonaws.com"]}]}, "ExcludeManagement"),
        ({"AdvancedEventSelectors": [names(250), names(251)]}, "501"),
        ({"AdvancedEventSelectors": [{"FieldSelectors": [DATA]}]}, "resources.type is required"),
    ],
)
def test_selectors_that_are_refused(cloudtrail: Any, members: dict[str, Any], message: str) -> None:
    code, told = error_of(lambda: cloudtrail.put_event_selectors(TrailName="main", **members))

    assert code == "InvalidEventSelectorsException"
    assert message in told


@pytest.mark.parametrize(
    "selector",
    [
        {"FieldSelectors": []},
        {"FieldSelectors": [{"Equals": ["x"]}]},
        {"FieldSelectors": [{"Field": "a b", "Equals": ["x"]}]},
        {"FieldSelectors": [{"Field": "eventName", "Equals": []}]},
        {"FieldSelectors": [{"Field": "eventName", "Equals": ["x" * 2049]}]},
        {"Name": "n" * 1001, "FieldSelectors": [MANAGEMENT]},
    ],
)
def test_selectors_that_break_the_models_constraints_are_refused_as_every_service_does(
    cloudtrail: Any, selector: dict[str, Any]
) -> None:
    code, told = error_of(lambda: cloudtrail.put_event_selectors(TrailName="main", AdvancedEventSelectors=[selector]))

    assert code == "ValidationException"
    assert "at 'advancedEventSelectors.1.member." in told
