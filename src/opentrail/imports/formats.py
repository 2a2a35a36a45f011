"""The records in a file, whatever its form, told by its content and never by its name.

| content | where it comes from |
|---|---|
| ``{"Records":[...]}`` | CloudTrail's log files |
| ``[...]`` | exports of tools |
| one record | samples, single events |
| one JSON value a line, or one behind the other | exports of log stores, ``jq`` |
| ``{"detail-type":..., "detail":{...}}`` | EventBridge, its archives and targets |
| ``{"Events":[{"CloudTrailEvent":"..."}]}`` | what LookupEvents answers |
| ``{"logEvents":[{"message":"..."}]}`` | subscriptions of CloudWatch Logs |

Each may stand in any other, and all of them in gzip. What cannot be read is a Fault with its place; the rest goes on.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import msgspec

from opentrail.imports.inflation import INFLATED_LIMIT_BYTES, plain_body

MAX_NESTING = 4
"""Envelopes inside one another that are opened."""

MAX_FAULTS = 100
"""Faults of one file that are listed one by one; the last one says how many more there are."""

_BEGINNING_BYTES = 64 * 1024
_BOM = b"\xef\xbb\xbf"
_SPACES = b" \t\r\n"
_DIGEST_MEMBERS = ("digestS3Bucket", "digestStartTime")
_FOREIGN = {
    b"PK\x03\x04": "a zip archive: unpack it first",
    b"PAR1": "a Parquet file",
    b"BZh": "packed with bzip2: unpack it first",
    b"(\xb5/\xfd": "packed with zstd: unpack it first",
    b"\xfd7zXZ": "packed with xz: unpack it first",
    b"Obj\x01": "an Avro file",
    b"ORC": "an ORC file",
    b"\xff\xfe": "UTF-16: write it as UTF-8 first",
    b"\xfe\xff": "UTF-16: write it as UTF-8 first",
    b"<": "XML or HTML",
}
_decoder = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class Fault:
    """What could not be read: where in the file ("" for all of it), of what kind, and why in words."""

    place: str
    error_type: str
    message: str


@dataclass(slots=True)
class Contents:
    """The records of one file in their order, as compact JSON, each as it stood there; and what could not be read.
    ``plain_bytes`` is what the file holds, inflated."""

    records: list[bytes] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    faults_left_out: int = 0
    plain_bytes: int = 0

    def fail(self, place: str, error_type: str, message: str) -> None:
        """Note a fault, within MAX_FAULTS."""
        if len(self.faults) < MAX_FAULTS:
            self.faults.append(Fault(place, error_type, message))
        else:
            self.faults_left_out += 1


class _LogFile(msgspec.Struct, gc=False):
    Records: list[msgspec.Raw]


_read_log_file = msgspec.json.Decoder(_LogFile).decode
_read_value: Callable[[bytes], msgspec.Raw] = msgspec.json.Decoder(msgspec.Raw).decode
_read_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_read_array = msgspec.json.Decoder(list[msgspec.Raw]).decode
_read_text = msgspec.json.Decoder(str).decode

_RECORD_MEMBERS = frozenset({"eventName", "eventSource", "eventID", "eventTime", "eventVersion", "userIdentity"})
"""An object that has two of these is a record."""


def read_contents(body: bytes, limit_bytes: int = INFLATED_LIMIT_BYTES) -> Contents:
    """Return the records of a file, and its faults: one of them where it inflates to more than ``limit_bytes``. Never
    raises for what the file holds."""
    plain = plain_body(body, limit_bytes)
    contents = Contents(plain_bytes=len(plain.raw))
    raw = plain.raw.removeprefix(_BOM).strip(_SPACES)
    if plain.fault:
        contents.fail("", "CorruptObject", plain.fault)
    if not raw:
        if not plain.fault:
            contents.fail("", "EmptyObject", "it is empty")
        return contents
    try:
        records = _read_log_file(raw).Records
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        _read_any(raw, contents, is_cut_short=bool(plain.fault))
    else:
        contents.records = [bytes(record) for record in records] if _is_compact(raw) else []
        if not contents.records:
            for number, record in enumerate(records, 1):
                _take(bytes(record), f"record {number}", contents, 1)
    return contents


def _is_compact(raw: bytes) -> bool:
    # A log file as CloudTrail writes it: its records need no looking at here. How it begins is how it was written:
    # looking for spaces to its end would take as long as parting its records.
    return raw.startswith(b'{"Records":[{"event') and b"\n" not in raw and b'": ' not in raw[:_BEGINNING_BYTES]


def _read_any(raw: bytes, contents: Contents, *, is_cut_short: bool) -> None:
    foreign = next((name for magic, name in _FOREIGN.items() if raw.startswith(magic)), "")
    if foreign:
        contents.fail("", "UnknownFormat", f"it is {foreign}")
    elif raw[:1] not in b"{[":
        contents.fail("", "UnknownFormat", "it is not JSON")
    elif (value := _whole_value(raw)) is not None:
        _take(value, "", contents, 0)
    else:
        _read_lines(raw, contents, is_cut_short=is_cut_short)


def _whole_value(raw: bytes) -> bytes | None:
    try:
        return bytes(_read_value(raw))
    except (msgspec.MsgspecError, RecursionError):
        return None


def _read_lines(raw: bytes, contents: Contents, *, is_cut_short: bool) -> None:
    """Read one value a line; where the first line is no whole value, values one behind the other."""
    first, _, rest = raw.partition(b"\n")
    if not rest or _whole_value(first.strip(_SPACES)) is None:
        _read_sequence(raw, contents, is_cut_short=is_cut_short)
        return
    lines = raw.split(b"\n")
    for number, line in enumerate(lines, 1):
        stripped = line.strip(_SPACES)
        if not stripped:
            continue
        value = _whole_value(stripped)
        if value is not None:
            _take(value, f"line {number}", contents, 0)
        elif not (is_cut_short and number == len(lines)):
            contents.fail(f"line {number}", "MalformedRecord", "it is no JSON")


_OPENING = re.compile(r'\s*(?:\{\s*"Records"\s*:\s*\[|\[)?')
_BETWEEN = re.compile(r"[\s,]*")
_CLOSING = re.compile(r"[\s,]*(?:\]\s*\}?)?")


def _read_sequence(raw: bytes, contents: Contents, *, is_cut_short: bool) -> None:
    """Read values one behind the other, or the items of a list that does not end: as far as they go. Where what packs
    them was cut short, which is a fault already, their end is none."""
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        contents.fail(f"byte {error.start + 1}", "MalformedRecord", "it is not UTF-8")
        text = raw[: error.start].decode()
    number = 0
    for number, (value, at) in enumerate(_values(text), 1):
        if value is None:
            if not is_cut_short:
                place = f"record {number}, character {at + 1}"
                contents.fail(place, "MalformedRecord", "the JSON ends early or is broken")
            return
        _take(value.encode(), f"record {number}", contents, 0)
    if number == 0:
        contents.fail("", "UnknownFormat", "it is not JSON")


def _values(text: str) -> Iterator[tuple[str | None, int]]:
    """Yield (value, where it starts); None for the value where the text cannot be read on."""
    opening = _OPENING.match(text)
    at = opening.end() if opening else 0
    while at < len(text):
        at = _match_end(_BETWEEN, text, at)
        if text[at : at + 1] == "]":
            at = _match_end(_CLOSING, text, at)
        if at >= len(text):
            return
        try:
            _, end = _decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            yield None, at
            return
        yield text[at:end], at
        at = end


def _match_end(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at


def _take(value: bytes, place: str, contents: Contents, depth: int) -> None:
    """Take one JSON value: a record, or something that holds records."""
    if value.startswith(b"["):
        for number, item in enumerate(_read_array(value), 1):
            _take_nested(bytes(item), _inside(place, f"record {number}"), contents, depth)
        return
    try:
        members = _read_object(value)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        contents.fail(place, "MalformedRecord", "it is no JSON object")
        return
    if len(_RECORD_MEMBERS & members.keys()) > 1:
        contents.records.append(_compact(value))
    else:
        _open_envelope(members, place, contents, depth)


def _open_envelope(members: dict[str, msgspec.Raw], place: str, contents: Contents, depth: int) -> None:
    if "Records" in members:
        _take_nested(bytes(members["Records"]), place, contents, depth)
    elif "detail" in members and "detail-type" in members:
        _take_nested(bytes(members["detail"]), _inside(place, "detail"), contents, depth)
    elif "Events" in members:
        _take_texts(members["Events"], "CloudTrailEvent", place, contents, depth)
    elif "logEvents" in members:
        _take_texts(members["logEvents"], "message", place, contents, depth)
    elif any(member in members for member in _DIGEST_MEMBERS):
        contents.fail(place, "NotALogFile", "it is a digest file")
    else:
        contents.fail(place, "MalformedRecord", "it is no record of CloudTrail, and nothing that holds records")


def _take_texts(listed: msgspec.Raw, member: str, place: str, contents: Contents, depth: int) -> None:
    """Take records that stand as text in a member of each item."""
    try:
        items = msgspec.json.decode(bytes(listed), type=list[dict[str, msgspec.Raw]])
    except msgspec.MsgspecError:
        contents.fail(place, "MalformedRecord", "it is no list of events")
        return
    for number, item in enumerate(items, 1):
        where = _inside(place, f"record {number}")
        try:
            text = _read_text(bytes(item[member])).encode()
            value = _whole_value(text.strip(_SPACES))
        except (KeyError, msgspec.MsgspecError, UnicodeEncodeError):
            value = None
        if value is None:
            contents.fail(where, "MalformedRecord", f"its {member} is no JSON")
        else:
            _take_nested(value, where, contents, depth)


def _take_nested(value: bytes, place: str, contents: Contents, depth: int) -> None:
    if depth >= MAX_NESTING:
        contents.fail(place, "MalformedRecord", "it is nested too deep")
    else:
        _take(value, place, contents, depth + 1)


def _inside(place: str, part: str) -> str:
    return f"{place}, {part}" if place else part


def _compact(value: bytes) -> bytes:
    """Return a record's JSON without spaces between its tokens, else as it is: spelling of numbers, order, doubles."""
    if b"\n" in value or b'": ' in value or b"\t" in value:
        return msgspec.json.format(value, indent=-1)
    return value
