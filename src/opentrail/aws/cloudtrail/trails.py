"""Trails: create, update, delete, show, start and stop (reference: trails-and-delivery sections 1 and 3).

A log group is delivered to where log groups are this installation's own; else the error that CloudTrail documents for
a delivery that it does not have is answered.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from opentrail.arn import Arn, trail_arn
from opentrail.aws.cloudtrail.destinations import (
    DIGESTS,
    LOG_FILES,
    check_bucket,
    check_log_delivery,
    check_topic,
    resolve_key,
)
from opentrail.aws.cloudtrail.errors import (
    CloudWatchLogsDeliveryUnavailableException,
    InvalidParameterCombinationException,
    MaximumNumberOfTrailsExceededException,
    OperationNotPermittedException,
    TrailAlreadyExistsException,
    TrailNotFoundException,
)
from opentrail.aws.cloudtrail.names import (
    check_bucket_name,
    check_key_prefix,
    check_kms_key,
    check_log_group,
    check_topic_name,
    check_trail_name,
    trail_reference,
)
from opentrail.aws.cloudtrail.organization_trails import owner_of_new_trail, visible_trails, with_organization
from opentrail.aws.cloudtrail.tag_rules import check_tags, merged_tags
from opentrail.aws.cloudtrail.trail_views import find_home_trail, find_trail, trail_description, trail_settings
from opentrail.aws.service import ApiPorts, Call, Outcome
from opentrail.clock import format_time
from opentrail.ports.journal import SettingsEntry
from opentrail.resource.trail import Trail

TRAILS_PER_REGION = 5
"""CloudTrail's quota; a multi-Region trail counts in every Region."""

_CHANGES_OF_BUCKET = frozenset(
    {"S3BucketName", "S3KeyPrefix", "EnableLogFileValidation", "KmsKeyId", "IsOrganizationTrail"}
)
"""Members of UpdateTrail that change what is put where, so that the bucket is proved again."""


_LOG_MEMBERS = frozenset({"CloudWatchLogsLogGroupArn", "CloudWatchLogsRoleArn"})


async def create_trail(ports: ApiPorts, call: Call) -> Outcome:
    """Plan a new trail, not logging yet."""
    trail = await _new_trail(ports, call)
    tags = merged_tags({}, call.parameters.get("TagsList", ()))

    async def set_tags() -> None:
        await ports.trails.set_tags(trail.arn, tags)

    return Outcome(trail_settings(trail), settings=(SettingsEntry(trail.arn, trail.to_json()),), before=set_tags)


async def prepare_create_trail(ports: ApiPorts, call: Call) -> Call:
    """Judge the whole call once, prove that every destination takes deliveries, and resolve the key's name."""
    trail = await _new_trail(ports, call)
    return await _prepared(ports, call, trail)


async def _new_trail(ports: ApiPorts, call: Call) -> Trail:
    parameters = call.parameters
    name: str = parameters["Name"]
    check_trail_name(name)
    check_tags(parameters.get("TagsList", ()))
    merged_tags({}, parameters.get("TagsList", ()))
    owner = owner_of_new_trail(ports, call)
    arn = trail_arn(call.region, owner, name)
    blank = Trail(
        arn=arn,
        name=name,
        account_id=owner,
        home_region=call.region,
        s3_bucket_name="",
        created_at=call.received_at,
    )
    trail = with_organization(ports, call, _with_parameters(ports, blank, call))
    existing = await ports.trails.trails(owner)
    if any(other.arn == arn for other in existing):
        raise TrailAlreadyExistsException(name, owner)
    full_region = _full_region(trail, existing)
    if full_region:
        raise MaximumNumberOfTrailsExceededException(owner, TRAILS_PER_REGION, full_region)
    return trail


def _full_region(trail: Trail, others: Sequence[Trail]) -> str:
    """Return a Region in which ``trail`` would be one too many, or ""; its home Region comes first."""
    homes = sorted({other.home_region for other in others}) if trail.is_multi_region else []
    for region in [trail.home_region, *homes]:
        if sum(other.covers_region(region) for other in others) >= TRAILS_PER_REGION:
            return region
    return ""


def _with_parameters(ports: ApiPorts, trail: Trail, call: Call) -> Trail:
    """Return ``trail`` with the members that CreateTrail or UpdateTrail was given, all of them judged."""
    parameters = call.parameters
    bucket = parameters.get("S3BucketName", trail.s3_bucket_name)
    check_bucket_name(bucket)
    prefix = parameters.get("S3KeyPrefix", trail.s3_key_prefix)
    check_key_prefix(prefix)
    topic_name, topic_arn = _topic(trail, call)
    log_group, log_role = _log_group(ports, trail, call)
    changed = replace(
        trail,
        s3_bucket_name=bucket,
        s3_key_prefix=prefix,
        sns_topic_name=topic_name,
        sns_topic_arn=topic_arn,
        kms_key_id=_key(trail, call),
        cloud_watch_logs_log_group_arn=log_group,
        cloud_watch_logs_role_arn=log_role,
        includes_global_service_events=parameters.get(
            "IncludeGlobalServiceEvents", trail.includes_global_service_events
        ),
        is_multi_region=parameters.get("IsMultiRegionTrail", trail.is_multi_region),
        is_log_file_validation_enabled=parameters.get("EnableLogFileValidation", trail.is_log_file_validation_enabled),
        is_recursive_logging=parameters.get("RecursiveLogging", trail.is_recursive_logging),
    )
    if changed.is_multi_region and not changed.includes_global_service_events:
        raise InvalidParameterCombinationException.multi_region_without_global_events()
    return changed


def _topic(trail: Trail, call: Call) -> tuple[str, str]:
    """Return the topic as it was named, and its ARN; "" removes it. A name is a topic beside the trail."""
    if "SnsTopicName" not in call.parameters:
        return trail.sns_topic_name, trail.sns_topic_arn
    given: str = call.parameters["SnsTopicName"]
    if not given:
        return "", ""
    check_topic_name(given)
    place = Arn.parse(trail.arn)
    return given, given if given.startswith("arn:") else str(replace(place, service="sns", resource=given))


def _key(trail: Trail, call: Call) -> str:
    """Return the key: its ARN once ``prepare`` resolved what was given; "" removes it."""
    given: str = call.parameters.get("KmsKeyId", trail.kms_key_id)
    if given:
        check_kms_key(given)
    return call.resolved.get("KmsKeyId", given)


def _log_group(ports: ApiPorts, trail: Trail, call: Call) -> tuple[str, str]:
    """Return the log group's and the role's ARN, both or neither; empty texts remove them."""
    group: str = call.parameters.get("CloudWatchLogsLogGroupArn", trail.cloud_watch_logs_log_group_arn)
    role: str = call.parameters.get("CloudWatchLogsRoleArn", trail.cloud_watch_logs_role_arn)
    if (group or role) and not _LOG_MEMBERS.isdisjoint(call.parameters):
        check_log_group(group, role, call.region, call.account_id)
        if not ports.owns_log_groups:
            raise CloudWatchLogsDeliveryUnavailableException(call.region)
    return group, role


def _folders(trail: Trail) -> Sequence[str]:
    return (LOG_FILES, DIGESTS) if trail.is_log_file_validation_enabled else (LOG_FILES,)


async def _prepared(ports: ApiPorts, call: Call, trail: Trail) -> Call:
    """Prove the destinations that the call gives or changes; return the call with the key's name resolved."""
    given = call.parameters
    if given.get("SnsTopicName"):
        await check_topic(ports, trail)
    if trail.kms_key_id and ("KmsKeyId" in given or "S3BucketName" in given):
        trail = replace(trail, kms_key_id=await resolve_key(ports, trail, trail.kms_key_id))
        call = replace(call, resolved={"KmsKeyId": trail.kms_key_id})
    if trail.cloud_watch_logs_log_group_arn and not _LOG_MEMBERS.isdisjoint(given):
        await check_log_delivery(ports, trail)
    if not _CHANGES_OF_BUCKET.isdisjoint(given):
        await check_bucket(ports, trail, *_folders(trail))
    return call


async def update_trail(ports: ApiPorts, call: Call) -> Outcome:
    """Plan the change of the given members; the others stay. On record before it takes effect."""
    trail = await _updated_trail(ports, call)
    output = trail_settings(trail)
    if call.parameters.get("SnsTopicName") == "":
        output |= {"SnsTopicName": "", "SnsTopicARN": ""}  # so CloudTrail answers a removal, and that one only
    return Outcome(output, settings=(SettingsEntry(trail.arn, trail.to_json()),), weakens_record=True)


async def prepare_update_trail(ports: ApiPorts, call: Call) -> Call:
    """Judge the whole call once, and prove the destinations that it changes."""
    trail = await _updated_trail(ports, call)
    return await _prepared(ports, call, trail)


async def _updated_trail(ports: ApiPorts, call: Call) -> Trail:
    current = await find_home_trail(ports, call, call.parameters["Name"])
    trail = with_organization(ports, call, _with_parameters(ports, current, call))
    if trail.is_multi_region and not current.is_multi_region:
        others = [other for other in await ports.trails.trails(trail.account_id) if other.arn != trail.arn]
        full_region = _full_region(trail, others)
        if full_region:
            raise OperationNotPermittedException.too_many_trails(trail.account_id, TRAILS_PER_REGION, full_region)
    return trail


async def delete_trail(ports: ApiPorts, call: Call) -> Outcome:
    """Plan the end of a trail; bucket and delivered files stay. On record before it takes effect."""
    trail = await find_home_trail(ports, call, call.parameters["Name"])
    return Outcome(settings=(SettingsEntry(trail.arn, None),), weakens_record=True)


async def start_logging(ports: ApiPorts, call: Call) -> Outcome:
    """Plan the start; starting a trail that is logging changes nothing."""
    trail = await find_home_trail(ports, call, call.parameters["Name"])
    if trail.is_logging:
        return Outcome()
    started = replace(trail, is_logging=True, logging_started_at=call.received_at)
    return Outcome(settings=(SettingsEntry(trail.arn, started.to_json()),))


async def stop_logging(ports: ApiPorts, call: Call) -> Outcome:
    """Plan the stop; stopping a trail that is not logging changes nothing. On record before it takes effect."""
    trail = await find_home_trail(ports, call, call.parameters["Name"])
    if not trail.is_logging:
        return Outcome()
    stopped = replace(trail, is_logging=False, logging_stopped_at=call.received_at)
    return Outcome(settings=(SettingsEntry(trail.arn, stopped.to_json()),), weakens_record=True)


async def get_trail(ports: ApiPorts, call: Call) -> Outcome:
    """Show one trail, by name in its home Region or by ARN."""
    return Outcome({"Trail": trail_description(await find_trail(ports, call, call.parameters["Name"]))})


async def describe_trails(ports: ApiPorts, call: Call) -> Outcome:
    """Show the Region's trails, shadow trails unless excluded, or those asked for; unknown ones are left out."""
    named: Sequence[str] = call.parameters.get("trailNameList", ())
    references = [trail_reference(name, call.region, call.account_id) for name in named]
    trails = await visible_trails(ports, call)
    if references:
        wanted = {reference.arn for reference in references}
        shown = [trail for trail in trails if trail.arn in wanted]
    else:
        shown = [trail for trail in trails if trail.covers_region(call.region)]
    if not call.parameters.get("includeShadowTrails", True):
        shown = [
            trail for trail in shown if not trail.is_shadow_in(call.region) and trail.account_id == call.account_id
        ]
    return Outcome({"trailList": [trail_description(trail) for trail in sorted(shown, key=_by_name)]})


async def list_trails(ports: ApiPorts, call: Call) -> Outcome:
    """List the account's trails of all Regions, each once; the quota of trails keeps it to one page."""
    trails = sorted(await visible_trails(ports, call), key=_by_name)
    return Outcome(
        {"Trails": [{"TrailARN": trail.arn, "Name": trail.name, "HomeRegion": trail.home_region} for trail in trails]}
    )


def _by_name(trail: Trail) -> tuple[str, str]:
    return trail.name, trail.arn


_DELIVERY_KINDS = ("Delivery", "DigestDelivery", "Notification", "CloudWatchLogsDelivery")
_ATTEMPT_KINDS = ("Delivery", "Notification")
"""Deliveries of which the status also tells, in deprecated text members, when they were tried and when it worked."""


async def get_trail_status(ports: ApiPorts, call: Call) -> Outcome:
    """Show logging and deliveries of a trail in the called Region; a shadow trail is named by its ARN."""
    given: str = call.parameters["Name"]
    trail = await find_trail(ports, call, given)
    if not trail.covers_region(call.region):
        raise TrailNotFoundException(trail.arn, call.account_id)
    delivered = await ports.delivery_log.status(trail.arn, call.region)
    status: dict[str, Any] = {"IsLogging": trail.is_logging}
    for kind in _DELIVERY_KINDS:
        status |= _delivery_status(trail, delivered, kind)
    for moment, member, text_member in (
        (trail.logging_started_at, "StartLoggingTime", "TimeLoggingStarted"),
        (trail.logging_stopped_at, "StopLoggingTime", "TimeLoggingStopped"),
    ):
        status[text_member] = format_time(moment) if moment else ""
        if moment:
            status[member] = moment
    return Outcome(status)


def _delivery_status(trail: Trail, delivered: Mapping[str, str], kind: str) -> dict[str, Any]:
    """Return the members about one kind of delivery; what an earlier trail of the same name left is not told."""
    time, error = f"Latest{kind}Time", f"Latest{kind}Error"
    attempts = (f"Latest{kind}AttemptTime", f"Latest{kind}AttemptSucceeded") if kind in _ATTEMPT_KINDS else ()
    told = [_moment(delivered[name]) for name in (time, *attempts) if delivered.get(name)]
    if told and trail.created_at and max(told) < trail.created_at.replace(microsecond=0):
        delivered = {}
    status: dict[str, Any] = {name: delivered.get(name, "") for name in attempts}
    if delivered.get(time):
        status[time] = _moment(delivered[time])
    if delivered.get(error):
        status[error] = delivered[error]
    return status


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
