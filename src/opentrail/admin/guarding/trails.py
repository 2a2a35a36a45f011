"""The trail whose events a pack watches."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from opentrail.errors import OperatorError
from opentrail.ports.aws_api import AwsApi


@dataclass(frozen=True)
class WatchedTrail:
    """A trail as far as the guard has to know it."""

    arn: str
    name: str
    home_region: str
    bucket: str
    log_group: str
    """The name of the group that it delivers to, "" for none."""

    is_multi_region: bool
    is_logging: bool
    has_management_events: bool
    has_data_events: bool

    @property
    def account_id(self) -> str:
        return self.arn.split(":")[4]

    def warnings(self) -> list[str]:
        """Say what keeps events from the trail, each with the command that mends it."""
        found = []
        if not self.is_logging:
            found.append(f"the trail is stopped: aws cloudtrail start-logging --name {self.arn}")
        if not self.has_management_events:
            found.append("the trail leaves management events out: aws cloudtrail put-event-selectors adds them")
        if not self.is_multi_region:
            found.append(
                f"the trail sees {self.home_region} alone: "
                f"aws cloudtrail update-trail --name {self.arn} --is-multi-region-trail"
            )
        return found


def describe_trails(api: AwsApi) -> list[dict[str, Any]]:
    """Return the trails that DescribeTrails shows, those of other Regions too."""
    answer = api.call("cloudtrail", "DescribeTrails", includeShadowTrails=True)
    return list(answer["trailList"])


def choose_trail(trails: Sequence[dict[str, Any]], name: str) -> dict[str, Any]:
    """Return the trail of that name or ARN, without one the only trail there is. Raises OperatorError."""
    found = [trail for trail in trails if not name or name in (trail["Name"], trail["TrailARN"])]
    if not found:
        advice = f"there is no trail {name}" if name else "there is no trail yet"
        make = "aws cloudtrail create-trail --name NAME --s3-bucket-name BUCKET --is-multi-region-trail"
        raise OperatorError(f"{advice}; make one: {make}")
    if len(found) > 1:
        raise OperatorError(f"say which trail, with --trail: {', '.join(trail['TrailARN'] for trail in found)}")
    return found[0]


def watched_trail(api: AwsApi, described: dict[str, Any]) -> WatchedTrail:
    """Ask how a trail stands; ``api`` is that of its home Region."""
    arn: str = described["TrailARN"]
    status = api.call("cloudtrail", "GetTrailStatus", Name=arn)
    selectors = api.call("cloudtrail", "GetEventSelectors", TrailName=arn)
    return WatchedTrail(
        arn=arn,
        name=described["Name"],
        home_region=described["HomeRegion"],
        bucket=described["S3BucketName"],
        log_group=group_name(described),
        is_multi_region=described["IsMultiRegionTrail"],
        is_logging=status["IsLogging"],
        has_management_events=_has_management_events(selectors),
        has_data_events=_has_data_events(selectors),
    )


def group_name(described: dict[str, Any]) -> str:
    """Return the name of the log group that a described trail delivers to, "" for none."""
    return ":".join(described.get("CloudWatchLogsLogGroupArn", "").split(":")[6:7])


def _has_management_events(selectors: dict[str, Any]) -> bool:
    return any(
        selector.get("IncludeManagementEvents") and selector.get("ReadWriteType") != "ReadOnly"
        for selector in selectors.get("EventSelectors", ())
    ) or _has_category(selectors, "Management")


def _has_data_events(selectors: dict[str, Any]) -> bool:
    return any(
        resource["Type"] == "AWS::S3::Object"
        for selector in selectors.get("EventSelectors", ())
        for resource in selector.get("DataResources", ())
    ) or _has_category(selectors, "Data")


def _has_category(selectors: dict[str, Any], category: str) -> bool:
    return any(
        category in field.get("Equals", ())
        for selector in selectors.get("AdvancedEventSelectors", ())
        for field in selector["FieldSelectors"]
        if field["Field"] == "eventCategory"
    )
