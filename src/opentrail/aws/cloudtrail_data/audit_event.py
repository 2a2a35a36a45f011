"""What an application says of one of its events, judged, and the record that the lake keeps of it.

In: the ``eventData`` text of one entry. Out: the record's JSON, or AuditEventRefused with the code that the entry fails
with (reference: api section 8). Content over a limit is refused, never cut.
"""

import base64
import hashlib
import hmac
import ipaddress
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any

import msgspec
import orjson

from opentrail.clock import format_time

MAX_TEXT = {
    "version": 256,
    "userAgent": 1024,
    "eventSource": 1024,
    "eventName": 1024,
    "eventTime": 1024,
    "UID": 1024,
    "errorCode": 256,
    "errorMessage": 256,
    "sourceIPAddress": 256,
    "recipientAccountId": 256,
}
"""Longest text of each member, in characters."""

MAX_OBJECT_BYTES = {"requestParameters": 100 * 1024, "responseElements": 100 * 1024, "additionalEventData": 28 * 1024}
"""Largest JSON of each member that is an object."""

MAX_IDENTITY = {"type": 128, "principalId": 1024}

_REQUIRED = ("version", "userIdentity", "eventSource", "eventName", "eventTime", "UID", "recipientAccountId")
_SMALL_CHARACTERS = min(MAX_OBJECT_BYTES.values()) // 4
"""Event data in which no object can be too large: a character has four bytes at most."""

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z", re.ASCII)
_OF_AWS = ".amazonaws.com"

_HEAD = b'{"eventVersion":"1.0","eventCategory":"ActivityAuditLog","eventType":"ActivityLog","eventID":"'


def _text(longest: int, *, is_required: bool) -> Any:
    length = msgspec.Meta(min_length=1 if is_required else 0, max_length=longest)
    return Annotated[str, length] if is_required else Annotated[str, length] | None


_OBJECT: Any = dict[str, msgspec.Raw] | None
_EventData = msgspec.defstruct(
    "_EventData",
    [
        (
            "userIdentity",
            msgspec.defstruct(
                "_Identity",
                [
                    *((name, _text(longest, is_required=True)) for name, longest in MAX_IDENTITY.items()),
                    ("details", _OBJECT, None),
                ],
                gc=False,
                omit_defaults=True,
            ),
        ),
        *((name, _text(MAX_TEXT[name], is_required=True)) for name in _REQUIRED if name in MAX_TEXT),
        *((name, _text(MAX_TEXT[name], is_required=False), None) for name in MAX_TEXT if name not in _REQUIRED),
        *((name, _OBJECT, None) for name in MAX_OBJECT_BYTES),
    ],
    gc=False,
    omit_defaults=True,
)
_Judged = msgspec.defstruct(
    "_Judged",
    [("recipientAccountId", str), ("eventSource", str), ("eventTime", str), ("sourceIPAddress", str | None, None)],
)
_decode = msgspec.json.Decoder(_EventData).decode
_encode = msgspec.json.Encoder().encode


class AuditEventRefused(Exception):
    """One entry cannot be taken: the code and the message that it fails with."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Arrival:
    """Where and when an entry came, and whose it is."""

    channel_arn: str
    account_id: str
    region: str
    ingestion_time: str


class AuditRecords:
    """The records of one call's entries. What they have in common is encoded once."""

    def __init__(self, arrival: Arrival) -> None:
        whose = {
            "awsRegion": arrival.region,
            "recipientAccountId": arrival.account_id,
            "metadata": {"ingestionTime": arrival.ingestion_time, "channelARN": arrival.channel_arn},
        }
        self._account_id = arrival.account_id
        self._whose = b'",' + orjson.dumps(whose)[1:-1] + b',"eventData":'

    def record(self, entry: dict[str, Any], event_id: str) -> bytes:
        """Return the record that is kept of an entry of PutAuditEvents; raises AuditEventRefused."""
        text: str = entry["eventData"]
        _check_checksum(text, entry.get("eventDataChecksum"))
        said, kept = _plain(text)
        if said is None:
            members = _event_data(text)
            _check_members(members)
            said, kept = msgspec.convert(members, _Judged), orjson.dumps(members)
        _check_values(said, self._account_id)
        return b"".join((_HEAD, event_id.encode(), _event_time(said.eventTime), self._whose, kept, b"}"))


def _check_checksum(text: str, given: str | None) -> None:
    if given is None:
        return
    computed = base64.b64encode(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()).decode()
    if not hmac.compare_digest(computed, given if given.isascii() else ""):
        raise AuditEventRefused("InvalidChecksum", "The checksum does not match the event data.")


def _event_data(text: str) -> dict[str, Any]:
    try:
        data = orjson.loads(text)
    except ValueError as error:
        raise AuditEventRefused("InvalidData", "The event data is not valid JSON.") from error
    if not isinstance(data, dict):
        raise AuditEventRefused("InvalidData", "The event data is not a JSON object.")
    return data


def _plain(text: str) -> tuple[Any, bytes]:
    """Return what event data says, and its UTF-8, when it may be kept as it is; None for the first when it must be
    looked at member by member, which takes three times as long.

    No member is missing, of a wrong type or a text too long, and what was read, written again, has as many bytes as the
    text: so no member is there twice, none is unknown, and nothing stands between them.
    """
    try:
        if len(text) > _SMALL_CHARACTERS or "\\" in text or "\n" in text:
            return None, b""
        data = text.encode()
        said = _decode(data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None, b""
    return said if len(_encode(said)) == len(data) else None, data


def _check_members(data: dict[str, Any]) -> None:
    for name in _REQUIRED:
        if data.get(name) in (None, ""):
            raise AuditEventRefused("FieldNotFound", f"The field {name} is required.")
    for name, longest in MAX_TEXT.items():
        _check_text(name, data.get(name), longest)
    for name, largest in MAX_OBJECT_BYTES.items():
        _check_object(name, data.get(name), largest)
    _check_identity(data["userIdentity"])


def _check_values(said: Any, account_id: str) -> None:
    if said.recipientAccountId != account_id:
        raise AuditEventRefused("InvalidRecipient", "The recipientAccountId is not the channel owner's account.")
    if said.eventSource.lower().endswith(_OF_AWS):
        raise AuditEventRefused("InvalidEventSource", f"The eventSource must not end with {_OF_AWS}.")
    if said.sourceIPAddress:
        _check_address(said.sourceIPAddress)


def _check_text(name: str, value: Any, longest: int) -> None:
    if value is None:
        return
    if not isinstance(value, str):
        raise AuditEventRefused("InvalidData", f"The field {name} must be a string.")
    if len(value) > longest:
        raise AuditEventRefused("FieldTooLong", f"The field {name} must have at most {longest} characters.")


def _check_object(name: str, value: Any, largest: int) -> None:
    if value is None:
        return
    if not isinstance(value, dict):
        raise AuditEventRefused("InvalidData", f"The field {name} must be a JSON object.")
    if len(orjson.dumps(value)) > largest:
        raise AuditEventRefused("FieldTooLong", f"The field {name} must have at most {largest // 1024} kB.")


def _check_identity(identity: Any) -> None:
    if not isinstance(identity, dict):
        raise AuditEventRefused("InvalidData", "The field userIdentity must be a JSON object.")
    for name, longest in MAX_IDENTITY.items():
        if identity.get(name) in (None, ""):
            raise AuditEventRefused("FieldNotFound", f"The field userIdentity.{name} is required.")
        _check_text(f"userIdentity.{name}", identity[name], longest)
    if not isinstance(identity.get("details"), dict | None):
        raise AuditEventRefused("InvalidData", "The field userIdentity.details must be a JSON object.")


@lru_cache(maxsize=4096)
def _check_address(text: str) -> None:
    try:
        ipaddress.ip_address(text)
    except ValueError as error:
        raise AuditEventRefused("InvalidData", "The field sourceIPAddress is no IPv4 or IPv6 address.") from error


@lru_cache(maxsize=1024)
def _event_time(text: str) -> bytes:
    """Return the record's member of its time, cut to the second, behind the end of its id."""
    if _TIME.fullmatch(text) is not None:
        try:
            time = format_time(datetime.fromisoformat(f"{text[:19]}+00:00").astimezone(UTC))
            return b'","eventTime":"' + time.encode()
        except ValueError:
            pass
    raise AuditEventRefused("InvalidData", "The field eventTime must be a UTC time such as 2026-01-31T23:59:59Z.")
