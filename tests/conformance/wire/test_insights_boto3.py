"""Insight selectors and event configuration of trails as boto3 sees them."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.builders import a_trail

Connect = Callable[..., Any]

CALL_RATE = {"InsightType": "ApiCallRateInsight"}
AGGREGATION = {"EventCategory": "Data", "Templates": ["RESOURCE_ACCESS"]}
NO_STORE = "99999999-9999-4999-8999-999999999999"


@pytest.fixture
def cloudtrail(connect: Connect) -> Any:
    client = connect("cloudtrail")
    client.create_trail(Name="main", S3BucketName="logs", IsMultiRegionTrail=True)
    return client


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises(ClientError) as refused:
        call()
    assert refused.value.response["Error"]["Message"]
    code: str = refused.value.response["Error"]["Code"]
    return code


def test_insights_are_switched_on_and_off(cloudtrail: Any) -> None:
    stored = [CALL_RATE | {"EventCategories": ["Management"]}]

    before = code_of(lambda: cloudtrail.get_insight_selectors(TrailName="main"))
    put = cloudtrail.put_insight_selectors(TrailName="main", InsightSelectors=[CALL_RATE])
    shown = cloudtrail.get_insight_selectors(TrailName=a_trail().arn)
    described = cloudtrail.describe_trails()["trailList"][0]
    cloudtrail.put_insight_selectors(TrailName="main", InsightSelectors=[])
    after = code_of(lambda: cloudtrail.get_insight_selectors(TrailName="main"))

    assert (before, after) == ("InsightNotEnabledException", "InsightNotEnabledException")
    assert put["InsightSelectors"] == shown["InsightSelectors"] == stored
    assert (put["TrailARN"], described["HasInsightSelectors"]) == (a_trail().arn, True)
    assert cloudtrail.get_trail(Name="main")["Trail"]["HasInsightSelectors"] is False


def test_aggregations_are_set_and_removed(cloudtrail: Any) -> None:
    data = [{"DataResources": [{"Type": "AWS::S3::Object", "Values": ["arn:aws:s3"]}]}]
    cloudtrail.put_event_selectors(TrailName="main", EventSelectors=data)

    put = cloudtrail.put_event_configuration(TrailName="main", AggregationConfigurations=[AGGREGATION])
    shown = cloudtrail.get_event_configuration(TrailName=a_trail().arn)
    cloudtrail.put_event_configuration(TrailName="main", AggregationConfigurations=[])

    assert put["AggregationConfigurations"] == shown["AggregationConfigurations"] == [AGGREGATION]
    assert cloudtrail.get_event_configuration(TrailName="main")["AggregationConfigurations"] == []


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({}, "InvalidParameterException"),
        ({"EventDataStore": NO_STORE, "InsightsDestination": NO_STORE}, "InvalidParameterException"),
        ({"TrailName": "main", "EventDataStore": NO_STORE}, "InvalidParameterCombinationException"),
        ({"TrailName": "missing"}, "TrailNotFoundException"),
        ({"TrailName": "no"}, "InvalidTrailNameException"),
        ({"TrailName": "arn:aws:s3:::x"}, "CloudTrailARNInvalidException"),
        ({"TrailName": "main", "InsightSelectors": [{"InsightType": "x"}]}, "InvalidInsightSelectorsException"),
        (
            {"TrailName": "main", "InsightSelectors": [CALL_RATE | {"EventCategories": ["Data"]}]},
            "InvalidInsightSelectorsException",
        ),
    ],
)
def test_errors_of_put_insight_selectors(cloudtrail: Any, members: dict[str, Any], code: str) -> None:
    parameters = {"InsightSelectors": [CALL_RATE]} | members

    assert code_of(lambda: cloudtrail.put_insight_selectors(**parameters)) == code


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({}, "InvalidParameterException"),
        ({"EventDataStore": NO_STORE}, "EventDataStoreNotFoundException"),
        ({"EventDataStore": "a b"}, "EventDataStoreARNInvalidException"),
        ({"TrailName": "main", "EventDataStore": NO_STORE}, "InvalidParameterCombinationException"),
        ({"TrailName": "main", "MaxEventSize": "Large"}, "InvalidParameterCombinationException"),
        ({"TrailName": "main"}, "InvalidParameterCombinationException"),
        ({"TrailName": "missing"}, "TrailNotFoundException"),
        ({"TrailName": "no"}, "InvalidTrailNameException"),
        ({"TrailName": "arn:aws:s3:::x"}, "CloudTrailARNInvalidException"),
        ({"TrailName": "main", "AggregationConfigurations": [AGGREGATION, AGGREGATION]}, "ValidationException"),
        ({"TrailName": "main", "AggregationConfigurations": [{"EventCategory": "Data"}]}, "ValidationException"),
    ],
)
def test_errors_of_put_event_configuration(cloudtrail: Any, members: dict[str, Any], code: str) -> None:
    parameters = {"AggregationConfigurations": [AGGREGATION]} | members

    assert code_of(lambda: cloudtrail.put_event_configuration(**parameters)) == code


@pytest.mark.parametrize("operation", ["get_insight_selectors", "get_event_configuration"])
def test_errors_of_reading_them(cloudtrail: Any, operation: str) -> None:
    read = getattr(cloudtrail, operation)

    assert code_of(read) == "InvalidParameterException"
    assert code_of(lambda: read(TrailName="missing")) == "TrailNotFoundException"
    assert code_of(lambda: read(TrailName="no")) == "InvalidTrailNameException"
    assert code_of(lambda: read(TrailName="arn:aws:s3:::x")) == "CloudTrailARNInvalidException"


def test_both_are_changed_from_the_home_region_only(cloudtrail: Any, connect: Connect) -> None:
    elsewhere = connect("cloudtrail", region="eu-west-1")
    cloudtrail.put_insight_selectors(TrailName="main", InsightSelectors=[CALL_RATE])
    arn = a_trail().arn

    assert elsewhere.get_insight_selectors(TrailName=arn)["TrailARN"] == arn
    assert code_of(lambda: elsewhere.put_insight_selectors(TrailName=arn, InsightSelectors=[])) == (
        "InvalidHomeRegionException"
    )
    assert code_of(lambda: elsewhere.put_event_configuration(TrailName=arn, AggregationConfigurations=[])) == (
        "InvalidHomeRegionException"
    )
    assert code_of(lambda: elsewhere.put_insight_selectors(TrailName="main", InsightSelectors=[])) == (
        "TrailNotFoundException"
    )
