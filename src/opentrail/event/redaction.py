"""What never reaches a record: the reviewed list beside what the service models themselves mark sensitive.

The list is ``data/sensitive.json``; it is applied when an operation's rendering plan is made and, for maps whose keys
no model knows and for documents inside texts, while rendering.
"""

import re
from collections.abc import Collection, Mapping
from enum import StrEnum
from functools import cache, lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import orjson

from opentrail.event.tables import load_table

HIDDEN = "HIDDEN_DUE_TO_SECURITY_REASONS"

REMEMBERED_NAMES = 4096
"""Keys of which it is remembered whether they name a secret."""

MAX_NAME_CHARACTERS = 256
"""A longer key is no name."""

_FOLDER = Path(__file__).parent / "data"
_PUNCTUATION = re.compile(r"[^a-z0-9]+")


class Action(StrEnum):
    """What becomes of a member on the list. An action that is none of these is ``=`` and the text to write."""

    HIDE = "hide"
    DROP = "drop"
    EMPTY = "empty"
    NAMES = "names"
    VALUES = "values"


def action_of(service: str, operation: str, member: str) -> str | None:
    """Return the action for a member, None when the list does not name it.

    ``operation`` is empty for members below the top level. The most specific row wins.
    """
    name = member.lower()
    by_service = _services().get(service, {})
    if operation and (action := by_service.get(f"{operation.lower()}.{name}")):
        return action
    return by_service.get(name) or _names().get(name)


@lru_cache(maxsize=REMEMBERED_NAMES)
def is_secret_name(name: str) -> bool:
    """Say whether a key that no model gives (of a map or a document) names a secret, so that its value is hidden."""
    if len(name) > MAX_NAME_CHARACTERS:
        return False
    if name.lower() in _names():
        return True
    bare = _PUNCTUATION.sub("", name.lower())
    return bare.endswith(_endings("endings")) and not bare.endswith(_endings("harmless_endings"))


def hide_in_text(text: str, level: int = 0) -> str:
    """Return ``text`` without the secrets that a document in it names; a text that is none comes back as it is.

    Hidden are: entries of JSON (plain or percent-encoded, also in texts inside it) whose key names a secret, or whose
    neighbour ``name`` or ``key`` does; what follows a secret name in a text that is almost JSON and on a line of a
    template or script; passwords in URLs; signatures and tokens of presigned URLs and canonical requests. Takes time
    linear in the text. Never raises.
    """
    if "{" in text or "[" in text or "%7B" in text[:8]:
        text = _hide_in_json(text, level)
    if "\n" in text:
        text = _LINE.sub(_hide_named, text)
    if "://" in text:
        text = _URL_PASSWORD.sub(rf"\g<1>{HIDDEN}@", text)
    if "=" in text or ":" in text:
        text = _AWS_SECRET.sub(rf"\g<1>{HIDDEN}", text)
    return text


def hide_entries(value: Any, level: int = 0, depth: int = 0) -> Any:
    """Return a JSON value that no model describes without its secrets, as ``hide_in_text`` says. Never raises."""
    if isinstance(value, str):
        return hide_in_text(value, level)
    if depth > MAX_DEPTH:
        return HIDDEN if isinstance(value, dict | list) else value
    if isinstance(value, dict):
        shown = {
            key: HIDDEN if is_secret_name(key) else hide_entries(item, level, depth + 1) for key, item in value.items()
        }
        return _hide_pair(shown)
    if isinstance(value, list):
        return [hide_entries(item, level, depth + 1) for item in value]
    return value


MAX_DEPTH = 64
"""Documents nested deeper are hidden from there on."""

MAX_TEXT_LEVELS = 4
"""Documents in texts of documents: those below are hidden whole when they hold one."""

_NAMING, _NAMED = ("name", "key", "parameterkey"), ("value", "parametervalue", "values")

_LINE = re.compile(
    r"""^(?P<before>[ \t]*(?:(?:-|export|set|ENV|ARG)[ \t]+)?["']?)(?P<name>[A-Za-z_][\w.-]{0,127})"""
    r"""(?P<between>["']?[ \t]*[:=][ \t]*)(?P<value>\S.*)$""",
    re.M,
)
_QUOTED_ENTRY = re.compile(
    r"""(?P<before>\\?["'])(?P<name>[\w.-]{1,128})(?P<between>\\?["']\s{0,16}[:=]\s{0,16})"""
    r"""(?P<value>"(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?|[^\s,;}\]]+)"""
)
_URL_PASSWORD = re.compile(r"(://[^/\s:@?#]{0,128}:)[^/\s@?#]{1,512}@")
_AWS_SECRET = re.compile(
    r"""((?:x-amz-(?:security-token|s3session-token|signature)|(?<=[?&])(?:Signature|SecurityToken|sig))\s{0,4}[:=]\s{0,4})"""
    r"""[^\s&'"<>,;]+""",
    re.I,
)


def _hide_in_json(text: str, level: int) -> str:
    start = text.lstrip()[:3]
    plain = unquote(text) if start == "%7B" else text
    if start[:1] not in ("{", "[") and start != "%7B":
        return _QUOTED_ENTRY.sub(_hide_named, text)
    if level >= MAX_TEXT_LEVELS:
        return HIDDEN
    try:
        document = orjson.loads(plain)
        hidden = hide_entries(document, level + 1)
        return text if hidden == document else orjson.dumps(hidden).decode()
    except (ValueError, TypeError, RecursionError):
        return _QUOTED_ENTRY.sub(_hide_named, plain)


def _hide_named(match: re.Match[str]) -> str:
    if not is_secret_name(match["name"]):
        return match[0]
    return f"{match['before']}{match['name']}{match['between']}{HIDDEN}"


def _hide_pair(entry: dict[str, Any]) -> dict[str, Any]:
    """Hide the value of an entry written as a name and a value."""
    for name, content in entry.items():
        if name.lower() in _NAMING and isinstance(content, str) and is_secret_name(content):
            return {key: HIDDEN if key.lower() in _NAMED else item for key, item in entry.items()}
    return entry


def replacement(action: str) -> str:
    """Return the text that stands for a hidden value."""
    return action[1:] if action.startswith("=") else HIDDEN


def hide_quoted_values(message: str, secret_names: Collection[str]) -> str:
    """Hide the values that a validation message quotes back, unless it says that they stood in a harmless member.

    ``secret_names`` are the lower-case names of an operation's members that are never recorded. A value of which the
    message does not say where it stood is hidden. Of a long message only the beginning is returned (events keep 1 KB):
    the search takes quadratic time in the worst case. What ``hide_in_text`` hides is hidden whatever the names.
    """
    is_cut, message = len(message) > SEARCHED_CHARACTERS, hide_in_text(message[:SEARCHED_CHARACTERS])
    if not secret_names:
        return message

    def hide(match: re.Match[str]) -> str:
        place = re.split(r"[^A-Za-z0-9_]+", match["place"] or "")
        if match["place"] and not any(name.lower() in secret_names for name in place):
            return match[0]
        return f"{match['before']}{HIDDEN}{match['after']}"

    hidden = _QUOTED_VALUE.sub(hide, message)
    return _LAST_VALUE.sub(rf"\g<1>{HIDDEN}", hidden) if is_cut else hidden


SEARCHED_CHARACTERS = 4096
"""How much of an error message is searched for values that it quotes."""

_LAST_VALUE = re.compile(r"""(\bvalue:?\s+)['"(].*""", re.I | re.S)


_QUOTED_VALUE = re.compile(
    r"""(?P<before>\bvalue:?\s+)(?:'.*?'|".*?"|\(.*?\))"""
    r"""(?P<after>\s+(?:at|for\s+parameter)\s+['"]?(?P<place>[\w.\[\]{}-]+)|\s+(?:is|failed|does|must|for|at)\b|[.,;]|\s*$)""",
    re.I | re.S,
)


@cache
def _names() -> Mapping[str, str]:
    return {name.lower(): action for name, action in load_table(_FOLDER, "sensitive")["names"].items()}


@cache
def _endings(kind: str) -> tuple[str, ...]:
    return tuple(load_table(_FOLDER, "sensitive")[kind])


@cache
def _services() -> Mapping[str, Mapping[str, str]]:
    table = load_table(_FOLDER, "sensitive")["services"]
    return {service: {name.lower(): action for name, action in row.items()} for service, row in table.items()}
