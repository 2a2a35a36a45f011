"""Page tokens of the local history."""

from dataclasses import replace

import pytest

from opentrail.adapters.event_history.page_token import format_token, parse_token
from opentrail.adapters.event_history.rows import Place
from opentrail.ports.event_history import InvalidPageToken, LookupKey, LookupQuery

QUERY = LookupQuery("1", "r", ((LookupKey.USERNAME, "u"), (LookupKey.READ_ONLY, "true")))


def test_a_token_gives_its_place_back() -> None:
    place = Place(-1_715_342_400, "e81c-ü")

    assert parse_token(replace(QUERY, page_token=format_token(QUERY, place))) == place


def test_the_order_of_attributes_and_the_page_size_are_not_part_of_a_query() -> None:
    token = format_token(QUERY, Place(-1, "e"))

    turned = replace(QUERY, attributes=QUERY.attributes[::-1], max_results=7, page_token=token)

    assert parse_token(turned) == Place(-1, "e")


def test_any_changed_character_makes_a_token_invalid() -> None:
    token = format_token(QUERY, Place(-1_715_342_400, "0123456789"))

    for index, character in enumerate(token.rstrip("=")):
        changed = token[:index] + ("A" if character != "A" else "B") + token[index + 1 :]
        with pytest.raises(InvalidPageToken):
            parse_token(replace(QUERY, page_token=changed))


def test_half_a_character_in_a_value_is_a_value_like_any_other() -> None:
    query = replace(QUERY, attributes=((LookupKey.USERNAME, "\ud800"),))

    assert parse_token(replace(query, page_token=format_token(query, Place(-1, "e")))) == Place(-1, "e")
