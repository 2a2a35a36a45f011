"""Question marks of a statement and the values in their place."""

import pytest

from opentrail.lakesql.errors import InvalidStatement
from opentrail.lakesql.parameters import bind


@pytest.mark.parametrize(
    ("statement", "values", "bound"),
    [
        ("SELECT ?", ["a"], "SELECT 'a'"),
        ("SELECT '?'", ["a"], "SELECT 'a'"),
        ("SELECT ?, '?'", ["it's", "?"], "SELECT 'it''s', '?'"),
        ("SELECT 'why?' AS \"what?\" -- ?\n /* ? */ , ?", ["x"], "SELECT 'why?' AS \"what?\" -- ?\n /* ? */ , 'x'"),
        ("SELECT '''?'''", [], "SELECT '''?'''"),
        ("SELECT 1", [], "SELECT 1"),
    ],
)
def test_marks_are_replaced_in_order_and_only_where_they_are_marks(
    statement: str, values: list[str], bound: str
) -> None:
    assert bind(statement, values) == bound


@pytest.mark.parametrize(("statement", "values"), [("SELECT ?", []), ("SELECT 1", ["a"]), ("SELECT ?, ?", ["a"])])
def test_as_many_values_as_marks_are_needed(statement: str, values: list[str]) -> None:
    with pytest.raises(InvalidStatement, match="parameters, and"):
        bind(statement, values)
