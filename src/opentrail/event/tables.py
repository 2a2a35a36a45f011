"""Reading the reviewed tables that lie beside the code as JSON."""

from pathlib import Path
from typing import Any

import orjson


def load_table(folder: Path, name: str) -> dict[str, Any]:
    """Return the table ``name`` in ``folder`` without its ``_note``. The files are part of the product."""
    table: dict[str, Any] = orjson.loads((folder / f"{name}.json").read_bytes())
    table.pop("_note", None)
    return table
