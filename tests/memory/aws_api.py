"""AWS's API as far as the guard calls it, in memory; every call is kept."""

from datetime import UTC, datetime
from typing import Any

from opentrail.ports.aws_api import CallRefused

ACCOUNT, REGION = "123456789012", "us-east-1"
TRAIL = {
    "Name": "main",
    "TrailARN": f"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/main",
    "HomeRegion": REGION,
    "S3BucketName": "vault",
    "IsMultiRegionTrail": True,
}
NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)


class InMemoryAwsApi:
    """Implements AwsApi for one account and Region with one trail that records management events."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.trails: list[dict[str, Any]] = [dict(TRAIL)]
        self.is_logging = True
        self.selectors: dict[str, Any] = {
            "EventSelectors": [{"ReadWriteType": "All", "IncludeManagementEvents": True, "DataResources": []}]
        }
        self.groups: list[str] = []
        self.filters: dict[tuple[str, str], dict[str, Any]] = {}
        self.alarms: dict[str, dict[str, Any]] = {}
        self.topics: dict[str, list[dict[str, str]]] = {}
        self.history: list[dict[str, Any]] = []
        self.refused: dict[str, str] = {}

    def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        self.calls.append(operation)
        if operation in self.refused:
            raise CallRefused(operation, self.refused[operation], "refused")
        answer: dict[str, Any] = getattr(self, f"_{operation}")(parameters) or {}
        return answer

    @property
    def changes(self) -> list[str]:
        """The calls so far that were no questions."""
        return [call for call in self.calls if not call.startswith(("Describe", "Get", "List"))]

    def _DescribeTrails(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"trailList": self.trails}

    def _GetTrailStatus(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"IsLogging": self.is_logging}

    def _GetEventSelectors(self, _: dict[str, Any]) -> dict[str, Any]:
        return self.selectors

    def _UpdateTrail(self, given: dict[str, Any]) -> None:
        [trail] = [trail for trail in self.trails if trail["TrailARN"] == given["Name"]]
        trail |= {name: value for name, value in given.items() if name != "Name"}

    def _DescribeLogGroups(self, given: dict[str, Any]) -> dict[str, Any]:
        found = [name for name in self.groups if name.startswith(given["logGroupNamePrefix"])]
        return {"logGroups": [{"logGroupName": name} for name in found]}

    def _CreateLogGroup(self, given: dict[str, Any]) -> None:
        self.groups.append(given["logGroupName"])

    def _PutRetentionPolicy(self, given: dict[str, Any]) -> None:
        assert given["logGroupName"] in self.groups

    def _DescribeMetricFilters(self, given: dict[str, Any]) -> dict[str, Any]:
        """Answer two at a time, so that callers must turn pages."""
        first = int(given.get("nextToken", "0"))
        found = list(self.filters.values())
        more = {"nextToken": str(first + 2)} if first + 2 < len(found) else {}
        return {"metricFilters": found[first : first + 2], **more}

    def _PutMetricFilter(self, given: dict[str, Any]) -> None:
        self.filters[given["logGroupName"], given["filterName"]] = given

    def _DeleteMetricFilter(self, given: dict[str, Any]) -> None:
        del self.filters[given["logGroupName"], given["filterName"]]

    def _DescribeAlarms(self, given: dict[str, Any]) -> dict[str, Any]:
        prefix = given["AlarmNamePrefix"]
        return {"MetricAlarms": [one for name, one in self.alarms.items() if name.startswith(prefix)]}

    def _DescribeAlarmHistory(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"AlarmHistoryItems": self.history}

    def _PutMetricAlarm(self, given: dict[str, Any]) -> None:
        state = {"StateValue": "OK", "StateTransitionedTimestamp": NOW}
        self.alarms[given["AlarmName"]] = state | given

    def _DeleteAlarms(self, given: dict[str, Any]) -> None:
        for name in given["AlarmNames"]:
            del self.alarms[name]

    def _GetTopicAttributes(self, given: dict[str, Any]) -> None:
        if given["TopicArn"] not in self.topics:
            raise CallRefused("GetTopicAttributes", "NotFound", "Topic does not exist")

    def _CreateTopic(self, given: dict[str, Any]) -> None:
        self.topics[f"arn:aws:sns:{REGION}:{ACCOUNT}:{given['Name']}"] = []

    def _Subscribe(self, given: dict[str, Any]) -> None:
        one = {"Protocol": given["Protocol"], "Endpoint": given["Endpoint"], "SubscriptionArn": "PendingConfirmation"}
        self.topics[given["TopicArn"]].append(one)

    def _ListSubscriptionsByTopic(self, given: dict[str, Any]) -> dict[str, Any]:
        if given["TopicArn"] not in self.topics:
            raise CallRefused("ListSubscriptionsByTopic", "NotFound", "Topic does not exist")
        return {"Subscriptions": self.topics[given["TopicArn"]]}
