"""Lines fit the terminal: what matters least gives way first, and what is cut says so."""

from rich.text import Text

from opentrail.cli.columns import Column, fit, line

COLUMNS = (
    Column("Event"),
    Column("User"),
    Column("Result", shrinks=1, least=6),
    Column("Resources", shrinks=2, least=9),
)


def a_row(*cells: str) -> list[Text]:
    return [Text(cell) for cell in cells]


def test_what_fits_is_shown_whole_and_nothing_trails() -> None:
    rows = [a_row("s3:DeleteBucket", "root", "ok", "figures")]
    widths = fit(COLUMNS, rows, 80)

    assert line(rows[0], widths).plain == "s3:DeleteBucket  root  ok      figures"


def test_the_resources_give_way_before_the_result_and_user_and_event_never() -> None:
    rows = [a_row("s3:CreateBucket", "somebody", "IllegalLocationConstraintException", "a-bucket-with-a-long-name")]

    at_70 = line(rows[0], fit(COLUMNS, rows, 70)).plain
    at_50 = line(rows[0], fit(COLUMNS, rows, 50)).plain

    assert at_70 == "s3:CreateBucket  somebody  IllegalLocationConstraintExcept…  a-bucket…"
    assert at_50.startswith("s3:CreateBucket  somebody  Illegal")
    assert len(at_70) == 70
    assert len(at_50) == 50


def test_fixed_columns_keep_later_lines_under_their_titles() -> None:
    fixed = tuple(Column(column.title, column.shrinks, column.least, 12) for column in COLUMNS)

    first = line(a_row("a", "b", "c", "d"), fit(fixed, [a_row("a", "b", "c", "d")], 60)).plain
    second = line(a_row("aaaaaa", "b", "c", "d"), fit(fixed, [a_row("aaaaaa", "b", "c", "d")], 60)).plain

    assert first.index("b") == second.index("b") == 14
