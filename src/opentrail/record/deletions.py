"""The DeleteObject events of a DeleteObjects call: one for each key, beside the event of the call itself.

CloudTrail writes them since June 2025. Its announcement says that they are there and whom they name; no example shows
their details, so those are ours: caller, time, address and request id of the call, an event id of their own,
parameters, error and resources of the one object.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from opentrail.event import Event
from opentrail.event.fields import OWN_MEMBER
from opentrail.event.json_values import cut_text
from opentrail.event.limits import TEXT_LIMIT_BYTES
from opentrail.protocol import Parameters

MAX_DELETIONS = 1000
"""S3's limit on the keys of one call; an upstream that takes more gets no further events."""

MAX_KEY_BYTES = 1024
"""S3's limit on a key; longer ones cannot have been deleted."""

_KEPT_FACTS = ("SignatureVersion", "CipherSuite", "AuthenticationMethod", "x-amz-id-2", OWN_MEMBER)


def deletions(call: Event, output: Parameters, event_id: Callable[[], str]) -> list[Event]:
    """Return the events of the keys that an answered DeleteObjects call names, in their order; none of a refused call.

    ``call`` is its complete event, ``output`` the parsed answer, which says what became of each key. Where the call's
    parameters were too long to be kept, the keys are those of the answer.
    """
    if "errorCode" in call:
        return []
    done = {_name(entry): entry for entry in _entries(output.get("Deleted"))}
    failed = {_name(entry): entry for entry in _entries(output.get("Errors"))}
    bucket = _bucket(call)
    if not bucket:
        return []
    named = _requested(call) or [*done, *failed]
    return [
        _event(call, bucket, key, version, done.get((key, version), {}), failed.get((key, version)), event_id())
        for key, version in named[:MAX_DELETIONS]
        if 0 < len(key.encode("utf-8", "replace")) <= MAX_KEY_BYTES
    ]


def _event(
    call: Event,
    bucket: Mapping[str, Any],
    key: str,
    version: str,
    done: Mapping[str, Any],
    failure: Mapping[str, Any] | None,
    event_id: str,
) -> Event:
    sent = call.get("requestParameters")
    known = sent if isinstance(sent, dict) else {}
    name = known.get("bucketName") or bucket["ARN"].rpartition(":::")[2].rpartition("/")[2]
    parameters = {"bucketName": name, "Host": known.get("Host"), "key": key, "versionId": version}
    event = {
        **call,
        "eventName": "DeleteObject",
        "requestParameters": {name: value for name, value in parameters.items() if value},
        "responseElements": _elements(done) or None,
        "eventID": event_id,
        "resources": [{"type": f"{_service_of(bucket)}::Object", "ARN": f"{bucket['ARN']}/{key}"}, dict(bucket)],
    }
    facts = call.get("additionalEventData") or {}
    event["additionalEventData"] = {name: facts[name] for name in _KEPT_FACTS if name in facts}
    if failure is not None:
        event["errorCode"] = cut_text(str(failure.get("Code") or "InternalError"), TEXT_LIMIT_BYTES)
        event["errorMessage"] = cut_text(str(failure.get("Message") or ""), TEXT_LIMIT_BYTES)
    return event


def _elements(done: Mapping[str, Any]) -> dict[str, str]:
    """What a DeleteObject of its own would have answered in headers."""
    marker = done.get("DeleteMarker")
    version = done.get("DeleteMarkerVersionId") or done.get("VersionId")
    found = {
        "x-amz-delete-marker": "true" if marker is True else "",
        "x-amz-version-id": version if isinstance(version, str) else "",
    }
    return {name: value for name, value in found.items() if value}


def _requested(call: Event) -> list[tuple[str, str]]:
    sent = call.get("requestParameters")
    document = sent.get("Delete") if isinstance(sent, dict) else None
    objects = document.get("Object") if isinstance(document, dict) else None
    return [_name(entry) for entry in _entries(objects if isinstance(objects, list) else [objects])]


def _bucket(call: Event) -> Mapping[str, Any] | None:
    listed = call.get("resources") or ()
    return next((found for found in listed if str(found.get("type", "")).endswith("Bucket") and "ARN" in found), None)


def _service_of(resource: Mapping[str, Any]) -> str:
    return str(resource["type"]).rpartition("::")[0]


def _entries(value: Any) -> Iterable[Mapping[str, Any]]:
    return (entry for entry in value if isinstance(entry, dict)) if isinstance(value, list) else ()


def _name(entry: Mapping[str, Any]) -> tuple[str, str]:
    return _text(entry.get("Key")), _text(entry.get("VersionId"))


def _text(value: Any) -> str:
    """Undo what the conversion of the call's XML did to keys such as ``7`` and ``true``."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else "" if value is None else str(value)
