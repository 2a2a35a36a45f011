"""Event selectors: what a trail delivers, in their wire form (PascalCase members), checked and read into predicates.

Selectors are joined by OR, so an event that several of them pick is still one event. Checking and compiling are apart:
stored selectors were checked when they came, and compiling takes them as they are.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from opentrail.pattern.advanced_selectors import (
    check_advanced_event_selectors,
    check_event_data_store_selectors,
    compile_advanced_event_selectors,
)
from opentrail.pattern.basic_selectors import check_event_selectors, compile_event_selectors
from opentrail.pattern.errors import InvalidSelector
from opentrail.pattern.matcher import Matcher, compile_predicate
from opentrail.pattern.rule_set import RuleSet

__all__ = [
    "InvalidSelector",
    "check_advanced_event_selectors",
    "check_event_data_store_selectors",
    "check_event_selectors",
    "compile_advanced_event_selectors",
    "compile_event_selectors",
    "selector_matcher",
]

MIN_INDEXED = 16
"""Advanced event selectors from which on an index over them is faster than asking one after the other."""

Selector = Mapping[str, Any]


def selector_matcher(event_selectors: Sequence[Selector], advanced_event_selectors: Sequence[Selector]) -> Matcher:
    """Return the function that says whether checked selectors, basic ones or advanced ones, pick an event.

    To be called by one thread at a time.
    """
    if not advanced_event_selectors:
        return compile_predicate(compile_event_selectors(event_selectors))
    if len(advanced_event_selectors) < MIN_INDEXED:
        return compile_predicate(compile_advanced_event_selectors(advanced_event_selectors))
    index: RuleSet[int] = RuleSet()
    for number, selector in enumerate(advanced_event_selectors):
        index.add(number, compile_advanced_event_selectors([selector]))
    return lambda event: bool(index.match(event))
