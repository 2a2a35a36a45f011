"""CloudWatch's metrics as boto3 sees them, over JSON, CBOR and the query protocol."""

import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from tests.builders import REGION, a_credential
from tests.support.api import ApiInThread

Connect = Callable[..., Any]

DIMENSIONS = [{"Name": "Service", "Value": "s3"}]


@pytest.fixture
def cloudwatch(connect: Connect) -> Any:
    return connect("cloudwatch")


def error_of(call: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(ClientError) as refused:
        call()
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC).replace(second=0, microsecond=0)


def put(cloudwatch: Any, *data: dict[str, Any], namespace: str = "Audit") -> None:
    cloudwatch.put_metric_data(Namespace=namespace, MetricData=[{"MetricName": "Calls"} | datum for datum in data])


def statistics(cloudwatch: Any, start: datetime, *names: str, minutes: int = 5, **more: Any) -> list[dict[str, Any]]:
    asked = {"Period": 60, "StartTime": start, "EndTime": start + timedelta(minutes=minutes)} | more
    if names:
        asked["Statistics"] = names
    answer = cloudwatch.get_metric_statistics(Namespace="Audit", MetricName="Calls", **asked)
    return sorted(answer["Datapoints"], key=lambda point: point["Timestamp"])


def test_what_is_put_is_read_back_by_period(cloudwatch: Any, now: datetime) -> None:
    start = now - timedelta(minutes=4)
    put(
        cloudwatch,
        {"Timestamp": start, "Value": 1.5},
        {"Timestamp": start + timedelta(seconds=30), "Values": [2.0, 4.0], "Counts": [1.0, 2.0]},
        {
            "Timestamp": start + timedelta(minutes=2),
            "StatisticValues": {"SampleCount": 2, "Sum": 6, "Minimum": 1, "Maximum": 5},
        },
    )

    first, second = statistics(cloudwatch, start, "SampleCount", "Sum", "Average", "Minimum", "Maximum")

    assert first == {
        "Timestamp": start,
        "SampleCount": 4.0,
        "Sum": 11.5,
        "Average": 2.875,
        "Minimum": 1.5,
        "Maximum": 4.0,
        "Unit": "None",
    }
    assert (second["Timestamp"], second["Sum"]) == (start + timedelta(minutes=2), 6.0)


def test_percentiles_are_told_where_values_are_known(cloudwatch: Any, now: datetime) -> None:
    start = now - timedelta(minutes=4)
    put(cloudwatch, {"Timestamp": start, "Values": [float(value) for value in range(1, 102)]})

    [point] = statistics(cloudwatch, start, ExtendedStatistics=["p50", "p99.9", "tm90"])

    assert point["ExtendedStatistics"]["p50"] == 51.0
    assert 100.0 < point["ExtendedStatistics"]["p99.9"] <= 101.0
    assert point["ExtendedStatistics"]["tm90"] < 51.0


def test_metrics_are_listed_by_namespace_name_and_dimensions(cloudwatch: Any) -> None:
    put(cloudwatch, {"Value": 1.0, "Dimensions": DIMENSIONS}, {"Value": 1.0})
    put(cloudwatch, {"Value": 1.0}, namespace="Other")

    listed = cloudwatch.list_metrics(Namespace="Audit")["Metrics"]

    assert sorted(listed, key=lambda metric: len(metric["Dimensions"])) == [
        {"Namespace": "Audit", "MetricName": "Calls", "Dimensions": []},
        {"Namespace": "Audit", "MetricName": "Calls", "Dimensions": DIMENSIONS},
    ]
    assert len(cloudwatch.list_metrics(Dimensions=[{"Name": "Service"}])["Metrics"]) == 1
    assert cloudwatch.list_metrics(Namespace="Nothing")["Metrics"] == []


@pytest.mark.parametrize(
    ("datum", "code", "message"),
    [
        (
            {"Value": 1.0, "Values": [1.0]},
            "InvalidParameterCombination",
            "The parameters MetricData.member.1.Value and MetricData.member.1.Values are mutually exclusive and you "
            "have specified both.",
        ),
        (
            {"Values": [1.0, 2.0], "Counts": [1.0]},
            "InvalidParameterValue",
            "The parameters MetricData.member.1.Values and MetricData.member.1.Counts must be of the same size.",
        ),
        ({}, "MissingParameter", "The parameter MetricData.member.1.Value is required."),
        (
            {"Value": 1.0, "Timestamp": datetime.now(UTC) - timedelta(days=15)},
            "InvalidParameterValue",
            "The parameter MetricData.member.1.Timestamp must specify a time no more than two weeks in the past.",
        ),
        (
            {"Value": 1.0, "Timestamp": datetime.now(UTC) + timedelta(hours=3)},
            "InvalidParameterValue",
            "The parameter MetricData.member.1.Timestamp must specify a time no more than two hours in the future.",
        ),
    ],
)
def test_data_that_no_metric_can_have_are_refused(
    cloudwatch: Any, datum: dict[str, Any], code: str, message: str
) -> None:
    assert error_of(lambda: put(cloudwatch, datum)) == (code, message)
    assert cloudwatch.list_metrics()["Metrics"] == []


def test_too_many_datapoints_and_an_empty_time_are_refused(cloudwatch: Any, now: datetime) -> None:
    code, message = error_of(lambda: statistics(cloudwatch, now, "Sum", minutes=24 * 60, Period=1))
    assert (code, message) == (
        "InvalidParameterCombination",
        "You have requested up to 86400 datapoints, which exceeds the limit of 1440. You may reduce the datapoints "
        "requested by increasing Period, or decreasing the time range.",
    )
    assert error_of(lambda: statistics(cloudwatch, now, "Sum", minutes=0)) == (
        "InvalidParameterValue",
        "The parameter StartTime must be less than the parameter EndTime.",
    )


def test_queries_and_metric_math_answer_with_series(cloudwatch: Any, now: datetime) -> None:
    start = now - timedelta(minutes=4)
    for minute, value in ((0, 6.0), (1, 3.0), (3, 8.0)):
        put(cloudwatch, {"Timestamp": start + timedelta(minutes=minute), "Value": value})
    metric = {"Metric": {"Namespace": "Audit", "MetricName": "Calls"}, "Period": 60, "Stat": "Sum"}
    queries = [
        {"Id": "calls", "MetricStat": metric, "ReturnData": False},
        {"Id": "filled", "Expression": "FILL(calls, 0) / 2", "Label": "half"},
        {"Id": "many", "Expression": "IF(calls > 5, calls)"},
        {"Id": "total", "Expression": "SUM(calls)"},
    ]

    answer = cloudwatch.get_metric_data(
        MetricDataQueries=queries, StartTime=start, EndTime=start + timedelta(minutes=4), ScanBy="TimestampAscending"
    )

    found = {result["Id"]: result for result in answer["MetricDataResults"]}
    assert found["filled"]["Values"] == [3.0, 1.5, 0.0, 4.0]
    assert found["filled"]["Label"] == "half"
    assert found["many"]["Timestamps"] == [start, start + timedelta(minutes=3)]
    assert set(found["total"]["Values"]) == {17.0}
    assert "calls" not in found


def test_a_function_that_is_not_here_is_refused_by_name(cloudwatch: Any, now: datetime) -> None:
    def ask() -> None:
        cloudwatch.get_metric_data(
            MetricDataQueries=[{"Id": "band", "Expression": "ANOMALY_DETECTION_BAND(m1)", "Period": 60}],
            StartTime=now - timedelta(minutes=4),
            EndTime=now,
        )

    code, message = error_of(ask)
    assert code == "ValidationError"
    assert "the function ANOMALY_DETECTION_BAND is not supported" in message


def test_the_query_protocol_answers_in_xml(api: ApiInThread, now: datetime) -> None:
    datum = "MetricData.member.1.MetricName=Calls&MetricData.member.1.Value=3"
    body = f"Action=PutMetricData&Version=2010-08-01&Namespace=Audit&{datum}"

    status, text = _post(api, body, {"Content-Type": "application/x-www-form-urlencoded"})
    assert (status, "<PutMetricDataResponse" in text) == (200, True)

    status, text = _post(
        api, "Action=ListMetrics&Version=2010-08-01", {"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert "<member><Namespace>Audit</Namespace><MetricName>Calls</MetricName>" in text


def test_cbor_is_answered_in_cbor(api: ApiInThread) -> None:
    headers = {"Content-Type": "application/cbor", "smithy-protocol": "rpc-v2-cbor", "Accept": "application/cbor"}
    request = AWSRequest(
        "POST",
        f"{api.url}/service/GraniteServiceVersion20100801/operation/ListMetrics",
        data=b"\xa0",
        headers=headers,
    )
    SigV4Auth(_credentials(), "monitoring", REGION).add_auth(request)

    answer = urllib.request.urlopen(
        urllib.request.Request(request.url, data=b"\xa0", headers=dict(request.headers), method="POST")
    )

    assert answer.headers["smithy-protocol"] == "rpc-v2-cbor"
    assert answer.read() == b"\xa1gMetrics\x80"


def _credentials() -> Credentials:
    credential = a_credential()
    return Credentials(credential.access_key_id, credential.secret_access_key)


def _post(api: ApiInThread, body: str, headers: dict[str, str]) -> tuple[int, str]:
    request = AWSRequest("POST", f"{api.url}/", data=body.encode(), headers=headers)
    SigV4Auth(_credentials(), "monitoring", REGION).add_auth(request)
    with urllib.request.urlopen(
        urllib.request.Request(request.url, data=body.encode(), headers=dict(request.headers), method="POST")
    ) as answer:
        return answer.status, answer.read().decode()
