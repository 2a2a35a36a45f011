"""Trails as CloudTrail's operations show them, and how a caller's name or ARN finds one."""

from opentrail.aws.cloudtrail.errors import InvalidHomeRegionException, TrailNotFoundException
from opentrail.aws.cloudtrail.names import trail_reference
from opentrail.aws.cloudtrail.organization_trails import check_may_change, is_visible
from opentrail.aws.service import ApiPorts, Call
from opentrail.protocol import Parameters
from opentrail.resource.trail import Trail

_NAMED_AS_GIVEN = frozenset({"GetTrail", "UpdateTrail"})
"""Operations that repeat the name of an unknown trail as it came; records of the others tell the ARN it stands for."""


def trail_settings(trail: Trail) -> Parameters:
    """Return the members that CreateTrail and UpdateTrail answer with; unset strings are left out."""
    members: Parameters = {
        "Name": trail.name,
        "S3BucketName": trail.s3_bucket_name,
        "S3KeyPrefix": trail.s3_key_prefix,
        "SnsTopicName": trail.sns_topic_name,
        "SnsTopicARN": trail.sns_topic_arn,
        "IncludeGlobalServiceEvents": trail.includes_global_service_events,
        "IsMultiRegionTrail": trail.is_multi_region,
        "TrailARN": trail.arn,
        "LogFileValidationEnabled": trail.is_log_file_validation_enabled,
        "CloudWatchLogsLogGroupArn": trail.cloud_watch_logs_log_group_arn,
        "CloudWatchLogsRoleArn": trail.cloud_watch_logs_role_arn,
        "KmsKeyId": trail.kms_key_id,
        "IsOrganizationTrail": trail.is_organization,
        "RecursiveLogging": trail.is_recursive_logging,
    }
    return {name: value for name, value in members.items() if value != ""}


def trail_description(trail: Trail) -> Parameters:
    """Return the members that GetTrail and DescribeTrails answer with."""
    return trail_settings(trail) | {
        "HomeRegion": trail.home_region,
        "HasCustomEventSelectors": trail.has_custom_event_selectors,
        "HasInsightSelectors": bool(trail.insight_selectors),
    }


async def find_trail(ports: ApiPorts, call: Call, given: str) -> Trail:
    """Return the trail that ``given`` names: by name in the called Region, by ARN in every Region of the account.

    Raises InvalidTrailName, CloudTrailARNInvalid, TrailNotFound.
    """
    reference = trail_reference(given, call.region, call.account_id)
    trail = await ports.trails.trail(reference.arn)
    if trail is None or not is_visible(trail, call.account_id):
        shown = given if call.operation.name in _NAMED_AS_GIVEN else reference.arn
        raise TrailNotFoundException(shown, call.account_id)
    return trail


async def find_home_trail(ports: ApiPorts, call: Call, given: str) -> Trail:
    """Return the trail to change, which can be changed from its home Region only; raises InvalidHomeRegion too, and
    NotOrganizationMasterAccount."""
    trail = await find_trail(ports, call, given)
    check_may_change(ports, call, trail)
    if trail.home_region != call.region:
        raise InvalidHomeRegionException(trail.arn, trail.home_region, call.region)
    return trail
