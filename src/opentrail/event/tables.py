"""Reading the reviewed tables that lie beside the code as JSON."""

from pathlib import Path
from typing import Any

import orjson


def load_table(folder: Path, name: str) -> dict[str, Any]:
    """Return the table ``name`` in ``folder`` without what is for its readers: ``_note`` says how rows read, ``source``
    where each part comes from. The files are part of the product."""
    table: dict[str, Any] = orjson.loads((folder / f"{name}.json").read_bytes())
    table.pop("_note", None)
    table.pop("source", None)
    return table
