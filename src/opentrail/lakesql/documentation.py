"""The functions in docs/lake-sql.md: ``python -m opentrail.lakesql.documentation docs/lake-sql.md`` writes them."""

import sys
from pathlib import Path

from opentrail.lakesql.calls import SPECIAL_FORMS
from opentrail.lakesql.functions import SECTIONS

BEGIN, END = "<!-- functions -->", "<!-- end of functions -->"


def functions_table() -> str:
    """Return the allowed functions as Markdown, each with the forms that it takes."""
    lines = []
    for heading, forms in SECTIONS.items():
        lines += [f"**{heading}**: " + ", ".join(f"`{form}`" for form in sorted(forms, key=str)) + ".", ""]
    lines.append("**Of any type**: " + ", ".join(f"`{name}`" for name in sorted(SPECIAL_FORMS)) + ".")
    return "\n".join(lines)


def with_table(page: str) -> str:
    """Return the page with the table as it is now between its two marks."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n{functions_table()}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(with_table(path.read_text()))
