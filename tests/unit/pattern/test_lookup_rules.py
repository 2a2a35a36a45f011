"""LookupEvents attributes as rules, over real events."""

import pytest

from opentrail.event.lookup_attributes import lookup_attributes
from opentrail.pattern.lookup_attributes import InvalidLookupAttribute, lookup_view, parse_lookup_attributes
from opentrail.pattern.matcher import compile_predicate
from tests.support.corpus import real_events


def test_every_attribute_of_an_event_finds_it_alone_and_all_together() -> None:
    for _, event in real_events("stratus-red-team"):
        attributes = [{"AttributeKey": key, "AttributeValue": value} for key, value in lookup_attributes(event)]
        view = lookup_view(event)

        assert compile_predicate(parse_lookup_attributes(attributes))(view)
        other = [*attributes, {"AttributeKey": "EventName", "AttributeValue": "Other"}]
        assert not compile_predicate(parse_lookup_attributes(other))(view)


def test_no_attribute_wants_every_event() -> None:
    assert compile_predicate(parse_lookup_attributes([]))({})


@pytest.mark.parametrize(
    "attribute", [{"AttributeKey": "Colour", "AttributeValue": "x"}, {"AttributeKey": "EventName"}]
)
def test_unknown_keys_and_empty_values_are_refused(attribute: dict[str, str]) -> None:
    with pytest.raises(InvalidLookupAttribute):
        parse_lookup_attributes([attribute])
