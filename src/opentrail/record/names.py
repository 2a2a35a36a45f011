"""How events name operations and errors where the service model says otherwise (reference: events, section 7)."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from botocore.model import OperationModel

from opentrail.event.tables import load_table
from opentrail.protocol.models import event_source as signing_event_source


def event_name(service: str, operation: str) -> str:
    """Return the ``eventName`` of an operation (botocore's names): its own name unless the table has another."""
    row: Mapping[str, str] = _table()["events"].get(service, {})
    return row.get(operation, operation)


def event_source(service: str) -> str:
    """Return the ``eventSource`` of a service's events: where it signs, unless the table spells it otherwise."""
    spelled: str | None = _table()["sources"].get(service)
    return spelled or signing_event_source(service)


def api_version(service: str) -> str | None:
    """Return the ``apiVersion`` of the service's events, None where real events carry none."""
    version: str | None = _table()["api_versions"].get(service)
    return version


def denied_event_name(service: str, operation: str) -> str:
    """Return the ``eventName`` of a call that was denied before its service saw it."""
    return event_name(service, operation) + str(_table()["denied_suffixes"].get(service, ""))


def error_names(model: OperationModel) -> Mapping[str, str]:
    """Return error code on the wire -> ``errorCode``, where they differ.

    Query services answer with a short code and record the name of the error's shape (``NoSuchEntity`` becomes
    ``NoSuchEntityException``).
    """
    names: dict[str, str] = dict(_table()["errors"])
    if model.service_model.metadata.get("protocol") in ("query", "json"):
        for shape in model.error_shapes:
            code = shape.metadata.get("error", {}).get("code")
            if code and code != shape.name:
                names[code] = shape.name
    return names


def hidden_errors(model: OperationModel) -> frozenset[str]:
    """Return the ``errorCode`` of the operation's errors whose message the model marks sensitive."""
    return frozenset(
        shape.name
        for shape in model.error_shapes
        if any(name.lower() == "message" and member.metadata.get("sensitive") for name, member in shape.members.items())
    )


def kept_members(service: str, operation: str) -> Mapping[str, str] | None:
    """Return member -> name of the response elements that are recorded, None when all are."""
    row: Mapping[str, str] | None = _table()["responses"].get(service, {}).get(operation)
    return row


def records_as_sent(service: str) -> bool:
    """Say whether the service's parameters keep the names and the times that were sent, instead of lowerCamel names
    and times in words."""
    return service in _table()["as_sent"]


def unwraps_response(service: str) -> bool:
    """Say whether an output that is one structure is recorded without the member that wraps it."""
    return service in _table()["unwrapped"]


def records_response(service: str, operation: str, *, is_read_only: bool, is_data_event: bool) -> bool:
    """Say whether a successful call's response elements are recorded at all."""
    table = _table()["response_elements"]
    if operation in table["recorded"].get(service, ()):
        return True
    return not is_read_only and not is_data_event


def global_region(service: str, region: str) -> str | None:
    """Return the Region in which a global service's events are recorded, None for services with Regions.

    It is us-east-1, or the leading Region of the partition that ``region`` belongs to.
    """
    table = _table()["global"]
    if service not in table["services"]:
        return None
    for prefix, leader in table["leaders"].items():
        if region.startswith(prefix):
            return str(leader)
    return "us-east-1"


@cache
def _table() -> dict[str, Any]:
    return load_table(Path(__file__).parent / "data", "names")
