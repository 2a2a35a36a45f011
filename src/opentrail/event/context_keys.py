"""``eventContext``: what a call's condition keys were, told again from its event (reference: events, section 6).

Only keys whose value the event itself, and the organization, say for certain; a key that was not evaluated for a call
is left out, as in the service's own.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from opentrail.event import Event
from opentrail.event.fields import minor_version

Organization = Mapping[str, str]
"""The id of the organization, by each account that belongs to it."""

CONTEXT_VERSION = "1.11"
"""The first eventVersion with an eventContext."""


def with_request_context(event: Event, keys: Sequence[str], organization: Organization) -> Event:
    """Return ``event`` with the values of those ``keys`` that it has, as the same event where it has none.

    ``keys`` are of REQUEST_CONTEXT_KEYS.
    """
    found = {key: value for key in keys if (value := _READERS[key](event, organization)) is not None}
    if not found:
        return event
    return {**event, "eventVersion": _version(event), "eventContext": {"requestContext": found}}


def _version(event: Event) -> str:
    try:
        return max(str(event.get("eventVersion")), CONTEXT_VERSION, key=minor_version)
    except ValueError:
        return CONTEXT_VERSION


def _at(event: Mapping[str, Any], *names: str) -> Any:
    found: Any = event
    for name in names:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _text(event: Mapping[str, Any], *names: str) -> str | None:
    found = _at(event, *names)
    return found if isinstance(found, str) and found else None


_IDENTITY = "userIdentity"
_ATTRIBUTES = (_IDENTITY, "sessionContext", "attributes")
_PRINCIPAL_TYPES = {
    "Root": "Account",
    "IAMUser": "User",
    "AssumedRole": "AssumedRole",
    "FederatedUser": "FederatedUser",
}
"""What aws:PrincipalType says, by the type of the event's identity."""


def _principal_arn(event: Event, _: Organization) -> str | None:
    if _text(event, _IDENTITY, "type") == "AssumedRole":  # the role's, not the session's
        return _text(event, _IDENTITY, "sessionContext", "sessionIssuer", "arn")
    return _text(event, _IDENTITY, "arn")


def _principal_type(event: Event, _: Organization) -> str | None:
    return _PRINCIPAL_TYPES.get(_text(event, _IDENTITY, "type") or "")


def _user_name(event: Event, _: Organization) -> str | None:
    return _text(event, _IDENTITY, "userName") if _text(event, _IDENTITY, "type") == "IAMUser" else None


def _organization_id(event: Event, organization: Organization) -> str | None:
    return organization.get(_text(event, _IDENTITY, "accountId") or "")


def _is_service(event: Event, _: Organization) -> str:
    return _truth(_text(event, _IDENTITY, "type") == "AWSService")


def _service_name(event: Event, _: Organization) -> str | None:
    return _text(event, _IDENTITY, "invokedBy") if _text(event, _IDENTITY, "type") == "AWSService" else None


def _is_via_service(event: Event, _: Organization) -> str:
    is_service = _text(event, _IDENTITY, "type") == "AWSService"
    return _truth(not is_service and _text(event, _IDENTITY, "invokedBy") is not None)


def _is_secure(event: Event, _: Organization) -> str | None:
    return "true" if _text(event, "tlsDetails", "tlsVersion") else None


def _mfa_age(event: Event, _: Organization) -> str | None:
    if _text(event, *_ATTRIBUTES, "mfaAuthenticated") != "true":
        return None
    began, at = (_moment(_text(event, *path)) for path in ((*_ATTRIBUTES, "creationDate"), ("eventTime",)))
    return str(max(0, int((at - began).total_seconds()))) if began and at else None


def _epoch(event: Event, _: Organization) -> str | None:
    at = _moment(_text(event, "eventTime"))
    return str(int(at.timestamp())) if at else None


def _moment(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


def _truth(claim: bool) -> str:
    return "true" if claim else "false"


_Reader = Callable[[Event, Organization], str | None]


def _member(*names: str) -> _Reader:
    return lambda event, _: _text(event, *names)


_READERS: Mapping[str, _Reader] = {
    "aws:CurrentTime": _member("eventTime"),
    "aws:EpochTime": _epoch,
    "aws:FederatedProvider": _member(_IDENTITY, "sessionContext", "webIdFederationData", "federatedProvider"),
    "aws:MultiFactorAuthAge": _mfa_age,
    "aws:MultiFactorAuthPresent": _member(*_ATTRIBUTES, "mfaAuthenticated"),
    "aws:PrincipalAccount": _member(_IDENTITY, "accountId"),
    "aws:PrincipalArn": _principal_arn,
    "aws:PrincipalIsAWSService": _is_service,
    "aws:PrincipalOrgID": _organization_id,
    "aws:PrincipalServiceName": _service_name,
    "aws:PrincipalType": _principal_type,
    "aws:RequestedRegion": _member("awsRegion"),
    "aws:SecureTransport": _is_secure,
    "aws:SourceIdentity": _member(_IDENTITY, "sessionContext", "sourceIdentity"),
    "aws:TokenIssueTime": _member(*_ATTRIBUTES, "creationDate"),
    "aws:ViaAWSService": _is_via_service,
    "aws:userid": _member(_IDENTITY, "principalId"),
    "aws:username": _user_name,
}

REQUEST_CONTEXT_KEYS = frozenset(_READERS)
"""Keys that events are enriched with."""

UNKNOWN_CONTEXT_KEYS = frozenset(
    {"aws:PrincipalOrgPaths", "aws:PrincipalServiceNamesList", "aws:SourceAccount", "aws:SourceOrgID"}
)
"""Keys that CloudTrail takes and nobody here can tell the value of."""
