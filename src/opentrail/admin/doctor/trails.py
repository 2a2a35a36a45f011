"""Faults that the settings of trails have by themselves: nothing is asked, nothing is tried."""

from collections.abc import Iterable, Iterator, Sequence

from opentrail.admin.doctor.findings import Fault, Finding
from opentrail.pattern.contradiction import selects_nothing
from opentrail.pattern.logged_kinds import logged_kinds
from opentrail.resource.trail import Trail

FIRST_REGION = "us-east-1"
"""Where global service events count as happening (IAM, STS, CloudFront, ...)."""


def check_trails(trails: Sequence[Trail], regions: Iterable[str]) -> Iterator[Finding]:
    """Yield what is wrong with the trails of an account's events, one by one and together, when ``regions`` are
    enabled."""
    if not trails:
        yield Finding(
            Fault.NO_TRAIL,
            "account",
            "there is no trail: what is recorded is delivered nowhere",
            "aws cloudtrail create-trail --name NAME --s3-bucket-name BUCKET --is-multi-region-trail "
            "--enable-log-file-validation",
        )
        return
    for trail in trails:
        yield from check_settings(trail)
    logging = [trail for trail in trails if trail.is_logging and not _is_empty(trail)]
    if logging:
        yield from _check_regions(logging, sorted(set(regions)))


def check_settings(trail: Trail) -> Iterator[Finding]:
    """Yield what is wrong with one trail's settings."""
    if not trail.is_logging:
        yield Finding(
            Fault.LOGGING_STOPPED,
            trail.name,
            "it does not log: nothing that happens now will be delivered",
            f"aws cloudtrail start-logging --region {trail.home_region} --name {trail.name}",
        )
    if _is_empty(trail):
        yield Finding(
            Fault.SELECTS_NOTHING,
            trail.name,
            "its selectors select nothing: no event can match them",
            f"aws cloudtrail put-event-selectors --region {trail.home_region} --trail-name {trail.name} "
            '--event-selectors \'[{"ReadWriteType":"All","IncludeManagementEvents":true}]\'',
        )
    if not trail.is_log_file_validation_enabled:
        yield Finding(
            Fault.NO_VALIDATION,
            trail.name,
            "it has no log file validation: nobody can tell whether its files were altered",
            f"aws cloudtrail update-trail --region {trail.home_region} --name {trail.name} "
            "--enable-log-file-validation",
        )


def _is_empty(trail: Trail) -> bool:
    return selects_nothing(trail.event_selectors, trail.advanced_event_selectors)


def _check_regions(logging: Sequence[Trail], regions: Sequence[str]) -> Iterator[Finding]:
    candidate = logging[0]
    mend = f"aws cloudtrail update-trail --region {candidate.home_region} --name {candidate.name} "
    for region in regions:
        if not any(trail.covers_region(region) for trail in logging):
            yield Finding(
                Fault.REGION_NOT_COVERED,
                region,
                "no trail that logs covers this enabled Region",
                mend + "--is-multi-region-trail",
            )
    if not any(_has_global_events(trail) for trail in logging):
        yield Finding(
            Fault.GLOBAL_EVENTS_MISSED,
            "account",
            "no trail that logs takes the events of global services (IAM, STS, CloudFront, ...)",
            mend + "--is-multi-region-trail --include-global-service-events",
        )


def _has_global_events(trail: Trail) -> bool:
    takes_management = logged_kinds(trail.event_selectors, trail.advanced_event_selectors).management
    return trail.includes_global_service_events and trail.covers_region(FIRST_REGION) and takes_management
