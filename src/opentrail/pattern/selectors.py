"""Event selectors: what a trail delivers, in their wire form (PascalCase members), checked and read into predicates.

Selectors are joined by OR, so an event that several of them pick is still one event. Checking and compiling are apart:
stored selectors were checked when they came, and compiling takes them as they are.
"""

from opentrail.pattern.advanced_selectors import (
    check_advanced_event_selectors,
    check_event_data_store_selectors,
    compile_advanced_event_selectors,
)
from opentrail.pattern.basic_selectors import check_event_selectors, compile_event_selectors
from opentrail.pattern.errors import InvalidSelector

__all__ = [
    "InvalidSelector",
    "check_advanced_event_selectors",
    "check_event_data_store_selectors",
    "check_event_selectors",
    "compile_advanced_event_selectors",
    "compile_event_selectors",
]
