"""What people read of an event or an alarm: a line that says what happened, and a few that say more.

In: the text that a target is sent, and its subject if it has one. Out: a title of one line and a text, both without
control characters, since what calls hold is whatever a stranger wrote.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

MAX_TITLE = 120
MAX_LINE = 400
"""Characters of one line about an event."""


@dataclass(frozen=True, slots=True)
class Readable:
    """``is_summary`` says that ``text`` leaves much out."""

    title: str
    text: str
    is_summary: bool = False


def readable(text: str, subject: str = "") -> Readable:
    """Return what people are shown of ``text``: CloudTrail's events and alarms summed up, texts as they are."""
    try:
        said = orjson.loads(text)
    except orjson.JSONDecodeError:
        said = text
    if isinstance(said, dict):
        made = _of_event(said) or _of_alarm(said)
        if made is not None:
            return Readable(_line(subject or made[0], MAX_TITLE), made[1], is_summary=True)
    if isinstance(said, str):
        first = next((line for line in said.splitlines() if line.strip()), "")
        return Readable(_line(subject or first or "Opentrail", MAX_TITLE), _clean(said))
    shown = orjson.dumps(said, option=orjson.OPT_INDENT_2).decode()
    return Readable(_line(subject or "Opentrail", MAX_TITLE), _clean(shown))


def _of_event(said: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return title and text of an event as buses carry it, None for anything else."""
    kind, detail = said.get("detail-type"), said.get("detail")
    if not isinstance(kind, str) or not isinstance(detail, dict):
        return None
    name, who = detail.get("eventName"), _who(detail.get("userIdentity"))
    place = (said.get("time"), said.get("account"), said.get("region"), said.get("source"))
    lines = [" ".join(str(each) for each in place if each)]
    if not isinstance(name, str):
        return kind, "\n".join([*lines, _line(orjson.dumps(detail).decode(), MAX_LINE)])
    title = f"{name} by {who}" if who else name
    if detail.get("errorCode"):
        title += f": {detail['errorCode']}"
        lines.append(_line(f"error: {detail.get('errorMessage') or detail['errorCode']}", MAX_LINE))
    if detail.get("sourceIPAddress"):
        lines.append(_line(f"from {detail['sourceIPAddress']}, {detail.get('userAgent') or 'no user agent'}", MAX_LINE))
    if detail.get("requestParameters"):
        lines.append(_line("with " + orjson.dumps(detail["requestParameters"]).decode(), MAX_LINE))
    if detail.get("eventID"):
        lines.append(_line(f"event {detail['eventID']}", MAX_LINE))
    return title, "\n".join(lines)


def _of_alarm(said: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return title and text of an alarm's message to a topic, None for anything else."""
    name, state = said.get("AlarmName"), said.get("NewStateValue")
    if not isinstance(name, str) or not isinstance(state, str):
        return None
    told = [said.get("AlarmDescription"), said.get("NewStateReason"), said.get("StateChangeTime")]
    return f"{state}: {name}", "\n".join(_line(str(each), MAX_LINE) for each in told if each)


def _who(identity: object) -> str:
    if not isinstance(identity, dict):
        return ""
    found = next((identity[key] for key in ("arn", "userName", "invokedBy", "type") if identity.get(key)), "")
    return str(found)


def _line(text: str, longest: int) -> str:
    """Return one printable line of at most ``longest`` characters."""
    line = text if len(text) <= longest else text[: longest - 3] + "..."
    return _printable(line)


def _clean(text: str) -> str:
    return "\n".join(map(_printable, text.split("\n")))


def _printable(line: str) -> str:
    return line if line.isprintable() else "".join(each if each.isprintable() else " " for each in line)
