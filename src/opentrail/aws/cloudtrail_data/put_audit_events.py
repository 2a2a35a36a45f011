"""PutAuditEvents: every entry is taken or fails by itself; those taken are durable before the answer."""

import re
from typing import Any

from opentrail.aws.authorization import access_request
from opentrail.aws.cloudtrail_data.audit_event import Arrival, AuditEventRefused, AuditRecords
from opentrail.aws.cloudtrail_data.errors import (
    ChannelInsufficientPermission,
    ChannelNotFound,
    DuplicatedAuditEventId,
    InvalidChannelARN,
)
from opentrail.aws.common_errors import ValidationFailed
from opentrail.aws.service import ApiPorts, Call, Outcome, Requirement
from opentrail.clock import format_time
from opentrail.policy.document import PolicyKind, parse_policy
from opentrail.policy.evaluation import Decision, evaluate
from opentrail.ports.journal import MAX_ENTRY_BYTES, EventsEntry
from opentrail.protocol import Parameters
from opentrail.resource.channel import Channel

MAX_REQUEST_BYTES = 1024 * 1024
"""The event data of one call, all entries together: CloudTrail's own bound."""

MAX_ENTRIES = 100
MAX_CHARACTER_BYTES = 4
MAX_LINES_BYTES = MAX_ENTRY_BYTES - 2048
"""Records of one journal entry, which names its audience too: an ARN."""

MAX_ID_CHARACTERS = 128
_ID_CHARACTERS = re.compile(r"[-_A-Za-z0-9]+", re.ASCII)
_SOME_ARN = re.compile(r"arn:[!-~]{1,1000}", re.ASCII)
_CHANNEL_ARN = re.compile(
    r"arn:aws[a-z-]*:cloudtrail:[a-z0-9-]+:\d{12}:channel/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII
)
_ACTION = "cloudtrail-data:PutAuditEvents"


def requirements(call: Call) -> tuple[Requirement, ...]:
    """Return what ``call`` needs: its action on the channel."""
    return (_requirement(call),)


def keeps_constraints(parameters: Parameters) -> bool:
    """Say whether a call's parameters certainly keep the model's constraints: a tenth of the time that the model takes
    for a hundred entries. False where only the model can tell."""
    entries = parameters.get("auditEvents")
    if not isinstance(entries, list) or not 0 < len(entries) <= MAX_ENTRIES or "externalId" in parameters:
        return False
    if _SOME_ARN.fullmatch(parameters.get("channelArn", "")) is None:
        return False
    try:
        ids = [entry["id"] for entry in entries if "eventData" in entry]
    except KeyError:
        return False
    # One look at all ids together, and one at their lengths, where each by itself would take four times as long.
    is_whole = len(ids) == len(entries) and all(ids) and max(map(len, ids)) <= MAX_ID_CHARACTERS
    return is_whole and _ID_CHARACTERS.fullmatch("".join(ids)) is not None


async def put_audit_events(ports: ApiPorts, call: Call) -> Outcome:
    """Plan the records of all entries that can be taken; they go into the journal with the call's own event."""
    channel = await _channel(ports, call)
    await _check_permission(ports, call, channel)
    entries: list[dict[str, Any]] = call.parameters["auditEvents"]
    _check_request(entries)
    form = AuditRecords(Arrival(channel.arn, channel.account_id, channel.region, format_time(call.received_at)))
    records, successful, failed = [], [], []
    for entry in entries:
        event_id = ports.identifiers.uuid()
        try:
            records.append(form.record(entry, event_id))
        except AuditEventRefused as refused:
            failed.append({"id": entry["id"], "errorCode": refused.code, "errorMessage": str(refused)})
            continue
        successful.append({"id": entry["id"], "eventID": event_id})
    events = tuple(EventsEntry(lines, store) for store in channel.event_data_stores for lines in _joined(records))

    async def note() -> None:
        last_success = successful[-1]["eventID"] if successful else ""
        error_code = failed[-1]["errorCode"] if failed else ""
        ports.channel_statuses.note(channel.arn, call.received_at, last_success, error_code)

    return Outcome({"successful": successful, "failed": failed}, events=events, after=note)


def _joined(records: list[bytes]) -> list[bytes]:
    """Return records as lines of as few journal entries as take them."""
    whole = b"\n".join(records)
    if len(whole) <= MAX_LINES_BYTES:
        return [whole] if records else []
    middle = len(records) // 2
    return [*_joined(records[:middle]), *_joined(records[middle:])] if middle else [whole]


def _requirement(call: Call) -> Requirement:
    external_id: str = call.parameters.get("externalId", "")
    context = {"cloudtrail:ExternalId": (external_id,)} if external_id else {}
    return Requirement(_ACTION, call.parameters["channelArn"], context)


async def _channel(ports: ApiPorts, call: Call) -> Channel:
    given: str = call.parameters["channelArn"]
    if _CHANNEL_ARN.fullmatch(given) is None:
        raise InvalidChannelARN(given)
    channel = await ports.event_data_stores.channel(given)
    if channel is None or channel.region != call.region:
        raise ChannelNotFound(given)
    return channel


async def _check_permission(ports: ApiPorts, call: Call, channel: Channel) -> None:
    """Raise ChannelInsufficientPermission unless the channel's owner calls, or its policy allows the caller; a policy's
    deny holds for both."""
    policy = await ports.event_data_stores.resource_policy(channel.arn)
    decision = Decision.IMPLICIT_DENY
    if policy:
        decision = evaluate([parse_policy(policy, PolicyKind.RESOURCE)], access_request(call, _requirement(call)))
    is_let_in = decision is Decision.ALLOW or channel.account_id == call.account_id
    if decision is Decision.EXPLICIT_DENY or not is_let_in:
        raise ChannelInsufficientPermission


def _check_request(entries: list[dict[str, Any]]) -> None:
    seen: set[str] = set()
    characters = 0
    for entry in entries:
        if entry["id"] in seen:
            raise DuplicatedAuditEventId(entry["id"])
        seen.add(entry["id"])
        characters += len(entry["eventData"])
    if characters * MAX_CHARACTER_BYTES <= MAX_REQUEST_BYTES:
        return
    if sum(_size(entry["eventData"]) for entry in entries) > MAX_REQUEST_BYTES:
        raise ValidationFailed(
            "1 validation error detected: Value at 'auditEvents' failed to satisfy constraint: Member must have "
            f"at most {MAX_REQUEST_BYTES} bytes of event data"
        )


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
