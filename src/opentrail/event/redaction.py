"""What never reaches a record: the reviewed list beside what the service models themselves mark sensitive.

The list is ``data/sensitive.json``; it is applied when an operation's rendering plan is made and, for maps whose keys
no model knows, while rendering.
"""

import re
from collections.abc import Mapping
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


def hide_quoted_values(message: str) -> str:
    """Hide the values that a validation message quotes back; used where an operation takes secrets."""
    return _QUOTED_VALUE.sub(rf"\1{HIDDEN}", message)


_QUOTED_VALUE = re.compile(
    r"""(\bvalue:?\s+)(?:'.*?'|".*?"|\(.*?\))(?=\s+(?:at|for|is|failed|does|must)\b|[.,;]|\s*$)""", re.I | re.S
)


@cache
def _names() -> Mapping[str, str]:
    return {name.lower(): action for name, action in load_table(_FOLDER, "sensitive")["names"].items()}


@cache
def _services() -> Mapping[str, Mapping[str, str]]:
    table = load_table(_FOLDER, "sensitive")["services"]
    return {service: {name.lower(): action for name, action in row.items()} for service, row in table.items()}
