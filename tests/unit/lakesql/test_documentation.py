"""The documentation of the functions is that of the code."""

from pathlib import Path

from opentrail.lakesql.documentation import with_table

PAGE = Path(__file__).parents[3] / "docs" / "lake-sql.md"


def test_the_page_lists_every_allowed_function_as_it_is() -> None:
    assert with_table(PAGE.read_text()) == PAGE.read_text(), "run: make docs"
