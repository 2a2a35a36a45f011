"""Lines in columns that fit the terminal: what matters least gives way first, and what is cut says so."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text

GAP = 2
"""Blanks between columns."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column. ``shrinks`` says when it gives way: the highest first, 0 never; it keeps ``least`` characters.

    ``width`` above 0 fixes it, for lines that come a few at a time and shall stay in line.
    """

    title: str
    shrinks: int = 0
    least: int = 8
    width: int = 0


def fit(columns: Sequence[Column], rows: Sequence[Sequence[Text]], terminal_width: int) -> list[int]:
    """Return each column's width so that the lines fit, as far as the least widths allow."""
    widths = []
    for number, column in enumerate(columns):
        needed = max([len(column.title), *(len(row[number]) for row in rows)])
        widths.append(column.width or needed)
    excess = sum(widths) + GAP * (len(widths) - 1) - terminal_width
    for number in sorted(range(len(columns)), key=lambda number: -columns[number].shrinks):
        if excess <= 0 or not columns[number].shrinks:
            break
        given = min(excess, max(0, widths[number] - columns[number].least))
        widths[number] -= given
        excess -= given
    return widths


def line(cells: Sequence[Text], widths: Sequence[int]) -> Text:
    """Return one line; a cell that is too long ends in an ellipsis, and nothing follows the last one."""
    joined = Text(no_wrap=True)
    for number, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        is_last = number == len(cells) - 1
        shown = cell if len(cell) <= width else Text.assemble(cell[: max(0, width - 1)], "…")
        joined.append_text(shown)
        if not is_last:
            joined.append(" " * (width - len(shown) + GAP))
    joined.rstrip()
    return joined
