"""What a metric filter publishes for an event (reference: cloudwatch-logs, section 4)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from opentrail.query.replay.rules import InvalidReplay

MAX_VALUE_CHARACTERS = 100

_PATH = re.compile(r"\$((?:\.[A-Za-z0-9_-]+|\[[0-9]+\])+)")
_STEP = re.compile(r"\.([A-Za-z0-9_-]+)|\[([0-9]+)\]")


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric transformation: a match publishes ``value``, or what stands at ``path``; any other event ``default``."""

    value: float | None = 1.0
    path: tuple[str | int, ...] = ()
    default: float | None = None

    def value_of(self, record: Mapping[str, Any]) -> float | None:
        """Return what a match publishes, None for nothing.

        A value that is missing or null gives the default; a text that is no number gives nothing.
        """
        if self.value is not None:
            return self.value
        found: Any = record
        for step in self.path:
            if isinstance(step, int):
                found = found[step] if isinstance(found, list) and step < len(found) else None
            else:
                found = found.get(step) if isinstance(found, dict) else None
        if found is None:
            return self.default
        return _number(found) if not isinstance(found, bool) and isinstance(found, int | float | str) else None


def read_metric(value: str, default: str = "") -> Metric:
    """Read a metric value, a number or a path such as ``$.a.b[0]``, and a default value; raises InvalidReplay."""
    fallback = _number(default) if default else None
    if default and fallback is None:
        raise InvalidReplay(f"the default value {default[:MAX_VALUE_CHARACTERS]!r} is no number")
    number = _number(value)
    if number is not None:
        return Metric(number, (), fallback)
    path = _PATH.fullmatch(value) if len(value) <= MAX_VALUE_CHARACTERS else None
    if path is None:
        raise InvalidReplay(f"the metric value {value[:MAX_VALUE_CHARACTERS]!r} is neither a number nor like $.a.b[0]")
    steps = tuple(int(index) if index else name for name, index in _STEP.findall(path[1]))
    return Metric(None, steps, fallback)


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if abs(number) <= 2.0**360 else None
