"""Whether selectors can pick anything at all: those that contradict themselves are valid, and select nothing."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Selector = Mapping[str, Any]

_TESTS: Mapping[str, Callable[[str, Sequence[str]], bool]] = {
    "Equals": lambda value, given: value in given,
    "NotEquals": lambda value, given: value not in given,
    "StartsWith": lambda value, given: value.startswith(tuple(given)),
    "NotStartsWith": lambda value, given: not value.startswith(tuple(given)),
    "EndsWith": lambda value, given: value.endswith(tuple(given)),
    "NotEndsWith": lambda value, given: not value.endswith(tuple(given)),
}


def selects_nothing(event_selectors: Sequence[Selector], advanced_event_selectors: Sequence[Selector]) -> bool:
    """Say whether no event can ever match checked selectors, basic ones or advanced ones.

    Told from the selectors alone: a value that must be equal to something that another test excludes. False is no
    promise that there are such events.
    """
    if advanced_event_selectors:
        return all(_contradicts_itself(selector) for selector in advanced_event_selectors)
    return not any(_picks(selector) for selector in event_selectors)


def _picks(selector: Selector) -> bool:
    has_data = any(resource.get("Values") for resource in selector.get("DataResources") or ())
    return bool(selector.get("IncludeManagementEvents", True)) or has_data


def _contradicts_itself(selector: Selector) -> bool:
    tests: dict[str, list[tuple[str, Sequence[str]]]] = defaultdict(list)
    for field in selector["FieldSelectors"]:
        tests[field["Field"]] += [(name, field[name]) for name in _TESTS if field.get(name)]
    return any(_excludes_all(given) for given in tests.values())


def _excludes_all(tests: Sequence[tuple[str, Sequence[str]]]) -> bool:
    """Say whether no value that must be equal passes the field's other tests."""
    equal = [set(values) for name, values in tests if name == "Equals"]
    if not equal:
        return False
    candidates = set.intersection(*equal)
    return not any(all(_TESTS[name](value, given) for name, given in tests) for value in candidates)
