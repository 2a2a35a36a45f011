"""What never reaches a record: the reviewed list beside what the service models themselves mark sensitive.

The list is ``data/sensitive.json``; it is applied when an operation's rendering plan is made and, for maps whose keys
no model knows, while rendering.
"""

import re
from collections.abc import Collection, Mapping
from enum import StrEnum
from functools import cache
from pathlib import Path

from opentrail.event.tables import load_table

HIDDEN = "HIDDEN_DUE_TO_SECURITY_REASONS"

_FOLDER = Path(__file__).parent / "data"


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


def is_secret_name(name: str) -> bool:
    """Say whether a map's key names a secret whatever the service, so that its value is hidden."""
    return name.lower() in _names()


def replacement(action: str) -> str:
    """Return the text that stands for a hidden value."""
    return action[1:] if action.startswith("=") else HIDDEN


def hide_quoted_values(message: str, secret_names: Collection[str]) -> str:
    """Hide the values that a validation message quotes back, unless it says that they stood in a harmless member.

    ``secret_names`` are the lower-case names of an operation's members that are never recorded. A value of which the
    message does not say where it stood is hidden. Of a long message only the beginning is returned (events keep 1 KB):
    the search takes quadratic time in the worst case.
    """
    is_cut, message = len(message) > SEARCHED_CHARACTERS, message[:SEARCHED_CHARACTERS]
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
def _services() -> Mapping[str, Mapping[str, str]]:
    table = load_table(_FOLDER, "sensitive")["services"]
    return {service: {name.lower(): action for name, action in row.items()} for service, row in table.items()}
