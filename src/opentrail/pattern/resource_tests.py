"""Tests on an event's ``resources``, shared by basic and advanced selectors.

All tests of one selector must hold for the same element, so that the bucket that stands beside an object in the array
never answers for it. An element of a listing has ``ARNPrefix`` instead of ``ARN``: prefix tests read that, so that a
selector for a bucket picks its listings too (reference: events, section 2).
"""

from collections.abc import Iterable

from opentrail.pattern.ir import AnyElement, Field, Not, Predicate, all_of, any_of, exists
from opentrail.pattern.values import EndsWith, StartsWith, TextIn

_ARN = ("ARN",)
_ARN_PREFIX = ("ARNPrefix",)


def some_resource(tests: Iterable[Predicate]) -> Predicate:
    """Hold when one element of ``resources`` passes all ``tests``."""
    return AnyElement(("resources",), all_of(tests))


def type_equals(types: Iterable[str]) -> Predicate:
    return Field(("type",), TextIn(frozenset(types)))


def arn_equals(arns: Iterable[str]) -> Predicate:
    return Field(_ARN, TextIn(frozenset(arns)))


def arn_ends_with(suffixes: Iterable[str]) -> Predicate:
    return Field(_ARN, EndsWith(tuple(suffixes)))


def arn_starts_with(prefixes: Iterable[str]) -> Predicate:
    wanted = StartsWith(tuple(prefixes))
    listing = all_of((Not(exists(_ARN)), Field(_ARN_PREFIX, wanted)))
    return any_of((Field(_ARN, wanted), listing))
